"""The settings of one loss's cells as numbers: what a map of very many cells is laid out by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

PREFIX = "param_"

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Settings:
    """Every setting of K cells of one loss, each as its distinct values and one code a cell.

    Attributes:
        values: setting to its distinct values: none first, numbers ascending, then words.
        codes: setting to (K,) positions among them.
    """

    values: Mapping[str, tuple[Any, ...]]
    codes: Mapping[str, IntArray]

    @property
    def names(self) -> list[str]:
        """The settings, in the order of the spec."""
        return list(self.values)

    @cached_property
    def varying(self) -> list[str]:
        """The settings with more than one value: the axes that a map can have."""
        return [name for name, values in self.values.items() if len(values) > 1]

    def of_cell(self, row: int) -> dict[str, Any]:
        """Return the varying settings of one cell."""
        return {name: self.values[name][self.codes[name][row]] for name in self.varying}


def read_settings(cells: pd.DataFrame) -> Settings:
    """Return the settings of the cells of one loss.

    Args:
        cells: as of `storage.frames.load_cells`.
    """
    values: dict[str, tuple[Any, ...]] = {}
    codes: dict[str, IntArray] = {}
    for name in parameters(cells):
        values[name], codes[name] = _factorise(cells[PREFIX + name])
    return Settings(values, codes)


def arrange_settings(
    values: Mapping[str, Sequence[Any]],
    codes: Mapping[str, IntArray],
    first: Sequence[str] = (),
) -> Settings:
    """Return settings with their values in order.

    Args:
        values: setting to its distinct values, in any order.
        codes: setting to (K,) positions among them.
        first: settings that come first, such as the loss's own hyperparameters.
    """
    ordered: dict[str, tuple[Any, ...]] = {}
    places: dict[str, IntArray] = {}
    rest = [name for name in values if name not in first]
    for name in (*(name for name in first if name in values), *rest):
        keys = [setting_key(value) for value in values[name]]
        # Of parts joined some values may be equal, or be used by no cell any more.
        used = {keys[code] for code in np.unique(codes[name])}
        ordered[name] = tuple(sorted(used, key=_order))
        place = {key: position for position, key in enumerate(ordered[name])}
        places[name] = np.array([place.get(key, 0) for key in keys], np.int64)[codes[name]]
    return Settings(ordered, places)


def parameters(cells: pd.DataFrame) -> list[str]:
    """Return the hyperparameters and training settings of one loss, in the order of the spec."""
    if cells.empty:
        return []
    first = cells.iloc[0]
    names = [*first["hyperparameters"], *first["training"], *first["head"]]
    return [name for name in dict.fromkeys(names) if PREFIX + name in cells.columns]


def setting_key(value: Any) -> Any:
    """Return the value under which settings are equal: 1 and 1.0, None and NaN."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, list | tuple | dict) else float(value)


def _factorise(column: pd.Series[Any]) -> tuple[tuple[Any, ...], IntArray]:
    if column.dtype.kind in "if":
        found, codes = np.unique(column.to_numpy(np.float64), return_inverse=True)
        values: list[Any] = [float(value) for value in found]
        # numpy sorts NaN last and counts it once.
        if values and math.isnan(values[-1]):
            values = [None, *values[:-1]]
            codes = np.where(codes == len(values) - 1, 0, codes + 1)
        return tuple(values), codes.astype(np.int64)
    keys = [setting_key(value) for value in column]
    ordered = sorted(set(keys), key=_order)
    place = {key: position for position, key in enumerate(ordered)}
    return tuple(ordered), np.array([place[key] for key in keys], np.int64)


def _order(key: Any) -> tuple[int, float, str]:
    if key is None:
        return (0, 0.0, "")
    return (2, 0.0, key) if isinstance(key, str) else (1, key, "")
