"""Simple effects of a two-way grid: β within each η, and η within each β."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from sweeps.sensitivity.seed_table import FloatArray, levels_of


@dataclass(frozen=True)
class SimpleEffect:
    """One row or column of the grid.

    Attributes:
        factor: the parameter that varies.
        within: the parameter that is fixed.
        at: its level.
        n_cells: cells compared.
        ss: sum of squares between them.
        f: F against the pooled residual.
        p: its upper tail.
        p_holm: adjusted for all levels of ``within`` together.
        spread: largest minus smallest mean.
        best: the level of ``factor`` with the best mean.
    """

    factor: str
    within: str
    at: Any
    n_cells: int
    ss: float
    f: float
    p: float
    p_holm: float
    spread: float
    best: Any


def simple_effects(
    factor: tuple[str, Sequence[Any]],
    within: tuple[str, Sequence[Any]],
    values: FloatArray,
    *,
    residual: float,
    df_residual: float,
    higher_is_better: bool = True,
) -> list[SimpleEffect]:
    """Test a factor along each row of a grid, on the grid's own residual.

    ``F = S sum_k (x_k. - x_..)^2 / (n - 1) / MS_res`` over the n cells at one level of ``within``;
    Holm's step-down over the levels. Levels with one cell are left out.

    Args:
        factor: name and (K,) levels of what varies.
        within: name and (K,) levels of what is fixed.
        values: (K, S) without gaps.
        residual: MS of seed × cell, as of :func:`~sweeps.sensitivity.variances.seed_noise`.
        df_residual: its degrees of freedom.
        higher_is_better: the metric's direction, for ``best``.

    Returns:
        One entry a level of ``within``, in order; none when the residual is 0.

    Source: Winer (1971), sec. 6.2; Holm (1979).
    """
    if not residual > 0:
        return []
    levels, place = levels_of(within[1])
    own_levels, own_place = levels_of(factor[1])
    means, s = values.mean(axis=1), values.shape[1]
    found: list[tuple[Any, int, float, float, float, float, Any]] = []
    for index, at in enumerate(levels):
        rows = np.flatnonzero(place == index)
        if len(rows) < 2:
            continue
        here = means[rows]
        ss = float(s * ((here - here.mean()) ** 2).sum())
        f = ss / (len(rows) - 1) / residual
        p = float(special.fdtrc(len(rows) - 1, df_residual, f))
        best = rows[np.argmax(here) if higher_is_better else np.argmin(here)]
        found.append((at, len(rows), ss, f, p, float(np.ptp(here)), own_levels[own_place[best]]))
    adjusted = holm([entry[4] for entry in found])
    return [
        SimpleEffect(factor[0], within[0], at, n, ss, f, p, q, spread, best)
        for (at, n, ss, f, p, spread, best), q in zip(found, adjusted, strict=True)
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values.

    Source: Holm (1979), Scandinavian Journal of Statistics 6:65.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted
