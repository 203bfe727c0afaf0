"""The best cell of each loss on validation and test, beside the constant predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dashboards.figures.captions import CONVENTIONS, FigureText, objective_text, threshold_fact
from dashboards.figures.grid import PREFIX, parameters, setting_key
from dashboards.figures.selection import (
    PAPER_METRICS,
    RULE,
    best_of_losses,
    describe_metric,
    known_threshold,
)
from dashboards.source import Source

SPLITS = ("validation", "test")


class Score(NamedTuple):
    """One metric on one split: mean and sample standard deviation over ``n`` seeds."""

    mean: float
    sd: float
    n: int


class BestRow(NamedTuple):
    """One loss: the settings of its best cell, its seeds and its scores.

    ``cell_id`` is None, and everything else empty, for a loss without a finished cell.
    """

    loss: str
    cell_id: int | None
    settings: Mapping[str, Any]
    hyperparameters: Mapping[str, Any]
    n: int
    planned: int
    scores: Mapping[tuple[str, str], Score]


class BestTable(NamedTuple):
    """The rows of the table, in the order of the plan, and the levels of constant predictions."""

    sweep: str
    objective: Mapping[str, Any]
    threshold: float
    metrics: tuple[str, ...]
    rows: tuple[BestRow, ...]
    levels: Mapping[str, Mapping[tuple[str, str], float]]


def best_table(
    source: Source,
    sweep: str,
    *,
    metrics: Sequence[str] | None = None,
    threshold: float | None = None,
) -> BestTable:
    """Collect the best cell of each loss with its scores on validation and test.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.
        metrics: columns; by default the objective's metric and those of the paper.
        threshold: a kept threshold in (0, 1) for the metrics kept as curves; the objective's by
            default. The cells are chosen by the objective whatever it is.

    Raises:
        FigureError: unknown metric or threshold.
        StoreError: the store cannot be read, or has no such sweep.
    """
    info = source.sweep(sweep)
    kept = {described["name"] for described in info.metrics}
    if metrics is None:
        names = (info.objective["metric"], *PAPER_METRICS)
        metrics = tuple(dict.fromkeys(name for name in names if name in kept))
    cells = source.cells(sweep)
    best = best_of_losses(info, cells, source.replicates(sweep))
    rows = []
    for loss in source.losses(sweep):
        cell = best.get(loss)
        if cell is None:
            rows.append(BestRow(loss, None, {}, {}, 0, 0, {}))
            continue
        scores = {}
        for metric in metrics:
            at = known_threshold(info, describe_metric(info, metric), threshold)
            for split in SPLITS:
                values = source.scores(sweep, loss, metric, split, at)
                own = (values["cell_id"] == cell.cell_id) & (values["state"] == "complete")
                scores[split, metric] = _score(values.loc[own, "value"].to_numpy(dtype=float))
        of_loss = cells[cells["loss"] == loss]
        row = of_loss[of_loss["cell_id"] == cell.cell_id].iloc[0]
        everything = {name: setting_key(row[PREFIX + name]) for name in parameters(of_loss)}
        rows.append(
            BestRow(loss, cell.cell_id, cell.settings, everything, cell.n, cell.planned, scores)
        )
    levels = {
        name: {
            (split, metric): float(level[split][metric])
            for split in SPLITS
            for metric in metrics
            if metric in level.get(split, {})
        }
        for name, level in info.baselines.items()
    }
    curve = {"curve": True}
    at = known_threshold(info, curve, threshold)
    shown = info.objective["threshold"] if at is None else at
    return BestTable(sweep, info.objective, shown, tuple(metrics), tuple(rows), levels)


def _score(values: np.ndarray) -> Score:
    values = values[np.isfinite(values)]
    n = len(values)
    return Score(
        float(values.mean()) if n else np.nan, float(values.std(ddof=1)) if n > 1 else np.nan, n
    )


def best_table_text(table: BestTable) -> FigureText:
    """Return the words of the table: how cells were chosen, on what they are reported."""
    return FigureText(
        title="Best cell of each loss",
        subtitle=" · ".join(
            [
                table.sweep,
                f"chosen by {objective_text(table.objective)}",
                f"scores at {threshold_fact(table.threshold)}",
                "mean ± standard deviation over seeds",
            ]
        ),
        caption=(
            f"Chosen: {RULE}. n counts complete seeds of those planned. The spread is over seeds "
            "with the split fixed; it says nothing of other examples. Choosing the best of many "
            "cells flatters the validation score: compare losses on test. " + CONVENTIONS
        ),
    )
