"""The map of `dashboards.figures.heatmap` as a surface in three dimensions."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboards.figures.axes import Axis
from dashboards.figures.colour_range import colour_range
from dashboards.figures.grid import thin_labels
from dashboards.figures.heatmap import MOST_TEXTS, HeatmapData
from dashboards.figures.heatmap_hover import hover_texts
from dashboards.figures.heatmap_text import heatmap_text
from dashboards.naming import axis_name, metric_name
from dashboards.theme import colour_scale, get_theme, style_figure

_HEIGHT, _TITLE = 540, 74
_MOST_TICKS = 8


def plot_surface(data: HeatmapData, *, scheme: str = "light", standalone: bool = True) -> go.Figure:
    """Draw the map in three dimensions; cells without a value are gaps, the best one is a ball.

    Args:
        data: from `heatmap_data`.
        scheme: ``"light"`` or ``"dark"``.
        standalone: put the title into the figure.
    """
    theme = get_theme(scheme)
    scale = colour_range(data)
    figure = go.Figure(
        go.Surface(
            z=data.value,
            x=data.x.centres,
            y=data.y.centres,
            cmin=scale.low,
            cmax=scale.high,
            colorscale=colour_scale(higher_is_better=data.brighter_is_higher),
            colorbar={
                "len": 0.7,
                "thickness": 12,
                "outlinewidth": 0,
                "tickfont": {"size": 11, "color": theme.muted},
            },
            connectgaps=False,
            contours={"z": {"show": True, "color": theme.line, "width": 1}},
            **_hover(data),
        )
    )
    if data.best_position is not None and data.best is not None:
        row, column = data.best_position
        figure.add_trace(
            go.Scatter3d(
                x=[data.x.centres[column]],
                y=[data.y.centres[row]],
                z=[data.value[row, column]],
                mode="markers",
                marker={"size": 6, "color": theme.ink},
                hovertemplate="best cell shown<extra></extra>",
                showlegend=False,
            )
        )
    style_figure(figure, theme)
    name = metric_name(data.metric)
    figure.update_layout(
        height=_HEIGHT + _TITLE * standalone,
        margin={"l": 0, "r": 0, "t": _TITLE * standalone, "b": 0},
        dragmode="orbit",
        uirevision="map",
        scene={
            "xaxis": _axis(data.x, theme),
            "yaxis": _axis(data.y, theme),
            "zaxis": _look(theme) | {"title": {"text": name}},
            "aspectmode": "manual",
            "aspectratio": {"x": 1.5, "y": 1.2, "z": 0.75},
            "camera": {
                "eye": {"x": -1.35, "y": -1.75, "z": 0.8},
                "center": {"x": 0, "y": 0, "z": -0.16},
            },
        },
        meta={"kind": "map", "sweep": data.sweep, "loss": data.loss, "metric": data.metric},
    )
    if standalone:
        text = heatmap_text(data)
        figure.update_layout(
            title={
                "text": f"<b>{html.escape(text.title)}</b>",
                "subtitle": {"text": html.escape(text.subtitle), "font": {"size": 13}},
                "x": 0.02,
                "font": {"size": 16},
            }
        )
    return figure


def _hover(data: HeatmapData) -> dict[str, Any]:
    if data.value.size > MOST_TEXTS:
        return {"hovertemplate": "%{z:.4f}<extra></extra>"}
    return {
        "text": np.array(hover_texts(data), dtype=object),
        "hovertemplate": "%{text}<extra></extra>",
    }


def _axis(axis: Axis, theme: Any) -> dict[str, Any]:
    positions, labels, _ = thin_labels(axis.labels, _MOST_TICKS)
    return _look(theme) | {
        "title": {"text": "" if axis.parameter is None else axis_name(axis.parameter)},
        "tickvals": [float(axis.centres[position]) for position in positions],
        "ticktext": labels,
    }


def _look(theme: Any) -> dict[str, Any]:
    return {
        "backgroundcolor": theme.surface,
        "gridcolor": theme.line,
        "color": theme.muted,
        "showbackground": False,
        "zeroline": False,
    }
