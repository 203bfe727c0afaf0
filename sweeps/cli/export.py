"""``sigmoidf1 export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweeps.cli import options

app = typer.Typer(help="Take results away.", no_args_is_help=True, rich_markup_mode="rich")


@app.command(epilog="Example: sigmoidf1 export best --format json -o best.json")
def best(
    store: options.Store = options.DEFAULT_STORE,
    sweep: options.Sweeps = None,
    dataset: Annotated[
        list[str] | None, typer.Option(help="Only this dataset. May be repeated.")
    ] = None,
    loss: Annotated[list[str] | None, typer.Option(help="Only this loss. May be repeated.")] = None,
    format_: Annotated[
        options.ExportFormat | None,
        typer.Option("--format", help="Default: by the file's ending, else yaml."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file to write (default: print).")
    ] = None,
) -> None:
    """Export the best cell of each loss: the highest mean validation objective over seeds."""
    from storage.store import Store
    from sweeps.export import export_best, format_export, write_export

    with Store.open(store, create=False, read_only=True) as opened:
        result = export_best(opened, sweeps=sweep, datasets=dataset, losses=loss)
    chosen = format_.value if format_ else _format_of(output)
    if output is None:
        typer.echo(format_export(result, chosen), nl=False)
        return
    path = write_export(result, output, chosen)
    typer.echo(f"Wrote {path}: {len(result['results'])} best cells.")


def _format_of(output: Path | None) -> str:
    known = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".csv": "csv"}
    return known.get(output.suffix.lower(), "yaml") if output else "yaml"
