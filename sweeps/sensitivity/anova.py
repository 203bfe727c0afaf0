"""Analysis of variance of a grid, with seeds as a block: what β, η and β×η do beyond noise."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from sweeps.sensitivity.noncentral import noncentrality_interval
from sweeps.sensitivity.seed_table import FloatArray, IntArray, levels_of
from sweeps.sensitivity.variances import block_residuals

MAX_COLUMNS = 2500
MAX_FACTORS = 6


class NoAnovaError(ValueError):
    """An analysis of variance cannot be given; the text says why, in words for a reader."""


@dataclass(frozen=True)
class Effect:
    """One line of the table.

    Attributes:
        name: factors joined by ``×``, ``seed`` or ``residual``.
        ss: sum of squares.
        df: degrees of freedom.
        ms: ss / df.
        f: F against the residual; None where there is none.
        p: its upper tail.
        omega2: ``(SS - df MS_res) / (SS_total + MS_res)``: about 0, of either sign, for noise.
        component: mean square effect ``df (MS - MS_res) / N`` of a factor, variance
            ``(MS_seed - MS_res) / K`` of the seed block, MS_res of the residual; may be negative.
        share: component over the sum of all components, negative ones as 0.
        share_low: lower bound of the share, see :func:`anova`.
        share_high: upper bound.
    """

    name: str
    ss: float
    df: int
    ms: float
    f: float | None
    p: float | None
    omega2: float | None
    component: float | None
    share: float | None
    share_low: float | None
    share_high: float | None


@dataclass(frozen=True)
class Anova:
    """The table, and what it rests on.

    Attributes:
        effects: factors and interactions, then ``seed``, then ``residual``.
        total_ss: sum of squares about the grand mean.
        n_cells: K.
        n_seeds: S.
        balanced: every combination of levels is there; else sums of squares are of type II.
        levels: factor to number of levels.
        level: nominal coverage of the shares' intervals.
    """

    effects: tuple[Effect, ...]
    total_ss: float
    n_cells: int
    n_seeds: int
    balanced: bool
    levels: dict[str, int]
    level: float

    def effect(self, name: str) -> Effect:
        """Return the line of a name."""
        return next(effect for effect in self.effects if effect.name == name)


def anova(
    factors: Mapping[str, Sequence[Any]], values: FloatArray, *, level: float = 0.95
) -> Anova:
    """Analyse a grid: every main effect and interaction of the factors, seeds as a block.

    Model ``x = mu + (factors and their interactions) + seed + residual``, the residual being
    seed × cell with (K - 1)(S - 1) degrees of freedom. A full grid has orthogonal sums of squares;
    with holes, each effect is adjusted for all that do not contain it (type II). Raw
    ``eta^2 = SS / SS_total`` is not given: it is about .17 for β×η of pure noise on 30 × 9 × 5.

    Intervals of the shares: factors by inverting the noncentral F distribution, the seed by the
    F interval of a variance ratio, each with the other components held at their estimates.

    Args:
        factors: name to (K,) levels, of the factors that vary. A factor of one level is dropped.
        values: (K, S), one row a cell, without gaps.
        level: nominal coverage of the intervals.

    Returns:
        The table. With one seed there is no residual: sums of squares only.

    Raises:
        NoAnovaError: nothing varies, all values are equal, a combination of levels occurs twice,
            the cells are too scattered for a grid, or the grid is too large with holes.

    Source: Fisher's balanced layout (Scheffé 1959); ω²: Hays (1963), Olejnik & Algina (2003);
    intervals: Steiger (2004), Psychological Methods 9:164; Searle et al. (1992) for the seed.
    """
    if not np.isfinite(values).all() or values.ndim != 2 or 0 in values.shape:
        raise NoAnovaError("no cell has a value for every seed")
    coded = {name: levels_of(column) for name, column in factors.items()}
    index = {name: place for name, (known, place) in coded.items() if len(known) > 1}
    sizes = {name: len(coded[name][0]) for name in index}
    if not index:
        raise NoAnovaError("no parameter varies between the cells")
    if len(index) > MAX_FACTORS:
        raise NoAnovaError(f"more than {MAX_FACTORS} parameters vary; see the importances instead")
    cells = int(np.prod(list(sizes.values())))
    k, s = values.shape
    if len(np.unique(np.ravel_multi_index(tuple(index.values()), tuple(sizes.values())))) < k:
        raise NoAnovaError("two cells share all levels: something else varies between them")
    if k < 0.5 * cells or k <= sum(sizes.values()) - len(sizes):
        raise NoAnovaError(
            f"{k} cells on {cells} combinations of levels are no grid; see the importances instead"
        )
    if not np.ptp(values) > 0:
        raise NoAnovaError("all values are equal: there is no variance to divide")
    balanced = k == cells
    squares = _balanced(index, sizes, values) if balanced else _type_two(index, sizes, values)
    grand = values - values.mean()
    total = float((grand**2).sum())
    seed_ss = float(k * ((values.mean(axis=0) - values.mean()) ** 2).sum())
    residual = float((block_residuals(values) ** 2).sum())
    lines = [("×".join(names), ss, df) for names, (ss, df) in squares.items()]
    effects = _table(lines, (seed_ss, s - 1), (residual, (k - 1) * (s - 1)), total, (k, s), level)
    return Anova(tuple(effects), total, k, s, balanced, sizes, level)


def _subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    return [c for size in range(1, len(names) + 1) for c in itertools.combinations(names, size)]


def _balanced(
    index: Mapping[str, IntArray], sizes: Mapping[str, int], values: FloatArray
) -> dict[tuple[str, ...], tuple[float, int]]:
    """Sweep out the mean of every margin in turn; on a full grid the parts are orthogonal."""
    shape = tuple(sizes.values())
    grid = np.empty(shape)
    grid[tuple(index.values())] = values.mean(axis=1) - values.mean()
    names = list(sizes)
    squares = {}
    for effect in _subsets(names):
        others = tuple(axis for axis, name in enumerate(names) if name not in effect)
        part = grid.mean(axis=others, keepdims=True)
        grid = grid - part
        repeats = grid.size / part.size * values.shape[1]
        df = int(np.prod([sizes[name] - 1 for name in effect]))
        squares[effect] = (float((part**2).sum() * repeats), df)
    return squares


def _type_two(
    index: Mapping[str, IntArray], sizes: Mapping[str, int], values: FloatArray
) -> dict[tuple[str, ...], tuple[float, int]]:
    """Compare least-squares fits of cell means; all seeds in every cell keep the block apart."""
    means = values.mean(axis=1) - values.mean()
    effects = _subsets(list(sizes))
    top = effects[-1]
    columns = 1 + sum(
        int(np.prod([sizes[name] - 1 for name in effect])) for effect in effects if effect != top
    )
    if columns > MAX_COLUMNS:
        raise NoAnovaError(f"a grid with holes and {columns} contrasts is too large to fit")

    def fit(chosen: list[tuple[str, ...]]) -> tuple[float, int]:
        if top in chosen:
            return 0.0, len(means)
        blocks = [np.ones((len(means), 1))]
        for effect in chosen:
            block = np.ones((len(means), 1))
            for name in effect:
                contrast = np.eye(sizes[name])[:, 1:] - np.eye(sizes[name])[:, :1]
                block = (block[:, :, None] * contrast[index[name]][:, None, :]).reshape(
                    len(means), -1
                )
            blocks.append(block)
        design = np.concatenate(blocks, axis=1)
        solution, _, rank, _ = np.linalg.lstsq(design, means, rcond=None)
        return float(((means - design @ solution) ** 2).sum()), int(rank)

    squares = {}
    for effect in effects:
        without = [other for other in effects if not set(effect) <= set(other)]
        (rss, rank), (rss_with, rank_with) = fit(without), fit([*without, effect])
        squares[effect] = (max(rss - rss_with, 0.0) * values.shape[1], rank_with - rank)
    return squares


def _table(
    lines: list[tuple[str, float, int]],
    seed: tuple[float, int],
    residual: tuple[float, int],
    total: float,
    shape: tuple[int, int],
    level: float,
) -> list[Effect]:
    k, s = shape
    residual_ss, residual_df = residual
    rows = [*lines, *([("seed", *seed)] if s > 1 else [])]
    ms_res = residual_ss / residual_df if residual_df else 0.0
    if ms_res <= 1e-28 * max(total, 1e-300):
        # One seed, or seeds without any effect: nothing to hold the effects against.
        plain = [
            Effect(name, ss, df, ss / df if df else 0.0, *(None,) * 7) for name, ss, df in rows
        ]
        if s > 1:
            plain.append(Effect("residual", residual_ss, residual_df, ms_res, *(None,) * 7))
        return plain
    components = {
        name: (ss - df * ms_res) / (k * s) if name != "seed" else (ss / df - ms_res) / k
        for name, ss, df in rows
    }
    whole = sum(max(value, 0.0) for value in components.values()) + ms_res
    effects = []
    for name, ss, df in rows:
        if not df:
            effects.append(Effect(name, ss, df, 0.0, *(None,) * 7))
            continue
        f = ss / df / ms_res
        low, high = _component_interval(name == "seed", f, df, residual_df, ms_res, shape, level)
        own = max(components[name], 0.0)
        rest = whole - own
        effects.append(
            Effect(
                name=name,
                ss=ss,
                df=df,
                ms=ss / df,
                f=f,
                p=float(special.fdtrc(df, residual_df, f)),
                omega2=(ss - df * ms_res) / (total + ms_res),
                component=components[name],
                share=own / whole,
                share_low=low / (low + rest),
                share_high=high / (high + rest),
            )
        )
    share = ms_res / whole
    effects.append(
        Effect(
            "residual",
            residual_ss,
            residual_df,
            ms_res,
            None,
            None,
            None,
            ms_res,
            share,
            None,
            None,
        )
    )
    return effects


def _component_interval(
    block: bool,
    f: float,
    df: int,
    df_res: int,
    ms_res: float,
    shape: tuple[int, int],
    level: float,
) -> tuple[float, float]:
    k, s = shape
    if block:
        tail = (1 - level) / 2
        upper = float(special.fdtri(df, df_res, 1 - tail))
        lower = float(special.fdtri(df, df_res, tail))
        return max(f / upper - 1, 0.0) * ms_res / k, max(f / lower - 1, 0.0) * ms_res / k
    low, high = noncentrality_interval(f, df, df_res, level=level)
    return low * ms_res / (k * s), high * ms_res / (k * s)
