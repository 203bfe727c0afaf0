"""What every figure asks of a sweep: its metrics, its thresholds, the best cell of each loss."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dashboards.figures.grid import PREFIX, FigureError, setting_key, varying_parameters
from storage.records import SweepInfo
from sweeps.sensitivity.best import best_cells

# Two thresholds closer than this are one.
_SAME = 1e-9

# The panels of the paper's Figures 4-7.
PAPER_METRICS = ("weighted_f1", "micro_f1", "macro_f1", "macro_precision", "map")

RULE = (
    "best mean over seeds among the cells whose every seed is complete, or, where a loss has "
    "none, among its finished cells over their complete seeds"
)


class BestCell(NamedTuple):
    """The cell of a loss with the best mean objective over its ``n`` complete seeds.

    ``settings`` holds what differs among the cells it was chosen from.
    """

    cell_id: int
    loss: str
    settings: Mapping[str, Any]
    mean: float
    sd: float
    n: int
    planned: int


def describe_metric(info: SweepInfo, metric: str) -> Mapping[str, Any]:
    """Return name, direction and kind of one metric of the sweep.

    Raises:
        FigureError: the sweep has no such metric.
    """
    known = {described["name"]: described for described in info.metrics}
    if metric not in known:
        near = difflib.get_close_matches(metric, known, n=1)
        hint = f"Did you mean '{near[0]}'? " if near else ""
        raise FigureError(
            f"A metric must be one the sweep kept, but got '{metric}'. {hint}"
            f"Known: {', '.join(sorted(known))}."
        )
    return known[metric]


def known_threshold(
    info: SweepInfo, described: Mapping[str, Any], threshold: float | None
) -> float | None:
    """Return the kept threshold to read, or None for the exact scores at the objective's.

    Args:
        info: the sweep.
        described: the metric, from `describe_metric`.
        threshold: the threshold asked for; the nearest kept one is taken. None, and any
            threshold for a metric that is not kept as a curve, is the objective's.

    Raises:
        FigureError: the threshold is not a number between 0 and 1.
    """
    if threshold is not None and not 0.0 < threshold < 1.0:
        raise FigureError(
            f"A threshold must lie between 0 and 1, but got {threshold:g}. "
            f"Choose one of the {len(info.thresholds)} kept ones."
        )
    if threshold is None or not described["curve"] or not len(info.thresholds):
        return None
    kept = np.asarray(info.thresholds, dtype=float)
    nearest = float(kept[np.argmin(np.abs(kept - threshold))])
    return None if abs(nearest - info.objective["threshold"]) < _SAME else nearest


def best_of_losses(
    info: SweepInfo, cells: pd.DataFrame, replicates: pd.DataFrame
) -> dict[str, BestCell]:
    """Return the best cell of each loss that has one, in the order of the plan.

    The objective is read on its own split and threshold whatever a figure shows: choose on
    validation, report on test. The rule is that of `sweeps.sensitivity.best.best_cells`.
    """
    if cells.empty or replicates.empty:
        return {}
    better = describe_metric(info, info.objective["metric"])["higher_is_better"]
    found = {}
    for loss, row in best_cells(cells, replicates, higher_is_better=better).iterrows():
        of_loss = cells[cells["loss"] == loss]
        cell = of_loss[of_loss["cell_id"] == row["cell_id"]].iloc[0]
        found[str(loss)] = BestCell(
            cell_id=int(row["cell_id"]),
            loss=str(loss),
            settings={
                name: setting_key(cell[PREFIX + name]) for name in varying_parameters(of_loss)
            },
            mean=float(row["mean"]),
            sd=float(row["sd"]),
            n=int(row["n"]),
            planned=int(row["n_planned"]),
        )
    return found


def best_cell(info: SweepInfo, cells: pd.DataFrame, replicates: pd.DataFrame) -> BestCell | None:
    """Return the best cell of one loss among ``cells``, or None while none is finished."""
    return next(iter(best_of_losses(info, cells, replicates).values()), None)
