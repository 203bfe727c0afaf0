"""Axes of a grid: how a spec writes them, which values they stand for, and their product."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sweeps.wording import short, unknown_key

MAX_REPLICATES = 5_000_000
SIGNIFICANT_DIGITS = 12

Setting = float | int | str | None
Scale = Literal["linear", "log"]
Kind = Literal["setting", "number", "integer"]

_AXIS_KEYS = ("values", "range", "num", "scale")
_FORMS = "a value, {values: [...]} or {range: [low, high], num: n}"


@dataclass(frozen=True, slots=True)
class Axis:
    """The values that one setting takes.

    Args:
        values: at least one, none twice. Numbers are finite and rounded to 12 significant digits.
        scale: ``log`` when the values were spaced evenly on a logarithmic scale.
        constant: whether the spec wrote a bare value, which is no axis of the grid.
    """

    values: tuple[Setting, ...]
    scale: Scale = "linear"
    constant: bool = False

    def __len__(self) -> int:
        """Return the number of values."""
        return len(self.values)

    def to_plain(self) -> Any:
        """Return the axis as a spec writes it: a bare value, or every value spelled out."""
        if self.constant:
            return self.values[0]
        plain: dict[str, Any] = {"values": list(self.values)}
        if self.scale != "linear":
            plain["scale"] = self.scale
        return plain


def round_significant(value: float) -> float:
    """Round to 12 significant digits, so that ``0.1 * 3`` is 0.3; -0.0 becomes 0.0.

    Example:
        >>> round_significant(0.1 * 3)
        0.3
    """
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") + 0.0


def parse_axis(written: Any, *, kind: Kind = "setting") -> Axis:
    """Read one setting of a spec as an axis.

    Args:
        written: a bare value (a constant); ``[...]`` or ``{values: [...]}``; or
            ``{range: [low, high], num: n, scale: linear | log}``, whose ends are both included.
            ``scale: log`` beside ``values`` says only how to draw them.
        kind: what every value must be: ``setting`` (a number, text or null), ``number``, or
            ``integer`` (a whole number).

    Returns:
        The axis; integers stay ``int`` where they were written so or where ``kind`` says so.

    Raises:
        ValueError: a rule is broken. The text reads on after the setting's name:
            ``must ..., but got .... ...``.

    Example:
        >>> parse_axis({"range": [1, 30], "num": 30}).values[:3]
        (1.0, 2.0, 3.0)
    """
    if isinstance(written, Mapping):
        return _parse_mapping(written, kind)
    if isinstance(written, list | tuple):
        return _axis_of_values(written, "linear", kind)
    return Axis(values=(_check_setting(written, kind),), constant=True)


def _parse_mapping(written: Mapping[str, Any], kind: Kind) -> Axis:
    for key in written:
        if key not in _AXIS_KEYS:
            raise ValueError(f"must be {_FORMS}, but got {unknown_key(key, _AXIS_KEYS)}")
    if ("values" in written) == ("range" in written):
        got = "both values and range" if "values" in written else "neither values nor range"
        raise ValueError(f"must be {_FORMS}, but got {got}. Write one of them.")
    scale = written.get("scale", "linear")
    if scale not in ("linear", "log"):
        raise ValueError(f"must have scale linear or log, but got {short(scale)}. Leave it out.")
    if "values" in written:
        if "num" in written:
            raise ValueError("must have num beside range only, but got it beside values. Drop it.")
        if not isinstance(written["values"], list | tuple):
            raise ValueError(
                f"must have a list of values, but got {short(written['values'])}. Use []."
            )
        axis = _axis_of_values(written["values"], scale, kind)
        if scale == "log" and not all(
            isinstance(value, int | float) and value > 0 for value in axis.values
        ):
            raise ValueError(
                "must be above 0 throughout for scale log, but got "
                f"{short(list(axis.values))}. Use scale linear."
            )
        return axis
    return _axis_of_range(written, scale, kind)


def _axis_of_values(values: Sequence[Any], scale: Scale, kind: Kind) -> Axis:
    if not values:
        raise ValueError("must have at least one value, but got an empty list. Add one.")
    if len(values) > MAX_REPLICATES:
        raise ValueError(
            f"must have at most {MAX_REPLICATES:,} values, but got {len(values):,}. Use fewer."
        )
    settings = tuple(_check_setting(value, kind) for value in values)
    check_distinct(settings)
    return Axis(values=settings, scale=scale)


def _axis_of_range(written: Mapping[str, Any], scale: Scale, kind: Kind) -> Axis:
    ends = written["range"]
    if not isinstance(ends, list | tuple) or len(ends) != 2:
        raise ValueError(
            f"must have a range of two ends, but got {short(ends)}. Write [low, high]."
        )
    low, high = (_check_number(end) for end in ends)
    if low > high:
        raise ValueError(f"must have range low <= high, but got {list(ends)}. Swap the two.")
    if scale == "log" and low <= 0:
        raise ValueError(
            f"must have range low > 0 for scale log, but got {low:g}. Raise it or use scale linear."
        )
    if "num" not in written:
        raise ValueError("must have num beside range, but got none. Write how many values.")
    num = written["num"]
    if isinstance(num, bool) or not isinstance(num, int) or not 1 <= num <= MAX_REPLICATES:
        raise ValueError(
            f"must have a whole num from 1 to {MAX_REPLICATES:,}, but got {short(num)}. "
            "Write how many values."
        )
    if (num == 1) != (low == high):
        advice = "Use num: 1" if low == high else "Use num: 2 or more, or a single value"
        raise ValueError(
            f"must have num 1 exactly when low equals high, but got {list(ends)} and num {num}. "
            f"{advice}."
        )
    spaced = _spaced(low, high, num, scale)
    if not np.isfinite(spaced).all():
        raise ValueError(f"must span less than the largest float, but got {list(ends)}. Narrow it.")
    # Both ends as written: a logarithm and its exponential need not give them back.
    settings = [
        round_significant(low),
        *map(round_significant, spaced[1:-1].tolist()),
        round_significant(high),
    ][:num]
    if kind == "integer":
        return Axis(values=tuple(_check_integer(value) for value in settings), scale=scale)
    if len(set(settings)) < num:
        raise ValueError(
            f"must have steps above {SIGNIFICANT_DIGITS} significant digits, but got {num} values "
            f"in {list(ends)}. Lower num."
        )
    return Axis(values=tuple(settings), scale=scale)


def _spaced(low: float, high: float, num: int, scale: Scale) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.geomspace(low, high, num) if scale == "log" else np.linspace(low, high, num)


def _check_setting(value: Any, kind: Kind) -> Setting:
    if kind == "integer":
        return _check_integer(value)
    if kind == "setting" and (value is None or isinstance(value, str)):
        return value
    return _check_number(value)


def _check_number(value: Any) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be a number, but got {short(value)}. Write {_FORMS}.")
    if isinstance(value, int):
        if abs(value) > 2**53:
            raise ValueError(f"must be at most 2**53 in size, but got {value:.3e}. Lower it.")
        return value
    if not math.isfinite(value):
        raise ValueError(f"must be finite, but got {short(value)}. Give a number.")
    return round_significant(value)


def _check_integer(value: Any) -> int:
    number = _check_number(value)
    if number != int(number):
        raise ValueError(f"must be a whole number, but got {short(value)}. Round it.")
    return int(number)


def check_distinct(values: Sequence[Setting]) -> None:
    """Check that no value is given twice; 1 and 1.0 are the same value.

    Raises:
        ValueError: a value is repeated.
    """
    seen: set[Setting] = set()
    for value in values:
        if value in seen:
            raise ValueError(
                f"must list each value once, but got {short(value)} twice. Remove one."
            )
        seen.add(value)


def grid_size(axes: Mapping[str, Sequence[Any]]) -> int:
    """Return the number of combinations of ``axes``: the product of their lengths."""
    return math.prod(len(values) for values in axes.values())


def grid(axes: Mapping[str, Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    """Iterate over every combination of ``axes``, row-major: the last axis varies fastest.

    Args:
        axes: name to values, in order.

    Returns:
        Tuples of one value an axis, in the axes' order; a single empty tuple for no axes.

    Example:
        >>> list(grid({"beta": [1, 2], "eta": [0]}))
        [(1, 0), (2, 0)]
    """
    return itertools.product(*axes.values())
