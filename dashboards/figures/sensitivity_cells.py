"""The best cells with their intervals: which are tied, and how probable each is the best."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dashboards.figures.captions import FigureText
from dashboards.figures.sensitivity import OVER_SEEDS, analysis_of, cell_name, question_facts
from dashboards.naming import count_text
from dashboards.source import Source
from sweeps.sensitivity.analysis_data import Analysis, Question, Unavailable

MOST_CELLS = 15


class CellLine(NamedTuple):
    """One cell: its mean with the interval by the shared variance, and what is known of it.

    ``probability`` is that of being best, NaN where it is not given; ``test`` the mean on test,
    NaN where the question is on test itself.
    """

    name: str
    cell_id: int
    mean: float
    low: float
    high: float
    n: int
    test: float
    tied: bool
    collapsed: bool
    probability: float


class BestCellsData(NamedTuple):
    """The best cells of a loss by their mean, the best first.

    Attributes:
        question: what is analysed.
        cells: at most ``MOST_CELLS``.
        n_cells: finished cells in all.
        n_tied: cells tied with the best; None when that is not known.
        n_compared: cells compared with the best.
        margin: how far below the best a cell may lie and be tied; None where it differs.
        level: nominal coverage.
        method: how ties were found, or why they are not known.
        levels: constant predictions on this split.
    """

    question: Question
    cells: tuple[CellLine, ...]
    n_cells: int
    n_tied: int | None
    n_compared: int
    margin: float | None
    level: float
    method: str
    levels: dict[str, float]


def best_cells_data(
    source: Source,
    sweep: str,
    *,
    loss: str | None = None,
    metric: str | None = None,
    split: str | None = None,
    threshold: float | None = None,
) -> BestCellsData:
    """Collect the best cells of a loss.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.
        loss: name of the loss; the first of the plan by default.
        metric: a metric of the sweep; its objective's by default.
        split: ``validation`` or ``test``.
        threshold: a kept threshold in (0, 1).

    Raises:
        FigureError: unknown loss, metric or threshold.
        StoreError: the store cannot be read, or has no such sweep.

    Source: `sweeps.sensitivity.mcb` for ties, `sweeps.sensitivity.probability`.
    """
    analysis = analysis_of(
        source, sweep, loss=loss, metric=metric, split=split, threshold=threshold
    )
    columns = analysis.cells
    stopped = np.array([status is not None for status in columns["status"]], bool)
    usable = np.isfinite(columns["mean"]) & ~stopped
    signed = columns["mean"] if analysis.question.higher_is_better else -columns["mean"]
    order = np.argsort(np.where(usable, -signed, np.inf), kind="stable")[: int(usable.sum())]
    tied = analysis.tied
    baseline = analysis.baseline
    return BestCellsData(
        analysis.question,
        tuple(_line(analysis, int(row)) for row in order[:MOST_CELLS]),
        int(usable.sum()),
        None if isinstance(tied, Unavailable) else int(tied.tied.sum()),
        len(analysis.compared["rows"]),
        None if isinstance(tied, Unavailable) else tied.margin,
        0.95 if isinstance(tied, Unavailable) else tied.level,
        tied.reason if isinstance(tied, Unavailable) else tied.method,
        {}
        if isinstance(baseline, Unavailable)
        else {name: entry["value"] for name, entry in baseline.items()},
    )


def _line(analysis: Analysis, row: int) -> CellLine:
    columns: dict[str, Any] = analysis.cells

    def number(name: str) -> float:
        return float(columns[name][row]) if name in columns else np.nan

    return CellLine(
        name=cell_name(columns["parameters"], row),
        cell_id=int(columns["cell_id"][row]),
        mean=number("mean"),
        low=number("shared_low"),
        high=number("shared_high"),
        n=int(columns["n"][row]),
        test=number("test_mean"),
        tied=bool(columns["tied"][row]) if "tied" in columns else False,
        collapsed=any(
            bool(columns[flag][row]) for flag in ("predicts_none", "predicts_all", "stuck")
        ),
        probability=number("probability_best"),
    )


def best_cells_text(data: BestCellsData) -> FigureText:
    """Return the words of the best cells: how many are tied, by which method."""
    if not data.cells:
        text = "No finished cell has a value yet."
        return FigureText("The best cells", question_facts(data.question), text)
    facts = question_facts(
        data.question, f"{min(len(data.cells), data.n_cells)} best of {data.n_cells:,}"
    )
    if data.n_tied is None:
        ties = f"Ties are not known: {data.method}."
    elif data.n_compared < 2:
        ties = "A single cell can be compared."
    else:
        ties = (
            f"{count_text(data.n_tied, 'cell')} of {data.n_compared:,} compared cannot be told "
            f"from the best (filled); the truly best is among them with probability "
            f"{data.level:.0%} at least: {data.method}."
        )
    parts = [
        ties,
        "Lines are 95 % intervals of each mean, which say nothing of ties by themselves.",
    ]
    if any(np.isfinite(cell.test) for cell in data.cells):
        parts.append("Diamonds are the same cells on test.")
    if any(np.isfinite(cell.probability) for cell in data.cells):
        parts.append("At the right, the probability of being the best.")
    if data.question.split != "validation":
        parts.append("On this split for description only: a choice is made on validation.")
    return FigureText("The best cells", facts, " ".join([*parts, OVER_SEEDS]))
