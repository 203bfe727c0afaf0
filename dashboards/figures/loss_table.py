"""Losses with intervals, their differences paired by seed, and the paper's numbers beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from dashboards.figures.boxplots import BoxplotData
from dashboards.figures.captions import FigureText
from dashboards.figures.grid import FigureError
from dashboards.naming import metric_name, threshold_text
from dashboards.paper_numbers import PaperTable, paper_tables
from sweeps.sensitivity.comparison import PairedDifference, paired_difference
from sweeps.sensitivity.intervals import seed_intervals

LEVEL = 0.95


class LossScore(NamedTuple):
    """One metric of one loss over ``n`` seeds, with the interval of its mean.

    ``low`` and ``high`` are NaN where ``reason`` says why there is no interval.
    """

    mean: float
    sd: float
    n: int
    low: float
    high: float
    reason: str | None


class LossRow(NamedTuple):
    """One loss: its chosen cell, its threshold, and a score for each metric.

    ``cell_id`` is None, and everything else empty, for a loss without a finished cell.
    """

    loss: str
    cell_id: int | None
    settings: Mapping[str, Any]
    n: int
    planned: int
    threshold: float
    scores: Mapping[str, LossScore]


class LossTable(NamedTuple):
    """The losses of one sweep against each other, on the split and threshold of the box plots.

    Attributes:
        boxes: what the table was made from.
        metrics: the columns.
        rows: one a loss, in the order of the plan.
        reference: the loss the differences are taken from; None without a finished loss.
        differences: metric to loss to that loss less the reference, paired by seed.
        paper: what the paper prints for the dataset.
    """

    boxes: BoxplotData
    metrics: tuple[str, ...]
    rows: tuple[LossRow, ...]
    reference: str | None
    differences: Mapping[str, Mapping[str, PairedDifference]]
    paper: tuple[PaperTable, ...]


def loss_table(boxes: BoxplotData, *, reference: str | None = None) -> LossTable:
    """Summarise the seeds of the box plots: means, intervals, and differences paired by seed.

    A mean's interval is Student's t over seeds, formed on the logit scale:
    ``expit(logit(m) ± t_{n-1} √(c²/n + (1 - 2m)² c⁴/(n - 1)))``, c = sd / (m (1 - m)), see
    `sweeps.sensitivity.intervals.seed_intervals`. A difference is of the same seeds, which start
    from the same weights and batches: ``mean(d) ± t_{n-1} sd(d) / √n``, d = loss less reference.
    Both speak of seeds alone: the split and its examples are fixed.

    Args:
        boxes: from `dashboards.figures.boxplots.boxplot_data`.
        reference: the loss that the others are compared with; by default the one whose chosen
            cell is best by the objective on validation.

    Raises:
        FigureError: the reference is no loss of the sweep.

    Source: the paper's footnote 3 (a plain t interval of a bounded metric may pass 100 %);
    pairing by seed: Bouthillier et al. (2021), MLSys.
    """
    losses = [row.loss for row in boxes.rows]
    if reference is not None and reference not in losses:
        raise FigureError(
            f"Losses are compared with one of the sweep's, but got '{reference}'. "
            f"Choose one of: {', '.join(losses)}."
        )
    reference = reference or boxes.leader
    rows = tuple(
        LossRow(
            row.loss,
            None if row.best is None else row.best.cell_id,
            {} if row.best is None else row.best.settings,
            0 if row.best is None else row.best.n,
            0 if row.best is None else row.best.planned,
            row.threshold,
            {
                panel.metric: loss_score(panel.seeds[row.loss]["value"].to_numpy(float))
                for panel in boxes.panels
                if row.loss in panel.seeds
            },
        )
        for row in boxes.rows
    )
    differences = {
        panel.metric: _differences(panel.seeds, reference, panel.higher_is_better)
        for panel in boxes.panels
    }
    return LossTable(
        boxes,
        tuple(panel.metric for panel in boxes.panels),
        rows,
        reference,
        differences,
        paper_tables(boxes.dataset),
    )


def loss_score(values: np.ndarray) -> LossScore:
    """Return mean, sd and interval of one metric over seeds; values that are NaN are left out.

    Example:
        >>> score = loss_score(np.array([0.50, 0.52, 0.51]))
        >>> round(score.mean, 3), score.n, round(score.low, 3), round(score.high, 3)
        (0.51, 3, 0.485, 0.535)
    """
    known = values[np.isfinite(values)]
    n = len(known)
    mean = np.array([known.mean() if n else np.nan])
    variance = np.array([known.var(ddof=1) if n > 1 else np.nan])
    interval = seed_intervals(mean, variance, np.array([n]), level=LEVEL)
    return LossScore(
        float(mean[0]),
        float(np.sqrt(variance[0])),
        n,
        float(interval.low[0]),
        float(interval.high[0]),
        interval.reasons[0],
    )


def _differences(
    seeds: Mapping[str, Any], reference: str | None, higher_is_better: bool
) -> dict[str, PairedDifference]:
    if reference is None or reference not in seeds:
        return {}
    base = seeds[reference].set_index("seed")["value"]
    found = {}
    for loss, own in seeds.items():
        if loss == reference:
            continue
        both = own.set_index("seed")["value"].to_frame("a").join(base.rename("b"), how="inner")
        found[loss] = paired_difference(
            both["a"].to_numpy(float),
            both["b"].to_numpy(float),
            higher_is_better=higher_is_better,
            level=LEVEL,
        )
    return found


def loss_table_text(table: LossTable) -> FigureText:
    """Return the words of the table: the kind of interval, and what it does not cover."""
    boxes = table.boxes
    return FigureText(
        title="Means with intervals",
        subtitle=(
            f"{boxes.sweep} · {boxes.split} split · {boxes.threshold_words} · mean, {LEVEL:.0%} "
            "interval"
        ),
        caption=(
            f"Intervals are over seeds: Student's t on the logit scale, {LEVEL:.0%}, each cell's "
            "own variance. The split and its examples are fixed, so they say nothing of another "
            "sample of examples. n counts complete seeds of those planned. Choosing the best of "
            "many cells flatters the validation score: compare losses on test."
        ),
    )


def differences_text(table: LossTable) -> FigureText:
    """Return the words of the differences: what is subtracted from what, and how it is paired."""
    boxes = table.boxes
    title = (
        "Differences between losses"
        if table.reference is None
        else f"Each loss less {table.reference}"
    )
    n = max((d.n for own in table.differences.values() for d in own.values()), default=0)
    return FigureText(
        title=title,
        subtitle=(
            f"{boxes.sweep} · {boxes.split} split · {boxes.threshold_words} · paired by seed, "
            f"n = {n}"
        ),
        caption=(
            "A seed gives every cell the same initial weights and batch order, so seeds are "
            "compared in pairs. A small point is one seed, the dot the mean difference, the bar "
            f"its {LEVEL:.0%} interval (Student's t on the differences; filled where it leaves out "
            "zero). Bars are not corrected for the number of comparisons, and losses with more "
            "cells had more to choose from."
        ),
    )


def paper_text(table: PaperTable) -> str:
    """Return what a block of the paper is, and how its columns were read, in two sentences."""
    at = f"t = {threshold_text(table.threshold)}" if table.threshold is not None else table.rule
    runs = "one run" if table.is_one_run else f"means over {table.n_seeds} seeds, no spread given"
    return (
        f"The paper's {table.table}, {table.printed}, {at}, {table.encoder}: {runs}. "
        f"{table.naming}."
    )


def is_predict_all(scores: Mapping[str, float]) -> bool:
    """Say whether the paper's numbers are to the digit those of predicting every label.

    For predict-all, precision averaged over classes is the base rate P and the pooled F1 is
    ``2P / (1 + P)``; a row that meets this at a precision below one half measures the threshold.

    Example:
        >>> is_predict_all({"macro_precision": 0.1015, "micro_f1": 0.1843})
        True
        >>> is_predict_all({"macro_precision": 0.8252, "micro_f1": 0.7955})
        False
    """
    precision, pooled = scores.get("macro_precision"), scores.get("micro_f1")
    if precision is None or pooled is None or not 0 < precision < 0.5:
        return False
    # The printed precision is rounded to 1e-4, which moves 2P / (1 + P) by up to 1e-4.
    return abs(2 * precision / (1 + precision) - pooled) <= 1.5e-4


def metric_title(table: PaperTable, metric: str) -> str:
    """Return a column's title with the printed name: ``micro F1 (the paper's macroF1)``."""
    return f"{metric_name(metric)} (the paper's {table.columns[metric]})"
