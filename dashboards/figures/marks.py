"""Marks of a map: hatches and glyphs that are never a colour of the scale."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go

from dashboards.figures.axes import Axis
from dashboards.theme import SCALE, Theme

DARK_INK, BRIGHT_INK = "#14171a", "#ffffff"
# Far from every colour of the scale, and from the inks of states.
PICKED_INK = "#ff5fb0"

Kind = Literal[
    "best",
    "tied",
    "plateau",
    "picked",
    "nothing",
    "everything",
    "diverged",
    "failed",
    "undefined",
    "pruned",
    "running",
    "waiting",
    "missing",
    "some_diverged",
    "some_failed",
    "some_pruned",
    "some_waiting",
]


class Mark(NamedTuple):
    """One kind of mark: its words, and how it is drawn on a map and in a legend."""

    name: str
    symbol: str | None
    hatch: str | None


MARKS: dict[Kind, Mark] = {
    "best": Mark("best cell shown", "square-open", None),
    "tied": Mark("tied with the best", "square-open", None),
    "plateau": Mark("plateau", "square-open", None),
    "picked": Mark("selected on the Cells page", "square-open", None),
    "nothing": Mark("collapsed: predicts nothing", None, "\\"),
    "everything": Mark("collapsed: predicts everything", None, "/"),
    "diverged": Mark("diverged", "x-thin", None),
    "failed": Mark("failed", "triangle-up", None),
    "undefined": Mark("complete, metric undefined", "line-ew", None),
    "pruned": Mark("pruned: stopped early", "y-down-open", None),
    "running": Mark("still running", "circle", None),
    "waiting": Mark("still waiting", None, "."),
    "missing": Mark("not in the plan", None, "x"),
    "some_diverged": Mark("some seeds diverged", "x-thin", None),
    "some_failed": Mark("some seeds failed", "triangle-up", None),
    "some_pruned": Mark("some seeds pruned, or given up", "y-down-open", None),
    "some_waiting": Mark("some seeds waiting or running", "circle-open", None),
}


def _runs(mask: np.ndarray) -> list[tuple[int, int, int]]:
    """Return row, first and last column of every unbroken run of positions."""
    padded = np.pad(mask.astype(np.int8), ((0, 0), (1, 1)))
    turns = np.diff(padded, axis=1)
    rows, starts = np.nonzero(turns == 1)
    _, ends = np.nonzero(turns == -1)
    return list(zip(rows.tolist(), starts.tolist(), (ends - 1).tolist(), strict=True))


def hatch(kind: Kind, mask: np.ndarray, x: Axis, y: Axis, *, ink: str, ground: str) -> go.Scatter:
    """Return a trace that hatches the positions of ``mask`` with ``ink`` over ``ground``."""
    across, up = x.edges, y.edges
    xs: list[float | None] = []
    ys: list[float | None] = []
    for row, first, last in _runs(mask):
        left, right, low, high = across[first], across[last + 1], up[row], up[row + 1]
        xs += [left, right, right, left, left, None]
        ys += [low, low, high, high, low, None]
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
    kind: Kind,
    mask: np.ndarray,
    x: Axis,
    y: Axis,
    *,
    colour: str,
    size: float,
    corner: bool = False,
) -> go.Scatter:
    """Return a trace with one symbol at the centre, or the upper right corner, of each position."""
    rows, columns = np.nonzero(mask)
    share = 0.8 if corner else 0.5
    across, up = x.edges, y.edges
    return go.Scatter(
        x=across[columns] + share * np.diff(across)[columns],
        y=up[rows] + share * np.diff(up)[rows],
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


def outline(row: int, column: int, x: Axis, y: Axis) -> list[dict[str, Any]]:
    """Return a double outline around one position, seen on the dark and the bright colours."""
    edge = {
        "type": "rect",
        "x0": x.edges[column],
        "x1": x.edges[column + 1],
        "y0": y.edges[row],
        "y1": y.edges[row + 1],
        "layer": "above",
    }
    return [
        edge | {"line": {"color": DARK_INK, "width": 5}},
        edge | {"line": {"color": BRIGHT_INK, "width": 2}},
    ]


def border(
    mask: np.ndarray, x: Axis, y: Axis, *, ink: str = BRIGHT_INK, dash: str = "solid"
) -> list[go.Scatter]:
    """Return two traces, dark and ``ink``, along the border of a set of positions."""
    across, up = x.edges, y.edges
    padded = np.pad(mask, 1).astype(np.int8)
    xs: list[float | None] = []
    ys: list[float | None] = []
    for row, column in np.argwhere(np.diff(padded[1:-1, :], axis=1) != 0):
        xs += [across[column], across[column], None]
        ys += [up[row], up[row + 1], None]
    for row, column in np.argwhere(np.diff(padded[:, 1:-1], axis=0) != 0):
        xs += [across[column], across[column + 1], None]
        ys += [up[row], up[row], None]
    return [
        go.Scatter(
            x=xs,
            y=ys,
            mode="lines",
            line={"color": colour, "width": width, "dash": style},
            hoverinfo="skip",
            showlegend=False,
        )
        for colour, width, style in ((DARK_INK, 4.5, "solid"), (ink, 2.2, dash))
    ]


def _colour(kind: Kind, theme: Theme) -> str:
    colours = {"diverged": theme.diverged, "failed": theme.failed, "pruned": theme.pruned}
    return (colours | {"running": theme.accent, "picked": PICKED_INK}).get(kind, theme.ink)


def legend_trace(kind: Kind, theme: Theme) -> go.Scatter:
    """Return a legend entry without points, for a figure that stands alone."""
    mark = MARKS[kind]
    entry: dict[str, Any] = {"x": [None], "y": [None], "name": mark.name, "hoverinfo": "skip"}
    if mark.symbol is not None:
        colour = _colour(kind, theme)
        width = 2.4 if kind in ("best", "tied", "plateau", "picked") else 1.8
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
    plain = kind in (
        "diverged", "failed", "undefined", "pruned", "running", "waiting", "missing"
    )  # fmt: skip
    ground = theme.blank if plain else SCALE[2]
    bright = BRIGHT_INK
    body = {
        "best": f'<rect x="2.5" y="2.5" width="19" height="11" fill="{SCALE[9]}" '
        f'stroke="{DARK_INK}" stroke-width="4"/><rect x="2.5" y="2.5" width="19" height="11" '
        f'fill="none" stroke="{bright}" stroke-width="1.6"/>',
        "tied": _ring(bright, ""),
        "plateau": _ring(bright, 'stroke-dasharray="3 2"'),
        "picked": _ring(PICKED_INK, ""),
        "nothing": _lines("M2 0 l14 16 M-6 0 l14 16 M10 0 l14 16 M18 0 l14 16", bright),
        "everything": _lines("M2 16 l14 -16 M-6 16 l14 -16 M10 16 l14 -16 M18 16 l14 -16", bright),
        "diverged": _lines("M8 4 l8 8 M16 4 l-8 8", ink, 1.8),
        "failed": f'<path d="M12 3.5 l5 9 h-10 z" fill="{ink}"/>',
        "undefined": _lines("M8 8 h8", theme.muted, 2),
        "pruned": _lines("M12 8 v5 M12 8 l-4 -4 M12 8 l4 -4", ink, 1.8),
        "running": f'<circle cx="12" cy="8" r="4" fill="{ink}"/>',
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
        "some_pruned": _lines("M17.5 5.5 v3.5 M17.5 5.5 l-2.5 -3 M17.5 5.5 l2.5 -3", bright, 1.5),
        "some_waiting": f'<circle cx="17.5" cy="5.5" r="2.6" fill="none" stroke="{bright}" '
        'stroke-width="1.6"/>',
    }[kind]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="24" height="16" viewBox="0 0 24 16">'
        f'<rect width="24" height="16" rx="1" fill="{ground}"/>{body}</svg>'
    )


def _ring(colour: str, dashes: str) -> str:
    place = 'x="3.5" y="3" width="17" height="10" fill="none"'
    return (
        f'<rect {place} stroke="{DARK_INK}" stroke-width="3.6"/>'
        f'<rect {place} stroke="{colour}" stroke-width="1.8" {dashes}/>'
    )


def _lines(path: str, colour: str, width: float = 1.1) -> str:
    return f'<path d="{path}" stroke="{colour}" stroke-width="{width}" fill="none"/>'
