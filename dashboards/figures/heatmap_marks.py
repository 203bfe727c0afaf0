"""Which positions of a map bear which mark, and the traces that draw them."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from dashboards.figures import marks
from dashboards.figures.colour_range import ColourRange
from dashboards.figures.heatmap import HeatmapData
from dashboards.theme import BRIGHT_FROM, Theme, mixed

# A glyph a position is drawn on no more than so many; beyond, the ground alone tells.
_MOST_GLYPHS = 1500


def mark_masks(data: HeatmapData) -> dict[marks.Kind, np.ndarray]:
    """Return, for each kind of mark, the positions that bear it."""
    some = data.n > 0
    left = ~some & ~data.missing
    found: dict[marks.Kind, np.ndarray] = {}
    states: tuple[tuple[marks.Kind, np.ndarray], ...] = (
        ("running", data.running),
        ("waiting", data.waiting),
        ("diverged", data.diverged),
        ("failed", data.failed),
        ("pruned", data.pruned),
    )
    for kind, count in states:
        found[kind] = left & (count > 0)
        left = left & ~found[kind]
    nothing = data.collapsed & (data.nothing >= data.everything)
    return {
        "nothing": nothing,
        "everything": data.collapsed & ~nothing,
        "diverged": found["diverged"],
        "failed": found["failed"],
        "undefined": left,
        "pruned": found["pruned"],
        "running": found["running"],
        "waiting": found["waiting"],
        "missing": data.missing,
        "some_diverged": some & (data.diverged > 0),
        "some_failed": some & (data.failed > 0),
        "some_pruned": some & ((data.pruned > 0) | _given_up(data)),
        "some_waiting": some & (data.waiting + data.running > 0),
    }


def _given_up(data: HeatmapData) -> np.ndarray:
    """Return the positions with a cell that a sampler or race gave up."""
    flags = np.zeros(data.value.size, bool)
    if data.plan.stopped:
        flags[data.place[np.isin(data.rows, list(data.plan.stopped))]] = True
    return flags.reshape(data.value.shape)


def heatmap_marks(data: HeatmapData) -> list[marks.Kind]:
    """Return the kinds of mark that the map bears, in the order of its legend."""
    masks = mark_masks(data)
    first: list[marks.Kind] = [] if data.best_position is None else ["best"]
    first += ["tied"] if data.tied is not None and data.tied.any() else []
    first += ["plateau"] if data.plateau is not None and data.plateau.any() else []
    first += ["picked"] if data.picked is not None and data.picked.any() else []
    return first + [kind for kind, mask in masks.items() if mask.any()]


def mark_traces(
    data: HeatmapData, scale: ColourRange, theme: Theme, cell_height: float
) -> list[go.Scatter]:
    """Return the traces of all marks, hatches and glyphs in the ink that is seen on each cell."""
    x, y = data.x, data.y
    size = float(min(11, max(4, min(cell_height, 900 / data.value.shape[1]) * 0.4)))
    inks = {
        "diverged": theme.diverged,
        "failed": theme.failed,
        "undefined": theme.muted,
        "pruned": theme.pruned,
        "running": theme.accent,
    }
    traces = []
    for kind, mask in mark_masks(data).items():
        if not mask.any():
            continue
        many = int(mask.sum()) > _MOST_GLYPHS
        if kind in inks:
            ground = mixed(inks[kind], theme.blank, 0.55) if many else theme.blank
            traces.append(marks.hatch(kind, mask, x, y, ink="", ground=ground))
            if not many:
                traces.append(marks.glyph(kind, mask, x, y, colour=inks[kind], size=size))
        elif kind in ("waiting", "missing"):
            ground = theme.blank if kind == "waiting" else theme.page
            traces.append(marks.hatch(kind, mask, x, y, ink=theme.blank_mark, ground=ground))
        else:
            for part, ink in _by_ink(data, scale, mask):
                if marks.MARKS[kind].hatch is not None:
                    traces.append(marks.hatch(kind, part, x, y, ink=ink, ground="rgba(0,0,0,0)"))
                elif not many:
                    traces.append(
                        marks.glyph(kind, part, x, y, colour=ink, size=size * 0.6, corner=True)
                    )
    borders = (
        (data.plateau, marks.BRIGHT_INK, "3px,3px"),
        (data.tied, marks.BRIGHT_INK, "solid"),
        (data.picked, marks.PICKED_INK, "solid"),
    )
    for members, ink, dash in borders:
        if members is not None and members.any():
            traces += marks.border(members, x, y, ink=ink, dash=dash)
    return traces


def _by_ink(
    data: HeatmapData, scale: ColourRange, mask: np.ndarray
) -> list[tuple[np.ndarray, str]]:
    """Part the positions by the ink that is seen on their colour."""
    share = (data.value - scale.low) / (scale.high - scale.low)
    bright = (share if data.brighter_is_higher else 1.0 - share) > BRIGHT_FROM
    parts = [(mask & bright, marks.DARK_INK), (mask & ~bright, marks.BRIGHT_INK)]
    return [(part, ink) for part, ink in parts if part.any()]
