"""What the figures of the statistics share: the analysis of one loss, its words, their frame."""

from __future__ import annotations

import html
from functools import partial
from typing import Any

import plotly.graph_objects as go

from dashboards.figures.captions import threshold_fact
from dashboards.figures.grid import FigureError
from dashboards.figures.selection import describe_metric, known_threshold
from dashboards.naming import metric_name, setting_text, short_name
from dashboards.source import Source
from dashboards.theme import Theme
from sweeps.sensitivity.analysis_data import Analysis, Question
from sweeps.sensitivity.reading import analyse_stored

TITLE = 70  # pixels above a figure that stands alone
OVER_SEEDS = (
    "Intervals are over seeds with the split fixed: what other initial weights and batch orders "
    "would change, not what other examples would."
)


def analysis_of(
    source: Source,
    sweep: str,
    *,
    loss: str | None = None,
    metric: str | None = None,
    split: str | None = None,
    threshold: float | None = None,
) -> Analysis:
    """Return every statistic of one loss, computed once until the sweep changes.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.
        loss: name of the loss; the first of the plan by default.
        metric: a metric of the sweep; its objective's by default.
        split: ``validation`` or ``test``; the objective's by default.
        threshold: a threshold in (0, 1), the nearest kept one is taken; the objective's by default.

    Raises:
        FigureError: unknown loss, metric or threshold, or a plan without cells.
        StoreError: the store cannot be read, or has no such sweep.
    """
    info = source.sweep(sweep)
    losses = source.losses(sweep)
    if not losses:
        raise FigureError(f"Statistics need cells, but the plan of '{sweep}' has none.")
    chosen = loss or losses[0]
    if chosen not in losses:
        raise FigureError(
            f"The sweep must hold the loss, but got '{chosen}'. Known: {', '.join(losses)}."
        )
    described = describe_metric(info, metric or info.objective["metric"])
    at = known_threshold(info, described, threshold)
    where = split or info.objective["split"]
    name = described["name"]
    return source.compute(
        sweep,
        ("statistics", chosen, name, where, at),
        partial(analyse_stored, sweep=sweep, loss=chosen, metric=name, split=where, threshold=at),
    )


def question_facts(question: Question, *more: str) -> str:
    """Write what is analysed: sweep, loss, metric, split, threshold, and ``more``."""
    facts = [
        question.sweep,
        question.loss,
        metric_name(question.metric),
        f"{question.split} split",
        threshold_fact(question.threshold),
        *more,
    ]
    return " · ".join(facts)


def effect_name(name: str) -> str:
    """Write a source of variance: ``beta×eta`` is ``β×η``.

    Example:
        >>> effect_name("beta×eta"), effect_name("residual")
        ('β×η', 'seed × cell (noise)')
    """
    if name == "residual":
        return "seed × cell (noise)"
    return "×".join(short_name(part) for part in name.split("×"))


def cell_name(parameters: dict[str, list[Any]], row: int) -> str:
    """Write the varying settings of one row of an analysis: ``β 16, η 0``."""
    text = ", ".join(
        f"{short_name(name)} {setting_text(column[row])}" for name, column in parameters.items()
    )
    return text or "its only setting"


def say_instead(figure: go.Figure, reason: str, theme: Theme, *, width: int | None = None) -> None:
    """Write why there is nothing to draw where the drawing would be."""
    figure.add_trace(go.Scatter(x=[None], y=[None], hoverinfo="skip", showlegend=False))
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.add_annotation(
        text="<br>".join(_lines(f"Not drawn: {reason}.", max(40, (width or 400) // 9))),
        x=0, y=0.5, xref="paper", yref="paper", xanchor="left", align="left", showarrow=False,
        font={"size": 13, "color": theme.muted},
    )  # fmt: skip


def _lines(text: str, width: int) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(html.escape(line))
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*lines, html.escape(line)]
