"""How probable each cell is to be the best: a posterior with shrinkage; and selection frequency."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sweeps.sensitivity.seed_table import FloatArray
from sweeps.sensitivity.variances import seed_noise

DRAWS = 4000
RESAMPLES = 2000
_CHUNK = 2_000_000
_SCALES = 200


@dataclass(frozen=True, eq=False)
class ProbabilityBest:
    """Posterior of being the best cell.

    Attributes:
        probability: (K,) summing to 1.
        monte_carlo_error: largest standard error of a probability.
        shrinkage: mean weight of a contender's own mean, the rest going to the common mean: 1 when
            the cells differ by far more than seed noise, 0 when noise explains their differences.
        n_contenders: cells near enough to the top to be simulated; the rest have probability 0.
        method: how, in words.
    """

    probability: FloatArray
    monte_carlo_error: float
    shrinkage: float
    n_contenders: int
    method: str


def probability_best(
    values: FloatArray, *, higher_is_better: bool = True, seed: int, draws: int = DRAWS
) -> ProbabilityBest:
    """Return the posterior probability that each cell is the best.

    ``m_k | theta_k ~ N(theta_k, v_k)`` with ``v_k`` the seed-blocked variance of a mean (pooled
    where sound, else moderated) and ``theta_k ~ N(mu, tau^2)``, flat in mu and in tau on
    [0, 5 sd(m)]. Given tau and v, theta is normal with mean ``B m_k + (1 - B) mu`` and
    ``B = tau^2 / (tau^2 + v)``; tau is drawn from its marginal posterior on a grid, v from its
    scaled inverse chi-square. So identical cells share the probability evenly, where a bootstrap
    over five seeds gives the luckiest of 270 about .3.

    The prior is fitted to the contenders, cells within ``(3 + sqrt(2 log K)) sqrt(2 v)`` of the
    best mean: the long lower tail of a grid (collapsed cells) says nothing of how the good cells
    differ.

    Args:
        values: (K, S) without gaps, S >= 2, K >= 1.
        higher_is_better: the metric's direction.
        seed: of the draws.
        draws: number of draws.

    Returns:
        The probabilities.

    Raises:
        ValueError: fewer than two seeds or a gap.

    Source: normal-normal model, Gelman et al., Bayesian Data Analysis, 3rd ed., sec. 5.4.
    """
    signed = values if higher_is_better else -values
    k = len(signed)
    if k == 1:
        return ProbabilityBest(np.ones(1), 0.0, 1.0, 1, "a single cell")
    noise = seed_noise(signed, seed=seed)
    means = signed.mean(axis=1)
    if noise.residual == 0:
        top = means == means.max()
        method = "the differences between cells are the same for every seed: compared exactly"
        return ProbabilityBest(top / top.sum(), 0.0, 1.0, int(top.sum()), method)
    v = noise.comparison / noise.n_seeds
    best = int(np.argmax(means))
    reach = (3 + math.sqrt(2 * math.log(k))) * np.sqrt(v + v[best])
    rows = np.flatnonzero(means >= means[best] - reach)
    rng = np.random.default_rng(seed)
    common = noise.homogeneous
    wins, shrinkage = _simulate(means[rows], v[rows], noise.df_comparison, common, draws, rng)
    probability = np.zeros(k)
    probability[rows] = wins / draws
    error = math.sqrt(float(probability.max()) * (1 - float(probability.max())) / draws)
    kind = "pooled" if common else "moderated (the cells' noise differs)"
    method = f"normal-normal posterior with shrinkage, seed-blocked variance {kind}, {draws} draws"
    return ProbabilityBest(probability, error, shrinkage, len(rows), method)


def _simulate(
    means: FloatArray,
    v: FloatArray,
    df: float,
    common: bool,
    draws: int,
    rng: np.random.Generator,
) -> tuple[FloatArray, float]:
    """Count in how many draws each contender is the largest."""
    k = len(means)
    if k == 1:
        return np.full(1, float(draws)), 1.0
    scales = np.linspace(0.0, 5 * float(means.std(ddof=1)) + 1e-300, _SCALES)
    log_density, centre, spread = _scale_posterior(scales, means, v)
    density = np.exp(log_density - log_density.max())
    chosen = rng.choice(_SCALES, size=draws, p=density / density.sum())
    wins = np.zeros(k)
    size = max(1, _CHUNK // k)
    weight = 0.0
    for start in range(0, draws, size):
        pick = chosen[start : start + size]
        shape = (len(pick), 1 if common else k)
        noise = v * (df / rng.chisquare(df, shape) if math.isfinite(df) else np.ones(shape))
        between = scales[pick][:, None] ** 2
        own = between / (between + noise)
        mu = centre[pick] + spread[pick] * rng.standard_normal(len(pick))
        theta = own * means + (1 - own) * mu[:, None]
        theta += np.sqrt(own * noise) * rng.standard_normal((len(pick), k))
        # tau = 0 makes all equal; ties are then broken evenly.
        tied = scales[pick] == 0
        theta[tied] = rng.standard_normal((int(tied.sum()), k))
        wins += np.bincount(theta.argmax(axis=1), minlength=k)
        weight += float(own.mean(axis=1).sum())
    return wins, weight / draws


def _scale_posterior(
    scales: FloatArray, means: FloatArray, v: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return log p(tau | m) on a grid, and mean and sd of mu given each tau (BDA 5.20, 5.21)."""
    precision = 1.0 / (scales[:, None] ** 2 + v[None, :])
    total = precision.sum(axis=1)
    centre = (precision * means).sum(axis=1) / total
    squares = (precision * (means - centre[:, None]) ** 2).sum(axis=1)
    log_density = -0.5 * np.log(total) + 0.5 * np.log(precision).sum(axis=1) - 0.5 * squares
    return log_density, centre, 1 / np.sqrt(total)


def selection_frequency(
    values: FloatArray,
    *,
    higher_is_better: bool = True,
    seed: int,
    resamples: int = RESAMPLES,
) -> FloatArray:
    """Return how often each cell has the best mean when the seeds are drawn again.

    A bootstrap over seeds, the same draw for every cell. It is *not* a probability of being best:
    it knows no shrinkage, and gives the luckiest of 270 identical cells about .3 instead of .004.

    Args:
        values: (K, S) without gaps.
        higher_is_better: the metric's direction.
        seed: of the resamples.
        resamples: number of bootstrap samples.

    Returns:
        (K,) frequencies summing to 1; ties share.

    Source: Efron & Tibshirani (1993), ch. 6; the name follows variable-selection practice
    (Heinze, Wallisch & Dunkler 2018).
    """
    signed = values if higher_is_better else -values
    k, s = signed.shape
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(s, np.full(s, 1 / s), size=resamples) / s
    # Resamples of few seeds repeat: each distinct one is looked at once.
    distinct, counts = np.unique(weights, axis=0, return_counts=True)
    total = np.zeros(k)
    size = max(1, _CHUNK // k)
    for start in range(0, len(distinct), size):
        means = distinct[start : start + size] @ signed.T
        best = means >= means.max(axis=1, keepdims=True) - 1e-15
        share = best / best.sum(axis=1, keepdims=True)
        total += counts[start : start + size] @ share
    return total / resamples
