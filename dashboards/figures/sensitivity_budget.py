"""Losses at equal budgets: the expected best of m cells of each, for every m."""

from __future__ import annotations

import html
import math
from functools import partial
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from dashboards.figures.captions import FigureText, add_title, threshold_fact
from dashboards.figures.selection import describe_metric, known_threshold
from dashboards.figures.sensitivity import TITLE, say_instead
from dashboards.figures.series import series_style
from dashboards.naming import metric_name
from dashboards.source import Source
from dashboards.theme import get_theme, style_figure
from sweeps.sensitivity.reading_losses import compare_stored

_HEIGHT, _TOP, _FOOT, _LEFT, _LEGEND = 276, 14, 52, 76, 24  # pixels
_MOST_POINTS = 200


class BudgetData(NamedTuple):
    """Expected test value of the best of m cells.

    Attributes:
        sweep: name of the sweep.
        metric: name of the metric.
        threshold: the cut; None for a metric that takes none.
        curves: loss to (n,) values for m = 1 … n, the losses in the order of the plan.
        level: predict-all on test, NaN when it is not known.
        warnings: what the curves cannot show.
    """

    sweep: str
    metric: str
    threshold: float | None
    curves: dict[str, np.ndarray]
    level: float
    warnings: tuple[str, ...]


def budget_data(
    source: Source,
    sweep: str,
    *,
    metric: str | None = None,
    threshold: float | None = None,
) -> BudgetData:
    """Collect the expected best of m cells of every loss, chosen on validation, read on test.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.
        metric: a metric of the sweep; its objective's by default.
        threshold: a kept threshold in (0, 1).

    Raises:
        FigureError: unknown metric or threshold.
        StoreError: the store cannot be read, or has no such sweep.

    Source: `sweeps.sensitivity.comparison.expected_best`; Dodge et al. (2019), EMNLP.
    """
    info = source.sweep(sweep)
    described = describe_metric(info, metric or info.objective["metric"])
    at = known_threshold(info, described, threshold)
    name = described["name"]
    found = source.compute(
        sweep,
        ("budget", name, at),
        partial(compare_stored, sweep=sweep, metric=name, threshold=at, curves=False),
    )
    cut = info.objective["threshold"] if at is None else at
    return BudgetData(
        sweep,
        name,
        cut if described["thresholded"] else None,
        {loss: curve for loss, curve in found.expected_best.items() if len(curve)},
        float(info.baselines.get("predict_all", {}).get("test", {}).get(name, math.nan)),
        tuple(found.warnings),
    )


def budget_text(data: BudgetData) -> FigureText:
    """Return the words of the curves."""
    facts = " · ".join(
        [data.sweep, metric_name(data.metric), "chosen on validation, read on test",
         threshold_fact(data.threshold)]
    )  # fmt: skip
    caption = [
        "What the best of m cells drawn at random from a loss's grid is expected to give: losses "
        "are compared at the same m, since the best of many looks better than the best of few.",
        *data.warnings,
    ]
    return FigureText("Losses at equal budgets", facts, " ".join(caption))


def plot_budget(
    data: BudgetData, *, scheme: str = "light", standalone: bool = True, width: int | None = None
) -> go.Figure:
    """Draw one curve a loss over the number of cells tried.

    Args:
        data: from `budget_data`.
        scheme: ``"light"`` or ``"dark"``.
        standalone: put the title into the figure.
        width: width of the page in pixels, for the rows of the legend.
    """
    theme = get_theme(scheme)
    figure = go.Figure()
    style_figure(figure, theme)
    rows = math.ceil(max(len(data.curves), 1) / max(1, (width or 1100) // 128))
    top = _TOP + TITLE * standalone + _LEGEND * rows
    height = _HEIGHT + TITLE * standalone + _LEGEND * rows
    for index, (loss, curve) in enumerate(data.curves.items()):
        colour, dash = series_style(index, theme)
        m = np.unique(
            np.geomspace(1, len(curve), min(len(curve), _MOST_POINTS)).round().astype(int)
        )
        figure.add_trace(
            go.Scatter(
                x=m, y=curve[m - 1], name=html.escape(loss),
                mode="lines" if len(curve) > 1 else "markers",
                line={"width": 2, "color": colour, "dash": dash},
                marker={"size": 8, "color": colour},
                hovertemplate=f"<b>{html.escape(loss)}</b><br>best of %{{x}}: %{{y:.4f}}"
                "<extra></extra>",
                showlegend=True,
            )
        )  # fmt: skip
    if not data.curves:
        say_instead(figure, "no loss has a finished cell with a value", theme, width=width)
        height = 92 + TITLE * standalone
    else:
        most = max(map(len, data.curves.values()))
        figure.update_xaxes(
            type="log", title_text="cells tried, m", range=[-0.03, math.log10(max(most, 2)) + 0.03],
            tickvals=[m for m in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000) if m <= most],
            showgrid=False, ticks="outside", ticklen=4, fixedrange=True,
        )  # fmt: skip
        figure.update_yaxes(title_text=metric_name(data.metric), fixedrange=True, nticks=6)
        if math.isfinite(data.level):
            figure.add_hline(
                y=data.level, line={"color": theme.muted, "width": 1.2, "dash": "dash"}
            )
            figure.add_annotation(
                x=1, xref="paper", y=data.level, text="predict-all", xanchor="right",
                yanchor="bottom", showarrow=False, font={"size": 11, "color": theme.muted},
            )  # fmt: skip
    figure.update_layout(
        height=height,
        margin={"l": _LEFT, "r": 18, "t": top, "b": _FOOT},
        legend={"x": 0, "y": 1, "xanchor": "left", "yanchor": "bottom", "traceorder": "normal"},
        meta={"kind": "budget", "sweep": data.sweep},
    )
    if standalone:
        add_title(figure, budget_text(data), height)
    return figure
