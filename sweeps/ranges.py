"""Ranges: low and high, how many values between them or which step, or all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from sweeps.axes import (
    MAX_REPLICATES,
    SIGNIFICANT_DIGITS,
    Axis,
    Kind,
    Scale,
    check_integer,
    check_number,
    round_significant,
)
from sweeps.wording import short


def axis_of_range(written: Mapping[str, Any], scale: Scale, kind: Kind) -> Axis:
    """Read ``{range: [low, high]}`` with ``num``, ``step`` or neither.

    Raises:
        ValueError: a rule is broken; the text reads on after the setting's name.
    """
    ends = written["range"]
    if not isinstance(ends, list | tuple) or len(ends) != 2:
        raise ValueError(
            f"must have a range of two ends, but got {short(ends)}. Write [low, high]."
        )
    low, high = (check_number(end) for end in ends)
    if low > high:
        raise ValueError(f"must have range low <= high, but got {list(ends)}. Swap the two.")
    if scale == "log" and low <= 0:
        raise ValueError(
            f"must have range low > 0 for scale log, but got {low:g}. Raise it or use scale linear."
        )
    if "num" in written and "step" in written:
        raise ValueError("must have num or step beside range, but got both. Drop one.")
    if "step" in written:
        written = {**written, "num": _num_of_step(written["step"], low, high, scale)}
    if "num" not in written:
        return _open_range(low, high, scale, kind)
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
        return Axis(values=tuple(check_integer(value) for value in settings), scale=scale)
    if len(set(settings)) < num:
        raise ValueError(
            f"must have steps above {SIGNIFICANT_DIGITS} significant digits, but got {num} values "
            f"in {list(ends)}. Lower num."
        )
    return Axis(values=tuple(settings), scale=scale)


def _num_of_step(step: Any, low: float, high: float, scale: Scale) -> int:
    if scale == "log":
        raise ValueError("must have num with scale log, but got step. Write how many values.")
    size = check_number(step)
    if size <= 0:
        raise ValueError(f"must have a step above 0, but got {short(step)}. Raise it.")
    steps = (high - low) / size
    if not steps < MAX_REPLICATES:
        raise ValueError(
            f"must have at most {MAX_REPLICATES:,} values, but got step {short(step)} in "
            f"{[low, high]}. Raise it."
        )
    if not math.isclose(steps, round(steps), rel_tol=1e-9, abs_tol=1e-9):
        raise ValueError(
            f"must have a step that leads from low to high, but got step {short(step)} in "
            f"{[low, high]}. Change one of them."
        )
    return round(steps) + 1


def _open_range(low: float, high: float, scale: Scale, kind: Kind) -> Axis:
    """A range without num or step: every number in it, for a sampler to choose from."""
    if low == high:
        raise ValueError(
            f"must have range low < high without num, but got {[low, high]}. Write a single value."
        )
    if not math.isfinite(high - low):
        raise ValueError(
            f"must span less than the largest float, but got {[low, high]}. Narrow it."
        )
    if kind == "integer":
        ends = (check_integer(low), check_integer(high))
        return Axis((), scale=scale, bounds=ends, integer=True)
    return Axis((), scale=scale, bounds=(round_significant(low), round_significant(high)))


def _spaced(low: float, high: float, num: int, scale: Scale) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.geomspace(low, high, num) if scale == "log" else np.linspace(low, high, num)
