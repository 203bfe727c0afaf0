"""Main effects of a grid: the mean at each level of a parameter, with an interval over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweeps.sensitivity.intervals import t_quantile
from sweeps.sensitivity.seed_table import FloatArray, IntArray, levels_of
from sweeps.sensitivity.variances import seed_noise

MAX_COLUMNS = 1000


@dataclass(frozen=True, eq=False)
class MainEffect:
    """One parameter's levels.

    Attributes:
        parameter: its name.
        levels: L levels, in order.
        means: (L,) mean at each level, the other parameters' levels weighing alike.
        low: (L,) interval over seeds, the seeds' common block removed; NaN with one seed.
        high: (L,) its other end.
        n_cells: (L,) cells at each level.
        adjusted: the grid has holes, so means are those of an additive fit.
        level: nominal coverage.
    """

    parameter: str
    levels: list[Any]
    means: FloatArray
    low: FloatArray
    high: FloatArray
    n_cells: IntArray
    adjusted: bool
    level: float


def main_effects(
    factors: Mapping[str, Sequence[Any]], values: FloatArray, *, level: float = 0.95, seed: int = 0
) -> list[MainEffect]:
    """Return the mean at each level of each parameter.

    On a full grid this is the plain mean over the cells at a level. With holes a plain mean would
    compare different cells; there ``m_k = mu + sum_p a_p(level of k) + e_k`` is fitted by least
    squares, the effects of a parameter summing to 0, and the mean at a level is ``mu + a_p``.
    Either is a weighted sum ``sum_k h_k m_k`` of cell means, so its variance is
    ``sum_k h_k^2 v_k / S`` with v the seed × cell variance, pooled where the cells' noise is alike
    and moderated where not. Seeds are a block: their common part is in all levels alike, and is
    left out, so that intervals compare levels. They say nothing of other examples, nor of levels
    between those tried.

    Args:
        factors: name to (K,) levels; parameters with one level are dropped.
        values: (K, S) without gaps.
        level: nominal coverage of each interval.
        seed: of the test whether noise may be pooled.

    Returns:
        One entry a parameter; empty when nothing varies or an additive fit is too large.

    Source: estimated marginal means, Searle, Speed & Milliken (1980), The American Statistician
    34:216; within-block intervals, Loftus & Masson (1994).
    """
    coded = {name: levels_of(column) for name, column in factors.items()}
    coded = {name: found for name, found in coded.items() if len(found[0]) > 1}
    k, s = values.shape
    full = k == int(np.prod([len(levels) for levels, _ in coded.values()], dtype=np.int64))
    columns = 1 + sum(len(levels) - 1 for levels, _ in coded.values())
    if not coded or (not full and (columns > MAX_COLUMNS or columns > k)):
        return []
    means = values.mean(axis=1)
    variances, quantile = np.full(k, np.nan), np.nan
    if k > 1 and s > 1:
        noise = seed_noise(values, seed=seed)
        variances = noise.comparison / s
        quantile = float(t_quantile(1 - (1 - level) / 2, noise.df_comparison))
    fitted = None if full else _additive_weights(coded, k)
    found = []
    for name, (levels, place) in coded.items():
        n_cells = np.bincount(place, minlength=len(levels)).astype(np.int64)
        if fitted is None:
            centre = np.bincount(place, means, len(levels)) / n_cells
            spread = np.bincount(place, variances, len(levels)) / n_cells**2
        else:
            weights = fitted[name]
            centre, spread = weights @ means, weights**2 @ variances
        error = quantile * np.sqrt(spread)
        found.append(
            MainEffect(
                name, levels, centre, centre - error, centre + error, n_cells, not full, level
            )
        )
    return found


def _additive_weights(
    coded: Mapping[str, tuple[list[Any], IntArray]], k: int
) -> dict[str, FloatArray]:
    """Return for each parameter the (L, K) weights of cell means in its adjusted means."""
    blocks, contrasts = [np.ones((k, 1))], {}
    start = 1
    for name, (levels, place) in coded.items():
        size = len(levels)
        # Sum-to-zero: the last level is minus the sum of the others.
        contrast = np.vstack([np.eye(size - 1), -np.ones((1, size - 1))])
        contrasts[name] = (start, contrast)
        blocks.append(contrast[place])
        start += size - 1
    inverse = np.linalg.pinv(np.concatenate(blocks, axis=1))
    return {
        name: inverse[:1] + contrast @ inverse[first : first + contrast.shape[1]]
        for name, (first, contrast) in contrasts.items()
    }
