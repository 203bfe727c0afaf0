"""The paper's tables of scores beside a store's own: Tables 3, 4 and 7."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from dashboards.figures.boxplots import boxplot_data
from dashboards.figures.loss_table import LossScore, is_predict_all, loss_table
from dashboards.paper.choosing import find_dataset
from dashboards.paper.protocol import Difference, encoder_words, protocol_differences
from dashboards.paper_numbers import PaperTable, paper_datasets, paper_tables
from dashboards.source import Source

# The rounding of printed percents, and as much of our own.
_SAME = 5e-4


class Less(NamedTuple):
    """Our mean less the paper's number, and the interval of that difference.

    The interval is that of our mean over seeds, shifted: the paper gives no spread, so its number
    is taken as exact. NaN where there is none.
    """

    value: float
    low: float
    high: float


class ComparedLoss(NamedTuple):
    """One loss: what is printed, and what the chosen cell of the sweep scores.

    Attributes:
        loss: its name.
        printed: metric to the paper's number in [0, 1]; empty where the table lacks the loss.
        here: metric to our mean with its interval over seeds; empty where the sweep lacks it.
        less: metric to their difference.
        settings: what differs between the loss's cells, of the chosen one.
        threshold: where our labels begin.
        n: complete seeds of the chosen cell.
        planned: seeds planned.
        missing: why there is no score of ours; "" where there is.
        printed_is_all: the paper's row is that of predicting every label.
        here_is_all: ours is.
    """

    loss: str
    printed: Mapping[str, float]
    here: Mapping[str, LossScore]
    less: Mapping[str, Less]
    settings: Mapping[str, Any]
    threshold: float
    n: int
    planned: int
    missing: str
    printed_is_all: bool
    here_is_all: bool


class ComparedTable(NamedTuple):
    """One dataset's block of a table of the paper beside a sweep.

    Attributes:
        paper: what is printed.
        sweep: the sweep beside it; None where the store has none.
        encoder: the sweep's encoder; "" without one.
        rule: how our labels are decided, in words.
        losses: the rows, in the paper's order.
        levels: ``predict_all`` and ``predict_none`` to metric to value, on our test split.
        differences: what the sweep does otherwise than the paper.
        description: what the sweep's spec says of itself.
        notes: what is missing of ours, in sentences.
    """

    paper: PaperTable
    sweep: str | None
    encoder: str
    rule: str
    losses: tuple[ComparedLoss, ...]
    levels: Mapping[str, Mapping[str, float]]
    differences: tuple[Difference, ...]
    description: str
    notes: tuple[str, ...]


def blocks_of(table: str) -> tuple[PaperTable, ...]:
    """Return the blocks of a table of the paper: ``Table 3`` has four, one a dataset."""
    every = [block for known in paper_datasets() for block in paper_tables(known.name)]
    return tuple(block for block in every if block.table == table)


def compare_block(source: Source, paper: PaperTable, sweep: str | None) -> ComparedTable:
    """Put one block of a table beside a sweep: the same metrics, threshold and split.

    Of each loss it is the cell that validation chose by the sweep's objective, on test. Where the
    paper moves the threshold, ours is moved by Threshold Averaging too, on validation instead of
    train, whose scores are not kept.

    Args:
        source: where the numbers are read.
        paper: the block.
        sweep: the sweep that stands for its dataset; None for none.

    Raises:
        FigureError, StoreError: the sweep cannot be read so.

    Source: Bénédict et al. (2022), Tables 3, 4 and 7.
    """
    if sweep is None:
        printed_rows = tuple(_printed_only(loss, scores) for loss, scores in paper.rows.items())
        return ComparedTable(paper, None, "", "", printed_rows, {}, (), "", ())
    info = source.sweep(sweep)
    kept = {metric["name"] for metric in info.metrics}
    boxes = boxplot_data(
        source,
        sweep,
        metrics=[metric for metric in paper.columns if metric in kept],
        threshold=paper.threshold,
        rule="fixed" if paper.threshold is not None else "threshold_averaging",
    )
    found = loss_table(boxes)
    levels = {
        name: {panel.metric: panel.levels[name] for panel in boxes.panels if name in panel.levels}
        for name in dict.fromkeys(key for panel in boxes.panels for key in panel.levels)
    }
    ours = {row.loss: (row, box) for row, box in zip(found.rows, boxes.rows, strict=True)}
    rows = []
    for loss, printed in paper.rows.items():
        if loss not in ours:
            rows.append(_printed_only(loss, printed)._replace(missing="not in the sweep"))
            continue
        row, box = ours[loss]
        rows.append(
            ComparedLoss(
                loss=loss,
                printed=printed,
                here=row.scores,
                less={metric: _less(row.scores.get(metric), printed[metric]) for metric in printed},
                settings=row.settings,
                threshold=row.threshold,
                n=row.n,
                planned=row.planned,
                missing="" if row.cell_id is not None else box.missing,
                printed_is_all=is_predict_all(printed),
                here_is_all=_is_level(row.scores, levels.get("predict_all", {})),
            )
        )
    known = find_dataset(paper.dataset)
    return ComparedTable(
        paper=paper,
        sweep=sweep,
        encoder=encoder_words(info),
        rule=boxes.threshold_words,
        losses=tuple(rows),
        levels=levels,
        differences=protocol_differences(info, known, source.losses(sweep)),
        description=str(info.spec.get("description") or ""),
        notes=boxes.notes,
    )


def _printed_only(loss: str, printed: Mapping[str, float]) -> ComparedLoss:
    return ComparedLoss(
        loss, printed, {}, {}, {}, math.nan, 0, 0, "no sweep", is_predict_all(printed), False
    )


def _less(score: LossScore | None, printed: float) -> Less:
    if score is None:
        return Less(math.nan, math.nan, math.nan)
    return Less(score.mean - printed, score.low - printed, score.high - printed)


def _is_level(scores: Mapping[str, LossScore], level: Mapping[str, float]) -> bool:
    shared = [metric for metric in scores if metric in level and metric != "map"]
    return bool(shared) and all(abs(scores[m].mean - level[m]) <= _SAME for m in shared)
