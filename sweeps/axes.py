"""An axis: the values that one setting takes, and the rules of single values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from sweeps.wording import short

MAX_REPLICATES = 5_000_000
SIGNIFICANT_DIGITS = 12

Setting = float | int | str | None
Scale = Literal["linear", "log"]
Kind = Literal["setting", "number", "integer"]

FORMS = "a value, {values: [...]} or {range: [low, high], num: n}"


@dataclass(frozen=True, slots=True)
class Axis:
    """The values that one setting takes: a list of them, or a range from which a sampler draws.

    Args:
        values: none twice; numbers are finite and rounded to 12 significant digits. Empty exactly
            when ``bounds`` is given.
        scale: ``log`` when the values are spaced evenly on a logarithmic scale.
        constant: whether the spec wrote a bare value, which is no axis.
        bounds: (low, high) of a range, both included, low < high; None for listed values.
        integer: whether a range holds whole numbers only.
        ordered: whether a sampler may use the order of the listed values; None for the rule that
            numbers are ordered and words are not.
    """

    values: tuple[Setting, ...]
    scale: Scale = "linear"
    constant: bool = False
    bounds: tuple[float, float] | None = None
    integer: bool = False
    ordered: bool | None = None

    def __len__(self) -> int:
        """Return the number of listed values; 0 for a range."""
        return len(self.values)

    @property
    def points(self) -> tuple[Setting, ...]:
        """What rules are checked on: the listed values, or the ends of the range."""
        return self.values if self.bounds is None else self.bounds

    @property
    def is_ordered(self) -> bool:
        """Whether the values have an order: ranges, numbers, and words that are said to."""
        if self.bounds is not None or self.ordered is not None:
            return self.bounds is not None or bool(self.ordered)
        return all(isinstance(value, int | float) for value in self.values)

    def to_plain(self) -> Any:
        """Return the axis as a spec writes it: a bare value, or every value spelled out."""
        if self.constant:
            return self.values[0]
        plain: dict[str, Any] = (
            {"values": list(self.values)} if self.bounds is None else {"range": list(self.bounds)}
        )
        if self.scale != "linear":
            plain["scale"] = self.scale
        if self.ordered is not None:
            plain["ordered"] = self.ordered
        return plain


def round_significant(value: float) -> float:
    """Round to 12 significant digits, so that ``0.1 * 3`` is 0.3; -0.0 becomes 0.0.

    Example:
        >>> round_significant(0.1 * 3)
        0.3
    """
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") + 0.0


def check_setting(value: Any, kind: Kind) -> Setting:
    """Check one value of a setting.

    Raises:
        ValueError: it is not of its kind.
    """
    if kind == "integer":
        return check_integer(value)
    if kind == "setting" and (value is None or isinstance(value, str)):
        return value
    return check_number(value)


def check_number(value: Any) -> float | int:
    """Check a finite number; floats are rounded to 12 significant digits.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be a number, but got {short(value)}. Write {FORMS}.")
    if isinstance(value, int):
        if abs(value) > 2**53:
            raise ValueError(f"must be at most 2**53 in size, but got {value:.3e}. Lower it.")
        return value
    if not math.isfinite(value):
        raise ValueError(f"must be finite, but got {short(value)}. Give a number.")
    return round_significant(value)


def check_integer(value: Any) -> int:
    """Check a whole number, written with a decimal point or without.

    Raises:
        ValueError: it is none.
    """
    number = check_number(value)
    if number != int(number):
        raise ValueError(f"must be a whole number, but got {short(value)}. Round it.")
    return int(number)
