"""Axes: how a spec writes them, and the product of a grid's."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sweeps.axes import FORMS, MAX_REPLICATES, Axis, Kind, Scale, Setting, check_setting
from sweeps.ranges import axis_of_range
from sweeps.wording import short, unknown_key

_AXIS_KEYS = ("values", "range", "num", "step", "scale", "ordered")


def parse_axis(written: Any, *, kind: Kind = "setting") -> Axis:
    """Read one setting of a spec as an axis.

    Args:
        written: a bare value (a constant); ``[...]`` or ``{values: [...]}``; or
            ``{range: [low, high], num: n, scale: linear | log}``, whose ends are both included,
            or with ``step`` for ``num``; with neither it is a range, for samplers only.
            ``scale: log`` beside ``values`` says only how to draw them; ``ordered`` whether a
            sampler may use their order.
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
    return Axis(values=(check_setting(written, kind),), constant=True)


def _parse_mapping(written: Mapping[str, Any], kind: Kind) -> Axis:
    for key in written:
        if key not in _AXIS_KEYS:
            raise ValueError(f"must be {FORMS}, but got {unknown_key(key, _AXIS_KEYS)}")
    if ("values" in written) == ("range" in written):
        got = "both values and range" if "values" in written else "neither values nor range"
        raise ValueError(f"must be {FORMS}, but got {got}. Write one of them.")
    scale = written.get("scale", "linear")
    if scale not in ("linear", "log"):
        raise ValueError(f"must have scale linear or log, but got {short(scale)}. Leave it out.")
    ordered = written.get("ordered")
    if ordered is not None and not isinstance(ordered, bool):
        raise ValueError(
            f"must have ordered true or false, but got {short(ordered)}. Leave it out."
        )
    if "values" in written:
        for key in ("num", "step"):
            if key in written:
                raise ValueError(
                    f"must have {key} beside range only, but got it beside values. Drop it."
                )
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
        return replace(axis, ordered=ordered)
    if ordered is not None:
        raise ValueError("must have ordered beside values only, but got it beside range. Drop it.")
    return axis_of_range(written, scale, kind)


def _axis_of_values(values: Sequence[Any], scale: Scale, kind: Kind) -> Axis:
    if not values:
        raise ValueError("must have at least one value, but got an empty list. Add one.")
    if len(values) > MAX_REPLICATES:
        raise ValueError(
            f"must have at most {MAX_REPLICATES:,} values, but got {len(values):,}. Use fewer."
        )
    settings = tuple(check_setting(value, kind) for value in values)
    check_distinct(settings)
    return Axis(values=settings, scale=scale)


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
