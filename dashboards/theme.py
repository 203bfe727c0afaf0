"""Colours, fonts and the colour scale that every figure, page and report shares."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import plotly.graph_objects as go

Scheme = Literal["light", "dark"]

FONT = (
    'Inter, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, '
    '"Liberation Sans", sans-serif'
)
MONO = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace'

# Viridis (van der Walt and Smith, 2015): perceptually uniform, monotone in lightness and readable
# with every common colour-vision deficiency. It holds no grey and no red, which the marks use.
SCALE: tuple[str, ...] = (
    "#440154",
    "#482475",
    "#414487",
    "#355f8d",
    "#2a788e",
    "#21918c",
    "#22a884",
    "#44bf70",
    "#7ad151",
    "#bddf26",
    "#fde725",
)


# Beyond this share of the scale its colours are bright: marks and words on them are dark.
BRIGHT_FROM = 0.55


@dataclass(frozen=True)
class Theme:
    """The colours of one scheme; figures and style sheets take every colour from here."""

    scheme: Scheme
    page: str
    surface: str
    ink: str
    muted: str
    line: str
    accent: str
    blank: str
    blank_mark: str
    diverged: str
    failed: str
    pruned: str
    waiting: str
    box: str
    box_fill: str


LIGHT = Theme(
    scheme="light",
    page="#f7f7f5",
    surface="#ffffff",
    ink="#1c2024",
    muted="#5d666f",
    line="#dfe2e6",
    accent="#1f6f78",
    blank="#eceef0",
    blank_mark="#c3c9cf",
    diverged="#c2410c",
    failed="#9d174d",
    pruned="#57606a",
    waiting="#5d666f",
    box="#1f6f78",
    box_fill="rgba(31, 111, 120, 0.14)",
)
DARK = Theme(
    scheme="dark",
    page="#14171a",
    surface="#1b1f23",
    ink="#e8eaed",
    muted="#9aa4ae",
    line="#343b42",
    accent="#5cc2c9",
    blank="#2a2f35",
    blank_mark="#4b545d",
    diverged="#fb923c",
    failed="#f472b6",
    pruned="#c4ccd4",
    waiting="#9aa4ae",
    box="#5cc2c9",
    box_fill="rgba(92, 194, 201, 0.18)",
)
THEMES: dict[str, Theme] = {"light": LIGHT, "dark": DARK}


def get_theme(scheme: str) -> Theme:
    """Return the colours of ``"light"`` or ``"dark"``; anything else is drawn light."""
    return THEMES.get(scheme, LIGHT)


def css_variables(theme: Theme) -> str:
    """Return the colours and fonts as CSS custom properties, for a style sheet to name."""
    names = [
        "page",
        "surface",
        "ink",
        "muted",
        "line",
        "accent",
        "diverged",
        "failed",
        "pruned",
        "waiting",
    ]
    colours = "".join(f"--{name}:{getattr(theme, name)};" for name in names)
    return f"{colours}--font:{FONT};--mono:{MONO};color-scheme:{theme.scheme};"


def colour_scale(*, higher_is_better: bool = True) -> list[list[Any]]:
    """Return Plotly's colour scale in which the brighter colour is always the better value."""
    colours = SCALE if higher_is_better else SCALE[::-1]
    return [[i / (len(colours) - 1), colour] for i, colour in enumerate(colours)]


def mixed(colour: str, ground: str, strength: float) -> str:
    """Return a colour laid over a ground, opaque: grid lines do not shine through.

    Args:
        colour: ``#rrggbb``.
        ground: ``#rrggbb``.
        strength: share of ``colour``, 0 to 1.

    Example:
        >>> mixed("#000000", "#ffffff", 0.6)
        '#666666'
    """
    pairs = zip(bytes.fromhex(colour[1:]), bytes.fromhex(ground[1:]), strict=True)
    return "#" + bytes(round(strength * a + (1 - strength) * b) for a, b in pairs).hex()


def is_bright(fraction: float, *, higher_is_better: bool = True) -> bool:
    """Say whether the colour at ``fraction`` of the scale needs dark marks upon it.

    Args:
        fraction: position on the scale, 0 to 1 (values outside are clipped).
        higher_is_better: whether the scale runs from dark (low) to bright (high).
    """
    position = fraction if higher_is_better else 1.0 - fraction
    return position > BRIGHT_FROM


def style_figure(figure: go.Figure, theme: Theme) -> go.Figure:
    """Apply fonts, background, hover box and axis lines of ``theme`` to ``figure``."""
    text = {"family": FONT, "size": 12.5, "color": theme.ink}
    # Set one by one: Plotly's `update` takes ten times as long, on every move of a slider.
    layout = figure.layout
    layout.template = None
    layout.font = text
    layout.paper_bgcolor = layout.plot_bgcolor = theme.surface
    layout.hoverlabel = {
        "bgcolor": theme.surface,
        "bordercolor": theme.line,
        "font": text,
        "align": "left",
    }
    legend = layout.legend
    legend.orientation = "h"
    legend.font = {"size": 12, "color": theme.ink}
    legend.bgcolor = "rgba(0,0,0,0)"
    legend.itemclick = legend.itemdoubleclick = False
    layout.dragmode = False
    for axis in (*figure.select_xaxes(), *figure.select_yaxes()):
        axis.linecolor = axis.tickcolor = axis.gridcolor = theme.line
        axis.zeroline = False
        axis.tickfont = {"size": 12, "color": theme.muted}
        axis.title.font = {"size": 13, "color": theme.ink}
    return figure


def figure_config(filename: str) -> dict[str, Any]:
    """Return Plotly's configuration: no logo, and a picture named after what it shows."""
    return {
        "displaylogo": False,
        "responsive": True,
        "modeBarButtonsToRemove": [
            "zoom2d",
            "pan2d",
            "select2d",
            "lasso2d",
            "zoomIn2d",
            "zoomOut2d",
            "autoScale2d",
            "resetScale2d",
        ],
        "toImageButtonOptions": {
            "format": "svg",
            # Plotly writes its configuration into pages as it stands.
            "filename": re.sub(r"[^\w.-]+", "-", filename),
        },
    }
