"""Losses against each other and against constants: budgets, paired differences, baselines."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from sweeps.sensitivity.intervals import NO_SPREAD, ONE_SEED, t_quantile
from sweeps.sensitivity.seed_table import FloatArray

NEGLIGIBLE = 1e-30


def expected_best(
    chosen_by: FloatArray,
    read: FloatArray | None = None,
    *,
    higher_is_better: bool = True,
) -> FloatArray:
    """Return the expected value of the best of m cells drawn at random, for every m.

    ``E[max of m] = sum_i x_(i) ((i / n)^m - ((i - 1) / n)^m)`` over the n cells in rising order:
    m draws with replacement. ``read`` gives each cell's value elsewhere (test): the best of m is
    then chosen by ``chosen_by`` (validation) and read there.

    Args:
        chosen_by: (n,) values, NaN for cells without one.
        read: (n,) values to average; ``chosen_by`` by default.
        higher_is_better: the metric's direction.

    Returns:
        (n',) for m = 1 ... n', n' the number of cells with both values. Cells without are left
        out, which flatters a loss whose cells diverge: give their number beside it.

    Source: Dodge et al. (2019), EMNLP, Show Your Work, eq. 5. Biased a little downwards for m near
    n (Tang et al. 2020); compare losses at the same m only.

    Example:
        >>> expected_best(np.array([0.0, 1.0])).tolist()
        [0.5, 0.75]
    """
    other = chosen_by if read is None else read
    known = np.isfinite(chosen_by) & np.isfinite(other)
    sign = 1.0 if higher_is_better else -1.0
    order = np.argsort(sign * chosen_by[known], kind="stable")
    values = other[known][order]
    n = len(values)
    if not n:
        return np.zeros(0)
    # Summed by parts, x_(n) - sum (x_(i+1) - x_(i)) (i / n)^m, the powers by repeated products.
    steps, base = np.diff(values), np.arange(1, n) / n
    power, curve = np.ones(n - 1), np.empty(n)
    for m in range(n):
        power = power * base
        curve[m] = values[-1] - steps @ power
        gone = int(np.searchsorted(power, NEGLIGIBLE))
        power, base, steps = power[gone:], base[gone:], steps[gone:]
    return curve


@dataclass(frozen=True)
class PairedDifference:
    """A less B, paired by seed.

    Attributes:
        n: seeds that both have.
        difference: mean difference, in the metric's unit; None without a common seed.
        low: t interval over seeds; None where there is none.
        high: its other end.
        p_better: posterior probability that A is better than B in the mean over seeds (flat
            prior: Student's t); None with one seed.
        share_better: share of seeds in which A is better, ties half.
        level: nominal coverage.
        over: always ``seeds``.
        reason: why there is no interval.
    """

    n: int
    difference: float | None
    low: float | None
    high: float | None
    p_better: float | None
    share_better: float | None
    level: float
    over: str
    reason: str | None


def paired_difference(
    a: FloatArray, b: FloatArray, *, higher_is_better: bool = True, level: float = 0.95
) -> PairedDifference:
    """Compare two cells seed by seed: seed s has the same initial weights and batches in both.

    ``d_s = a_s - b_s``, interval ``mean(d) ± t_{n-1} sd(d) / sqrt(n)``, on the
    metric's own scale.

    Args:
        a: (S,) values of A by seed, NaN for none.
        b: (S,) values of B by the same seeds; or a constant baseline repeated.
        higher_is_better: the metric's direction.
        level: nominal coverage.

    Returns:
        The comparison. The split and the examples are fixed: see the bootstrap over examples.

    Source: Student (1908); P(A > B) as the posterior under a flat prior, BDA sec. 3.2.
    """
    known = np.isfinite(a) & np.isfinite(b)
    d = (a - b)[known]
    n = len(d)
    if not n:
        reason = "no seed has a value in both"
        return PairedDifference(0, None, None, None, None, None, level, "seeds", reason)
    better = d if higher_is_better else -d
    share = float(((better > 0) + 0.5 * (better == 0)).mean())
    mean = float(d.mean())
    # Against rounding: differences of equal amounts would leave a spread of 1e-17.
    sd = float(d.std(ddof=1)) if n > 1 and np.ptp(d) > 1e-14 else 0.0
    if n < 2 or sd == 0:
        reason = ONE_SEED if n < 2 else NO_SPREAD
        return PairedDifference(n, mean, None, None, None, share, level, "seeds", reason)
    error = sd / math.sqrt(n)
    width = float(t_quantile(1 - (1 - level) / 2, float(n - 1))) * error
    p = float(special.stdtr(n - 1, (mean if higher_is_better else -mean) / error))
    return PairedDifference(n, mean, mean - width, mean + width, p, share, level, "seeds", None)
