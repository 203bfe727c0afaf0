"""How many seeds: the difference of two cells that n seeds show, for every n."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from dashboards.figures.captions import FigureText, add_title
from dashboards.figures.sensitivity import (
    TITLE,
    analysis_of,
    question_facts,
    say_instead,
)
from dashboards.naming import count_text, metric_name
from dashboards.source import Source
from dashboards.theme import get_theme, mixed, style_figure
from sweeps.sensitivity.analysis_data import Question, Unavailable
from sweeps.sensitivity.seeds_needed import detectable_difference

_COUNTS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 70, 100)
_TICKS = (2, 3, 5, 10, 20, 30, 50, 100)
_HEIGHT, _TOP, _FOOT, _LEFT = 300, 14, 52, 78  # pixels


class SeedsData(NamedTuple):
    """What n seeds show.

    Attributes:
        question: what is analysed.
        n: seeds now.
        counts: numbers of seeds.
        detectable: difference shown with 80 % power at each of them.
        now: difference at the current n.
        needed: wanted difference to the seeds it takes, None above 10,000.
        method: how, in words.
        reason: why there is no statement.
    """

    question: Question
    n: int
    counts: np.ndarray
    detectable: np.ndarray
    now: float
    needed: dict[str, int | None]
    method: str
    reason: str | None


def seeds_data(
    source: Source,
    sweep: str,
    *,
    loss: str | None = None,
    metric: str | None = None,
    split: str | None = None,
    threshold: float | None = None,
) -> SeedsData:
    """Collect the difference that two cells must have to be told apart with n seeds.

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

    Source: `sweeps.sensitivity.seeds_needed`; Cohen (1988), ch. 2.
    """
    analysis = analysis_of(
        source, sweep, loss=loss, metric=metric, split=split, threshold=threshold
    )
    found = analysis.seeds
    if isinstance(found, Unavailable) or not found.sd_difference > 0:
        reason = (
            found.reason if isinstance(found, Unavailable) else "differences do not vary over seeds"
        )
        none = np.zeros(0)
        return SeedsData(analysis.question, 0, none, none, np.nan, {}, "", reason)
    counts = np.array(sorted({*_COUNTS, found.n}))
    return SeedsData(
        analysis.question, found.n, counts,
        np.array([detectable_difference(found.sd_difference, int(n)) for n in counts]),
        found.detectable, found.needed, found.method, None,
    )  # fmt: skip


def seeds_text(data: SeedsData) -> FigureText:
    """Return the words of the curve."""
    title = "How many seeds"
    if data.reason is not None:
        text = "With two cells and two seeds, this shows which differences the seeds can show."
        return FigureText(title, question_facts(data.question), text)
    wanted = ", ".join(
        f"{difference} takes {'over 10,000' if n is None else n}"
        for difference, n in data.needed.items()
    )
    caption = (
        f"{count_text(data.n, 'seed')} show a difference of {data.now:.4f} between two cells. "
        f"Seeds needed for a difference: {wanted}. {data.method[:1].upper()}{data.method[1:]}. A "
        "comparison of many cells needs more."
    )
    return FigureText(title, question_facts(data.question, f"n = {data.n} now"), caption)


def plot_seeds(
    data: SeedsData, *, scheme: str = "light", standalone: bool = True, width: int | None = None
) -> go.Figure:
    """Draw the detectable difference against the number of seeds, with the sweep's own n.

    Args:
        data: from `seeds_data`.
        scheme: ``"light"`` or ``"dark"``.
        standalone: put the title into the figure.
        width: width of the page in pixels.
    """
    theme = get_theme(scheme)
    figure = go.Figure()
    style_figure(figure, theme)
    top = _TOP + TITLE * standalone
    height = _HEIGHT + TITLE * standalone
    if data.reason is not None:
        say_instead(figure, data.reason, theme, width=width)
        height = 92 + TITLE * standalone
    else:
        figure.add_trace(
            go.Scatter(
                x=data.counts, y=data.detectable, mode="lines",
                line={"width": 2, "color": mixed(theme.accent, theme.surface, 0.7)},
                hovertemplate="%{x} seeds show %{y:.4f}<extra></extra>", showlegend=False,
            )
        )  # fmt: skip
        figure.add_trace(
            go.Scatter(
                x=[data.n], y=[data.now], mode="markers",
                marker={"size": 11, "color": theme.accent,
                        "line": {"width": 2, "color": theme.surface}},
                hovertemplate="now: %{x} seeds show %{y:.4f}<extra></extra>", showlegend=False,
            )
        )  # fmt: skip
        figure.add_annotation(
            x=float(np.log10(data.n)), y=float(np.log10(data.now)),
            text=f"<b>now</b> n = {data.n}: {data.now:.4f}", xanchor="left", yanchor="bottom",
            xshift=9, yshift=4, showarrow=False, font={"size": 12.5, "color": theme.ink},
        )  # fmt: skip
        figure.update_xaxes(
            type="log", title_text="seeds", tickvals=_TICKS, ticktext=[str(n) for n in _TICKS],
            showgrid=False, ticks="outside", ticklen=4, fixedrange=True,
        )  # fmt: skip
        values = _round_values(float(data.detectable.min()), float(data.detectable.max()))
        figure.update_yaxes(
            type="log", title_text=f"difference in {metric_name(data.question.metric)}",
            tickvals=values, ticktext=[f"{value:g}" for value in values], fixedrange=True,
        )  # fmt: skip
    figure.update_layout(
        height=height,
        margin={"l": _LEFT, "r": 18, "t": top, "b": _FOOT},
        meta={"kind": "seeds", "sweep": data.question.sweep, "loss": data.question.loss},
    )
    if standalone:
        add_title(figure, seeds_text(data), height)
    return figure


def _round_values(low: float, high: float) -> list[float]:
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    every = [digit * 10.0**power for power in decades for digit in (1, 2, 5)]
    return [value for value in every if 0.8 * low <= value <= 1.25 * high]
