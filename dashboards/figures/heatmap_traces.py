"""The trace of a map that carries its values: cells, contours, or a point a cell."""

from __future__ import annotations

import html
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go

from dashboards.figures import marks
from dashboards.figures.axes import Axis
from dashboards.figures.colour_bar import colour_bar
from dashboards.figures.colour_range import ColourRange
from dashboards.figures.heatmap import MOST_TEXTS, HeatmapData
from dashboards.figures.heatmap_hover import hover_numbers, hover_texts
from dashboards.figures.settings import IntArray
from dashboards.naming import score_text, settings_text
from dashboards.theme import Theme, colour_scale, is_bright

Kind = Literal["cells", "points", "contour", "surface"]
KINDS: dict[Kind, str] = {
    "cells": "cells",
    "points": "points",
    "contour": "contour",
    "surface": "3-D",
}
MOST_POINTS = 4000

# Pixels.
_VALUE_WIDTH, _NARROW_VALUE_WIDTH, _VALUE_HEIGHT, _GAP_FROM = 46, 26, 16, 5


def value_trace(
    kind: Kind,
    data: HeatmapData,
    scale: ColourRange,
    theme: Theme,
    size: tuple[float, float],
    *,
    standalone: bool,
) -> Any:
    """Return the trace of the values.

    Args:
        kind: how they are drawn.
        data: from `heatmap_data`.
        scale: span of the colours.
        theme: colours of the figure.
        size: width and height of the plotting area in pixels.
        standalone: a large map carries numbers for the pointer; a page's own map leaves them to
            the page, which asks for the text of one position: they would be most of its bytes.
    """
    shared = {
        "colorscale": colour_scale(higher_is_better=data.brighter_is_higher),
        "showscale": bool(np.isfinite(data.value).any()),
        "colorbar": colour_bar(data, scale, theme, int(size[1])),
    }
    if kind == "points":
        return _points(data, scale, theme, shared)
    shared |= {"zmin": scale.low, "zmax": scale.high, **_hover(data, standalone)}
    if kind == "contour":
        return go.Contour(
            z=data.value,
            x=data.x.centres,
            y=data.y.centres,
            ncontours=14,
            connectgaps=False,
            line={"width": 1.0, "color": marks.BRIGHT_INK},
            contours={
                "coloring": "heatmap",
                "showlabels": data.value.size > 30,
                # White is seen on the dark colours, its shadow on the bright ones.
                "labelfont": {
                    "size": 11.5,
                    "color": marks.BRIGHT_INK,
                    "shadow": f"0 0 3px {marks.DARK_INK}, 0 0 2px {marks.DARK_INK}",
                },
            },
            **shared,
        )
    rows, columns = data.value.shape
    gap = 1 if size[0] / columns >= _GAP_FROM and size[1] / rows >= _GAP_FROM else 0
    return go.Heatmap(
        z=data.value if data.value.size <= MOST_TEXTS else data.value.astype(np.float32),
        x=data.x.edges,
        y=data.y.edges,
        hoverongaps=True,
        xgap=gap,
        ygap=gap,
        **shared,
    )


def _hover(data: HeatmapData, standalone: bool) -> dict[str, Any]:
    if data.value.size <= MOST_TEXTS:
        return {
            "customdata": np.array(hover_texts(data), dtype=object),
            "hovertemplate": "%{customdata}<extra></extra>",
        }
    if not standalone:
        return {"hoverinfo": "none"}
    numbers, template = hover_numbers(data)
    return {"customdata": numbers, "hovertemplate": template}


