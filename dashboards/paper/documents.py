"""The paper's tables beside ours as documents: headings, rows of words, notes; no format yet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from dashboards.figures.grid import FigureError
from dashboards.figures.loss_table import paper_text
from dashboards.naming import metric_name, settings_text, threshold_text
from dashboards.paper.blocks import (
    NONE,
    Block,
    Column,
    Document,
    Row,
    differences_sentence,
    percent,
    score_words,
    signed,
)
from dashboards.paper.choosing import find_dataset
from dashboards.paper.cost import sweep_cost
from dashboards.paper.dataset_blocks import (
    COST_NOTES,
    cost_block,
    settings_block,
    statistics_block,
)
from dashboards.paper.scores import ComparedLoss, ComparedTable, blocks_of, compare_block
from dashboards.paper_numbers import paper_datasets, paper_minutes
from dashboards.source import Source

TABLES = {
    "table2": "Table 2: the datasets and what the paper set for each",
    "table3": "Table 3: the losses at a fixed threshold",
    "table4": "Table 4: the losses with moved thresholds",
    "table6": "Table 6: what training costs",
    "table7": "Table 7: the two medical corpora",
    "table8": "Table 8: the datasets' statistics",
}
_SCORES = {"table3": "Table 3", "table4": "Table 4", "table7": "Table 7"}
_LEVELS = {"predict_all": "predict-all", "predict_none": "predict-none"}


def paper_document(
    source: Source,
    name: str,
    sweeps: Mapping[str, str],
    *,
    datasets: Sequence[str] | None = None,
) -> Document:
    """Return one table of the paper beside the sweeps of a store.

    Args:
        source: where the numbers are read.
        name: a key of `TABLES`.
        sweeps: the paper's dataset to the sweep that stands for it; see
            `dashboards.paper.choosing.choose_sweeps`.
        datasets: only these of the paper's datasets; all of the table by default.

    Raises:
        FigureError: no such table, or a sweep that cannot be read so.
        StoreError: the store cannot be read.

    Source: Bénédict et al. (2022), Tables 2, 3, 4, 6, 7 and 8.
    """
    if name not in TABLES:
        raise FigureError(
            f"A table of the paper must be one of {', '.join(TABLES)}, but got '{name}'."
        )
    wanted = [find_dataset(one) for one in datasets] if datasets is not None else None
    known = [one for one in paper_datasets() if wanted is None or one in wanted]
    if name in _SCORES:
        names = {one.name for one in known}
        blocks = tuple(
            _score_block(compare_block(source, block, sweeps.get(block.dataset)))
            for block in blocks_of(_SCORES[name])
            if block.dataset in names
        )
        return Document(name, TABLES[name], blocks, _SCORE_NOTES)
    if name == "table6":
        blocks = tuple(
            cost_block(sweep_cost(source, one, sweeps.get(one.name)))
            for one in known
            if one.name in sweeps or paper_minutes(one.name)
        )
        return Document(name, TABLES[name], blocks, COST_NOTES)
    block = settings_block(known) if name == "table2" else statistics_block(source, known, sweeps)
    notes = tuple(f"{one.printed}: {one.remark}." for one in known if one.remark)
    return Document(name, TABLES[name], (block,), notes)


_SCORE_NOTES = (
    "In percent. Ours: the cell of each loss that validation chose, on test, mean over seeds with "
    "its 95 % interval (Student's t on the logit scale); the split and its examples are fixed.",
    "Ours less the paper's: the interval is that of our mean. The paper gives no spread, so its "
    "number is taken as exact; differences in protocol, listed under each table, explain what "
    "seeds do not.",
    "≈ all marks a row that is what predicting every label for every example gives (of the "
    "paper's, pooled F1 = 2P / (1 + P) to the digit at its precision P): it measures the "
    "threshold, not the loss.",
    "A label is predicted when its probability is at least t (Eq. 3); the authors' code wants "
    "more than t.",
)


def _score_block(found: ComparedTable) -> Block:
    paper = found.paper
    metrics = list(paper.columns)
    columns = (
        Column("loss"),
        Column(""),
        *(Column(paper.columns[m], f"{metric_name(m)}", numeric=True) for m in metrics),
    )
    rows: list[Row] = []
    for loss in found.losses:
        rows += _loss_rows(found, loss, metrics)
    for name, level in found.levels.items():
        cells = [percent(level.get(metric, math.nan)) for metric in metrics]
        rows.append(Row((_LEVELS.get(name, name), "here", *cells), "level"))
    notes = [paper_text(paper)]
    if found.sweep is None:
        notes.append(
            f"The store has no sweep of {paper.dataset}. Run: sigmoidf1 paper run --dataset "
            f"{paper.dataset} --root DIR."
        )
    else:
        notes.append(f"Here: sweep {found.sweep}, encoder {found.encoder}, {found.rule}.")
        notes += [f"Of itself it says: {found.description}"] if found.description else []
        notes += [_chosen(found)] if _chosen(found) else []
        notes += list(found.notes)
        if paper.threshold is None:
            notes.append("The paper averages thresholds over train, here over validation.")
        notes.append(differences_sentence(found.differences))
    return Block(f"{paper.printed}, {paper.table}", columns, tuple(rows), tuple(notes))


def _loss_rows(found: ComparedTable, loss: ComparedLoss, metrics: Sequence[str]) -> list[Row]:
    digits = 1 if found.paper.is_one_run else 2
    every = " ≈ all" if loss.printed_is_all else ""
    rows = [
        Row(
            (
                loss.loss,
                f"paper{every}",
                *(percent(loss.printed.get(m, math.nan), digits) for m in metrics),
            )
        )
    ]
    if found.sweep is None:
        return rows
    if loss.missing:
        rows.append(Row(("", f"here: {loss.missing}", *[NONE] * len(metrics)), "here"))
        return rows
    mark = " ≈ all" if loss.here_is_all else ""
    rows.append(
        Row(
            (
                "",
                f"here, n = {loss.n}{mark}",
                *(score_words(loss.here.get(metric)) for metric in metrics),
            ),
            "here",
        )
    )
    less = [signed(loss.less[metric]) if metric in loss.less else NONE for metric in metrics]
    return [*rows, Row(("", "here − paper", *less), "difference")]


def _chosen(found: ComparedTable) -> str:
    parts = [
        f"{loss.loss} {settings_text(loss.settings)}"
        for loss in found.losses
        if loss.settings and not loss.missing
    ]
    own = [
        f"{loss.loss} at t = {threshold_text(loss.threshold)}"
        for loss in found.losses
        if found.paper.threshold is None and not loss.missing
    ]
    sentences = [f"Chosen on validation: {'; '.join(parts)}."] if parts else []
    sentences += [f"Mean thresholds: {'; '.join(own)}."] if own else []
    return " ".join(sentences)
