"""How metrics computed again compare with those that were stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sweeps.errors import SweepError

TOLERANCE = 0.005
"""Largest difference of a metric that counts as agreement where it is not equal to the bit.

Heads trained on another processor, another product library or a GPU round otherwise at every step.
On the film sweep that moves a metric by up to 1.4e-5 (``benchmarks/retraining.py``), but one label
that flips moves a metric of a small split further. On the machine that trained them, heads are
equal to the bit.
"""

Measure = tuple[str, str]


@dataclass(frozen=True)
class Agreement:
    """How values computed again compare with those stored.

    Attributes:
        compared: how many values.
        different: how many are not equal to the bit.
        largest: the largest absolute difference; infinite where one of the two has no number.
        where: the value that differs most, in words; "" when none does.
    """

    compared: int
    different: int
    largest: float
    where: str

    @property
    def exact(self) -> bool:
        """Every value is equal to the bit."""
        return self.different == 0

    @property
    def close(self) -> bool:
        """No value differs by more than :data:`TOLERANCE`."""
        return self.largest <= TOLERANCE


def compare_scores(
    stored: Mapping[Measure, float], again: Mapping[Measure, float], *, what: str = ""
) -> Agreement:
    """Compare stored values with those of a replicate trained again.

    Args:
        stored: (split, metric) to value; NaN and None are no number.
        again: the same; more measures than stored are ignored.
        what: whose values, for the words: ``seed 3``.

    Raises:
        SweepError: a stored measure is not among those computed.
    """
    different, largest, where = 0, 0.0, ""
    for (split, metric), value in stored.items():
        if (split, metric) not in again:
            raise SweepError(
                f"A metric must be one that this version computes, but got {metric!r} on {split}. "
                "Take the version of sigmoidf1 that stored it."
            )
        before = np.nan if value is None else float(value)
        now = float(again[split, metric])
        if before == now or (np.isnan(before) and np.isnan(now)):
            continue
        different += 1
        size = abs(before - now)
        if not np.isfinite(size):
            size = np.inf
        if size > largest:
            largest = float(size)
            where = f"{metric} on {split}{f' of {what}' if what else ''}: {before!r}, now {now!r}"
    return Agreement(len(stored), different, largest, where)


def merge_agreements(parts: Sequence[Agreement]) -> Agreement:
    """Put comparisons together; ``where`` is that of the largest difference."""
    worst = max(parts, key=lambda part: part.largest, default=Agreement(0, 0, 0.0, ""))
    return Agreement(
        sum(part.compared for part in parts),
        sum(part.different for part in parts),
        worst.largest,
        worst.where,
    )
