"""Rules of choosing a cell, by mean, lower bound or neighbourhood; and the plateau around it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sweeps.sensitivity.seed_table import BoolArray, FloatArray, levels_of

Rule = Literal["mean", "lower-bound", "robust-worst", "robust-mean"]
RULES: tuple[Rule, ...] = ("mean", "lower-bound", "robust-worst", "robust-mean")


@dataclass(frozen=True)
class Choice:
    """The cell a rule chooses.

    Attributes:
        rule: the rule's name.
        row: the cell's row; None when the rule cannot choose.
        value: what the rule ranks by, in the metric's unit.
        reason: why it cannot choose.
    """

    rule: Rule
    row: int | None
    value: float | None
    reason: str | None


def choose(
    rule: Rule,
    values: FloatArray | None,
    eligible: BoolArray,
    clean: BoolArray,
    *,
    higher_is_better: bool = True,
    reason: str | None = None,
) -> Choice:
    """Choose by one number a cell; clean cells first, ties to the first in the plan.

    A cell that lost seeds competes only where no clean cell has the number: a mean over the seeds
    that happened to survive flatters a setting that does not train reliably.

    Args:
        rule: the rule's name.
        values: (K,) means, bounds towards the worse, or neighbourhood values; NaN cannot be
            chosen. None when the rule's numbers are not there.
        eligible: (K,) finished cells with a value.
        clean: (K,) finished, and every planned seed has a value.
        higher_is_better: the metric's direction.
        reason: why ``values`` is None.

    Returns:
        The choice.
    """
    if values is None:
        return Choice(rule, None, None, reason or "its numbers are not there")
    known = eligible & np.isfinite(values)
    for candidates in (known & clean, known):
        rows = np.flatnonzero(candidates)
        if len(rows):
            signed = values[rows] if higher_is_better else -values[rows]
            row = int(rows[np.argmax(signed)])
            return Choice(rule, row, float(values[row]), None)
    return Choice(rule, None, None, reason or "no finished cell has this number")


def neighbourhood(
    parameters: Mapping[str, Sequence[Any]],
    values: FloatArray,
    *,
    statistic: Literal["worst", "mean"] = "worst",
    higher_is_better: bool = True,
) -> FloatArray:
    """Return the worst or mean value of each cell and its neighbours on the grid.

    Neighbours differ by at most one step in every numeric parameter (eight around a cell in two
    dimensions) and share every other setting. A neighbour without a value (diverged, failed)
    makes the worst value NaN, since a step into it is what robustness is to warn of; the mean
    leaves it out. At an edge there are fewer neighbours.

    Args:
        parameters: name to (K,) settings.
        values: (K,) one value a cell, NaN for none.
        statistic: which.
        higher_is_better: the metric's direction.

    Returns:
        (K,) values, NaN for cells without one of their own.

    Source: robust optimisation by the worst case of a neighbourhood, Beyer & Sendhoff (2007).
    """
    k = len(values)
    numeric = {
        name: all(isinstance(item, (int, float, np.number)) for item in column)
        for name, column in parameters.items()
    }
    coded = {name: levels_of(column) for name, column in parameters.items()}
    steps = [(-1, 0, 1) if numeric[name] else (0,) for name in coded]
    shape = tuple(len(known) + 2 for known, _ in coded.values())
    place = np.stack([index + 1 for _, index in coded.values()]) if coded else np.zeros((0, k), int)
    absent = np.full(shape, -1, dtype=np.int64)
    absent[tuple(place)] = np.arange(k)
    signed = values if higher_is_better else -values
    worst = signed.copy()
    total, count = np.zeros(k), np.zeros(k)
    for step in itertools.product(*steps):
        rows = absent[tuple(place + np.array(step, dtype=np.int64)[:, None])]
        there = rows >= 0
        beside = np.where(there, signed[rows], 0.0)
        worst = np.where(there, np.minimum(worst, beside), worst)
        known = there & np.isfinite(beside)
        total += np.where(known, beside, 0.0)
        count += known
    result = worst if statistic == "worst" else total / np.maximum(count, 1)
    result = np.where(np.isfinite(values), result, np.nan)
    return result if higher_is_better else -result


def plateau(
    means: FloatArray, epsilon: float, *, higher_is_better: bool = True
) -> tuple[BoolArray, float]:
    """Return the cells within ε of the best mean, and their share of the grid.

    A large share says that the choice hardly matters. Every cell counts in the denominator, those
    that diverged as well.

    Args:
        means: (K,) means, NaN for cells without one.
        epsilon: in the metric's unit, at least 0.
        higher_is_better: the metric's direction.

    Returns:
        (K,) members, and their share in [0, 1] (0 when no cell has a mean).
    """
    known = np.isfinite(means)
    if not known.any():
        return known, 0.0
    signed = means if higher_is_better else -means
    # The tolerance keeps a cell exactly ε below from depending on rounding.
    inside = known & (np.where(known, signed, -np.inf) >= signed[known].max() - epsilon - 1e-12)
    return inside, float(inside.mean())
