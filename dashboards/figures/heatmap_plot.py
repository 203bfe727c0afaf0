"""Draws the map of `dashboards.figures.heatmap`."""

from __future__ import annotations

import html
import math
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboards.figures import marks
from dashboards.figures.colour_range import ColourRange, colour_range
from dashboards.figures.grid import thin_labels
from dashboards.figures.heatmap import HeatmapData
from dashboards.figures.heatmap_hover import hover_texts
from dashboards.figures.heatmap_marks import heatmap_marks, mark_traces
from dashboards.figures.heatmap_text import heatmap_text
from dashboards.naming import axis_name, score_text
from dashboards.theme import Theme, colour_scale, get_theme, style_figure

# Pixels.
_LABEL_ROW, _BAR, _TICKS, _GAP = 17, 10, 20, 8
_BELOW, _TITLE, _LEGEND_ROW = 56, 84, 22
_LEFT, _RIGHT = 64, 26
_CHARACTER = 6.4
_VALUE_WIDTH = 46


def plot_heatmap(
    data: HeatmapData, *, scheme: str = "light", standalone: bool = True, width: int = 1000
) -> go.Figure:
    """Draw the map: colour for the mean, marks for everything that is not a mean.

    Args:
        data: from `heatmap_data`.
        scheme: ``"light"`` or ``"dark"``.
        standalone: put title, legend and facts into the figure; a page that shows them as text
            of its own (which wraps on a phone) says False.
        width: expected width in pixels; axis labels are thinned where they would not fit.

    Returns:
        A Plotly figure of fixed height and free width.

    Source: Bénédict et al. (2022), Figure 3.
    """
    theme = get_theme(scheme)
    rows = data.mean.shape[0]
    cell_height = 40 if rows <= 8 else max(12, 320 // rows)
    inner = max(rows * cell_height, 110)
    scale = colour_range(data)
    levels = _level_labels(data, scale, theme, width - _LEFT - _RIGHT)
    highest = max((level["yshift"] for level in levels), default=_GAP + _TICKS + _BAR)
    kinds = heatmap_marks(data)
    longest = max((len(marks.MARKS[kind].name) for kind in kinds), default=1)
    legend_rows = math.ceil(len(kinds) / max(1, (width - _LEFT) // (longest * 6 + 60)))
    top = highest + _LABEL_ROW + _TITLE * standalone
    below = _BELOW + (_LEGEND_ROW * legend_rows + 10) * standalone
    figure = go.Figure()
    figure.add_trace(_colours(data, scale, theme, inner, width))
    for trace in mark_traces(data, scale, theme, cell_height):
        figure.add_trace(trace)
    style_figure(figure, theme)
    best = [] if data.best_position is None else marks.outline(*data.best_position)
    figure.update_layout(
        height=inner + top + below,
        margin={"l": _LEFT, "r": _RIGHT, "t": top, "b": below, "autoexpand": False},
        annotations=levels,
        shapes=_level_lines(data, scale, theme) + best,
        showlegend=standalone,
        uirevision="map",
        meta={"kind": "map", "sweep": data.sweep, "loss": data.loss, "metric": data.metric},
    )
    if standalone:
        for kind in kinds:
            figure.add_trace(marks.legend_trace(kind, theme))
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
    for axis, update, space in (
        (data.x, figure.update_xaxes, width - _LEFT - _RIGHT),
        (data.y, figure.update_yaxes, inner),
    ):
        longest = max(len(label) for label in axis.labels)
        limit = max(2, int(space / (7 * longest + 4 if axis is data.x else 15)))
        positions, labels, step = thin_labels(axis.labels, limit)
        title = "" if axis.parameter is None else axis_name(axis.parameter)
        update(
            tickvals=positions,
            ticktext=labels,
            tickangle=0,
            title_text=title if step == 1 else f"{title} (one label in {step})",
            # A little room, so that the outline of a cell at the edge is not cut.
            range=[-0.5 - 3 * len(axis.values) / space, (1 + 3 / space) * len(axis.values) - 0.5],
            showline=False,
            showgrid=False,
            ticks="" if axis.parameter is None else "outside",
            ticklen=4,
            title_standoff=8,
            fixedrange=True,
        )
    return figure


def _colours(
    data: HeatmapData, scale: ColourRange, theme: Theme, inner: int, width: int
) -> go.Heatmap:
    rows, columns = data.mean.shape
    fits = (width - _LEFT - _RIGHT) / columns >= _VALUE_WIDTH and inner / rows >= 16
    text = [[score_text(value) if np.isfinite(value) else "" for value in row] for row in data.mean]
    return go.Heatmap(
        z=data.mean,
        text=text if fits else None,
        texttemplate="%{text}" if fits else None,
        textfont={"size": 12},
        customdata=np.array(hover_texts(data), dtype=object),
        hovertemplate="%{customdata}<extra></extra>",
        hoverongaps=True,
        zmin=scale.low,
        zmax=scale.high,
        colorscale=colour_scale(higher_is_better=data.higher_is_better),
        showscale=bool(np.isfinite(data.mean).any()),
        xgap=1,
        ygap=1,
        colorbar={
            "orientation": "h",
            "thickness": _BAR,
            "len": 1,
            "x": 0,
            "xanchor": "left",
            "y": 1 + (_GAP + _TICKS + _BAR) / inner,
            "yanchor": "top",
            "xpad": 0,
            "ypad": 0,
            "outlinewidth": 0,
            "tickfont": {"size": 11, "color": theme.muted},
            "ticklen": 3,
            "ticklabeloverflow": "allow",
            "tickcolor": theme.line,
            **_bar_ticks(scale),
        },
    )


def _bar_ticks(scale: ColourRange) -> dict[str, Any]:
    # Just inside the ends, where rounding would drop the labels.
    inset = 1e-6 * (scale.high - scale.low)
    values = np.linspace(scale.low + inset, scale.high - inset, 5)
    digits = 3 if scale.high - scale.low >= 0.02 else 4
    labels = [score_text(value, digits) for value in values]
    labels[0] = ("≤ " if scale.below else "") + labels[0]
    labels[-1] = ("≥ " if scale.above else "") + labels[-1]
    return {"tickvals": values.tolist(), "ticktext": labels}


def _level_places(data: HeatmapData, scale: ColourRange) -> dict[float, list[str]]:
    """Return the labels of the constant predictions by their place on the bar, if there is one."""
    names = {"predict_all": "predict-all", "predict_none": "predict-none"}
    places: dict[float, list[str]] = {}
    if not np.isfinite(data.mean).any():
        return places
    for name, value in sorted(data.levels.items(), key=lambda item: item[1]):
        if math.isfinite(value):
            place = min(1.0, max(0.0, scale.fraction(value)))
            places.setdefault(place, []).append(f"{names.get(name, name)} {score_text(value)}")
    return places


def _level_labels(
    data: HeatmapData, scale: ColourRange, theme: Theme, width: int
) -> list[dict[str, Any]]:
    """Label the levels above the bar; a label that would run into another takes a row above."""
    labels: list[dict[str, Any]] = []
    ends: list[float] = []
    for place, names in sorted(_level_places(data, scale).items()):
        text = ", ".join(names)
        text = {0.0: f"◂ {text}", 1.0: f"{text} ▸"}.get(place, f"▾ {text}")
        length = len(text) * _CHARACTER / width
        anchor = "left" if place < 0.5 else "right"
        start = place if anchor == "left" else place - length
        row = next((row for row, end in enumerate(ends) if start > end), len(ends))
        ends[row : row + 1] = [start + length + 0.02]
        labels.append(
            {
                "x": place,
                "y": 1,
                "xref": "paper",
                "yref": "paper",
                "xanchor": anchor,
                "yanchor": "bottom",
                "yshift": _GAP + _TICKS + _BAR + 1 + row * _LABEL_ROW,
                "xshift": 0 if place in (0.0, 1.0) else -6 if anchor == "left" else 6,
                "text": text,
                "showarrow": False,
                "font": {"size": 11, "color": theme.muted},
            }
        )
    return labels


def _level_lines(data: HeatmapData, scale: ColourRange, theme: Theme) -> list[dict[str, Any]]:
    return [
        {
            "type": "line",
            "xref": "paper",
            "yref": "paper",
            "ysizemode": "pixel",
            "yanchor": 1,
            "x0": place,
            "x1": place,
            "y0": _GAP + _TICKS - 3,
            "y1": _GAP + _TICKS + _BAR + 3,
            "line": {"color": theme.ink, "width": 2},
        }
        for place in _level_places(data, scale)
        if 0.0 < place < 1.0
    ]
