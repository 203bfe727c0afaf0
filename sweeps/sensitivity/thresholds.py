"""The threshold as a third axis: regret of a fixed one against a tuned one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from sweeps.sensitivity.seed_table import BoolArray, FloatArray


@dataclass(frozen=True, eq=False)
class ThresholdRegret:
    """Fixed against tuned, per cell and for the best.

    Attributes:
        fixed: the fixed threshold.
        tuned: (K,) each cell's best threshold on validation, by the mean over seeds.
        validation_fixed: (K,) validation value at the fixed threshold.
        validation_tuned: (K,) at the tuned one; the maximum, so biased upwards.
        test_fixed: (K,) test value at the fixed threshold; NaN without test curves.
        test_tuned: (K,) test value at the threshold tuned on validation.
        best_fixed: the best cell by validation at the fixed threshold; None without any.
        best_tuned: the best cell by validation, each at its tuned threshold.
    """

    fixed: float
    tuned: FloatArray
    validation_fixed: FloatArray
    validation_tuned: FloatArray
    test_fixed: FloatArray
    test_tuned: FloatArray
    best_fixed: int | None
    best_tuned: int | None

    @property
    def regret_validation(self) -> FloatArray:
        """(K,) what the fixed threshold loses on validation, at least 0 either direction."""
        return np.abs(self.validation_tuned - self.validation_fixed)

    @property
    def regret_test(self) -> FloatArray:
        """(K,) test value at the tuned less at the fixed threshold; may be negative."""
        return self.test_tuned - self.test_fixed


def threshold_regret(
    validation: FloatArray,
    thresholds: FloatArray,
    *,
    fixed: float,
    test: FloatArray | None = None,
    eligible: BoolArray | None = None,
    higher_is_better: bool = True,
) -> ThresholdRegret:
    """Compare a fixed threshold with one tuned per cell on validation.

    The regret of t for a cell is ``max_t' f(t') - f(t)`` of the mean over seeds on validation;
    the test value is read at the threshold that validation chose.

    Args:
        validation: (T, K) means over seeds on validation at every threshold, NaN for none.
        thresholds: (T,) increasing.
        fixed: one of them, or near one: the nearest is taken.
        test: (T, K) the same on test.
        eligible: (K,) cells that may be the best; all with a value by default.
        higher_is_better: the metric's direction.

    Returns:
        The comparison. Ties between thresholds go to the one nearest to the fixed one on the
        logit scale.
    """
    sign = 1.0 if higher_is_better else -1.0
    at = int(np.argmin(np.abs(thresholds - fixed)))
    known = np.isfinite(validation)
    signed = np.where(known, sign * validation, -np.inf)
    best = signed.max(axis=0)
    distance = np.abs(special.logit(thresholds) - special.logit(thresholds[at]))
    tied = np.where(signed == best[None, :], distance[:, None], np.inf)
    place = tied.argmin(axis=0)
    column = np.arange(validation.shape[1])
    some = known.any(axis=0)
    may = some if eligible is None else some & eligible
    nothing = np.full(validation.shape[1], np.nan)

    def first(values: FloatArray) -> int | None:
        usable = may & np.isfinite(values)
        return int(np.where(usable, sign * values, -np.inf).argmax()) if usable.any() else None

    tuned_value = np.where(some, validation[place, column], np.nan)
    return ThresholdRegret(
        fixed=float(thresholds[at]),
        tuned=np.where(some, thresholds[place], np.nan),
        validation_fixed=validation[at],
        validation_tuned=tuned_value,
        test_fixed=nothing if test is None else test[at],
        test_tuned=nothing if test is None else np.where(some, test[place, column], np.nan),
        best_fixed=first(validation[at]),
        best_tuned=first(tuned_value),
    )


def offset_threshold_trade_off(eta: FloatArray, tuned: FloatArray) -> tuple[float, float] | None:
    """Return slope and correlation of the tuned ``logit(t)`` on η over cells.

    σ(u) crosses t where u = logit(t), and S(u; β, η) crosses 1/2 where u = -η: if η only moves
    the decision boundary, the tuned logit(t) falls by 1 for each 1 of η (slope -1).

    Args:
        eta: (K,) offsets.
        tuned: (K,) tuned thresholds.

    Returns:
        (slope, Pearson correlation), or None with fewer than three cells or no variation.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = np.asarray(eta, np.float64), special.logit(tuned)
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    x, y = x - x.mean(), y - y.mean()
    slope = float((x * y).sum() / (x**2).sum())
    return slope, float((x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum()))
