"""Asks Optuna for the next cells, from a study that is rebuilt out of the finished ones.

Nothing is kept between two asks: what is asked follows from the cells, their results and the seed.
So a run that was killed asks for the same cells as one that was not, and two runs of one sweep ask
for the same ones. No trial is ever written to a database here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from storage.records import CellRecord
from sweeps.axes import Setting
from sweeps.samplers.cmaes import ask_cmaes
from sweeps.samplers.designs import all_values, seed_of
from sweeps.samplers.history import Outcome, with_penalties
from sweeps.samplers.quiet import quiet_optuna
from sweeps.samplers.sections import DEFAULT_BATCH
from sweeps.samplers.space import Dimension, Space

_TRIES = 30  # asks for a cell that is not there yet, before a random one is taken
_STATES = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
    "running": TrialState.RUNNING,
}


def ask_cells(
    space: Space,
    sampler: Mapping[str, Any],
    history: Sequence[Outcome],
    *,
    maximize: Sequence[bool],
    first_ordinal: int,
) -> list[CellRecord]:
    """Return the next batch of cells of one loss; none when its budget or its space is used up.

    Args:
        space: the loss's space.
        sampler: the normalised ``sampler`` section.
        history: every cell of the loss so far, in the order in which they were asked.
        maximize: the direction of each objective; one, or several for ``nsga2``.
        first_ordinal: place of the first new cell in the plan.

    Returns:
        At most ``batch`` cells, different from each other and from those of the history.
    """
    budget = int(min(sampler["budget"], space.size))
    count = min(batch_size(space, sampler), budget - len(history))
    if count <= 0:
        return []
    if not space.dimensions:
        return [space.cell({}, first_ordinal)]
    by_generations = sampler["name"] in ("cmaes", "nsga2")
    told = with_penalties(history, maximize, whole_batches=by_generations)
    seed = seed_of(sampler["seed"], space.loss, len(history))
    keys = {outcome.cell.key for outcome in history}
    chosen = _Chosen(space, keys, first_ordinal, seed)
    if sampler["name"] == "cmaes":
        ask_cmaes(
            space,
            sampler,
            told,
            count,
            population=batch_size(space, sampler),
            maximize=maximize[0],
            seed=seed,
            accept=chosen.take,
        )
    else:
        _ask_optuna(space, sampler, told, count, maximize, seed, chosen)
    chosen.fill(count)
    return chosen.cells


def batch_size(space: Space, sampler: Mapping[str, Any]) -> int:
    """Return how many cells of a loss are asked at once: the same on every machine."""
    if "batch" in sampler:
        return int(sampler["batch"])
    if sampler["name"] == "cmaes":
        # Hansen's default population, doubled: it averages over seeds' noise and fills packs.
        ordered = sum(d.axis.is_ordered for d in space.dimensions)
        return 2 * (4 + math.floor(3 * math.log(max(ordered, 1))))
    return DEFAULT_BATCH[sampler["name"]]


class _Chosen:
    """The cells of a batch, none of which is there already."""

    def __init__(self, space: Space, known: set[str], first_ordinal: int, seed: int) -> None:
        self._space = space
        self._known = known
        self._first = first_ordinal
        self._seed = seed
        self.cells: list[CellRecord] = []

    def take(self, values: Mapping[str, Setting]) -> bool:
        """Add the cell of these values; False when it is there already."""
        cell = self._space.cell(values, self._first + len(self.cells))
        if cell.key in self._known:
            return False
        self._known.add(cell.key)
        self.cells.append(cell)
        return True

    def fill(self, count: int) -> None:
        """Complete a batch by random cells, then by those of a finite space that are left."""
        generator = np.random.default_rng([self._seed, 1])
        for point in generator.random((_TRIES * count, len(self._space.dimensions))):
            if len(self.cells) == count:
                return
            self.take(self._space.at(point))
        if math.isfinite(self._space.size):
            for values in all_values(self._space):
                if len(self.cells) == count:
                    return
                self.take(values)


def _ask_optuna(
    space: Space,
    sampler: Mapping[str, Any],
    history: Sequence[Outcome],
    count: int,
    maximize: Sequence[bool],
    seed: int,
    chosen: _Chosen,
) -> None:
    distributions = {d.name: _distribution(d) for d in space.dimensions}
    with quiet_optuna():
        study = optuna.create_study(
            directions=["maximize" if one else "minimize" for one in maximize],
            sampler=_sampler(sampler, seed),
        )
        study.add_trials([_trial(space, outcome, distributions) for outcome in history])
        for _ in range(count + _TRIES):
            if len(chosen.cells) == count:
                return
            # The trial stays running, so that the next ask keeps away from it.
            trial = study.ask(distributions)
            chosen.take({d.name: _value(d, trial.params[d.name]) for d in space.dimensions})


def _sampler(options: Mapping[str, Any], seed: int) -> BaseSampler:
    startup = options.get("startup", 10)
    if options["name"] == "tpe":
        return TPESampler(
            seed=seed, multivariate=True, constant_liar=True, n_startup_trials=startup
        )
    if options["name"] == "gp":
        return GPSampler(seed=seed, n_startup_trials=startup, deterministic_objective=False)
    population = options.get("batch", DEFAULT_BATCH["nsga2"])
    return NSGAIISampler(seed=seed, population_size=population)


def _distribution(d: Dimension) -> BaseDistribution:
    axis = d.axis
    if axis.bounds is None:
        # Places in the list, which Optuna's models take as steps of one size.
        if axis.is_ordered:
            return IntDistribution(0, len(axis) - 1)
        return CategoricalDistribution(tuple(range(len(axis))))
    low, high = axis.bounds
    if axis.integer:
        return IntDistribution(int(low), int(high), log=axis.scale == "log")
    return FloatDistribution(low, high, log=axis.scale == "log")


def _value(d: Dimension, param: Any) -> Setting:
    return d.axis.values[param] if d.axis.bounds is None else d.nearest(param)


def _param(d: Dimension, value: Setting) -> Any:
    return d.axis.values.index(value) if d.axis.bounds is None else value


def _trial(
    space: Space, outcome: Outcome, distributions: Mapping[str, BaseDistribution]
) -> FrozenTrial:
    values = space.complete(outcome.cell)
    told = outcome.told
    has_values = told in ("complete", "pruned") and outcome.values is not None
    return create_trial(
        state=_STATES[told],
        values=list(outcome.values or ()) if has_values else None,
        params={d.name: _param(d, values[d.name]) for d in space.dimensions},
        distributions=dict(distributions),
        system_attrs={NSGAIISampler._get_generation_key(): outcome.batch},
        intermediate_values={outcome.step: outcome.values[0]}
        if told == "pruned" and outcome.values is not None
        else None,
    )
