"""Threshold curves of some cells: a metric at every kept threshold, on validation and test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from dashboards.figures.captions import CONVENTIONS, FigureText
from dashboards.figures.cells import cell_names, chosen_cells
from dashboards.figures.grid import FigureError
from dashboards.figures.selection import RULE, BestCell, describe_metric
from dashboards.naming import count_text, metric_name, threshold_text
from dashboards.source import Source
from storage.threshold_curves import load_cell_curves

SPLITS = ("validation", "test")
FIXED = (0.05, 0.5)


class ThresholdCurve(NamedTuple):
    """One cell: per split every seed (S, T) and their mean (T,), and the tuned threshold.

    ``tuned`` maximises the mean over seeds on validation (of equal values the one nearest to the
    objective's threshold on the logit scale); None while no seed is complete. ``gain`` is what it
    adds to the mean on each split over the objective's threshold.
    """

    seeds: np.ndarray
    values: Mapping[str, np.ndarray]
    mean: Mapping[str, np.ndarray]
    tuned: float | None
    gain: Mapping[str, float]


class ThresholdData(NamedTuple):
    """Threshold curves of cells, in the order asked for.

    Attributes:
        sweep: name of the sweep.
        metric: the metric.
        higher_is_better: its direction.
        objective: the sweep's objective.
        thresholds: (T,) the kept thresholds, increasing.
        cells: the cells.
        names: a name for each cell.
        curves: one a cell.
        levels: constant prediction to split to its value, which no threshold changes.
    """

    sweep: str
    metric: str
    higher_is_better: bool
    objective: Mapping[str, Any]
    thresholds: np.ndarray
    cells: tuple[BestCell, ...]
    names: tuple[str, ...]
    curves: tuple[ThresholdCurve, ...]
    levels: Mapping[str, Mapping[str, float]]


def threshold_data(
    source: Source, sweep: str, *, metric: str | None = None, keys: Sequence[str] = ()
) -> ThresholdData:
    """Collect one metric of some cells at every kept threshold.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.
        metric: a metric kept at every threshold; the objective's by default.
        keys: keys of cells, or their beginnings; by default the best cell of each loss.

    Raises:
        FigureError: the metric is unknown or takes no threshold, or a key names no cell.
        StoreError: the store cannot be read, or has no such sweep.

    Source: the paper's Section 5.3 fixes the threshold per dataset (0.05 or 0.5); its Table 4
    moves it.
    """
    info = source.sweep(sweep)
    described = describe_metric(info, metric or info.objective["metric"])
    if not described["curve"]:
        known = ", ".join(entry["name"] for entry in info.metrics if entry["curve"])
        raise FigureError(
            f"A threshold curve needs a metric kept at every threshold, but got "
            f"'{described['name']}'. Choose one of: {known or 'none was kept'}."
        )
    cells = chosen_cells(source, sweep, keys)
    ids = [cell.cell_id for cell in cells]
    name = described["name"]
    found = source.ask(
        sweep,
        ("threshold curves", name, tuple(ids)),
        lambda store: load_cell_curves(store, sweep, ids, metrics=[name], splits=SPLITS),
    )
    complete = np.array([state == "complete" for state in found.states], bool)
    curves = []
    for cell in cells:
        own = (found.cell_ids == cell.cell_id) & complete
        values = {split: found.values[split, name][own] for split in SPLITS}
        curves.append(
            _curve(
                found.seeds[own],
                values,
                found.thresholds,
                float(info.objective["threshold"]),
                described["higher_is_better"],
            )
        )
    levels = {
        kind: {split: float(of[split][name]) for split in SPLITS if name in of.get(split, {})}
        for kind, of in info.baselines.items()
    }
    return ThresholdData(
        sweep,
        name,
        described["higher_is_better"],
        info.objective,
        found.thresholds,
        tuple(cells),
        tuple(cell_names(cells)),
        tuple(curves),
        levels,
    )


def _curve(
    seeds: np.ndarray,
    values: dict[str, np.ndarray],
    thresholds: np.ndarray,
    fixed: float,
    higher: bool,
) -> ThresholdCurve:
    none = np.full(len(thresholds), np.nan)
    mean = {split: v.mean(axis=0) if len(v) else none for split, v in values.items()}
    chosen_by = mean["validation"]
    if not np.isfinite(chosen_by).any():
        return ThresholdCurve(seeds, values, mean, None, {})
    signed = np.where(np.isfinite(chosen_by), chosen_by if higher else -chosen_by, -np.inf)
    distance = np.abs(special.logit(thresholds) - special.logit(fixed))
    at = int(np.where(signed == signed.max(), distance, np.inf).argmin())
    own = int(np.argmin(np.abs(thresholds - fixed)))
    gain = {split: float(m[at] - m[own]) for split, m in mean.items()}
    return ThresholdCurve(seeds, values, mean, float(thresholds[at]), gain)


def threshold_text_of(data: ThresholdData, *, best: bool) -> FigureText:
    """Return the words of the threshold curves: what is drawn, marked and tuned."""
    which = "best cell of each loss" if best else count_text(len(data.cells), "chosen cell")
    tuned = [
        f"{name}: t = {threshold_text(curve.tuned)} "
        f"({curve.gain['validation']:+.3f} on validation, {curve.gain['test']:+.3f} on test)"
        for name, curve in zip(data.names, data.curves, strict=True)
        if curve.tuned is not None
    ]
    own = threshold_text(data.objective["threshold"])
    caption = [
        "A diamond is the threshold with the best mean on validation, drawn at the same place on "
        "test, where its value is read. The dashed line is predicting every label, the dotted one "
        "none; a curve that meets it at the left predicts everything there. The axis is even on "
        "the logit scale; left and right of what is drawn no mean moves by more than 0.002, unless "
        "the whole axis is asked for.",
    ]
    if tuned:
        caption.append(f"Tuned thresholds and what they gain over t = {own}: {'; '.join(tuned)}.")
    if best:
        caption.append(f"The best cells are chosen at t = {own} by: {RULE}.")
    caption.append(CONVENTIONS)
    return FigureText(
        title=f"{metric_name(data.metric)} at every threshold",
        subtitle=f"{data.sweep} · {which} · mean over seeds, every seed drawn thin",
        caption=" ".join(caption),
    )
