"""How probable each cell is to be the best: a posterior with shrinkage; and selection frequency."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sweeps.sensitivity.seed_table import FloatArray
from sweeps.sensitivity.variances import ROUNDING, seed_noise

DRAWS = 4000
RESAMPLES = 2000
_CHUNK = 2_000_000
_SCALES = 40
_CENTRES = 21
_SHARE_PRIOR = np.array([0.7, 0.1, 0.1, 0.1])
_MOST_NUMBERS = 12_000_000


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
    where sound, else moderated), and ``theta_k ~ (1 - e) N(mu, tau^2) + e N(mu, tau^2 + w^2)``:
    most cells alike, a share e of outliers on a wide scale w (the widest gap, or ten times the
    spread), so that a true winner among many equal cells is not shrunk away. mu and tau have flat
    priors on a grid, e is 0 with prior .7 and 1/K, .03 or .15 with .1 each; they are drawn from
    their joint posterior, v from its scaled inverse chi-square; given them theta_k is normal with
    mean ``B m_k + (1 - B) mu``, ``B = tau^2 / (tau^2 + v)`` (w^2 added for an outlier). So
    identical cells share the probability evenly, where a bootstrap over five seeds gives the
    luckiest of 270 about .3.

    The prior is fitted to the contenders, cells within ``(3 + sqrt(2 log K)) sqrt(v* + v~)`` of
    the best mean, v* the best cell's variance and v~ the median cell's: the long lower tail of a
    grid says nothing of how the good cells differ, and a far cell whose own noise is huge would
    else be shrunk up among them.

    Args:
        values: (K, S) without gaps, S >= 2, K >= 1.
        higher_is_better: the metric's direction.
        seed: of the draws.
        draws: number of draws; fewer, but 1,000 at least, when there are thousands of contenders.

    Returns:
        The probabilities.

    Raises:
        ValueError: fewer than two seeds or a gap.

    Source: normal-normal model, Gelman et al., Bayesian Data Analysis, 3rd ed., sec. 5.4; the
    outliers' component after Box & Tiao (1968), Biometrika 55:119.
    """
    signed = values if higher_is_better else -values
    k = len(signed)
    if k == 1:
        return ProbabilityBest(np.ones(1), 0.0, 1.0, 1, "a single cell")
    noise = seed_noise(signed, seed=seed)
    means = signed.mean(axis=1)
    if noise.residual == 0:
        top = means >= means.max() - ROUNDING * np.abs(signed).max()
        method = "the differences between cells are the same for every seed: compared exactly"
        return ProbabilityBest(top / top.sum(), 0.0, 1.0, int(top.sum()), method)
    v = noise.comparison / noise.n_seeds
    best = int(np.argmax(means))
    reach = (3 + math.sqrt(2 * math.log(k))) * math.sqrt(v[best] + float(np.median(v)))
    rows = np.flatnonzero(means >= means[best] - reach)
    rng = np.random.default_rng(seed)
    common = noise.homogeneous
    draws = max(min(draws, 1000), min(draws, _MOST_NUMBERS // len(rows)))
    wins, shrinkage = _simulate(means[rows], v[rows], noise.df_comparison, common, draws, rng)
    probability = np.zeros(k)
    probability[rows] = wins / draws
    error = math.sqrt(float(probability.max()) * (1 - float(probability.max())) / draws)
    kind = "pooled" if common else "moderated (the cells' noise differs)"
    method = (
        "normal-normal posterior with shrinkage and outliers, seed-blocked variance "
        f"{kind}, {draws} draws"
    )
    return ProbabilityBest(probability, error, shrinkage, len(rows), method)


@dataclass(frozen=True, eq=False)
class _Prior:
    """Grid of prior parameters with their joint posterior; one entry a combination."""

    mu: FloatArray
    scale: FloatArray
    outliers: FloatArray
    weight: FloatArray
    slab: float


def _fit_prior(means: FloatArray, v: FloatArray) -> _Prior:
    """Return the posterior of (mu, tau, epsilon) on a grid, given the means."""
    k = len(means)
    middle = float(np.median(means))
    away = np.abs(means - middle)
    width = max(1.4826 * float(np.median(away)), math.sqrt(float(np.median(v))))
    slab = max(float(away.max()), 10 * width)
    mus = middle + 5 * width / math.sqrt(k) * np.linspace(-1, 1, _CENTRES)
    scales = 5 * width * np.linspace(0, 1, _SCALES)
    shares = np.array([0.0, min(1 / k, 0.03), 0.03, 0.15])
    logs = np.empty((len(shares), _SCALES, _CENTRES))
    for a, scale in enumerate(scales):
        body, tail = v + scale**2, v + scale**2 + slab**2
        squares = (means[None, :] - mus[:, None]) ** 2
        log_body = -0.5 * (squares / body + np.log(body))
        log_odds = -0.5 * (squares / tail + np.log(tail)) - log_body
        odds = np.exp(np.minimum(log_odds, 600.0))
        for e, share in enumerate(shares):
            logs[e, a] = (log_body + np.log1p(share * (odds - 1))).sum(axis=1)
    logs += np.log(_SHARE_PRIOR)[:, None, None]
    weight = np.exp(logs - logs.max())
    share, scale, mu = np.meshgrid(shares, scales, mus, indexing="ij")
    return _Prior(mu.ravel(), scale.ravel(), share.ravel(), weight.ravel() / weight.sum(), slab)


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
    prior = _fit_prior(means, v)
    chosen = rng.choice(len(prior.weight), size=draws, p=prior.weight)
    wins = np.zeros(k)
    size = max(1, _CHUNK // k)
    shrinkage = 0.0
    for start in range(0, draws, size):
        pick = chosen[start : start + size]
        shape = (len(pick), 1 if common else k)
        noise = v * (df / rng.chisquare(df, shape) if math.isfinite(df) else np.ones(shape))
        mu, share = prior.mu[pick, None], prior.outliers[pick, None]
        body = np.broadcast_to(prior.scale[pick, None] ** 2, noise.shape)
        squares = (means - mu) ** 2
        near, far = noise + body, noise + body + prior.slab**2
        log_odds = 0.5 * (squares / near - squares / far + np.log(near / far))
        odds = share / (1 - share) * np.exp(np.minimum(log_odds, 600.0))
        outlier = rng.random(noise.shape) * (1 + odds) < odds
        between = body + outlier * prior.slab**2
        own = between / (between + noise)
        theta = own * means + (1 - own) * mu
        theta += np.sqrt(own * noise) * rng.standard_normal(noise.shape)
        # tau = 0 makes all but outliers equal; ties are broken evenly.
        best = theta == theta.max(axis=1, keepdims=True)
        tied = np.flatnonzero(best.sum(axis=1) > 1)
        winner = theta.argmax(axis=1)
        if len(tied):
            lots = np.where(best[tied], rng.random((len(tied), k)), -1.0)
            winner[tied] = lots.argmax(axis=1)
        wins += np.bincount(winner, minlength=k)
        shrinkage += float(own.mean(axis=1).sum())
    return wins, shrinkage / draws


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
