"""The cell and threshold of each loss that validation chooses together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dashboards.figures.grid import FigureError
from dashboards.figures.heatmap_cells import LossPlan, load_plan, load_values
from dashboards.figures.selection import describe_metric
from dashboards.naming import metric_name
from dashboards.source import Source
from storage.records import OPEN_STATES, SweepInfo
from storage.seed_arrays import NOT_PLANNED
from sweeps.sensitivity.seed_table import row_means

TUNED_RULE = (
    "best mean over seeds on validation over all cells and all kept thresholds at once, each cell "
    "with its own threshold, among the cells whose every seed is complete"
)


class TunedCell(NamedTuple):
    """The best cell of a loss when every cell has its own threshold.

    Attributes:
        cell_id: the cell.
        threshold: the threshold it was chosen with.
        mean: mean over seeds of the objective's metric on validation there; a maximum over cells
            and thresholds, so biased upwards.
    """

    cell_id: int
    threshold: float
    mean: float


def tuned_cells(source: Source, sweep: str) -> dict[str, TunedCell]:
    """Return, for each loss, the cell and threshold that are best on validation together.

    ``argmax over (k, t) of (1/S) Σ_s f_s(k, t)``, f the objective's metric on validation. Of equal
    values the lowest threshold and the first cell of the plan is taken. Losses without a cell
    whose every seed is complete are chosen among their finished cells with a value.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.

    Returns:
        Loss to its cell; losses without any finished cell are left out.

    Raises:
        FigureError: the objective's metric is not kept at every threshold.
        StoreError: the store cannot be read, or has no such sweep.

    Source: the paper tunes on validation and reports on test (Section 5.3); its Table 4 moves the
    threshold after training, here it is chosen together with the cell.
    """
    info = source.sweep(sweep)
    described = describe_metric(info, info.objective["metric"])
    if not described["curve"]:
        raise FigureError(
            f"A threshold can be tuned for a metric kept at every threshold, but the objective is "
            f"{metric_name(described['name'])}. Choose a fixed threshold."
        )
    higher = bool(described["higher_is_better"])
    found = {}
    for loss in source.losses(sweep):
        chosen = _choose(source, info, loss, higher)
        if chosen is not None:
            found[loss] = chosen
    return found


def _choose(source: Source, info: SweepInfo, loss: str, higher: bool) -> TunedCell | None:
    metric, sign = str(info.objective["metric"]), 1.0 if higher else -1.0
    plan = load_plan(source, info.name, loss)
    rows = _candidates(plan)
    best: TunedCell | None = None
    for threshold in info.thresholds if len(rows) else ():
        values = load_values(source, info.name, loss, metric, "validation", float(threshold))
        means = sign * row_means(values[rows])
        means[~np.isfinite(means)] = -np.inf
        row = int(np.argmax(means))
        if means[row] > (-np.inf if best is None else sign * best.mean):
            cell_id = int(plan.cell_ids[rows[row]])
            best = TunedCell(cell_id, float(threshold), sign * float(means[row]))
    return best


def _candidates(plan: LossPlan) -> np.ndarray:
    """Return the rows of the cells that may be chosen."""
    planned = (plan.states != NOT_PLANNED).sum(axis=1)
    complete = plan.in_state("complete").sum(axis=1)
    whole = (complete == planned) & (planned > 0)
    if whole.any():
        return np.flatnonzero(whole)
    return np.flatnonzero(~plan.in_state(*OPEN_STATES).any(axis=1) & (complete > 0))
