"""The cells statistically tied with the best: Hsu's multiple comparisons with the best."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from sweeps.sensitivity.intervals import t_quantile
from sweeps.sensitivity.quadrature import chi_nodes
from sweeps.sensitivity.seed_table import BoolArray, FloatArray
from sweeps.sensitivity.variances import ROUNDING, SeedNoise, seed_noise

RIVALS = 50
EXACT = "the differences between cells are the same for every seed: compared exactly"
SCREENED = "unequal seed noise: screened pair by pair on moderated variances"


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
        noisy: (K,) members that lie further below the best than a cell of typical noise could:
            nothing speaks for them but that too few seeds speak against them.
    """

    tied: BoolArray
    low: FloatArray
    high: FloatArray
    level: float
    method: str
    margin: float | None
    noisy: BoolArray


@functools.lru_cache(maxsize=256)
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
    z = np.linspace(-7.5, 7.5, 121)
    weight_z = np.exp(-(z**2) / 2)
    weight_z /= weight_z.sum()
    s, weight_s = chi_nodes(df)

    def probability(d: float) -> float:
        inner = np.exp(n_rivals * special.log_ndtr(z[None, :] + math.sqrt(2) * d * s[:, None]))
        return float(weight_s @ (inner @ weight_z))

    high = 5.0
    while probability(high) < level and high < 1e6:
        high *= 2
    return float(optimize.brentq(lambda d: probability(d) - level, -5.0, high, xtol=1e-7))


def tied_with_best(
    values: FloatArray, *, higher_is_better: bool = True, level: float = 0.95, seed: int = 0
) -> TiedSet:
    """Return the cells tied with the best, on the seed-blocked variance.

    Equal residual variances (:func:`~sweeps.sensitivity.variances.homogeneity_p` at least .05):
    Hsu's constrained intervals ``[-(m_i - max m_j - w)^-, (m_i - max m_j + w)^+]`` with
    ``w = d sqrt(2 MS_res / S)``. Else cells are first screened, each pair by its own moderated
    variance at a Bonferroni-corrected level that spends half of the error. Survivors that lie near
    the best are then compared by Hsu at the other half, if their variances agree; those far from it
    that only their own noise keeps stay members, marked ``noisy``. If they do not agree, the
    screening is done at the full level and its survivors are the set.

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
    an approximation: with 40 identical cells of very unlike noise (sd .002 to .03) a given one is
    left out in 6.7 % of simulated sweeps instead of 5 %, and in fewer where the cells differ.
    """
    signed = values if higher_is_better else -values
    k = len(signed)
    if k == 1:
        zero, no = np.zeros(1), np.zeros(1, bool)
        return TiedSet(np.ones(1, bool), zero, zero.copy(), level, "a single cell", 0.0, no)
    noise = seed_noise(signed, seed=seed)
    if noise.residual == 0:
        gap = _gaps(signed.mean(axis=1))
        gap = np.where(np.abs(gap) <= ROUNDING * np.abs(signed).max(), 0.0, gap)
        low, high = np.minimum(gap, 0.0), np.maximum(gap, 0.0)
        return TiedSet(gap >= 0, low, high, level, EXACT, 0.0, np.zeros(k, bool))
    if noise.homogeneous:
        return _hsu(signed, noise, level, "Hsu's MCB on the pooled seed-blocked variance")
    typical = hsu_critical_value(k - 1, noise.df_moderated, level=level) * math.sqrt(
        2 * float(np.median(noise.moderated)) / noise.n_seeds
    )
    far = _gaps(signed.mean(axis=1)) < -typical
    half = 1 - (1 - level) / 2
    survivors, low, high = _screen(signed, noise, half)
    # A noisy survivor stays whatever the others do, so these can be compared without it.
    core = np.flatnonzero(survivors & ~far)
    among = seed_noise(signed[core], seed=seed) if len(core) > 1 else None
    if among is not None and among.homogeneous and among.residual > 0:
        within = _hsu(signed[core], among, half, "")
        low[core], high[core] = within.low, within.high
        tied = survivors & far
        tied[core] = within.tied
        method = f"{SCREENED}, then Hsu's MCB among {len(core)} survivors of like noise"
        return TiedSet(tied, low, high, level, method, within.margin, survivors & far)
    survivors, low, high = _screen(signed, noise, level)
    return TiedSet(survivors, low, high, level, SCREENED, None, survivors & far)


def _hsu(values: FloatArray, noise: SeedNoise, level: float, method: str) -> TiedSet:
    d = hsu_critical_value(len(values) - 1, noise.df_residual, level=level)
    width = d * math.sqrt(2 * noise.residual / noise.n_seeds)
    gap = _gaps(values.mean(axis=1))
    low, high = np.minimum(gap - width, 0.0), np.maximum(gap + width, 0.0)
    return TiedSet(high > 0, low, high, level, method, width, np.zeros(len(gap), bool))


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
