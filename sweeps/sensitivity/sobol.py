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
        second: two parameters joined by ``×`` to (index, half-width): the share of their
            interaction alone; empty where the design does not plan for it.
        n_blocks: base samples N of the design.
        n_dropped: blocks left out because a cell of theirs has no value.
        level: nominal coverage of the intervals.
        method: how, in words.
    """

    first: dict[str, tuple[float, float]]
    total: dict[str, tuple[float, float]]
    second: dict[str, tuple[float, float]]
    n_blocks: int
    n_dropped: int
    level: float
    method: str


def saltelli_order(parameters: Mapping[str, Sequence[Any]]) -> int | None:
    """Return the order of indices that cells, in the plan's order, are a Saltelli design for.

    Args:
        parameters: name to (K,) numeric settings.

    Returns:
        1 when rows come in blocks of D + 2: a row A, D rows that differ from it in one parameter
        in turn and there equal the block's last row B. 2 for blocks of 2 D + 2, which have D rows
        more that differ from B and there equal A. None for any other cells.
    """
    d = len(parameters)
    columns = list(parameters.values())
    numeric = all(isinstance(x, (int, float, np.number)) for column in columns for x in column)
    if not d or not numeric:
        return None
    rows = np.array(columns, np.float64).T
    # Blocks of two parameters' first order could be halves of others' second: ask for more first.
    for order in (2, 1):
        size = order * d + 2
        if len(rows) % size or len(rows) < 2 * size:
            continue
        blocks = rows.reshape(-1, size, d)
        if _alternates(blocks, d, order):
            return order
    return None


def _alternates(blocks: FloatArray, d: int, order: int) -> bool:
    a, b = blocks[:, 0], blocks[:, -1]
    for j in range(d):
        for start, base, other in ((1, a, b), (1 + d, b, a))[:order]:
            wanted = base.copy()
            wanted[:, j] = other[:, j]
            if not np.array_equal(blocks[:, start + j], wanted):
                return False
    return bool((np.ptp(a, axis=0) > 0).all())


def sobol_indices(
    parameters: Mapping[str, Sequence[Any]],
    means: FloatArray,
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 500,
) -> SobolIndices:
    """Return first-order and total Sobol indices of a Saltelli design, second-order where planned.

    ``S_i = V(E[y | x_i]) / V(y)``, ``T_i = E[V(y | x_~i)] / V(y)`` and
    ``S_ij = V(E[y | x_i, x_j]) / V(y) - S_i - S_j``, by Saltelli's (2010) estimators;
    half-widths are normal quantiles times the bootstrap's standard deviation over blocks. Values
    are means over seeds: what noise is left in them lowers S_i and raises T_i.

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
    order = saltelli_order(parameters)
    if order is None:
        raise NoSobolError("the cells do not form a Saltelli design")
    d = len(parameters)
    blocks = np.asarray(means, np.float64).reshape(-1, order * d + 2)
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
        problem, kept.ravel(), calc_second_order=order == 2, num_resamples=resamples,
        conf_level=level, seed=seed + 1,  # SALib takes seed 0 for none
    )  # fmt: skip
    second = {
        f"{names[i]}×{names[j]}": (float(found["S2"][i, j]), float(found["S2_conf"][i, j]))
        for i in range(d)
        for j in range(i + 1, d)
        if order == 2
    }
    method = (
        f"Saltelli's estimators (SALib), {level:.0%} intervals by {resamples} bootstrap resamples "
        f"of {len(kept)} blocks"
    )
    return SobolIndices(
        {name: (float(found["S1"][j]), float(found["S1_conf"][j])) for j, name in enumerate(names)},
        {name: (float(found["ST"][j]), float(found["ST_conf"][j])) for j, name in enumerate(names)},
        second,
        len(kept),
        int((~whole).sum()),
        level,
        method,
    )
