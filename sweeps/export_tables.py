"""Tables of all that a sweep has measured, for other tools: cells, replicates, curves."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from storage.curve_stream import iter_curves
from storage.frames import load_cells, load_replicates, load_scores
from storage.store import Store

SPLITS = ("validation", "test")
_PARAMETER = "param_"


def cell_table(
    store: Store,
    name: str,
    losses: Sequence[str] | None = None,
    threshold: float | None = None,
) -> pd.DataFrame:
    """One row a cell: its setting and its means over the seeds that completed.

    Args:
        store: the store.
        name: the sweep's name.
        losses: only these losses; None for all.
        threshold: of the metrics; None is the objective's.

    Returns:
        sweep, cell_key, loss, one ``param_…`` column a setting, head (JSON), status,
        n_replicates, n_complete, objective_mean, objective_sd (n - 1), and
        ``<split>_<metric>``, the mean over the complete seeds, for both splits.
    """
    cells = load_cells(store, name, losses).set_index("cell_id")
    replicates = replicate_table(store, name, losses, threshold)
    complete = replicates[replicates["state"] == "complete"].groupby("cell_id")
    table = _setting_columns(cells, name)
    table["n_replicates"] = replicates.groupby("cell_id").size().reindex(table.index).array
    table["n_complete"] = complete.size().reindex(table.index, fill_value=0).array
    table["objective_mean"] = complete["objective"].mean().reindex(table.index).array
    table["objective_sd"] = complete["objective"].std(ddof=1).reindex(table.index).array
    prefixes = tuple(f"{split}_" for split in SPLITS)
    measured = [c for c in map(str, replicates) if c.startswith(prefixes)]
    means = complete[measured].mean().reindex(table.index)
    return pd.concat([table, means], axis=1).reset_index(drop=True)


def replicate_table(
    store: Store,
    name: str,
    losses: Sequence[str] | None = None,
    threshold: float | None = None,
) -> pd.DataFrame:
    """One row a replicate: its setting, seed, state, diagnostics and metrics.

    Args:
        store: the store.
        name: the sweep's name.
        losses: only these losses; None for all.
        threshold: of the metrics; None is the objective's. Metrics that are kept at the
            objective's threshold alone are left out at another.

    Returns:
        sweep, cell_key, loss, ``param_…``, head, status, then the columns of
        :func:`storage.frames.load_replicates`, then ``<split>_<metric>``.
    """
    cells = _setting_columns(load_cells(store, name, losses).set_index("cell_id"), name)
    replicates = load_replicates(store, name, losses).drop(columns=["loss"])
    table = cells.reindex(replicates["cell_id"]).reset_index(drop=True)
    parts: list[pd.DataFrame | pd.Series[Any]] = [table, replicates]
    for metric in store.sweep(name).metrics:
        if threshold is not None and metric["thresholded"] and not metric["curve"]:
            continue
        for split in SPLITS:
            scores = load_scores(
                store, name, split=split, metric=metric["name"], threshold=threshold, losses=losses
            )
            parts.append(scores["value"].rename(f"{split}_{metric['name']}"))
    return pd.concat(parts, axis=1)


def curve_tables(
    store: Store, name: str, losses: Sequence[str] | None = None
) -> Iterator[pd.DataFrame]:
    """The per-epoch curves, one row an epoch of a curve of a replicate, some packs at a time."""
    for frame in iter_curves(store, name, losses):
        frame.insert(0, "sweep", name)
        yield frame


def _setting_columns(cells: pd.DataFrame, name: str) -> pd.DataFrame:
    settings = [column for column in map(str, cells) if column.startswith(_PARAMETER)]
    table = cells[["key", "loss", *settings]].rename(columns={"key": "cell_key"})
    table.insert(0, "sweep", name)
    for column in settings:
        if table[column].dtype == object:
            table[column] = [_plain(value) for value in table[column]]
    table["head"] = [json.dumps(head, sort_keys=True) for head in cells["head"]]
    table["status"] = cells["status"]
    return table


def _plain(value: Any) -> str | None:
    """A setting of mixed kinds as text: a column has one type in every format."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return value if isinstance(value, str) else json.dumps(value)
