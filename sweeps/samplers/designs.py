"""Designs: cells that do not depend on results, so that all of them are planned at once."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from storage.records import CellRecord
from sweeps.samplers.space import Space

_CHUNK = 1024
_PATIENCE = 1_000  # points without a new cell, after which those left are taken in order


@dataclass(frozen=True)
class Design:
    """The cells of one loss.

    Args:
        cells: in order, none twice.
        rows: keys of the cells at the design's points, in the design's order: those of a Saltelli
            design, which may meet a cell twice; empty for other samplers.
    """

    cells: list[CellRecord]
    rows: tuple[str, ...] = ()


def plan_design(space: Space, sampler: dict[str, Any], *, first_ordinal: int = 0) -> Design:
    """Return the cells that ``random``, ``sobol`` or ``saltelli`` plans for one loss.

    A larger budget (or, for ``saltelli``, a larger n) gives the same cells first.

    Args:
        space: the loss's space.
        sampler: the normalised ``sampler`` section: name, seed, budget or n and second_order.
        first_ordinal: the first cell's place in the plan.

    Returns:
        ``random`` and ``sobol``: ``budget`` different cells, or all of a smaller space.
        ``saltelli``: the different cells among N (D + 2) rows, or N (2 D + 2) with second order.
    """
    if not space.dimensions:
        return Design([space.cell({}, first_ordinal)])
    if sampler["name"] == "saltelli":
        return _saltelli(space, sampler, first_ordinal)
    budget = int(min(sampler["budget"], space.size))
    draw = {"random": _random, "sobol": _sobol}[sampler["name"]]
    points = draw(space, sampler["seed"])
    return Design(_distinct(space, points, budget, first_ordinal=first_ordinal))


def saltelli_points(n_axes: int, n: int, *, second_order: bool, seed: int) -> np.ndarray:
    """Return a Saltelli design on the unit cube: blocks A, AB_1 … AB_D, (BA_1 … BA_D,) B.

    Args:
        n_axes: D.
        n: base samples N, a power of two.
        second_order: whether the blocks hold BA_i as well.
        seed: of the scrambling.

    Returns:
        (N (D + 2), D) points, or (N (2 D + 2), D). The first rows are those of a smaller N.

    Source: Saltelli et al. (2010), Computer Physics Communications 181:259; SALib.
    """
    from SALib.sample import sobol as sampler

    names = [f"x{k}" for k in range(n_axes)]
    problem = {"num_vars": n_axes, "names": names, "bounds": [[0.0, 1.0]] * n_axes}
    # SALib takes seed 0 for none.
    return np.asarray(sampler.sample(problem, n, calc_second_order=second_order, seed=seed + 1))


def seed_of(*parts: object) -> int:
    """Return a 32-bit seed that these parts alone decide, on every machine.

    Example:
        >>> seed_of(0, "focal") == seed_of(0, "focal") != seed_of(1, "focal")
        True
    """
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def _saltelli(space: Space, sampler: dict[str, Any], first_ordinal: int) -> Design:
    points = saltelli_points(
        len(space.dimensions),
        sampler["n"],
        second_order=bool(sampler.get("second_order")),
        seed=seed_of(sampler["seed"], space.loss),
    )
    cells: dict[str, CellRecord] = {}
    rows = []
    for point in points:
        cell = space.cell(space.at(point), first_ordinal + len(cells))
        cells.setdefault(cell.key, cell)
        rows.append(cell.key)
    return Design(list(cells.values()), tuple(rows))


def _random(space: Space, seed: int) -> Iterator[np.ndarray]:
    generator = np.random.default_rng(seed_of(seed, space.loss))
    while True:
        yield from generator.random((_CHUNK, len(space.dimensions)))


def _sobol(space: Space, seed: int) -> Iterator[np.ndarray]:
    from scipy.stats import qmc

    sequence = qmc.Sobol(
        len(space.dimensions), scramble=True, rng=np.random.default_rng(seed_of(seed, space.loss))
    )
    while True:
        yield from sequence.random(_CHUNK)


def _distinct(
    space: Space, points: Iterator[np.ndarray], budget: int, *, first_ordinal: int
) -> list[CellRecord]:
    cells: dict[str, CellRecord] = {}
    missed = 0
    while len(cells) < budget and missed < _PATIENCE:
        cell = space.cell(space.at(next(points)), first_ordinal + len(cells))
        missed = missed + 1 if cell.key in cells else 0
        cells.setdefault(cell.key, cell)
    if len(cells) < budget:
        for values in all_values(space):
            cell = space.cell(values, first_ordinal + len(cells))
            cells.setdefault(cell.key, cell)
            if len(cells) == budget:
                break
    return list(cells.values())


def all_values(space: Space) -> Iterator[dict[str, Any]]:
    """Iterate over every combination of a finite space's values, the last axis fastest."""
    axes = []
    for d in space.dimensions:
        if d.axis.bounds is None:
            axes.append(list(d.axis.values))
        else:
            axes.append(list(range(int(d.axis.bounds[0]), int(d.axis.bounds[1]) + 1)))
    names = [d.name for d in space.dimensions]
    for values in itertools.product(*axes):
        yield dict(zip(names, values, strict=True))
