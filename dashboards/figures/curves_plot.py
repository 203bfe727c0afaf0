"""Draws the learning curves of `dashboards.figures.curves`."""

from __future__ import annotations

import html
import math

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards.figures.captions import add_title
from dashboards.figures.curves import LearningCurve, LearningData, learning_text
from dashboards.figures.series import faded, legend_rows, series_style
from dashboards.naming import metric_name
from dashboards.theme import Theme, get_theme, style_figure

# Pixels.
_PANEL, _SMALL, _HEAD, _FOOT, _LEFT, _TITLE, _LEGEND_ROW = 330, 150, 30, 46, 62, 70, 21


def plot_learning(
    data: LearningData,
    name: str = "objective",
    *,
    scheme: str = "light",
    standalone: bool = True,
    columns: int = 3,
    best: bool = True,
    width: int = 1000,
) -> go.Figure:
    """Draw one curve of every cell: the objective in one panel, training losses in one each.

    Args:
        data: from `learning_data`.
        name: ``objective`` or ``train_loss``.
        scheme: ``"light"`` or ``"dark"``.
        standalone: put the title into the figure.
        columns: panels beside each other, where each cell has its own.
        best: whether the cells are the best of each loss, for the title.
        width: expected width in pixels, for the rows of the legend.

    Returns:
        A Plotly figure of fixed height and free width.
    """
    theme = get_theme(scheme)
    together = name == "objective"
    across = 1 if together else max(1, min(columns, len(data.cells)))
    down = 1 if together else max(1, math.ceil(len(data.cells) / across))
    panel = _PANEL if together else _SMALL
    rows = legend_rows(data.names, width - _LEFT - 18)
    legend = _LEGEND_ROW * rows if together else 0
    top = (12 if together else _HEAD) + _TITLE * standalone
    below = _FOOT + 8 + legend
    between = _HEAD + _FOOT - 14
    height = down * panel + (down - 1) * between + top + below
    figure = make_subplots(
        rows=down,
        cols=across,
        horizontal_spacing=0.07 if across > 1 else 0,
        vertical_spacing=between / (height - top - below) if down > 1 else 0,
    )
    for index, curve in enumerate(data.curves[name]):
        place = (
            {"row": 1, "col": 1}
            if together
            else {"row": index // across + 1, "col": index % across + 1}
        )
        _draw(figure, data, index, curve, place, theme, y_name=_y_name(data, name))
        if not together:
            _head(figure, data.names[index], bool(curve.epochs.size), place, theme, across)
    if together and not any(curve.epochs.size for curve in data.curves[name]):
        figure.add_trace(go.Scatter(x=[None], y=[None], hoverinfo="skip", showlegend=False))
        figure.add_annotation(
            text="no finished seed yet", x=0.5, y=0.5, xref="x domain", yref="y domain",
            showarrow=False, font={"size": 13, "color": theme.muted},
        )  # fmt: skip
    style_figure(figure, theme)
    figure.update_layout(
        height=height,
        margin={"l": _LEFT, "r": 18, "t": top, "b": below, "autoexpand": False},
        showlegend=together,
        legend={
            "x": 0,
            "y": -_FOOT / panel,
            "xanchor": "left",
            "yanchor": "top",
            "tracegroupgap": 0,
        },
        hovermode="closest",
        uirevision=f"learning-{name}",
        meta={"kind": "learning", "sweep": data.sweep, "curve": name},
    )
    figure.update_xaxes(fixedrange=True, ticks="outside", ticklen=4, showgrid=False, nticks=7)
    figure.update_yaxes(fixedrange=True, nticks=6 if together else 4)
    for column in range(1, across + 1):
        figure.update_xaxes(title_text="epoch", row=down, col=column)
    if together:
        figure.update_yaxes(title_text=_y_name(data, name))
    if standalone:
        add_title(figure, learning_text(data, name, best=best), height)
    return figure


def _y_name(data: LearningData, name: str) -> str:
    return metric_name(data.objective["metric"]) if name == "objective" else "training loss"


def _draw(
    figure: go.Figure,
    data: LearningData,
    index: int,
    curve: LearningCurve,
    place: dict[str, int],
    theme: Theme,
    *,
    y_name: str,
) -> None:
    colour, dash = series_style(index, theme)
    label = html.escape(data.names[index])
    group = {"legendgroup": str(index), "name": label}
    x, y = every_seed(curve.epochs, curve.values)
    figure.add_trace(
        go.Scatter(
            x=x, y=y, mode="lines", line={"color": faded(colour, 0.35), "width": 1},
            hoverinfo="skip", showlegend=False, **group,
        ),
        **place,
    )  # fmt: skip
    few = len(curve.epochs) <= 25
    figure.add_trace(
        go.Scatter(
            x=curve.epochs,
            y=curve.mean,
            mode="lines+markers" if few else "lines",
            line={"color": colour, "width": 2.2, "dash": dash},
            marker={"size": 5, "color": colour},
            customdata=curve.n,
            hovertemplate=(
                f"<b>{label}</b><br>epoch %{{x}}: {y_name} %{{y:.4f}}<br>"
                "mean over %{customdata} seeds<extra></extra>"
            ),
            **group,
        ),
        **place,
    )


def every_seed(x: np.ndarray, values: np.ndarray) -> tuple[list[float | None], list[float | None]]:
    """Return one line of many: each row of ``values`` over ``x``, gaps between and for NaN.

    Example:
        >>> every_seed(np.array([1, 2]), np.array([[0.5, 0.6], [0.4, float("nan")]]))
        ([1.0, 2.0, None, 1.0, 2.0, None], [0.5, 0.6, None, 0.4, None, None])
    """
    xs: list[float | None] = []
    ys: list[float | None] = []
    for row in values:
        xs += [*map(float, x), None]
        ys += [*(float(v) if math.isfinite(v) else None for v in row), None]
    return xs, ys


def _head(
    figure: go.Figure, name: str, known: bool, place: dict[str, int], theme: Theme, across: int
) -> None:
    most = 44 if across < 3 else 40
    short = name if len(name) <= most else f"{name[: most - 1]}…"
    figure.add_annotation(
        text=f"<b>{html.escape(short)}</b>" + ("" if known else "<br>no finished seed yet"),
        x=0, y=1, xref="x domain", yref="y domain", xanchor="left", yanchor="bottom", yshift=4,
        showarrow=False, align="left", font={"size": 12, "color": theme.ink}, **place,
    )  # fmt: skip
    if not known:
        figure.add_trace(go.Scatter(x=[None], y=[None], hoverinfo="skip"), **place)
