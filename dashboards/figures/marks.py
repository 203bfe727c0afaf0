"""Marks of a map: hatches and glyphs that are never a colour of the scale."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go

from dashboards.theme import SCALE, Theme

DARK_INK, BRIGHT_INK = "#14171a", "#ffffff"

Kind = Literal[
    "best",
    "nothing",
    "everything",
    "diverged",
    "failed",
    "undefined",
    "waiting",
    "missing",
    "some_diverged",
    "some_failed",
    "some_waiting",
]


class Mark(NamedTuple):
    """One kind of mark: its words, and how it is drawn on a map and in a legend."""

    name: str
    symbol: str | None
    hatch: str | None


MARKS: dict[Kind, Mark] = {
    "best": Mark("best cell shown", "square-open", None),
    "nothing": Mark("collapsed: predicts nothing", None, "\\"),
    "everything": Mark("collapsed: predicts everything", None, "/"),
    "diverged": Mark("diverged", "x-thin", None),
    "failed": Mark("failed", "triangle-up", None),
    "undefined": Mark("complete, metric undefined", "line-ew", None),
    "waiting": Mark("still waiting", None, "."),
    "missing": Mark("not in the plan", None, "x"),
    "some_diverged": Mark("some seeds diverged", "x-thin", None),
    "some_failed": Mark("some seeds failed", "triangle-up", None),
    "some_waiting": Mark("some seeds waiting", "circle-open", None),
}


def _outlines(mask: np.ndarray) -> tuple[list[float | None], list[float | None]]:
    xs: list[float | None] = []
    ys: list[float | None] = []
    for row, column in np.argwhere(mask):
        left, right, low, high = column - 0.5, column + 0.5, row - 0.5, row + 0.5
        xs += [left, right, right, left, left, None]
        ys += [low, low, high, high, low, None]
    return xs, ys


def hatch(kind: Kind, mask: np.ndarray, *, ink: str, ground: str) -> go.Scatter:
    """Return a trace that hatches the positions of ``mask`` with ``ink`` over ``ground``."""
    xs, ys = _outlines(mask)
    shape = MARKS[kind].hatch
    fill: dict[str, Any] = {"fillcolor": ground}
    if shape is not None:
        fill = {
            "fillpattern": {
                "shape": shape,
                "fgcolor": ink,
                "bgcolor": ground,
                "fillmode": "overlay",
                "size": 7,
                "solidity": 0.22,
            }
        }
    return go.Scatter(
        x=xs,
        y=ys,
        mode="lines",
        line={"width": 0},
        fill="toself",
        hoverinfo="skip",
        showlegend=False,
        **fill,
    )


def glyph(
    kind: Kind, mask: np.ndarray, *, colour: str, size: float, corner: bool = False
) -> go.Scatter:
    """Return a trace with one symbol at the centre, or the upper right corner, of each position."""
    rows, columns = np.nonzero(mask)
    shift = 0.3 if corner else 0.0
    return go.Scatter(
        x=columns + shift,
        y=rows + shift,
        mode="markers",
        marker={
            "symbol": MARKS[kind].symbol,
            "size": size,
            "color": colour,
            "line": {"width": 1.8, "color": colour},
        },
        hoverinfo="skip",
        showlegend=False,
    )


def outline(row: int, column: int) -> list[dict[str, Any]]:
    """Return a double outline around one position, seen on the dark and the bright colours."""
    edge = {
        "type": "rect",
        "x0": column - 0.5,
        "x1": column + 0.5,
        "y0": row - 0.5,
        "y1": row + 0.5,
        "layer": "above",
    }
    return [
        edge | {"line": {"color": DARK_INK, "width": 5}},
        edge | {"line": {"color": BRIGHT_INK, "width": 2}},
    ]


def _colour(kind: Kind, theme: Theme) -> str:
    return {"diverged": theme.diverged, "failed": theme.failed}.get(kind, theme.ink)


def legend_trace(kind: Kind, theme: Theme) -> go.Scatter:
    """Return a legend entry without points, for a figure that stands alone."""
    mark = MARKS[kind]
    entry: dict[str, Any] = {"x": [None], "y": [None], "name": mark.name, "hoverinfo": "skip"}
    if mark.symbol is not None:
        colour = _colour(kind, theme)
        width = 2.4 if kind == "best" else 1.8
        marker = {"symbol": mark.symbol, "size": 11, "color": colour}
        return go.Scatter(
            **entry, mode="markers", marker=marker | {"line": {"width": width, "color": colour}}
        )
    plain = kind in ("waiting", "missing")
    return go.Scatter(
        **entry,
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillpattern={
            "shape": mark.hatch,
            "fgcolor": theme.muted if plain else BRIGHT_INK,
            "bgcolor": theme.blank if plain else SCALE[2],
            "fillmode": "overlay",
            "size": 6,
            "solidity": 0.3,
        },
    )


def legend_svg(kind: Kind, theme: Theme) -> str:
    """Return the same legend entry as a small SVG picture, for a page's own legend."""
    ink = _colour(kind, theme)
    plain = kind in ("diverged", "failed", "undefined", "waiting", "missing")
    ground = theme.blank if plain else SCALE[2]
    bright = BRIGHT_INK
    body = {
        "best": f'<rect x="2.5" y="2.5" width="19" height="11" fill="{SCALE[9]}" '
        f'stroke="{DARK_INK}" stroke-width="4"/><rect x="2.5" y="2.5" width="19" height="11" '
        f'fill="none" stroke="{bright}" stroke-width="1.6"/>',
        "nothing": _lines("M2 0 l14 16 M-6 0 l14 16 M10 0 l14 16 M18 0 l14 16", bright),
        "everything": _lines("M2 16 l14 -16 M-6 16 l14 -16 M10 16 l14 -16 M18 16 l14 -16", bright),
        "diverged": _lines("M8 4 l8 8 M16 4 l-8 8", ink, 1.8),
        "failed": f'<path d="M12 3.5 l5 9 h-10 z" fill="{ink}"/>',
        "undefined": _lines("M8 8 h8", theme.muted, 2),
        "waiting": "".join(
            f'<circle cx="{x}" cy="{y}" r="1.1" fill="{theme.muted}"/>'
            for x in (4, 9, 14, 19)
            for y in (4, 8, 12)
        ),
        "missing": _lines(
            "M0 8 l8 8 M0 0 l16 16 M8 0 l16 16 M16 0 l8 8 "
            "M0 8 l8 -8 M0 16 l16 -16 M8 16 l16 -16 M16 16 l8 -8",
            theme.blank_mark,
        ),
        "some_diverged": _lines("M15 3 l5 5 M20 3 l-5 5", bright, 1.6),
        "some_failed": f'<path d="M17.5 2.5 l3 5.5 h-6 z" fill="{bright}"/>',
        "some_waiting": f'<circle cx="17.5" cy="5.5" r="2.6" fill="none" stroke="{bright}" '
        'stroke-width="1.6"/>',
    }[kind]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="24" height="16" viewBox="0 0 24 16">'
        f'<rect width="24" height="16" rx="1" fill="{ground}"/>{body}</svg>'
    )


def _lines(path: str, colour: str, width: float = 1.1) -> str:
    return f'<path d="{path}" stroke="{colour}" stroke-width="{width}" fill="none"/>'
