"""Seed noise: within a cell, pooled over cells with seeds as a block, and moderated between both.

Seed s gives the same initial weights and batch order in every cell, so a value is modelled as
``x_ks = mu_k + b_s + e_ks``. The block ``b_s`` cancels from every comparison of cells; what is left
is the residual ``e_ks``.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from sweeps.sensitivity.seed_table import FloatArray, row_variances

HOMOGENEITY_DRAWS = 499
HOMOGENEITY_LEVEL = 0.05
BLOCK = 1_000_000
ROUNDING = 1e-13
REWEIGHTINGS = 8


@dataclass(frozen=True, eq=False)
class SeedNoise:
    """Noise of cells that share S seeds.

    Attributes:
        n_cells: K.
        n_seeds: S.
        residual: mean square of seed × cell, the variance of one value once the seed's block is
            removed, exactly 0 when it is rounding alone; df_residual degrees of freedom.
        df_residual: (K - 1)(S - 1).
        seed: variance component of the seed block, (MS_seed - MS_residual) / K, at least 0.
        within: mean within-cell variance, block and residual together.
        df_within: its degrees of freedom (Satterthwaite): cells share their seeds, so K cells do
            not give K (S - 1).
        cell_residual: (K,) each cell's own residual variance, S - 1 degrees of freedom nearly;
            where the cells' noise differs, about a block that noisy cells hardly weigh in.
        homogeneity_p: p of equal residual variances, see :func:`homogeneity_p`.
        homogeneous: whether pooling is sound: the p is at least 0.05.
        moderated: (K,) residual variances shrunk to their common value, :func:`moderate`.
        df_moderated: their degrees of freedom.
    """

    n_cells: int
    n_seeds: int
    residual: float
    df_residual: float
    seed: float
    within: float
    df_within: float
    cell_residual: FloatArray
    homogeneity_p: float
    homogeneous: bool
    moderated: FloatArray
    df_moderated: float

    @property
    def comparison(self) -> FloatArray:
        """(K,) residual variances for comparing cells: pooled where sound, else moderated."""
        return np.full(self.n_cells, self.residual) if self.homogeneous else self.moderated

    @property
    def df_comparison(self) -> float:
        """Degrees of freedom of :attr:`comparison`."""
        return self.df_residual if self.homogeneous else self.df_moderated


def seed_noise(values: FloatArray, *, seed: int = 0) -> SeedNoise:
    """Split the variance over seeds into a block and a residual, and say whether pooling is sound.

    Args:
        values: (K, S) without gaps, K >= 2, S >= 2.
        seed: of the Monte Carlo test of homogeneity.

    Returns:
        The noise.

    Raises:
        ValueError: fewer than two cells or seeds, or a gap.

    Source: two-way layout without replication (Scheffé 1959, ch. 4); Satterthwaite (1946).
    """
    if values.ndim != 2 or min(values.shape) < 2 or not np.isfinite(values).all():
        raise ValueError(
            f"values must be (cells, seeds) of at least 2 × 2 without gaps, but got shape "
            f"{values.shape}. Leave out cells with a missing seed."
        )
    k, s = values.shape
    residuals = block_residuals(values)
    df = float((k - 1) * (s - 1))
    residual = float((residuals**2).sum() / df)
    if residual <= (ROUNDING * float(np.abs(values).max())) ** 2:
        residuals, residual = np.zeros_like(residuals), 0.0
    seed_means = values.mean(axis=0)
    ms_seed = float(k * row_variances(seed_means[None])[0])
    within = (ms_seed + (k - 1) * residual) / k
    spread = (ms_seed / k) ** 2 / (s - 1) + ((k - 1) * residual / k) ** 2 / df
    # The factor undoes what subtracting the seed means takes from each cell.
    own = (residuals**2).sum(axis=1) / (s - 1) * k / (k - 1)
    p = homogeneity_p(robust_residual_variances(values), s - 1, seed=seed)
    if p < HOMOGENEITY_LEVEL:
        own = weighted_residual_variances(values)
    moderated, df_prior = moderate(own, s - 1)
    return SeedNoise(
        n_cells=k,
        n_seeds=s,
        residual=residual,
        df_residual=df,
        seed=max((ms_seed - residual) / k, 0.0),
        within=within,
        df_within=within**2 / spread if spread > 0 else float(s - 1),
        cell_residual=own,
        homogeneity_p=p,
        homogeneous=bool(p >= HOMOGENEITY_LEVEL),
        moderated=moderated,
        df_moderated=min(df_prior + s - 1, df),
    )


def block_residuals(values: FloatArray) -> FloatArray:
    """Return ``x_ks - x_k. - x_.s + x_..`` of (K, S) values, exactly 0 where all are equal."""
    shifted = values - values[:, :1]  # equal values give exact zeros whatever their mean
    centred = shifted - shifted.mean(axis=1, keepdims=True)
    return centred - centred.mean(axis=0, keepdims=True)


def robust_residual_variances(values: FloatArray) -> FloatArray:
    """Return each cell's residual variance about a seed block that is a median over cells.

    For the test of homogeneity: a few noisy cells in a mean block would lift every cell's residual
    and so hide that they are noisy.

    Args:
        values: (K, S) without gaps.

    Returns:
        (K,) variances, S - 1 degrees of freedom nearly.

    Source: median polish, Tukey (1977), one step.
    """
    centred = values - values[:, :1]
    centred = centred - centred.mean(axis=1, keepdims=True)
    return row_variances(centred - np.median(centred, axis=0))


def weighted_residual_variances(values: FloatArray) -> FloatArray:
    """Return each cell's residual variance about a seed block that weighs cells by precision.

    A plain block is the mean over cells; where a few cells are far noisier than the rest, their
    noise enters every cell's residual through it. Here ``b_s = sum_k w_k (x_ks - x_k.) / W`` with
    w the inverse of the moderated variances, fitted in turn with them; no cell weighs more than a
    quarter. A residual sum of squares has expectation ``sigma_k^2 (S - 1) (1 - w_k / W)``.

    Args:
        values: (K, S) without gaps, K >= 2, S >= 2.

    Returns:
        (K,) variances.

    Source: iteratively reweighted least squares for unequal variances, Carroll & Ruppert (1988).
    """
    k, s = values.shape
    centred = values - values[:, :1]
    centred = centred - centred.mean(axis=1, keepdims=True)
    weights = np.full(k, 1 / k)
    for _ in range(REWEIGHTINGS):
        residuals = centred - weights @ centred
        own = (residuals**2).sum(axis=1) / ((s - 1) * (1 - weights))
        moderated, _ = moderate(own, s - 1)
        if not (moderated > 0).all():
            break
        weights = 1 / moderated
        weights = np.minimum(weights / weights.sum(), max(0.25, 1 / k))
        weights /= weights.sum()
    return own


def homogeneity_p(variances: FloatArray, df: int, *, seed: int = 0) -> float:
    """Test that K independent variances of normal samples are equal, by Monte Carlo.

    The statistic is the variance over cells of ``log s_k^2``; its null distribution, that of K
    independent ``log chi2_df``, is simulated: unlike Bartlett's chi-square approximation it holds
    for the two to five seeds of a sweep. A tail heavier than normal lowers p as well, which errs
    towards not pooling.

    Args:
        variances: (K,) sample variances, each of ``df`` degrees of freedom.
        df: at least 1.
        seed: of the Monte Carlo draws.

    Returns:
        p in (0, 1]; 1.0 when all are equal (or all zero), 0.0 when some but not all are zero.
    """
    if len(variances) < 2 or np.ptp(variances) == 0:
        return 1.0
    if (variances <= 0).any():
        return 0.0
    observed = np.log(variances).var(ddof=1)
    exceed = int((_null_spreads(len(variances), df, seed) >= observed).sum())
    return (exceed + 1) / (HOMOGENEITY_DRAWS + 1)


@functools.lru_cache(maxsize=8)
def _null_spreads(k: int, df: int, seed: int) -> FloatArray:
    """Draws of the statistic of `homogeneity_p` for equal variances; one analysis asks often."""
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK // k)
    spreads = [
        np.log(rng.chisquare(df, (min(block, HOMOGENEITY_DRAWS - start), k))).var(axis=1, ddof=1)
        for start in range(0, HOMOGENEITY_DRAWS, block)
    ]
    return np.concatenate(spreads)


def moderate(variances: FloatArray, df: int) -> tuple[FloatArray, float]:
    """Shrink cells' variances towards their common value, as far as they agree.

    With ``s_k^2 | sigma_k^2 ~ sigma_k^2 chi2_df / df`` and a scaled inverse chi-square prior
    (s0^2, d0) fitted by the moments of ``log s_k^2``, the posterior is
    ``(d0 s0^2 + df s_k^2) / (d0 + df)`` with ``d0 + df`` degrees of freedom.

    Args:
        variances: (K,) sample variances. Zeros are raised to 1e-5 of the median first.
        df: degrees of freedom of each, at least 1.

    Returns:
        The (K,) moderated variances and d0, infinite when the cells agree entirely.

    Source: Smyth (2004), Statistical Applications in Genetics and Molecular Biology 3(1):3.
    """
    median = float(np.median(variances))
    floor = 1e-5 * (median if median > 0 else float(variances.mean()))
    if len(variances) < 2 or floor == 0:
        return variances.copy(), 0.0
    raised = np.maximum(variances, floor)
    logs = np.log(raised) - special.digamma(df / 2) + math.log(df / 2)
    excess = float(logs.var(ddof=1) - special.polygamma(1, df / 2))
    if excess <= 0:
        return np.full(len(variances), float(variances.mean())), math.inf
    d0 = 2 * _inverse_trigamma(excess)
    prior = math.exp(float(logs.mean()) + float(special.digamma(d0 / 2)) - math.log(d0 / 2))
    return (d0 * prior + df * variances) / (d0 + df), d0


def _inverse_trigamma(value: float) -> float:
    """Solve ``trigamma(y) = value`` by Newton's method on 1 / trigamma, which is nearly linear."""
    if value > 1e7:
        return value**-0.5
    if value < 1e-6:
        return 1 / value
    y = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(special.polygamma(1, y))
        step = trigamma * (1 - trigamma / value) / float(special.polygamma(2, y))
        y += step
        if abs(step) < 1e-10 * y:
            break
    return y
