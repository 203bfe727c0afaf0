"""The colour bar above a map, with the levels of the constant predictions marked on it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dashboards.figures.colour_range import ColourRange
from dashboards.figures.heatmap import HeatmapData
from dashboards.naming import score_text
from dashboards.theme import Theme

# Pixels.
LABEL_ROW = 17
_BAR, _TICKS, _GAP = 10, 20, 8
BAR_HEIGHT = _GAP + _TICKS + _BAR
_CHARACTER = 6.4


def colour_bar(data: HeatmapData, scale: ColourRange, theme: Theme, inner: int) -> dict[str, Any]:
    """Return the colour bar above a map of ``inner`` pixels."""
    return {
        "orientation": "h",
        "thickness": _BAR,
        "len": 1,
        "x": 0,
        "xanchor": "left",
        "y": 1 + (BAR_HEIGHT) / inner,
        "yanchor": "top",
        "xpad": 0,
        "ypad": 0,
        "outlinewidth": 0,
        "tickfont": {"size": 11, "color": theme.muted},
        "ticklen": 3,
        "ticklabeloverflow": "allow",
        "tickcolor": theme.line,
        **_bar_ticks(data, scale),
    }


def _bar_ticks(data: HeatmapData, scale: ColourRange) -> dict[str, Any]:
    # Just inside the ends, where rounding would drop the labels.
    inset = 1e-6 * (scale.high - scale.low)
    values = np.linspace(scale.low + inset, scale.high - inset, 5)
    digits = 3 if scale.high - scale.low >= 0.02 else 4
    if data.aggregate == "n":
        digits = 1
    labels = [score_text(value, digits) for value in values]
    labels[0] = ("≤ " if scale.below else "") + labels[0]
    labels[-1] = ("≥ " if scale.above else "") + labels[-1]
    return {"tickvals": values.tolist(), "ticktext": labels}


def _level_places(data: HeatmapData, scale: ColourRange) -> dict[float, list[str]]:
    """Return the labels of the constant predictions by their place on the bar, if there is one."""
    names = {"predict_all": "predict-all", "predict_none": "predict-none"}
    places: dict[float, list[str]] = {}
    if not np.isfinite(data.value).any():
        return places
    for name, value in sorted(data.levels.items(), key=lambda item: item[1]):
        if math.isfinite(value):
            place = min(1.0, max(0.0, scale.fraction(value)))
            places.setdefault(place, []).append(f"{names.get(name, name)} {score_text(value)}")
    return places


def level_labels(
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
                "yshift": BAR_HEIGHT + 1 + row * LABEL_ROW,
                "xshift": 0 if place in (0.0, 1.0) else -6 if anchor == "left" else 6,
                "text": text,
                "showarrow": False,
                "font": {"size": 11, "color": theme.muted},
            }
        )
    return labels


def level_lines(data: HeatmapData, scale: ColourRange, theme: Theme) -> list[dict[str, Any]]:
    """Return a line across the bar for each level that lies within the scale."""
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
            "y1": BAR_HEIGHT + 3,
            "line": {"color": theme.ink, "width": 2},
        }
        for place in _level_places(data, scale)
        if 0.0 < place < 1.0
    ]
