"""Axes of a map: which hyperparameters vary, their values in order, and the slice shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dashboards.naming import AVERAGE, setting_text

PREFIX = "param_"
MAX_LABELS = 40


class FigureError(ValueError):
    """What was asked cannot be drawn; the text is one line: rule, what was got, what to do."""


class Axis(NamedTuple):
    """One axis of a map: a hyperparameter and its values in ascending order.

    ``parameter`` is None for the empty axis of a loss with fewer than two varying settings.
    """

    parameter: str | None
    values: tuple[Any, ...]

    @property
    def labels(self) -> list[str]:
        """The values as written on the axis."""
        return [setting_text(value) for value in self.values]


def setting_key(value: Any) -> Any:
    """Return the value under which settings are equal: 1 and 1.0, None and NaN."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        return value
    return float(value)


def parameters(cells: pd.DataFrame) -> list[str]:
    """Return the hyperparameters and training settings of one loss, in the order of the spec."""
    if cells.empty:
        return []
    first = cells.iloc[0]
    names = [*first["hyperparameters"], *first["training"], *first["head"]]
    return [name for name in dict.fromkeys(names) if PREFIX + name in cells.columns]


def setting_values(cells: pd.DataFrame, parameter: str) -> tuple[Any, ...]:
    """Return the distinct values of one setting: none first, numbers ascending, then words."""
    keys = {setting_key(value) for value in cells[PREFIX + parameter]}
    return tuple(sorted(keys, key=_order))


def _order(key: Any) -> tuple[int, float, str]:
    if key is None:
        return (0, 0.0, "")
    return (2, 0.0, key) if isinstance(key, str) else (1, key, "")


def varying_parameters(cells: pd.DataFrame) -> list[str]:
    """Return the settings that differ among ``cells``: the axes that a map can have."""
    return [name for name in parameters(cells) if len(setting_values(cells, name)) > 1]


def choose_axes(
    cells: pd.DataFrame, x: str | None = None, y: str | None = None
) -> tuple[str | None, str | None]:
    """Return the two axes of a map, filling in what was not asked for.

    Without a wish, β is drawn over η; any other loss has its first two varying settings, the one
    with more values across.

    Raises:
        FigureError: a wish names no setting of this loss, or the same setting twice.
    """
    known = parameters(cells)
    for wish in (x, y):
        if wish is not None and wish not in known:
            raise FigureError(
                f"An axis must be a setting of the loss, but got '{wish}'. "
                f"Choose one of: {', '.join(known) or 'none'}."
            )
    if x is not None and x == y:
        raise FigureError(f"The two axes must differ, but got '{x}' twice. Choose another for y.")
    free = [name for name in varying_parameters(cells) if name not in (x, y)]
    if x is None and y is None:
        pair = free[:2]
        if "beta" in free and "eta" in free:
            pair = ["beta", "eta"]
        elif len(pair) == 2:
            pair.sort(key=lambda name: -len(setting_values(cells, name)))
        return (pair[0] if pair else None), (pair[1] if len(pair) > 1 else None)
    if x is None:
        x = free.pop(0) if free else None
    elif y is None:
        y = free[0] if free else None
    return x, y


def choose_slice(
    cells: pd.DataFrame,
    shown: Sequence[str | None],
    wishes: Mapping[str, Any],
    centre: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return, for each varying setting that is not an axis, the value held or ``AVERAGE``.

    Args:
        cells: the cells of one loss.
        shown: the axes of the map.
        wishes: what the reader asked for; a value, or ``AVERAGE``.
        centre: settings of the cell through which the slice goes where nothing was asked
            (the best cell); None takes the first value.

    Raises:
        FigureError: a wish names an unknown setting or a value that no cell has.
    """
    others = [name for name in varying_parameters(cells) if name not in shown]
    for name in wishes:
        if name not in parameters(cells):
            raise FigureError(
                f"A slice must name a setting of the loss, but got '{name}'. "
                f"Choose one of: {', '.join(others) or 'none'}."
            )
    chosen: dict[str, Any] = {}
    for name in others:
        values = setting_values(cells, name)
        if name in wishes:
            wish = wishes[name]
            if wish == AVERAGE:
                chosen[name] = AVERAGE
                continue
            chosen[name] = _match(name, wish, values)
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
    known = ", ".join(setting_text(value) for value in values)
    raise FigureError(
        f"A slice needs a value that was run, but got {name} = {wish}. Known: {known}."
    )


def cells_of_slice(cells: pd.DataFrame, held: Mapping[str, Any]) -> pd.DataFrame:
    """Return the cells whose settings equal ``held`` (``AVERAGE`` keeps every value)."""
    keep = np.ones(len(cells), dtype=bool)
    for name, value in held.items():
        if value == AVERAGE:
            continue
        keep &= np.array([setting_key(other) == value for other in cells[PREFIX + name]])
    return cells[keep]


def make_axis(cells: pd.DataFrame, parameter: str | None) -> tuple[Axis, np.ndarray]:
    """Return the axis of ``parameter`` and the position of every cell on it."""
    if parameter is None:
        return Axis(None, ("",)), np.zeros(len(cells), dtype=int)
    values = setting_values(cells, parameter)
    place = {value: position for position, value in enumerate(values)}
    column = [place[setting_key(value)] for value in cells[PREFIX + parameter]]
    return Axis(parameter, values), np.array(column, dtype=int)


def thin_labels(labels: Sequence[str], limit: int = MAX_LABELS) -> tuple[list[int], list[str], int]:
    """Return positions, labels and step of the ticks: every value, or every k-th beyond ``limit``.

    The figure states the step in its axis title when it is not 1.
    """
    step = max(1, math.ceil(len(labels) / limit))
    positions = list(range(0, len(labels), step))
    return positions, [labels[position] for position in positions], step
