"""Draws the map of `dashboards.figures.heatmap`."""

from __future__ import annotations

import html
import math

import numpy as np
import plotly.graph_objects as go

from dashboards.figures import marks
from dashboards.figures.axes import Axis
from dashboards.figures.colour_bar import (
    BAR_HEIGHT,
    LABEL_ROW,
    level_labels,
    level_lines,
)
from dashboards.figures.colour_range import colour_range
from dashboards.figures.grid import MAX_LABELS, thin_labels
from dashboards.figures.heatmap import HeatmapData
from dashboards.figures.heatmap_marks import heatmap_marks, mark_traces
from dashboards.figures.heatmap_surface import plot_surface
from dashboards.figures.heatmap_text import heatmap_text
from dashboards.figures.heatmap_traces import Kind, text_trace, value_trace
from dashboards.naming import axis_name
from dashboards.theme import get_theme, style_figure

# Pixels.
_BELOW, _TITLE, _LEGEND_ROW = 56, 84, 22
_LEFT, _MOST_LEFT, _RIGHT = 64, 150, 26
_LABEL_CHARACTER, _LONG_LABEL = 6.8, 6


def plot_heatmap(
    data: HeatmapData,
    *,
    kind: Kind = "cells",
    scheme: str = "light",
    standalone: bool = True,
    width: int = 1000,
) -> go.Figure:
    """Draw the map: colour for the value, marks for everything that is not a value.

    Args:
        data: from `heatmap_data`.
        kind: ``cells``; ``contour``, which interpolates between cells; ``points``, every cell at
            its own place; or ``surface``, in three dimensions.
        scheme: ``"light"`` or ``"dark"``.
        standalone: put title, legend and facts into the figure; a page that shows them as text
            of its own (which wraps on a phone) says False.
        width: expected width in pixels; axis labels are thinned where they would not fit.

    Returns:
        A Plotly figure of fixed height and free width.

    Source: Bénédict et al. (2022), Figure 3.
    """
    if kind == "surface":
        return plot_surface(data, scheme=scheme, standalone=standalone)
    theme = get_theme(scheme)
    inner = _inner_height(data)
    cell_height = inner / data.value.shape[0]
    scale = colour_range(data)
    left = _left_margin(data, inner)
    across = width - left - _RIGHT
    levels = level_labels(data, scale, theme, across)
    highest = max((level["yshift"] for level in levels), default=BAR_HEIGHT)
    kinds = [] if kind == "points" else heatmap_marks(data)
    longest = max((len(marks.MARKS[mark].name) for mark in kinds), default=1)
    legend_rows = math.ceil(len(kinds) / max(1, (width - left) // (longest * 6 + 60)))
    top = highest + LABEL_ROW + _TITLE * standalone
    below = _BELOW + (_LEGEND_ROW * legend_rows + 10) * standalone
    figure = go.Figure()
    space = (across, inner)
    figure.add_trace(value_trace(kind, data, scale, theme, space, standalone=standalone))
    texts = text_trace(data, scale, space) if kind == "cells" else None
    if kind != "points":
        for trace in mark_traces(data, scale, theme, cell_height):
            figure.add_trace(trace)
    if texts is not None:
        figure.add_trace(texts)
    style_figure(figure, theme)
    place = data.best_position
    best = marks.outline(*place, data.x, data.y) if place and kind != "points" else []
    figure.update_layout(
        height=inner + top + below,
        margin={"l": left, "r": _RIGHT, "t": top, "b": below, "autoexpand": False},
        annotations=levels,
        shapes=level_lines(data, scale, theme) + best,
        showlegend=standalone,
        uirevision="map",
        meta={"kind": "map", "sweep": data.sweep, "loss": data.loss, "metric": data.metric},
    )
    if standalone:
        for mark in kinds:
            figure.add_trace(marks.legend_trace(mark, theme))
        text = heatmap_text(data)
        figure.update_layout(
            legend={"x": 0, "xanchor": "left", "y": -_BELOW / inner, "yanchor": "top"},
            title={
                "text": f"<b>{html.escape(text.title)}</b>",
                "subtitle": {"text": html.escape(text.subtitle), "font": {"size": 13}},
                "x": 0,
                "xref": "paper",
                "y": 1 - 22 / (inner + top + below),
                "yref": "container",
                "font": {"size": 16},
            },
        )
    _draw_axes(figure, data, across, inner, trimmed=kind == "contour")
    return figure


def _inner_height(data: HeatmapData) -> int:
    rows = data.value.shape[0]
    if data.y.spacing != "even" or rows > 40:
        return 400
    return max(110, rows * (40 if rows <= 8 else max(12, 340 // rows)))


def _left_margin(data: HeatmapData, inner: int) -> int:
    """Return the pixels that the labels and the title of the upward axis take."""
    longest = max(len(label) for label in axis_ticks(data.y, inner, across=False)[1])
    return round(min(_MOST_LEFT, max(_LEFT, 36 + _LABEL_CHARACTER * longest)))


def _draw_axes(
    figure: go.Figure, data: HeatmapData, across: int, upwards: int, *, trimmed: bool
) -> None:
    for axis, drawn, space in (
        (data.x, figure.layout.xaxis, across),
        (data.y, figure.layout.yaxis, upwards),
    ):
        positions, labels, step = axis_ticks(axis, space, across=axis is data.x)
        title = "" if axis.parameter is None else axis_name(axis.parameter)
        if axis.spacing == "log":
            title += ", log scale"
        edges = axis.edges
        if trimmed and len(axis.values) > 1:
            # Contours reach from the first middle to the last, not to the borders of cells.
            edges = axis.centres
        # A little room, so that the outline of a cell at the edge is not cut.
        room = 3 * (edges[-1] - edges[0]) / space
        drawn.tickvals, drawn.ticktext, drawn.tickangle = positions, labels, 0
        drawn.title.text = title if step == 1 else f"{title} (one label in {step})"
        drawn.title.standoff = 8
        drawn.range = [edges[0] - room, edges[-1] + room]
        drawn.showline = drawn.showgrid = False
        drawn.ticks, drawn.ticklen = "" if axis.parameter is None else "outside", 4
        drawn.fixedrange = True
        # There is room for every label: the browser need not measure which would be cut.
        drawn.ticklabeloverflow = "allow"


def axis_ticks(axis: Axis, space: float, *, across: bool) -> tuple[list[float], list[str], int]:
    """Return places, texts and step of an axis's labels, thinned where they would not fit.

    Evenly spaced positions are thinned to every k-th; true ones drop those that would run into
    the label before them, and the step stays 1.

    Args:
        axis: of the map.
        space: its length in pixels.
        across: whether labels stand side by side rather than one above the other.
    """
    labels = axis.labels
    if len(labels) > MAX_LABELS and max(map(len, labels)) > _LONG_LABEL:
        # A fine grid has long numbers, and few of them are shown: three digits place them.
        labels = [axis.short_label(position) for position in range(len(labels))]
    longest = max(len(label) for label in labels)
    size = 7 * longest + 4 if across else 15
    centres = axis.centres.tolist()
    if axis.spacing == "even":
        positions, kept, step = thin_labels(labels, max(2, int(space / size)))
        return [centres[position] for position in positions], kept, step
    edges = axis.edges
    pixels = (np.array(centres) - edges[0]) / (edges[-1] - edges[0]) * space
    shown: list[int] = []
    for position, pixel in enumerate(pixels):
        if not shown or pixel - pixels[shown[-1]] >= size:
            shown.append(position)
    return [centres[position] for position in shown], [labels[position] for position in shown], 1
