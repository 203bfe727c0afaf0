"""Every cell of a sweep as one row: settings, seeds, spread, and what became of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from dashboards.figures.captions import FigureText, threshold_fact
from dashboards.figures.grid import FigureError
from dashboards.figures.heatmap_cells import LossPlan, load_collapsed, load_plan, load_values
from dashboards.figures.selection import describe_metric, known_threshold
from dashboards.naming import metric_name
from dashboards.source import Source
from storage.records import STATES, SweepInfo
from storage.seed_arrays import NOT_PLANNED
from sweeps.sensitivity.intervals import seed_intervals
from sweeps.sensitivity.seed_table import row_means, row_variances

LEVEL = 0.95
COLLAPSED = ("predicts nothing", "predicts everything")


class CellsData(NamedTuple):
    """Every cell at one metric, split and threshold.

    Attributes:
        sweep: name of the sweep.
        metric: the metric.
        higher_is_better: its direction.
        split: the split.
        threshold: the threshold; None for a metric that takes none.
        parameters: the settings that vary within a loss, in the order of the spec.
        states: the states that some replicate is in.
        frame: one row a cell in the order of the plan: ``cell_id``, ``loss``, one column
            a parameter (None where the loss does not have it), ``n``, ``planned``, ``mean``,
            ``sd``, ``low``, ``high`` (of the mean, over seeds), one count a state, ``collapsed``,
            ``status``, and ``rank`` (1 is best; NaN without a value).
    """

    sweep: str
    metric: str
    higher_is_better: bool
    split: str
    threshold: float | None
    parameters: tuple[str, ...]
    states: tuple[str, ...]
    frame: pd.DataFrame


def cells_data(
    source: Source,
    sweep: str,
    *,
    loss: str | None = None,
    metric: str | None = None,
    split: str = "validation",
    threshold: float | None = None,
) -> CellsData:
    """Collect every cell with its mean, sd and interval over seeds.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.
        loss: only this loss; all by default.
        metric: a metric of the sweep; its objective's by default.
        split: ``validation`` or ``test``.
        threshold: a kept threshold in (0, 1); the objective's by default.

    Returns:
        The rows; the mean is over complete seeds, every other state is counted and never averaged.

    Raises:
        FigureError: unknown loss, metric or threshold.
        StoreError: the store cannot be read, or has no such sweep.

    Example:
        >>> data = cells_data(Source("sqlite:///sweeps.db"), "films", loss="asl")  # doctest: +SKIP
        >>> data.frame.nsmallest(3, "rank")[["cell_id", "mean"]]                   # doctest: +SKIP
    """
    info = source.sweep(sweep)
    known = source.losses(sweep)
    if loss is not None and loss not in known:
        raise FigureError(
            f"The sweep must hold the loss, but got '{loss}'. Known: {', '.join(known)}."
        )
    described = describe_metric(info, metric or info.objective["metric"])
    name = str(described["name"])
    at = known_threshold(info, described, threshold)
    losses = known if loss is None else [loss]
    plans = {one: load_plan(source, sweep, one) for one in losses}
    parameters = tuple(
        dict.fromkeys(name for plan in plans.values() for name in plan.settings.varying)
    )
    frames = [
        _frame(source, info, one, plan, name, split, at, parameters) for one, plan in plans.items()
    ]
    frame = pd.concat(frames, ignore_index=True)
    states = tuple(state for state in STATES if frame[state].any())
    signed = -frame["mean"] if described["higher_is_better"] else frame["mean"]
    frame["rank"] = signed.rank(method="min")
    shown = float(info.objective["threshold"]) if at is None else at
    return CellsData(
        sweep,
        name,
        bool(described["higher_is_better"]),
        split,
        shown if described["thresholded"] else None,
        parameters,
        states,
        frame,
    )


def _frame(
    source: Source,
    info: SweepInfo,
    loss: str,
    plan: LossPlan,
    metric: str,
    split: str,
    at: float | None,
    parameters: tuple[str, ...],
) -> pd.DataFrame:
    """Return the rows of one loss."""
    values = load_values(source, info.name, loss, metric, split, at)
    mean, variance = row_means(values), row_variances(values)
    n = np.isfinite(values).sum(axis=1)
    interval = seed_intervals(mean, variance, n, level=LEVEL)
    return pd.DataFrame(
        {
            "cell_id": plan.cell_ids,
            "loss": np.full(len(n), loss, dtype=object),
            **{name: _settings(plan, name) for name in parameters},
            "n": n,
            "planned": (plan.states != NOT_PLANNED).sum(axis=1),
            "mean": mean,
            "sd": np.sqrt(variance),
            "low": interval.low,
            "high": interval.high,
            **{state: plan.in_state(state).sum(axis=1) for state in STATES},
            "collapsed": _collapsed(source, info, loss, plan, split, at),
            "status": _status(plan),
        }
    )


def _settings(plan: LossPlan, name: str) -> np.ndarray:
    """Return one setting a cell: None where the loss does not have it, "none" where it is off."""
    if name not in plan.settings.values:
        return np.full(len(plan.cell_ids), None, dtype=object)
    known = ["none" if value is None else value for value in plan.settings.values[name]]
    return np.array(known, dtype=object)[plan.settings.codes[name]]


def _status(plan: LossPlan) -> np.ndarray:
    words = np.full(len(plan.cell_ids), "", dtype=object)
    for row, status in plan.stopped.items():
        words[row] = status.replace("_", " ")
    return words


def _collapsed(
    source: Source, info: SweepInfo, loss: str, plan: LossPlan, split: str, at: float | None
) -> np.ndarray:
    """Say of each cell whether every complete seed predicts nothing right, or everything."""
    base = info.baselines.get("predict_all", {}).get(split, {}).get("micro_precision", np.nan)
    nothing, everything = load_collapsed(source, info.name, loss, split, at, base)
    complete = plan.in_state("complete")
    n = complete.sum(axis=1)
    none_of = (nothing & complete).sum(axis=1)
    all_of = (everything & complete).sum(axis=1)
    words = np.full(len(n), "", dtype=object)
    collapsed = (n > 0) & (none_of + all_of == n)
    words[collapsed] = "predicts nothing or everything"
    words[collapsed & (all_of == 0)] = COLLAPSED[0]
    words[collapsed & (none_of == 0)] = COLLAPSED[1]
    return words


def cells_text(data: CellsData, shown: int | None = None) -> FigureText:
    """Return the words of the table: what each number is over, and how many rows are shown."""
    total = len(data.frame)
    rows = f"{total:,} cells" if shown in (None, total) else f"{shown:,} of {total:,} cells"
    return FigureText(
        title="All cells",
        subtitle=" · ".join(
            [
                data.sweep,
                rows,
                metric_name(data.metric),
                f"{data.split} split",
                threshold_fact(data.threshold),
            ]
        ),
        caption=(
            "Mean, sd and interval are over the complete seeds of a cell (n of those planned), "
            f"{LEVEL:.0%}, Student's t on the logit scale with the cell's own variance; the split "
            "is fixed. Other states are counted, never averaged. Collapsed: at this threshold "
            "every seed predicts every label, or none that is right. With this many intervals "
            "some exclude their true mean: compare neighbours before believing one cell."
        ),
    )
