"""Interval of a noncentral F's noncentrality: what an observed F says of the effect behind it."""

from __future__ import annotations

from collections.abc import Callable

from scipy import special

EXACT_UP_TO = 1e5


def noncentrality_interval(
    f: float, df_effect: float, df_residual: float, *, level: float = 0.95
) -> tuple[float, float]:
    """Invert the noncentral F distribution in its noncentrality λ.

    The bounds solve ``P(F' >= f; low) = (1 - level) / 2`` and ``P(F' <= f; high) =
    (1 - level) / 2``; a bound is 0 where no λ does. Above λ = 1e5 the distribution is Patnaik's
    ``((d + λ) / d) F((d + λ)^2 / (d + 2λ), df)``, which agrees to six digits from there on.

    Args:
        f: observed F, at least 0.
        df_effect: numerator degrees of freedom.
        df_residual: denominator degrees of freedom.
        level: coverage.

    Returns:
        (low, high), 0 <= low <= high.

    Source: Steiger (2004), Psychological Methods 9:164; Patnaik (1949), Biometrika 36:202.

    Example:
        >>> noncentrality_interval(0.5, 4, 40)[0]
        0.0
    """
    tail = (1 - level) / 2

    def below(noncentrality: float) -> float:
        if noncentrality <= EXACT_UP_TO:
            return float(special.ncfdtr(df_effect, df_residual, noncentrality, f))
        inflation = (df_effect + noncentrality) / df_effect
        df = (df_effect + noncentrality) ** 2 / (df_effect + 2 * noncentrality)
        return float(special.fdtr(df, df_residual, f / inflation))

    return _solve(below, 1 - tail), _solve(below, tail)


def _solve(decreasing: Callable[[float], float], target: float) -> float:
    """Return where a function decreasing on [0, inf) meets the target; 0 if it starts below."""
    if decreasing(0.0) <= target:
        return 0.0
    high = 1.0
    while decreasing(high) > target and high < 1e15:
        high *= 2
    low = 0.0 if high == 1.0 else high / 2
    for _ in range(60):
        middle = (low + high) / 2
        if decreasing(middle) > target:
            low = middle
        else:
            high = middle
        if high - low <= 1e-10 * high:
            break
    return (low + high) / 2
