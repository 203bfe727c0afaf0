"""Which positions of a map bear which mark, and the traces that draw them."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go

from dashboards.figures import marks
from dashboards.figures.colour_range import ColourRange
from dashboards.figures.heatmap import HeatmapData
from dashboards.theme import Theme, is_bright


def mark_masks(data: HeatmapData) -> dict[marks.Kind, np.ndarray]:
    """Return, for each kind of mark, the positions that bear it."""
    some = data.n > 0
    empty = ~some & ~data.missing
    waiting = empty & (data.waiting > 0)
    diverged = empty & ~waiting & (data.diverged > 0)
    failed = empty & ~waiting & ~diverged & (data.failed > 0)
    nothing = data.collapsed & (data.nothing >= data.everything)
    return {
        "nothing": nothing,
        "everything": data.collapsed & ~nothing,
        "diverged": diverged,
        "failed": failed,
        "undefined": empty & ~waiting & ~diverged & ~failed,
        "waiting": waiting,
        "missing": data.missing,
        "some_diverged": some & (data.diverged > 0),
        "some_failed": some & (data.failed > 0),
        "some_waiting": some & (data.waiting > 0),
    }


def heatmap_marks(data: HeatmapData) -> list[marks.Kind]:
    """Return the kinds of mark that the map bears, in the order of its legend."""
    masks = mark_masks(data)
    best: list[marks.Kind] = [] if data.best_position is None else ["best"]
    return best + [kind for kind, mask in masks.items() if mask.any()]


def mark_traces(
    data: HeatmapData, scale: ColourRange, theme: Theme, cell_height: int
) -> list[go.Scatter]:
    """Return the traces of all marks, hatches and glyphs in the ink that is seen on each cell."""
    size = float(min(11, max(4, min(cell_height, 900 / data.mean.shape[1]) * 0.4)))
    inks = {"diverged": theme.diverged, "failed": theme.failed, "undefined": theme.muted}
    traces = []
    for kind, mask in mark_masks(data).items():
        if not mask.any():
            continue
        if kind in inks:
            traces.append(marks.hatch(kind, mask, ink="", ground=theme.blank))
            traces.append(marks.glyph(kind, mask, colour=inks[kind], size=size))
        elif kind in ("waiting", "missing"):
            ground = theme.blank if kind == "waiting" else theme.page
            traces.append(marks.hatch(kind, mask, ink=theme.blank_mark, ground=ground))
        else:
            for part, ink in _by_ink(data, scale, mask):
                if marks.MARKS[kind].hatch is not None:
                    traces.append(marks.hatch(kind, part, ink=ink, ground="rgba(0,0,0,0)"))
                else:
                    traces.append(marks.glyph(kind, part, colour=ink, size=size * 0.6, corner=True))
    return traces


def _by_ink(
    data: HeatmapData, scale: ColourRange, mask: np.ndarray
) -> list[tuple[np.ndarray, str]]:
    """Part the positions by the ink that is seen on their colour."""
    bright = np.vectorize(
        lambda value: (
            math.isfinite(value)
            and is_bright(scale.fraction(value), higher_is_better=data.higher_is_better)
        ),
        otypes=[bool],
    )(data.mean)
    parts = [(mask & bright, marks.DARK_INK), (mask & ~bright, marks.BRIGHT_INK)]
    return [(part, ink) for part, ink in parts if part.any()]
