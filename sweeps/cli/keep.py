"""``sigmoidf1 sweep keep``."""

from __future__ import annotations

import threading
from typing import Annotated

import typer

from sweeps.cli import options
from sweeps.cli.tables import print_json

EXAMPLE = "Example: sigmoidf1 sweep keep movie-genres --best 20"


def keep(
    name: Annotated[str, typer.Argument(help="The sweep's name.")],
    cell: Annotated[
        list[str] | None,
        typer.Option(help="Keep this cell too: its key, or how it begins. May be repeated."),
    ] = None,
    best: Annotated[
        str | None,
        typer.Option(
            metavar="N|all|none",
            help="Cells of each loss, by the mean over seeds (default: the spec's keep).",
        ),
    ] = None,
    store: options.Store = options.DEFAULT_STORE,
    threads: options.Threads = None,
    device: options.Device = options.TrainingDevice.cpu,
    cache_dir: options.CacheDir = None,
    json: options.Json = False,
) -> None:
    """Keep weights and probabilities of cells: train them again, exactly, into files.

    Without --cell, the best cells of each loss are kept and others are not any more; files that
    are there are checked byte by byte, and those missing or altered are made anew. With --cell,
    only these cells are added, and stay until the sweep is deleted.
    """
    from dataclasses import asdict

    from storage.store import Store
    from sweeps.cli.progress import heads_bar
    from sweeps.interrupt import graceful_stop
    from sweeps.keep_summary import KeepOptions, keep_words
    from sweeps.keeping import keep_best, keep_cells
    from sweeps.spec_rules import KEEP_DEFAULT

    if cell and best is not None:
        raise typer.BadParameter("give --cell or --best, not both.")
    wanted = KeepOptions(threads=threads, device=device.value, cache_dir=cache_dir, check=True)
    stop = threading.Event()
    with (
        Store.open(store, create=False) as opened,
        heads_bar("keeping", quiet=json) as progress,
        graceful_stop(stop, lambda: typer.echo("Stopping.", err=True)),
    ):
        if cell:
            summary = keep_cells(opened, name, cell, options=wanted, progress=progress, stop=stop)
        else:
            number = _number(best) or opened.sweep(name).spec.get("keep", KEEP_DEFAULT)
            summary = keep_best(
                opened, name, keep=number, options=wanted, progress=progress, stop=stop
            )
    if json:
        print_json(asdict(summary))
    else:
        for line in keep_words(summary):
            typer.echo(line)
    if summary.interrupted:
        raise typer.Exit(130)
    if summary.refused:
        raise typer.Exit(1)


def _number(text: str | None) -> int | str | None:
    if text is None or text in ("all", "none"):
        return text
    if not text.isdecimal():
        raise typer.BadParameter(
            f"best must be a number, all or none, but got {text!r}.", param_hint="--best"
        )
    return int(text) or "none"
