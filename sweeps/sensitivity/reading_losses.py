"""Reads from a store what comparisons of losses and of datasets need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from storage import frames
from storage.records import SweepInfo
from storage.store import Store
from sweeps.errors import SweepError
from sweeps.sensitivity.analysis_data import ThresholdCurves
from sweeps.sensitivity.datasets import Transfer, transfer_regret
from sweeps.sensitivity.losses import LossComparison, LossEntry, compare_losses
from sweeps.sensitivity.reading import find_metric, load_threshold_curves
from sweeps.sensitivity.seed_table import seed_table
from sweeps.wording import suggestion


def compare_stored(
    store: Store,
    sweep: str,
    *,
    losses: Sequence[str] | None = None,
    metric: str | None = None,
    threshold: float | None = None,
    curves: bool | Mapping[str, ThresholdCurves] = True,
    level: float = 0.95,
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

    Returns:
        The comparison.

    Raises:
        SweepError: the sweep has no such metric or loss.
        StoreError: the sweep or threshold is not there.
    """
    info = frames.load_sweep(store, sweep)
    name, entry = find_metric(info, metric)
    cells = frames.load_cells(store, sweep)
    known = list(dict.fromkeys(cells["loss"]))
    entries = {}
    for loss in known if losses is None else losses:
        if loss not in known:
            raise SweepError(f"Unknown loss {loss!r}. {suggestion(loss, known)}")
        own = cells[cells["loss"] == loss]
        tables = {
            split: seed_table(
                own,
                frames.load_scores(
                    store, sweep, split=split, metric=name, threshold=threshold, losses=[loss]
                ),
                value="value",
            )
            for split in ("validation", "test")
        }
        entries[loss] = LossEntry(
            tables["validation"],
            tables["test"],
            _curves(store, info, own, loss, entry, curves),
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


def _curves(
    store: Store,
    info: SweepInfo,
    cells: pd.DataFrame,
    loss: str,
    entry: Mapping[str, Any],
    curves: bool | Mapping[str, ThresholdCurves],
) -> ThresholdCurves | None:
    if isinstance(curves, Mapping):
        return curves.get(loss)
    wanted = curves and entry["curve"]
    return load_threshold_curves(store, info, cells, loss, entry["name"]) if wanted else None


def transfer_stored(
    store: Store, sweeps: Sequence[str], loss: str, *, metric: str | None = None
) -> Transfer:
    """Return the regret of carrying one sweep's best cell of a loss to another sweep's dataset.

    Args:
        store: an open store.
        sweeps: names of sweeps, one a dataset, with cells in common.
        loss: the loss.
        metric: the first sweep's objective by default; at each sweep's own threshold.

    Returns:
        The matrix, rows and columns named by dataset, with the sweep where a dataset occurs twice.

    Raises:
        SweepError: a sweep has no such metric.
        StoreError: a sweep is not there.
    """
    values: dict[str, dict[str, pd.Series[Any]]] = {"validation": {}, "test": {}}
    infos = [frames.load_sweep(store, sweep) for sweep in sweeps]
    datasets = [info.dataset for info in infos]
    higher = True
    for info in infos:
        name, entry = find_metric(info, metric or str(infos[0].objective["metric"]))
        higher = bool(entry["higher_is_better"])
        twice = datasets.count(info.dataset) > 1
        label = f"{info.dataset} ({info.name})" if twice else info.dataset
        cells = frames.load_cells(store, info.name, losses=[loss])
        ordered = cells.sort_values(["ordinal", "cell_id"], kind="stable")
        for split, by_dataset in values.items():
            rows = frames.load_scores(store, info.name, split=split, metric=name, losses=[loss])
            table = seed_table(cells, rows, value="value")
            means = np.where(table.clean, table.means, np.nan)
            by_dataset[label] = pd.Series(means, index=list(ordered["key"]))
    return transfer_regret(values["validation"], values["test"], higher_is_better=higher)
