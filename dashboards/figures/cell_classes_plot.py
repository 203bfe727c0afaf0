"""Draws `dashboards.figures.cell_classes`."""

from __future__ import annotations

import html

import numpy as np
import plotly.graph_objects as go

from dashboards.figures.captions import add_title
from dashboards.figures.cell_classes import CellClassesData, cell_classes_text
from dashboards.theme import get_theme, style_figure

# Pixels.
_ROW, _TOP, _FOOT, _TITLE, _CHARACTER = 21, 12, 44, 70, 6.6
_LONGEST = 24


def plot_cell_classes(
    data: CellClassesData, *, scheme: str = "light", standalone: bool = True
) -> go.Figure:
    """Draw one row a class: a bar to the mean over seeds, a dot for each seed.

    Args:
        data: from `cell_classes_data`.
        scheme: ``"light"`` or ``"dark"``.
        standalone: put the title into the figure.
    """
    theme = get_theme(scheme)
    rows = np.arange(len(data.labels))
    names = [
        f"{_short(label)}  {count:,}"
        for label, count in zip(data.labels, data.positives, strict=True)
    ]
    figure = go.Figure(
        go.Bar(
            x=data.mean,
            y=rows,
            orientation="h",
            marker={"color": theme.box_fill, "line": {"color": theme.box, "width": 1}},
            customdata=[
                [html.escape(label), int(count)]
                for label, count in zip(data.labels, data.positives, strict=True)
            ],
            hovertemplate=(
                "<b>%{customdata[0]}</b><br>F1 %{x:.3f}, mean over seeds"
                "<br>%{customdata[1]:,} positives<extra></extra>"
            ),
            showlegend=False,
        )
    )
    figure.add_trace(
        go.Scatter(
            x=data.f1.ravel(),
            y=np.tile(rows, len(data.f1)),
            mode="markers",
            marker={"size": 4.5, "color": theme.ink, "opacity": 0.65},
            hovertemplate="F1 %{x:.3f}, one seed<extra></extra>",
            showlegend=False,
        )
    )
    style_figure(figure, theme)
    top = _TOP + _TITLE * standalone
    height = top + _FOOT + _ROW * max(3, len(rows))
    longest = max(map(len, names), default=1)
    figure.update_layout(
        height=height,
        bargap=0.3,
        margin={"l": int(18 + _CHARACTER * longest), "r": 18, "t": top, "b": _FOOT},
        meta={"kind": "cell classes", "sweep": data.sweep, "cell": data.key},
    )
    figure.update_xaxes(title_text="F1", range=[0, 1.02], fixedrange=True)
    figure.update_yaxes(
        tickvals=rows,
        ticktext=[html.escape(name) for name in names],
        range=[len(rows) - 0.4, -0.6],
        showgrid=False,
        tickfont={"size": 12, "color": theme.ink},
        fixedrange=True,
    )
    if standalone:
        add_title(figure, cell_classes_text(data), height)
    return figure


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"
