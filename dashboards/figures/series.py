"""Colours and dashes of lines that stand for cells: told apart with any colour vision."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.theme import Theme

# Paul Tol's schemes "bright" and "light", without their greys and palest yellows
# (https://personal.sron.nl/~pault/): distinct with every common colour-vision deficiency.
_LIGHT = ("#4477aa", "#ee6677", "#228833", "#b8a020", "#3a9cbf", "#aa3377")
_DARK = ("#77aadd", "#ee8866", "#44bb99", "#eedd88", "#99ddff", "#ffaabb")
_DASHES = ("solid", "dash", "dot")


def series_style(index: int, theme: Theme) -> tuple[str, str]:
    """Return colour and dash of the line at ``index``; beyond the colours the dash changes.

    Example:
        >>> from dashboards.theme import LIGHT
        >>> series_style(0, LIGHT), series_style(6, LIGHT)
        (('#4477aa', 'solid'), ('#4477aa', 'dash'))
    """
    colours = _DARK if theme.scheme == "dark" else _LIGHT
    return colours[index % len(colours)], _DASHES[index // len(colours) % len(_DASHES)]


def faded(colour: str, opacity: float) -> str:
    """Return ``#rrggbb`` as CSS with an opacity, 0 to 1.

    Example:
        >>> faded("#4477aa", 0.3)
        'rgba(68, 119, 170, 0.3)'
    """
    red, green, blue = bytes.fromhex(colour[1:])
    return f"rgba({red}, {green}, {blue}, {opacity:g})"


def legend_rows(names: Sequence[str], width: int) -> int:
    """Return how many rows a horizontal legend takes in a figure ``width`` pixels wide.

    Example:
        >>> legend_rows(["bce"] * 3, 1000), legend_rows(["bce"] * 3, 130)
        (1, 3)
    """
    rows, used = 1, 0.0
    for name in names:
        # Text of 12 pixels, and the line and gaps beside it.
        length = 6.2 * len(name) + 52
        if used and used + length > width:
            rows, used = rows + 1, 0.0
        used += length
    return rows
