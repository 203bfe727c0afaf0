"""Racing: after each round of seeds, which cells are surely not the best and need no more of them.

A race is looked at several times, so each look spends a part of its error, fixed before the first
result: the shares are proportional to the seeds, over the looks that can end something. A cell is
out when its mean lies below a rival's by more than noise explains, one-sided, on the seeds that
both have, at the look's share divided by the number of rivals. By Boole's inequality the truly best
cell of a loss then stays in the race with probability 1 - alpha at least, whatever the others do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from sweeps.sensitivity.seed_table import BoolArray, FloatArray
from sweeps.sensitivity.variances import seed_noise

RIVALS = 5
"""Each cell is held against the best few by mean; the correction is for all of them."""


@dataclass(frozen=True, eq=False)
class Look:
    """One look at a race.

    Attributes:
        out: (K,) whether the cell leaves the race.
        p: (K,) p of "not worse than any other", corrected for the number of rivals; NaN where the
            cell could not be compared.
        alpha: what this look may spend.
        n_seeds: seeds that each compared cell has.
    """

    out: BoolArray
    p: FloatArray
    alpha: float
    n_seeds: int


def spending_plan(seeds_by_round: Sequence[int], alpha: float) -> tuple[float, ...]:
    """Return the error that each look may spend; they sum to ``alpha``.

    ``alpha_r = alpha (n_r - n_{r-1}) / n_{R-1}`` with n_0 = 0: in proportion to the new seeds.
    After the last round nothing is left to save, so nothing is tested and its share is 0.

    Args:
        seeds_by_round: seeds of a cell after each round, increasing, two rounds or more.
        alpha: of the whole race, in (0, 1).

    Returns:
        One share a round.

    Source: error spending in proportion to information, Lan & DeMets (1983), Biometrika 70:659.

    Example:
        >>> [round(share, 4) for share in spending_plan([2, 4, 8], 0.05)]
        [0.025, 0.025, 0.0]
    """
    looks = np.diff([0, *seeds_by_round[:-1]])
    return (*(float(alpha * new / seeds_by_round[-2]) for new in looks), 0.0)


def look_at_race(
    values: FloatArray, alpha: float, *, higher_is_better: bool = True, seed: int = 0
) -> Look:
    """Return which cells leave a race.

    ``T_kj = (m_j - m_k) / sqrt((v_k + v_j) / S)`` for each rival j;
    ``p_k = (K - 1) min_j P(t >= T_kj)``. v is the seed-blocked variance, pooled over the cells
    where they agree and moderated where they do not
    (:func:`~sweeps.sensitivity.variances.seed_noise`). A cell noisier than that is judged by its
    own variance with its S - 1 degrees of freedom (Satterthwaite's for the pair): few seeds say
    little about noise, and a noisy cell must not be lost to the quietness of the others.

    Args:
        values: (K, S), every cell with the same seeds, S >= 2; a row with a NaN is not compared
            and stays in.
        alpha: what this look may spend, in [0, 1).
        higher_is_better: the objective's direction.
        seed: of the test whether variances agree.

    Returns:
        The look. The cell with the best mean is never out.

    Source: racing, Maron & Moore (1997), AI Review 11:193; seeds as blocks, Scheffé (1959), ch. 4.
    """
    k, n_seeds = values.shape
    out, p = np.zeros(k, bool), np.full(k, np.nan)
    whole = np.flatnonzero(np.isfinite(values).all(axis=1))
    if len(whole) < 2:
        p[whole] = 1.0
        return Look(out, p, alpha, n_seeds)
    signed = values[whole] if higher_is_better else -values[whole]
    p[whole] = _corrected_p(signed, seed)
    out[whole] = p[whole] < alpha
    out[whole[np.argmax(signed.mean(axis=1))]] = False
    return Look(out, p, alpha, n_seeds)


def _corrected_p(signed: FloatArray, seed: int) -> FloatArray:
    k, n_seeds = signed.shape
    means = signed.mean(axis=1)
    noise = seed_noise(signed, seed=seed)
    if noise.residual == 0:  # cells differ by a constant in every seed: no noise at all
        return np.where(means < means.max() - 1e-12 * np.abs(means).max(), 0.0, 1.0)
    noisy = noise.cell_residual > noise.comparison
    v = np.where(noisy, noise.cell_residual, noise.comparison) / n_seeds
    spread = v**2 / np.where(noisy, n_seeds - 1.0, noise.df_comparison)
    rivals = np.argsort(-means, kind="stable")[:RIVALS]
    total = v[:, None] + v[None, rivals]
    with np.errstate(divide="ignore", invalid="ignore"):
        df = np.nan_to_num(total**2 / (spread[:, None] + spread[None, rivals]), nan=1.0)
    df = np.minimum(df, noise.df_comparison)
    gap = means[None, rivals] - means[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(gap > 0, gap / np.sqrt(total), 0.0)
    smallest = special.stdtr(df, -t).min(axis=1)
    return np.minimum((k - 1) * smallest, 1.0)