def _points(
    data: HeatmapData, scale: ColourRange, theme: Theme, shared: dict[str, Any]
) -> go.Scatter:
    """Return every cell at its own place; those without a value are open circles."""
    values = data.each.value
    rows = np.arange(len(data.rows))
    if len(rows) > MOST_POINTS:
        rows = np.linspace(0, len(rows) - 1, MOST_POINTS).astype(int)
    known = np.isfinite(values[rows])
    picked = np.zeros(len(rows), bool)
    if data.picked is not None:
        picked = data.picked.reshape(-1)[data.place[rows]]
    is_best = data.plan.cell_ids[data.rows[rows]] == (data.best.cell_id if data.best else -1)
    names = [axis.parameter for axis in (data.x, data.y) if axis.parameter is not None]
    texts = []
    for row in rows:
        settings = data.plan.settings.of_cell(int(data.rows[row]))
        place = settings_text(settings, [name for name in names if name in settings])
        texts.append(
            f"<b>{html.escape(place or data.loss)}</b><br>{score_text(float(values[row]), 4)}"
            f"<br>n = {int(np.nan_to_num(data.each.n[row]))}<br>click for the cell’s page"
        )
    return go.Scatter(
        x=_places(data, data.x, rows),
        y=_places(data, data.y, rows),
        mode="markers",
        marker={
            "color": np.where(known, values[rows], scale.low),
            "cmin": scale.low,
            "cmax": scale.high,
            "size": 11 if len(rows) < 400 else 7,
            "symbol": np.where(known, "circle", "circle-open"),
            "line": {
                "width": np.where(is_best, 3.5, np.where(picked, 3.0, 1.0)),
                "color": np.where(
                    is_best, theme.ink, np.where(picked, marks.PICKED_INK, theme.muted)
                ),
            },
            **shared,
        },
        customdata=data.plan.cell_ids[data.rows[rows]].reshape(-1, 1),
        text=texts,
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _places(data: HeatmapData, axis: Axis, rows: IntArray) -> np.ndarray:
    """Return where each cell lies on an axis; of a binned one its true place in the bin."""
    if axis.parameter is None:
        return np.zeros(len(rows))
    if axis.spacing == "even":
        columns = len(data.x.values)
        own = data.place[rows]
        return np.asarray(own % columns if axis is data.x else own // columns, float)
    settings = data.plan.settings
    values = np.array(settings.values[axis.parameter], dtype=float)
    found = values[settings.codes[axis.parameter][data.rows[rows]]]
    return np.log10(found) if axis.spacing == "log" else found


def text_trace(
    data: HeatmapData, scale: ColourRange, size: tuple[float, float]
) -> go.Scatter | None:
    """Return the values as texts in the cells, or None where some cell lacks the room.

    Args:
        data: from `heatmap_data`.
        scale: span of the colours: texts are dark on bright ones.
        size: width and height of the plotting area in pixels.
    """
    x, y = data.x, data.y
    room = np.diff(x.edges).min() / (x.edges[-1] - x.edges[0]) * size[0]
    height = np.diff(y.edges).min() / (y.edges[-1] - y.edges[0]) * size[1]
    if room < _NARROW_VALUE_WIDTH or height < _VALUE_HEIGHT:
        return None
    is_wide = room >= _VALUE_WIDTH
    digits = 0 if data.aggregate == "n" else 3 if is_wide else 2
    rows, columns = np.nonzero(np.isfinite(data.value))
    values = data.value[rows, columns].tolist()
    better = data.brighter_is_higher
    return go.Scatter(
        x=((x.edges[1:] + x.edges[:-1]) / 2)[columns],
        y=((y.edges[1:] + y.edges[:-1]) / 2)[rows],
        mode="text",
        text=[_short_score(value, digits) for value in values],
        textfont={
            "size": 12 if is_wide else 10,
            "color": [
                marks.DARK_INK
                if is_bright(scale.fraction(value), higher_is_better=better)
                else marks.BRIGHT_INK
                for value in values
            ],
        },
        hoverinfo="skip",
        showlegend=False,
    )


def _short_score(value: float, digits: int) -> str:
    """Write a score in a cell; a narrow one leaves out the zero before the point."""
    text = score_text(value, digits)
    return text.replace("0.", ".", 1) if digits == 2 else text
