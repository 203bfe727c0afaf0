"""Reads from a store what comparisons of losses and of datasets need."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from storage import frames
from storage.records import SweepInfo
from storage.store import Store
from sweeps.errors import SweepError
from sweeps.sensitivity.analysis_data import ThresholdCurves, Unavailable
from sweeps.sensitivity.comparison import paired_difference
from sweeps.sensitivity.datasets import Transfer, transfer_regret
from sweeps.sensitivity.losses import LossComparison, LossEntry, compare_losses
from sweeps.sensitivity.reading import find_metric, read_curves
from sweeps.sensitivity.seed_table import FloatArray, seed_table
from sweeps.sensitivity.sweep_frames import SweepFrames
from sweeps.wording import suggestion


def compare_stored(
    store: Store,
    sweep: str,
    *,
    losses: Sequence[str] | None = None,
    metric: str | None = None,
    threshold: float | None = None,
    curves: bool | Mapping[str, ThresholdCurves | Unavailable | None] = True,
    level: float = 0.95,
    read: SweepFrames | None = None,
) -> LossComparison:
    """Compare the losses of a stored sweep, chosen on validation and read on test.

    Args:
        store: an open store.
        sweep: the sweep's name.
        losses: only these; all when None.
        metric: the objective's by default.
        threshold: a kept one; the objective's by default.
        curves: also with every threshold tuned; or each loss's curves, read before.
        level: nominal coverage of intervals.
        read: what was read of the sweep before.

    Returns:
        The comparison.

    Raises:
        SweepError: the sweep has no such metric or loss.
        StoreError: the sweep or threshold is not there.
    """
    read = read or SweepFrames(store, sweep)
    info, cells = read.info, read.cells
    name, entry = find_metric(info, metric)
    # As the analyses of the losses ask for it.
    cut = None
    if entry["thresholded"]:
        cut = float(info.objective["threshold"]) if threshold is None else float(threshold)
    known = list(dict.fromkeys(cells["loss"]))
    entries = {}
    for loss in known if losses is None else losses:
        if loss not in known:
            raise SweepError(f"Unknown loss {loss!r}. {suggestion(loss, known)}")
        own = cells[cells["loss"] == loss]
        tables = {
            split: seed_table(own, read.scores(loss, split, name, cut), value="value")
            for split in ("validation", "test")
        }
        found = (
            curves.get(loss)
            if isinstance(curves, Mapping)
            else read_curves(store, info, own, loss, entry, curves)
        )
        entries[loss] = LossEntry(
            tables["validation"],
            tables["test"],
            found if isinstance(found, ThresholdCurves) else None,
        )
    return compare_losses(
        entries,
        higher_is_better=bool(entry["higher_is_better"]),
        baselines={
            kind: by_split["test"][name]
            for kind, by_split in info.baselines.items()
            if name in by_split.get("test", {})
        },
        level=level,
    )


def transfer_stored(
    store: Store,
    sweeps: Sequence[str],
    loss: str,
    *,
    metric: str | None = None,
    threshold: float | None = None,
) -> Transfer:
    """Return the regret of carrying one sweep's best cell of a loss to another sweep's dataset.

    Cells of different sweeps are the same when their hyperparameters and head are, and those
    training settings that vary within a sweep; a setting that each sweep has one value of (epochs
    for its dataset, say) goes with the dataset.

    Args:
        store: an open store.
        sweeps: names of sweeps, one a dataset, with cells in common.
        loss: the loss.
        metric: the first sweep's objective by default.
        threshold: a kept one; each sweep's own by default.

    Returns:
        The matrix, rows and columns named by dataset, with the sweep where a dataset occurs twice.

    Raises:
        SweepError: a sweep has no such metric.
        StoreError: a sweep or the threshold is not there.
    """
    values: dict[str, dict[str, pd.Series[Any]]] = {"validation": {}, "test": {}}
    by_seed: dict[str, dict[str, FloatArray]] = {}
    infos = [frames.load_sweep(store, sweep) for sweep in sweeps]
    labels = dataset_labels(infos)
    cells = [
        frames.load_cells(store, info.name, losses=[loss]).sort_values(
            ["ordinal", "cell_id"], kind="stable"
        )
        for info in infos
    ]
    varying = set().union(*(_varying_training(own) for own in cells))
    higher = True
    for info, label, own in zip(infos, labels, cells, strict=True):
        name, entry = find_metric(info, metric or str(infos[0].objective["metric"]))
        higher = bool(entry["higher_is_better"])
        settings = [_setting(row, varying) for row in own.to_dict("records")]
        for split, by_dataset in values.items():
            rows = frames.load_scores(
                store, info.name, split=split, metric=name, threshold=threshold, losses=[loss]
            )
            table = seed_table(own, rows, value="value")
            means = np.where(table.clean & ~table.stopped, table.means, np.nan)
            by_dataset[label] = pd.Series(means, index=settings)
            by_seed[label] = dict(zip(settings, table.values, strict=True))
    found = transfer_regret(values["validation"], values["test"], higher_is_better=higher)
    if not found.n_common:
        return found
    sign = 1.0 if higher else -1.0
    paired = {
        (chosen, used): paired_difference(
            sign * by_seed[used][found.best[used]], sign * by_seed[used][found.best[chosen]]
        )
        for chosen in found.datasets
        for used in found.datasets
        if chosen != used
    }
    return dataclasses.replace(found, paired=paired)


def dataset_labels(infos: Sequence[SweepInfo]) -> list[str]:
    """Return a name for each sweep: its dataset, with the sweep where that occurs twice."""
    datasets = [info.dataset for info in infos]
    return [
        f"{info.dataset} ({info.name})" if datasets.count(info.dataset) > 1 else info.dataset
        for info in infos
    ]


def _varying_training(cells: pd.DataFrame) -> set[str]:
    columns = pd.DataFrame(cells["training"].tolist())
    return {str(name) for name in columns if len(set(map(repr, columns[name]))) > 1}


def _setting(row: Mapping[Any, Any], varying: set[str]) -> str:
    """A text that two cells share when they differ in nothing but their dataset's training."""
    training = {name: row["training"].get(name) for name in varying}
    plain = {"settings": {**training, **row["hyperparameters"]}, "head": row["head"]}
    return json.dumps(plain, sort_keys=True, default=str)
