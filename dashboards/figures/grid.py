"""Which hyperparameters a map's axes show, and the slice through the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dashboards.figures.settings import (
    PREFIX,
    Settings,
    parameters,
    read_settings,
    setting_key,
)
from dashboards.naming import AVERAGE, setting_text

__all__ = [
    "PREFIX",
    "FigureError",
    "choose_axes",
    "choose_slice",
    "parameters",
    "rows_of_slice",
    "setting_key",
    "setting_values",
    "thin_labels",
    "varying_parameters",
]

MAX_LABELS = 40


class FigureError(ValueError):
    """What was asked cannot be drawn; the text is one line: rule, what was got, what to do."""


def setting_values(cells: pd.DataFrame, parameter: str) -> tuple[Any, ...]:
    """Return the distinct values of one setting: none first, numbers ascending, then words."""
    return read_settings(cells).values[parameter]


def varying_parameters(cells: pd.DataFrame) -> list[str]:
    """Return the settings that differ among ``cells``: the axes that a map can have."""
    return read_settings(cells).varying


def choose_axes(
    settings: Settings, x: str | None = None, y: str | None = None
) -> tuple[str | None, str | None]:
    """Return the two axes of a map, filling in what was not asked for.

    Without a wish, β is drawn over η; any other loss has its first two varying settings, the one
    with more values across.

    Raises:
        FigureError: a wish names no setting of this loss, or the same setting twice.
    """
    for wish in (x, y):
        if wish is not None and wish not in settings.names:
            raise FigureError(
                f"An axis must be a setting of the loss, but got '{wish}'. "
                f"Choose one of: {', '.join(settings.names) or 'none'}."
            )
    if x is not None and x == y:
        raise FigureError(f"The two axes must differ, but got '{x}' twice. Choose another for y.")
    free = [name for name in settings.varying if name not in (x, y)]
    if x is None and y is None:
        pair = free[:2]
        if "beta" in free and "eta" in free:
            pair = ["beta", "eta"]
        elif len(pair) == 2:
            pair.sort(key=lambda name: -len(settings.values[name]))
        return (pair[0] if pair else None), (pair[1] if len(pair) > 1 else None)
    if x is None:
        x = free.pop(0) if free else None
    elif y is None:
        y = free[0] if free else None
    return x, y


def choose_slice(
    settings: Settings,
    shown: Sequence[str | None],
    wishes: Mapping[str, Any],
    centre: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return, for each varying setting that is not an axis, the value held or ``AVERAGE``.

    Args:
        settings: of the cells of one loss.
        shown: the axes of the map.
        wishes: what the reader asked for; a value, or ``AVERAGE``.
        centre: settings of the cell through which the slice goes where nothing was asked
            (the best cell); None takes the first value.

    Raises:
        FigureError: a wish names an unknown setting or a value that no cell has.
    """
    others = [name for name in settings.varying if name not in shown]
    for name in wishes:
        if name not in settings.names:
            raise FigureError(
                f"A slice must name a setting of the loss, but got '{name}'. "
                f"Choose one of: {', '.join(others) or 'none'}."
            )
    chosen: dict[str, Any] = {}
    for name in others:
        values = settings.values[name]
        if name in wishes:
            wish = wishes[name]
            chosen[name] = AVERAGE if wish == AVERAGE else _match(name, wish, values)
        elif len(values) > MAX_LABELS:
            # A setting drawn at random has as many values as cells: a slice would hold one cell.
            chosen[name] = AVERAGE
        else:
            chosen[name] = setting_key(centre[name]) if centre is not None else values[0]
    return chosen


def _match(name: str, wish: Any, values: Sequence[Any]) -> Any:
    for value in values:
        if setting_key(wish) == value or str(wish) in (str(value), setting_text(value)):
            return value
    if isinstance(wish, str):
        try:
            return _match(name, float(wish.replace("−", "-")), values)
        except ValueError:
            pass
    known = ", ".join(setting_text(value) for value in values[:MAX_LABELS])
    more = ", …" if len(values) > MAX_LABELS else ""
    raise FigureError(
        f"A slice needs a value that was run, but got {name} = {wish}. Known: {known}{more}."
    )


def rows_of_slice(settings: Settings, n_cells: int, held: Mapping[str, Any]) -> np.ndarray:
    """Return the rows of the cells whose settings equal ``held`` (``AVERAGE`` keeps all)."""
    keep = np.ones(n_cells, dtype=bool)
    for name, value in held.items():
        if value != AVERAGE:
            keep &= settings.codes[name] == settings.values[name].index(value)
    return np.flatnonzero(keep)


def thin_labels(labels: Sequence[str], limit: int = MAX_LABELS) -> tuple[list[int], list[str], int]:
    """Return positions, labels and step of the ticks: every value, or every k-th beyond ``limit``.

    The figure states the step in its axis title when it is not 1.
    """
    step = max(1, -(-len(labels) // limit))
    positions = list(range(0, len(labels), step))
    return positions, [labels[position] for position in positions], step
