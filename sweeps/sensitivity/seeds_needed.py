"""How many seeds: the difference that can be seen at the current n, and the n for a wanted one."""

from __future__ import annotations

import math

from scipy import special

from sweeps.sensitivity.intervals import t_quantile
from sweeps.sensitivity.quadrature import chi_nodes

MAX_SEEDS = 10_000


def power_of_paired_test(
    difference: float, sd_difference: float, n: int, *, df: float | None = None, alpha: float = 0.05
) -> float:
    """Return the power of a two-sided paired t test over seeds.

    ``P(|T'| > t_{1 - alpha/2, df})`` for a noncentral t with ``delta = difference sqrt(n) / sd``.

    Args:
        difference: true difference of the two cells' means.
        sd_difference: sd over seeds of the paired difference, ``sqrt(2 MS_residual)``.
        n: seeds, at least 2.
        df: degrees of freedom of the sd; None for n - 1.
        alpha: size of the test.

    Returns:
        Power in [alpha, 1].

    Source: Cohen (1988), ch. 2.
    """
    degrees = float(n - 1) if df is None else df
    noncentrality = abs(difference) * math.sqrt(n) / sd_difference
    critical = float(t_quantile(1 - alpha / 2, degrees))
    # P(T' > c) = E over s of Phi(delta - c s), s = sqrt(chi2_df / df): SciPy's noncentral t loses
    # its digits at one degree of freedom.
    scale, weight = chi_nodes(degrees)
    upper = weight @ special.ndtr(noncentrality - critical * scale)
    lower = weight @ special.ndtr(-noncentrality - critical * scale)
    return min(1.0, max(alpha, float(upper + lower)))


def detectable_difference(
    sd_difference: float,
    n: int,
    *,
    df: float | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> float:
    """Return the smallest true difference of two cells that n seeds show with the given power.

    Args:
        sd_difference: sd over seeds of the paired difference, at least 0.
        n: seeds, at least 2.
        df: degrees of freedom of the sd; None for n - 1 (two cells alone), more when pooled.
        alpha: size of the two-sided test.
        power: wanted power, above alpha.

    Returns:
        The difference, in the metric's unit; infinite with one seed.

    Source: as :func:`power_of_paired_test`.

    Example:
        >>> round(detectable_difference(0.01, 5), 4)
        0.0168
    """
    if n < 2:
        return math.inf
    if sd_difference <= 0:
        return 0.0
    low, high = 0.0, sd_difference
    while power_of_paired_test(high, sd_difference, n, df=df, alpha=alpha) < power:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        enough = power_of_paired_test(middle, sd_difference, n, df=df, alpha=alpha) >= power
        low, high = (low, middle) if enough else (middle, high)
    return high


def seeds_needed(
    sd_difference: float, difference: float, *, alpha: float = 0.05, power: float = 0.8
) -> int | None:
    """Return the fewest seeds that show a true difference of two cells with the given power.

    Args:
        sd_difference: sd over seeds of the paired difference.
        difference: the wanted difference, above 0.
        alpha: size of the two-sided paired t test with n - 1 degrees of freedom.
        power: wanted power.

    Returns:
        n, at least 2; None above 10,000.

    Source: as :func:`power_of_paired_test`.

    Example:
        >>> seeds_needed(0.01, 0.01)
        10
    """
    if sd_difference <= 0:
        return 2
    low, high = 1, 2
    while power_of_paired_test(difference, sd_difference, high, alpha=alpha) < power:
        low, high = high, high * 2
        if high > MAX_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        enough = power_of_paired_test(difference, sd_difference, middle, alpha=alpha) >= power
        low, high = (low, middle) if enough else (middle, high)
    return high
