"""Cells that learnt nothing: they predict nothing, everything, or never left where they started."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sweeps.sensitivity.seed_table import BoolArray, FloatArray, SeedTable

COLLAPSE_TOLERANCE = 0.01
STUCK_GROUP = 3


@dataclass(frozen=True, eq=False)
class Collapse:
    """Flags of K cells.

    Attributes:
        predicts_none: (K,) every seed predicts (next to) nothing.
        predicts_all: (K,) every seed predicts (next to) everything.
        stuck: (K,) every seed has exactly the value of the same seed of two other cells or more:
            the heads never moved, or ended in the same constant.
        known: whether predicted rates were there to judge by; without them the first two are
            all False and mean nothing.
    """

    predicts_none: BoolArray
    predicts_all: BoolArray
    stuck: BoolArray
    known: bool

    @property
    def any(self) -> BoolArray:
        """(K,) flagged by one of the three."""
        return self.predicts_none | self.predicts_all | self.stuck


def collapse_flags(
    table: SeedTable,
    predicted_rate: FloatArray | None,
    *,
    positive_rate: float | None = None,
    tolerance: float = COLLAPSE_TOLERANCE,
) -> Collapse:
    """Flag collapsed cells.

    With rate r (predicted share of all example × class pairs) and base rate p (positive share), a
    seed predicts nothing when ``r <= tolerance p`` and everything when
    ``1 - r <= tolerance (1 - p)``: within one percent of the constant prediction, and relative to
    p, since one label in a hundred is a fair rate where one in a hundred is true. Without p the
    constants themselves are asked for: r = 0, r = 1.

    Args:
        table: cells × seeds of the metric, for ``stuck``.
        predicted_rate: (K, S) predicted-positive rates at the threshold in question, NaN where
            unknown; None where they are not kept.
        positive_rate: p, in (0, 1).
        tolerance: share of the way to the constant that still counts.

    Returns:
        The flags. A cell with one seed or a missing one is judged by the seeds it has; ``stuck``
        needs two seeds at least.
    """
    nothing: BoolArray = np.zeros(len(table), bool)
    everything: BoolArray = nothing.copy()
    if predicted_rate is not None:
        known = np.isfinite(predicted_rate) & np.isfinite(table.values)
        p = positive_rate
        low = 0.0 if p is None else tolerance * p
        high = 1.0 if p is None else 1 - tolerance * (1 - p)
        some = known.any(axis=1)
        nothing = some & np.all(~known | (predicted_rate <= low), axis=1)
        everything = some & np.all(~known | (predicted_rate >= high), axis=1)
    judged = predicted_rate is not None and bool(np.isfinite(predicted_rate).any())
    return Collapse(nothing, everything, _stuck(table), judged)


def rate_from_scores(
    precision: FloatArray, recall: FloatArray, *, positive_rate: float
) -> FloatArray:
    """Return the predicted-positive rate from micro precision and recall at any threshold.

    ``r = p recall / precision``, since both are ``tp / predicted`` and ``tp / positives``. Where
    nothing is hit (recall 0) the rate cannot be told, except that precision 0 there too includes
    predicting nothing: it is given as 0.

    Args:
        precision: micro precision, any shape.
        recall: micro recall, same shape.
        positive_rate: p, the positive share of all example × class pairs.

    Returns:
        Rates in [0, 1]; NaN where the inputs are.
    """
    hit = precision > 0
    rate = positive_rate * recall / np.where(hit, precision, 1.0)
    missing = ~(np.isfinite(precision) & np.isfinite(recall))
    return np.where(missing, np.nan, np.where(hit, np.clip(rate, 0.0, 1.0), 0.0))


def _stuck(table: SeedTable) -> BoolArray:
    flags = np.zeros(len(table), bool)
    if table.values.shape[1] < 2:
        return flags
    rows = np.flatnonzero(table.whole)
    if not len(rows):
        return flags
    _, group, sizes = np.unique(table.values[rows], axis=0, return_inverse=True, return_counts=True)
    flags[rows] = sizes[group.reshape(-1)] >= STUCK_GROUP
    return flags
