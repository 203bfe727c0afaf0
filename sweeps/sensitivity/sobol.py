"""Sobol indices of Saltelli designs: first-order and total shares of variance, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweeps.sensitivity.seed_table import FloatArray

MIN_BLOCKS = 8


class NoSobolError(ValueError):
    """Sobol indices cannot be given; the text says why."""


@dataclass(frozen=True)
class SobolIndices:
    """Indices of each parameter.

    Attributes:
        first: parameter to (index, half-width of its interval): the share of variance that the
            parameter explains alone.
        total: parameter to (index, half-width): alone and in every interaction.
        n_blocks: base samples N of the design.
        n_dropped: blocks left out because a cell of theirs has no value.
        level: nominal coverage of the intervals.
        method: how, in words.
    """

    first: dict[str, tuple[float, float]]
    total: dict[str, tuple[float, float]]
    n_blocks: int
    n_dropped: int
    level: float
    method: str


def saltelli_design(
    bounds: Mapping[str, tuple[float, float]], n_blocks: int, *, seed: int
) -> dict[str, FloatArray]:
    """Return a Saltelli design: N (D + 2) cells in blocks of A, A with one column of B each, B.

    Args:
        bounds: parameter to (low, high), low < high.
        n_blocks: N, a power of two keeps Sobol's sequence balanced.
        seed: of the scrambling.

    Returns:
        parameter to (N (D + 2),) values, in the order :func:`sobol_indices` expects.

    Source: Saltelli et al. (2010), Computer Physics Communications 181:259; SALib.
    """
    from SALib.sample import sobol as sampler

    names = list(bounds)
    problem = {"num_vars": len(names), "names": names, "bounds": [list(bounds[n]) for n in names]}
    design = sampler.sample(problem, n_blocks, calc_second_order=False, seed=seed)
    return {name: design[:, column] for column, name in enumerate(names)}


def is_saltelli(parameters: Mapping[str, Sequence[Any]]) -> bool:
    """Return whether cells, in the plan's order, form a Saltelli design without second order.

    Args:
        parameters: name to (K,) numeric settings.

    Returns:
        True when rows come in blocks of D + 2: a row A, D rows that differ from it in one
        parameter in turn and there equal the block's last row B.
    """
    columns = _matrix(parameters)
    if columns is None:
        return False
    d = columns.shape[1]
    blocks = columns.reshape(-1, d + 2, d)
    a, b = blocks[:, 0], blocks[:, -1]
    for j in range(d):
        wanted = a.copy()
        wanted[:, j] = b[:, j]
        if not np.array_equal(blocks[:, 1 + j], wanted):
            return False
    return bool((np.ptp(a, axis=0) > 0).all())


def _matrix(parameters: Mapping[str, Sequence[Any]]) -> FloatArray | None:
    d = len(parameters)
    columns = list(parameters.values())
    if not d or len(columns[0]) % (d + 2) or len(columns[0]) < 2 * (d + 2):
        return None
    if not all(isinstance(x, (int, float, np.number)) for column in columns for x in column):
        return None
    return np.array(columns, np.float64).T


def sobol_indices(
    parameters: Mapping[str, Sequence[Any]],
    means: FloatArray,
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 500,
) -> SobolIndices:
    """Return first-order and total Sobol indices of a Saltelli design.

    ``S_i = V(E[y | x_i]) / V(y)`` and ``T_i = E[V(y | x_~i)] / V(y)``, by Saltelli's (2010)
    estimators; half-widths are normal quantiles times the bootstrap's standard deviation over
    blocks. Values are means over seeds: what noise is left in them lowers S_i and raises T_i.

    Args:
        parameters: name to (K,) settings in the design's order.
        means: (K,) mean over seeds; a block with a NaN is left out whole.
        seed: of the bootstrap.
        level: nominal coverage.
        resamples: bootstrap samples.

    Returns:
        The indices. A negative index is 0 within its interval.

    Raises:
        NoSobolError: the cells are no Saltelli design, too few blocks are whole, or all values are
            equal.

    Source: Sobol' (2001); Saltelli et al. (2010); SALib's ``analyze.sobol``.
    """
    if not is_saltelli(parameters):
        raise NoSobolError("the cells do not form a Saltelli design")
    d = len(parameters)
    blocks = np.asarray(means, np.float64).reshape(-1, d + 2)
    whole = np.isfinite(blocks).all(axis=1)
    kept = blocks[whole]
    if len(kept) < MIN_BLOCKS:
        raise NoSobolError(
            f"{len(kept)} of {len(blocks)} blocks have a value in every cell; {MIN_BLOCKS} needed"
        )
    if np.ptp(kept) == 0:
        raise NoSobolError("all values are equal: there is no variance to divide")
    from SALib.analyze import sobol as analyser

    names = list(parameters)
    problem = {"num_vars": d, "names": names, "bounds": [[0.0, 1.0]] * d}
    found = analyser.analyze(
        problem, kept.ravel(), calc_second_order=False, num_resamples=resamples,
        conf_level=level, seed=seed + 1,  # SALib takes seed 0 for none
    )  # fmt: skip
    method = (
        f"Saltelli's estimators (SALib), {level:.0%} intervals by {resamples} bootstrap resamples "
        f"of {len(kept)} blocks"
    )
    return SobolIndices(
        {name: (float(found["S1"][j]), float(found["S1_conf"][j])) for j, name in enumerate(names)},
        {name: (float(found["ST"][j]), float(found["ST_conf"][j])) for j, name in enumerate(names)},
        len(kept),
        int((~whole).sum()),
        level,
        method,
    )
