"""``sigmoidf1 report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweeps.cli import options

EXAMPLE = "Example: sigmoidf1 report -o report.html --sweep movie-genres"


def report(
    output: Annotated[Path, typer.Option("-o", "--output", help="The HTML file to write.")],
    store: options.Store = options.DEFAULT_STORE,
    sweep: options.Sweeps = None,
) -> None:
    """Write a self-contained HTML report: best cells, box plots, maps, and how sure they are."""
    from dashboards.report import write_report

    path = write_report(store, output, sweeps=sweep)
    typer.echo(f"Wrote {path} ({path.stat().st_size / 1e6:.1f} MB). Open it in a browser.")
