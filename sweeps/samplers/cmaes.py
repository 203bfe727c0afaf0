"""CMA-ES, replayed from the finished cells.

Optuna's sampler keeps its optimiser pickled in a trial's attributes; here the store is the truth,
so the optimiser (the same package, ``cmaes``) is fed every past generation again, which is cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from sweeps.axes import Setting
from sweeps.samplers.history import Outcome
from sweeps.samplers.space import Space

DEFAULT_SIGMA = 0.25
_TRIES = 100


def ask_cmaes(
    space: Space,
    sampler: Mapping[str, Any],
    history: Sequence[Outcome],
    count: int,
    *,
    population: int,
    maximize: bool,
    seed: int,
    accept: Callable[[Mapping[str, Setting]], bool],
) -> None:
    """Sample the next generation.

    The ordered axes are optimised on the unit cube, lists by place; words are drawn at random.
    Generations are the batches; one that is not of full size, the last of a smaller budget, is
    left out of the optimiser's memory.

    Args:
        space: the loss's space, with two ordered axes or more.
        sampler: the normalised ``sampler`` section.
        history: the finished cells in order; those without a value carry a penalty.
        count: cells wanted.
        population: cells of a generation; the last one may be smaller.
        maximize: the objective's direction.
        seed: of this generation's samples.
        accept: takes a candidate's values; returns whether it is new.
    """
    # Optional: only this sampler needs it, and the spec's check says so.
    cma = import_module("cmaes").CMA
    ordered = [k for k, d in enumerate(space.dimensions) if d.axis.is_ordered]
    generations = _generations(space, history, ordered, maximize)
    optimizer = cma(
        mean=np.full(len(ordered), 0.5),
        sigma=float(sampler.get("sigma", DEFAULT_SIGMA)),
        bounds=np.array([[0.0, 1.0]] * len(ordered)),
        population_size=population,
        seed=seed,
    )
    for points, values in generations:
        if len(points) == population and not optimizer.should_stop():
            optimizer.tell(list(zip(points, values, strict=True)))
    generator = np.random.default_rng([seed, 2])
    taken = 0
    for _ in range(count + _TRIES):
        if taken == count:
            return
        point = generator.random(len(space.dimensions))
        point[ordered] = optimizer.ask()
        taken += accept(space.at(point))


def _generations(
    space: Space, history: Sequence[Outcome], ordered: Sequence[int], maximize: bool
) -> list[tuple[list[np.ndarray], list[float]]]:
    found: dict[int, tuple[list[np.ndarray], list[float]]] = {}
    for outcome in history:
        if outcome.values is None:
            continue
        points, values = found.setdefault(outcome.batch, ([], []))
        points.append(space.point(outcome.cell)[ordered])
        values.append(-outcome.values[0] if maximize else outcome.values[0])
    return [found[batch] for batch in sorted(found)]
