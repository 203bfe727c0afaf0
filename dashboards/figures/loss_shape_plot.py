"""Draws the loss's sigmoid and gradient of `dashboards.figures.loss_shape`."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from scipy import special

from dashboards.figures.captions import add_title
from dashboards.figures.loss_shape import LossShapeData, loss_shape_text
from dashboards.figures.loss_shape_scores import coarse, score_range, sigmoid, sigmoid_gradient
from dashboards.figures.series import legend_rows, series_style
from dashboards.naming import threshold_text
from dashboards.theme import Theme, get_theme, style_figure

# Pixels.
_ROWS, _BETWEEN, _TOP, _FOOT, _LEFT, _TITLE = (210, 110, 190), 34, 16, 82, 66, 70
POINTS = 481

# The traces that follow the sliders, by name; the browser redraws them by itself.
MOVING = ("S", "step", "line", "gradient")
_LEGEND = ("S", "step", "line", "positives", "negatives")


def plot_loss_shape(
    data: LossShapeData,
    *,
    beta: float | None = None,
    eta: float | None = None,
    input: str | None = None,
    scheme: str = "light",
    standalone: bool = True,
    width: int = 1000,
) -> go.Figure:
    """Draw S, its gradient, and the histogram of scores on one axis of u.

    Args:
        data: from `loss_shape_data`.
        beta: slope; the cell's by default.
        eta: offset; the cell's by default.
        input: what u is; the cell's by default.
        scheme: ``"light"`` or ``"dark"``.
        standalone: put the title into the figure.
        width: expected width in pixels, for the rows of the legend.

    Returns:
        A Plotly figure of fixed height and free width.

    Source: Bénédict et al. (2022), Figure 2.
    """
    theme = get_theme(scheme)
    beta = data.beta if beta is None else beta
    eta = data.eta if eta is None else eta
    shown = data.input if input is None else input
    scores = None if data.kept is None else data.kept.by_input[shown]
    low, high = score_range(scores, shown)
    top = _TOP + _TITLE * standalone
    inner = sum(_ROWS) + 2 * _BETWEEN
    below = _FOOT + 21 * (legend_rows(_LEGEND, width - _LEFT) - 1)
    height = inner + top + below
    figure = make_subplots(
        rows=3,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=_BETWEEN / inner,
        row_heights=list(_ROWS),
    )
    u = np.linspace(low, high, POINTS)
    accent, other = series_style(0, theme)[0], series_style(1, theme)[0]
    _draw_curves(figure, u, beta, eta, theme, shown)
    if scores is not None:
        bars = coarse(scores, low, high)
        for kind, counts, colour, sign in (
            ("positives", bars.positives, accent, 1),
            ("negatives", bars.negatives, other, -1),
        ):
            share = counts / max(getattr(scores, kind).sum(), 1)
            figure.add_trace(
                go.Bar(
                    x=bars.centres, y=sign * share, name=kind, width=(high - low) / len(counts),
                    marker={"color": colour, "line": {"width": 0}}, opacity=0.8,
                    customdata=np.stack([share, counts], axis=1),
                    hovertemplate=f"{kind}: %{{customdata[0]:.2%}} near u = %{{x:.2f}}"
                    "<br>%{customdata[1]:,} scores<extra></extra>",
                ),
                row=3, col=1,
            )  # fmt: skip
    else:
        figure.add_trace(go.Scatter(x=[None], y=[None], showlegend=False), row=3, col=1)
        figure.add_annotation(
            text="the scores of this cell are not kept", x=0.5, y=0.5, xref="x3 domain",
            yref="y3 domain", showarrow=False, font={"size": 13, "color": theme.muted},
        )  # fmt: skip
    style_figure(figure, theme)
    at = float(special.logit(data.threshold)) if shown == "logits" else data.threshold
    if low <= at <= high:
        figure.add_vline(x=at, line={"color": theme.muted, "width": 1.2, "dash": "dot"})
        figure.add_annotation(
            text=f"t = {threshold_text(data.threshold)}", x=at, y=1, xref="x3", yref="y3 domain",
            xanchor="left", yanchor="top", xshift=3, showarrow=False,
            font={"size": 11, "color": theme.muted},
        )  # fmt: skip
    figure.update_layout(
        height=height,
        margin={"l": _LEFT, "r": 18, "t": top, "b": below, "autoexpand": False},
        legend={"x": 0, "y": -46 / inner, "xanchor": "left", "yanchor": "top"},
        barmode="overlay",
        bargap=0,
        hovermode="closest",
        uirevision=f"shape-{shown}",
        meta={
            "kind": "loss-shape",
            "sweep": data.sweep,
            "cell": data.key,
            "beta": beta,
            "eta": eta,
            "input": shown,
        },
    )
    figure.update_xaxes(range=[low, high], fixedrange=True, showgrid=False, ticklen=4)
    unit = "score u = logit of the label" if shown == "logits" else "score u = probability"
    figure.update_xaxes(title_text=unit, ticks="outside", showticklabels=True, row=3, col=1)
    figure.update_yaxes(fixedrange=True, nticks=4, tickformat="~g")
    figure.update_yaxes(title_text="S(u)", range=[-0.12, 1.12], tickvals=[0, 0.5, 1], row=1, col=1)
    figure.update_yaxes(title_text="dS/du", row=2, col=1)
    figure.update_yaxes(title_text="share of scores", showticklabels=False, row=3, col=1)
    if standalone:
        add_title(figure, loss_shape_text(data), height)
    return figure


def _draw_curves(
    figure: go.Figure, u: np.ndarray, beta: float, eta: float, theme: Theme, input: str
) -> None:
    steep = theme.box
    curves = {
        "S": (sigmoid(u, beta, eta), {"color": steep, "width": 2.6}),
        "step": (step(u, beta, eta), {"color": theme.muted, "width": 1.2, "dash": "dot"}),
        "line": (line(u, beta, eta), {"color": theme.muted, "width": 1.2, "dash": "dash"}),
    }
    for name, (values, style) in curves.items():
        figure.add_trace(
            go.Scatter(
                x=u, y=values, mode="lines", name=name, line=style,
                hovertemplate=f"{name} %{{y:.3f}} at u = %{{x:.2f}}<extra></extra>"
                if name == "S" else None,
                hoverinfo=None if name == "S" else "skip",
            ),
            row=1, col=1,
        )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=u, y=sigmoid_gradient(u, beta, eta), mode="lines", name="gradient",
            line={"color": steep, "width": 2}, fill="tozeroy", fillcolor=theme.box_fill,
            hovertemplate="dS/du %{y:.3f} at u = %{x:.2f}<extra></extra>", showlegend=False,
        ),
        row=2, col=1,
    )  # fmt: skip


def step(u: np.ndarray, beta: float, eta: float) -> np.ndarray:
    """Return ``1[β (u + η) >= 0]``: the hard prediction that S smooths."""
    return (beta * (u + eta) >= 0).astype(float)


def line(u: np.ndarray, beta: float, eta: float) -> np.ndarray:
    """Return S's tangent at its middle, ``1/2 + β (u + η) / 4``; NaN outside of [-0.1, 1.1]."""
    values = 0.5 + beta * (u + eta) / 4.0
    return np.where((values >= -0.1) & (values <= 1.1), values, math.nan)
