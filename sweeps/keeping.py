"""Keeps the best cells of a sweep: trained again, exactly, and written beside the store."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from storage import frames
from storage.records import SweepInfo
from storage.store import Store
from sweeps.errors import SweepError
from sweeps.imported import refuse_imported
from sweeps.keep_summary import KeepOptions, KeepSummary
from sweeps.keep_work import ASKED, BEST, KeepWork, Progress
from sweeps.sensitivity.best import rank_cells
from sweeps.spec_rules import KEEP_DEFAULT, check_keep

if TYPE_CHECKING:
    from sigmoidf1.features import Features

_SHORTEST_KEY = 6


def keep_best(
    store: Store,
    sweep: str,
    *,
    keep: int | str = KEEP_DEFAULT,
    features: Features | None = None,
    options: KeepOptions | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> KeepSummary:
    """Keep the best cells of each loss of a sweep, all their complete seeds.

    A cell's rank is that of :func:`sweeps.sensitivity.best.rank_cells`: the mean validation
    objective over seeds, clean cells first. What is kept already and still among the best stays;
    what fell out is removed, unless it was asked for by :func:`keep_cells`. Files are written
    whole, then their rows: a call that was killed or stopped loses the batch in hand only, and
    the next goes on.

    Heads train here, on threads of this process (or its GPU), and not as Ray tasks: the best
    cells of a sweep are a few tiles, and the features are in this process already.

    Args:
        store: an open store.
        sweep: the sweep's name.
        keep: cells of each loss; ``all`` of them, or ``none``, which changes nothing.
        features: those of the sweep where they are at hand; None loads them.
        options: where it runs.
        progress: called with (head-epochs done, all), from any thread.
        stop: once set, training ends within an epoch and the summary says ``interrupted``.

    Returns:
        What was done.

    Raises:
        SweepError: ``keep`` breaks its rule, or the data or the encoder are no longer those of
            the sweep.
        StoreError: the store or its kept folder cannot be used.

    Example:
        >>> with Store.open("sqlite:///sweeps.db") as store:             # doctest: +SKIP
        ...     keep_best(store, "movie-genres").written
        160
    """
    started = time.perf_counter()
    summary = KeepSummary(sweep=sweep)
    try:
        keep = check_keep(keep)
    except ValueError as error:
        raise SweepError(f"keep {error}") from error
    if keep == "none":
        return summary
    info = frames.load_sweep(store, sweep)
    refuse_imported(sweep, info.spec)
    cells = frames.load_cells(store, sweep)
    ranked = rank_cells(
        cells, frames.load_replicates(store, sweep), higher_is_better=_higher_is_better(info)
    )
    best = ranked if keep == "all" else ranked.groupby("loss", sort=False).head(int(keep))
    wanted = cells[cells["cell_id"].isin(best["cell_id"])]
    work = KeepWork(store, info, features, options or KeepOptions(), progress, stop)
    work.remove_others(set(wanted["key"]), summary)
    work.keep(wanted, BEST, summary)
    summary.seconds = time.perf_counter() - started
    return summary


def keep_cells(
    store: Store,
    sweep: str,
    cell_keys: Sequence[str],
    *,
    features: Features | None = None,
    options: KeepOptions | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> KeepSummary:
    """Keep the cells asked for, whatever their rank; :func:`keep_best` leaves them alone.

    Args:
        store: an open store.
        sweep: the sweep's name.
        cell_keys: keys, or what they begin with (at least six digits).
        features, options, progress, stop: as of :func:`keep_best`.

    Returns:
        What was done.

    Raises:
        SweepError: a key is unknown, or the data or encoder are no longer those of the sweep.
        StoreError: the store or its kept folder cannot be used.
    """
    started = time.perf_counter()
    summary = KeepSummary(sweep=sweep)
    info = frames.load_sweep(store, sweep)
    refuse_imported(sweep, info.spec)
    cells = frames.load_cells(store, sweep)
    keys = [find_cell(cells, key, sweep) for key in cell_keys]
    wanted = cells[cells["key"].isin(keys)]
    work = KeepWork(store, info, features, options or KeepOptions(), progress, stop)
    work.keep(wanted, ASKED, summary)
    if not summary.written and not summary.present and not summary.interrupted:
        _refuse_empty(summary, sweep)
    summary.seconds = time.perf_counter() - started
    return summary


def find_cell(cells: pd.DataFrame, key: str, sweep: str) -> str:
    """Return the whole key of the one cell whose key begins with ``key``.

    Raises:
        SweepError: none does, or several do.
    """
    found = [str(known) for known in cells["key"] if str(known).startswith(key)]
    if len(found) == 1 and (len(key) >= _SHORTEST_KEY or found[0] == key):
        return found[0]
    what = f"{len(found)} cells" if found else "none"
    raise SweepError(
        f"A cell is named by its key, or its first {_SHORTEST_KEY} digits or more, but {key!r} "
        f"names {what} of sweep {sweep!r}. `sigmoidf1 export best` prints keys as cell_key."
    )


def _higher_is_better(info: SweepInfo) -> bool:
    directions = {entry["name"]: bool(entry["higher_is_better"]) for entry in info.metrics}
    return directions[info.objective["metric"]]


def _refuse_empty(summary: KeepSummary, sweep: str) -> None:
    if summary.refused:
        raise SweepError(
            f"Cells of {sweep!r} must train to what is stored, but: {summary.refused[0]}. "
            "Is this another processor, another GPU or another version?"
        )
    raise SweepError(
        f"A cell is kept once it has a complete seed, but none of those asked for in {sweep!r} "
        "has one. Run the sweep to its end, or name another cell."
    )
