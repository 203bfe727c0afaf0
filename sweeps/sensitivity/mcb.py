"""The cells statistically tied with the best: Hsu's multiple comparisons with the best."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from sweeps.sensitivity.intervals import t_quantile
from sweeps.sensitivity.seed_table import BoolArray, FloatArray
from sweeps.sensitivity.variances import SeedNoise, seed_noise

RIVALS = 50


@dataclass(frozen=True, eq=False)
class TiedSet:
    """Cells that cannot be told from the best.

    Attributes:
        tied: (K,) members.
        low: (K,) lower bounds of ``mu_i - max_{j != i} mu_j`` (best at the top), at most 0.
        high: (K,) upper bounds, at least 0; a member's is above 0.
        level: with this probability at least, the truly best cell is a member.
        method: how, in words.
        margin: how far below the best mean a cell may lie and be a member; None where it differs
            from cell to cell.
    """

    tied: BoolArray
    low: FloatArray
    high: FloatArray
    level: float
    method: str
    margin: float | None


def hsu_critical_value(n_rivals: int, df: float, *, level: float = 0.95) -> float:
    """Return the one-sided critical value of Hsu's MCB for equal sample sizes.

    The d with ``P(max_{j <= n_rivals} T_j <= d) = level`` for a multivariate t of pairwise
    correlation 1/2 (Dunnett's one-sided point), by
    ``integral of Phi(z + sqrt(2) d s)^n_rivals`` over z ~ N(0, 1) and s ~ sqrt(chi2_df / df),
    to about 1e-5.

    Args:
        n_rivals: number of cells less one, at least 1.
        df: degrees of freedom of the pooled variance.
        level: the probability.

    Returns:
        d, in units of the standard error of a difference.

    Source: Dunnett (1955); Hsu (1996), Multiple Comparisons, ch. 4 and app. D.

    Example:
        >>> round(hsu_critical_value(1, 10), 3)   # Student's t
        1.812
    """
    z = np.linspace(-8.5, 8.5, 341)
    weight_z = np.exp(-(z**2) / 2)
    weight_z /= weight_z.sum()
    nodes, weight_s = np.polynomial.legendre.leggauss(96)
    if math.isfinite(df) and df < 1e6:
        s = np.sqrt(special.chdtri(df, 1 - (nodes + 1) / 2) / df)
        weight_s = weight_s / 2
    else:
        s, weight_s = np.ones(1), np.ones(1)

    def probability(d: float) -> float:
        inner = np.exp(n_rivals * special.log_ndtr(z[None, :] + math.sqrt(2) * d * s[:, None]))
        return float(weight_s @ (inner @ weight_z))

    low, high = -5.0, 5.0
    while probability(high) < level and high < 1e6:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if probability(middle) < level else (low, middle)
        if high - low < 1e-8:
            break
    return (low + high) / 2


def tied_with_best(
    values: FloatArray, *, higher_is_better: bool = True, level: float = 0.95, seed: int = 0
) -> TiedSet:
    """Return the cells tied with the best, on the seed-blocked variance.

    Equal residual variances (:func:`~sweeps.sensitivity.variances.homogeneity_p` at least .05):
    Hsu's constrained intervals ``[-(m_i - max m_j - w)^-, (m_i - max m_j + w)^+]`` with
    ``w = d sqrt(2 MS_res / S)``. Else cells are first screened, each pair by its own moderated
    variance at a Bonferroni-corrected level that spends half of the error, and the survivors, if
    their variances agree, compared by Hsu at the other half; if they do not, the screening is
    done at the full level and its survivors are the set.

    Args:
        values: (K, S) without gaps, every cell with the same seeds, K >= 1, S >= 2.
        higher_is_better: the metric's direction.
        level: probability that the truly best cell is a member, at least.
        seed: of the homogeneity test.

    Returns:
        The set; for one cell, that cell.

    Raises:
        ValueError: fewer than two seeds or a gap.

    Source: Hsu (1984), Annals of Statistics 12:1136; screening and then selecting with the error
    divided between them: Nelson, Swann, Goldsman & Song (2001), Operations Research 49:950;
    moderated variances: Smyth (2004). The screening's t with Satterthwaite's degrees of freedom is
    an approximation; tests/sweeps/test_sensitivity_error_rates.py simulates its error.
    """
    signed = values if higher_is_better else -values
    k = len(signed)
    if k == 1:
        zero = np.zeros(1)
        return TiedSet(np.ones(1, bool), zero, zero.copy(), level, "a single cell", 0.0)
    noise = seed_noise(signed, seed=seed)
    if noise.residual == 0:
        gap = _gaps(signed.mean(axis=1))
        return TiedSet(
            gap >= 0, np.minimum(gap, 0), np.maximum(gap, 0), level,
            "the differences between cells are the same for every seed: compared exactly", 0.0,
        )  # fmt: skip
    if noise.homogeneous:
        return _hsu(signed, noise, level, "Hsu's MCB on the pooled seed-blocked variance")
    half = 1 - (1 - level) / 2
    survivors, low, high = _screen(signed, noise, half)
    rows = np.flatnonzero(survivors)
    screened = "unequal seed noise: screened pair by pair on moderated variances"
    if len(rows) == 1:
        return TiedSet(survivors, low, high, level, f"{screened}; one cell survives", None)
    among = seed_noise(signed[rows], seed=seed)
    if among.homogeneous and among.residual > 0:
        within = _hsu(signed[rows], among, half, "")
        low[rows], high[rows] = within.low, within.high
        tied = np.zeros(k, bool)
        tied[rows] = within.tied
        method = f"{screened}, then Hsu's MCB among the {len(rows)} survivors"
        return TiedSet(tied, low, high, level, method, within.margin)
    survivors, low, high = _screen(signed, noise, level)
    return TiedSet(survivors, low, high, level, screened, None)


def _hsu(values: FloatArray, noise: SeedNoise, level: float, method: str) -> TiedSet:
    d = hsu_critical_value(len(values) - 1, noise.df_residual, level=level)
    width = d * math.sqrt(2 * noise.residual / noise.n_seeds)
    gap = _gaps(values.mean(axis=1))
    low, high = np.minimum(gap - width, 0.0), np.maximum(gap + width, 0.0)
    return TiedSet(high > 0, low, high, level, method, width)


def _gaps(means: FloatArray) -> FloatArray:
    """Return each mean less the largest of the others."""
    first = int(np.argmax(means))
    second = np.max(np.delete(means, first))
    gap = means - means[first]
    gap[first] = means[first] - second
    return gap


def _screen(
    values: FloatArray, noise: SeedNoise, level: float
) -> tuple[BoolArray, FloatArray, FloatArray]:
    """Drop cells that some rival beats by more than chance; rivals are the best few by mean.

    Looking at the best few only keeps more cells, never fewer: the correction is for all.
    """
    means = values.mean(axis=1)
    v = noise.moderated / noise.n_seeds
    df = noise.df_moderated
    rivals = np.argsort(-means, kind="stable")[:RIVALS]
    total = v[:, None] + v[None, rivals]
    degrees = total**2 / (v[:, None] ** 2 / df + v[None, rivals] ** 2 / df)
    width = np.sqrt(total) * t_quantile(1 - (1 - level) / (len(values) - 1), degrees)
    gap = means[:, None] - means[None, rivals]
    itself = np.arange(len(values))[:, None] == rivals[None, :]
    upper = np.where(itself, np.inf, gap + width).min(axis=1)
    lower = np.where(itself, np.inf, gap - width).min(axis=1)
    return upper > 0, np.minimum(lower, 0.0), np.maximum(upper, 0.0)
