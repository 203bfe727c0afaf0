"""``sigmoidf1 export`` cells, replicates, curves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cli import options

if TYPE_CHECKING:
    import pandas as pd

    from storage.store import Store

CELLS_EXAMPLE = "Example: sigmoidf1 export cells --sweep movie-genres -o cells.parquet"
REPLICATES_EXAMPLE = "Example: sigmoidf1 export replicates --threshold 0.5 -o replicates.csv"
CURVES_EXAMPLE = "Example: sigmoidf1 export curves --loss focal --format json"

Losses = Annotated[
    list[str] | None, typer.Option("--loss", help="Only this loss. May be repeated.")
]
Threshold = Annotated[
    float | None,
    typer.Option(help="Of the metrics: one that is kept (default: the objective's)."),
]
Format = Annotated[
    options.TableFormat | None,
    typer.Option("--format", help="Default: by the file's ending, else csv."),
]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", help="The file to write (default: print).")
]


def cells(
    store: options.Store = options.DEFAULT_STORE,
    sweep: options.Sweeps = None,
    loss: Losses = None,
    threshold: Threshold = None,
    format_: Format = None,
    output: Output = None,
) -> None:
    """Export one row a cell: its setting, and the means over its seeds on both splits."""
    from sweeps.export_tables import cell_table

    _export_whole(
        store, sweep, format_, output, lambda s, name: cell_table(s, name, loss, threshold)
    )


def replicates(
    store: options.Store = options.DEFAULT_STORE,
    sweep: options.Sweeps = None,
    loss: Losses = None,
    threshold: Threshold = None,
    format_: Format = None,
    output: Output = None,
) -> None:
    """Export one row a replicate: its setting, seed, state, times, diagnostics and metrics."""
    from sweeps.export_tables import replicate_table

    _export_whole(
        store, sweep, format_, output, lambda s, name: replicate_table(s, name, loss, threshold)
    )


def curves(
    store: options.Store = options.DEFAULT_STORE,
    sweep: options.Sweeps = None,
    loss: Losses = None,
    format_: Format = None,
    output: Output = None,
) -> None:
    """Export the learning curves: one row an epoch of each curve of each replicate."""
    from storage.store import Store
    from sweeps.export_tables import curve_tables

    with Store.open(store, create=False, read_only=True) as opened:
        names = _names(opened, sweep)
        frames = (frame for name in names for frame in curve_tables(opened, name, loss))
        _write(frames, format_, output)


def _export_whole(
    store: str,
    sweep: list[str] | None,
    format_: options.TableFormat | None,
    output: Path | None,
    table: Callable[[Store, str], pd.DataFrame],
) -> None:
    """All sweeps in one table, because their columns differ."""
    import pandas as pd

    from storage.store import Store

    with Store.open(store, create=False, read_only=True) as opened:
        tables = [table(opened, name) for name in _names(opened, sweep)]
    _write(iter([pd.concat(tables, ignore_index=True)] if tables else []), format_, output)


def _names(store: Store, wanted: list[str] | None) -> list[str]:
    names = wanted or store.sweep_names()
    for name in names:
        store.sweep_id(name)  # an unknown one is told before anything is written
    return names


def _write(
    frames: Iterator[pd.DataFrame], format_: options.TableFormat | None, output: Path | None
) -> None:
    from sweeps.table_files import open_writer

    suffix = output.suffix.lower().lstrip(".") if output else ""
    known = {kind.value for kind in options.TableFormat}
    kind = format_.value if format_ else suffix if suffix in known else "csv"
    rows = 0
    with open_writer(kind, output, sys.stdout) as writer:
        for frame in frames:
            writer.write(frame)
            rows += len(frame)
    if output is not None:
        typer.echo(f"Wrote {output}: {rows} rows.")
