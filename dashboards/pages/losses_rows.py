"""Rows and columns of the table of losses: this sweep's, the paper's, and the constants."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from dashboards.figures.loss_table import LossScore, LossTable, is_predict_all
from dashboards.figures.selection import PAPER_METRICS
from dashboards.naming import metric_name, score_text, settings_text, threshold_text
from dashboards.pages.tables import number_column, text_column
from dashboards.paper_numbers import PaperTable
from dashboards.source import Source

_LEVELS = {"predict_all": "predict-all", "predict_none": "predict-none"}


def column_definitions(source: Source, sweep: str) -> list[dict[str, Any]]:
    """Return the columns: the loss, its cell and threshold, one score a metric."""
    kept = {metric["name"] for metric in source.sweep(sweep).metrics}
    return [
        text_column("loss", "loss", width=122, pinned="left", cellClass="strong"),
        text_column("settings", "cell", width=132, tooltipField="settings"),
        number_column("threshold", "t", width=62),
        number_column("n", "n", width=72),
        *(
            number_column(
                metric, metric_name(metric), width=154, tooltipField=f"{metric}-tip",
                comparator={"function": "compareScores"},
            )
            for metric in PAPER_METRICS
            if metric in kept
        ),
    ]  # fmt: skip


def table_rows(found: LossTable) -> list[dict[str, Any]]:
    """Return the rows as written: each loss, below it what the paper prints, then constants."""
    rows: list[dict[str, Any]] = []
    for row, box in zip(found.rows, found.boxes.rows, strict=True):
        if row.cell_id is None:
            rows.append({"kind": "loss", "loss": row.loss, "settings": box.missing})
        else:
            rows.append(
                {
                    "kind": "loss",
                    "loss": row.loss,
                    "settings": settings_text(row.settings) or "as given",
                    "threshold": threshold_text(row.threshold),
                    "n": f"{row.n} of {row.planned}",
                    **_scores(row.scores),
                }
            )
        rows += [
            _paper_row(block, "paper", block.rows[row.loss])
            for block in found.paper
            if row.loss in block.rows
        ]
    ours = {row.loss for row in found.rows}
    rows += [
        _paper_row(block, f"paper: {loss}", scores)
        for block in found.paper
        for loss, scores in block.rows.items()
        if loss not in ours
    ]
    return rows + _level_rows(found)


def _scores(scores: Mapping[str, LossScore]) -> dict[str, str]:
    written = {}
    for metric, score in scores.items():
        written[metric] = score_text(score.mean)
        if score.reason is None:
            written[metric] += f" [{score_text(score.low)}, {score_text(score.high)}]"
            tip = f"sd {score_text(score.sd, 4)} over {score.n} seeds"
        else:
            tip = f"no interval: {score.reason}"
        written[f"{metric}-tip"] = tip
    return written


def _paper_row(block: PaperTable, name: str, scores: Mapping[str, float]) -> dict[str, Any]:
    """Return a row of the paper's numbers, with the digits that are printed but in [0, 1]."""
    at = "moved" if block.threshold is None else threshold_text(block.threshold)
    every = " ≈ all" if is_predict_all(scores) else ""
    digits = 3 if block.is_one_run else 4
    return {
        "kind": "paper",
        "loss": name,
        "settings": f"{block.table}{every}",
        "threshold": at,
        "n": str(block.n_seeds),
        **{metric: score_text(value, digits) for metric, value in scores.items()},
        **{
            f"{metric}-tip": f"printed as {block.columns[metric]} for {block.printed}"
            for metric in scores
        },
    }


def _level_rows(found: LossTable) -> list[dict[str, Any]]:
    names = dict.fromkeys(name for panel in found.boxes.panels for name in panel.levels)
    return [
        {
            "kind": "level",
            "loss": _LEVELS.get(name, name),
            "settings": "constant",
            **{
                panel.metric: score_text(panel.levels.get(name, math.nan))
                for panel in found.boxes.panels
            },
        }
        for name in names
    ]
