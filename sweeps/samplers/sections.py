"""The sections of a spec that choose cells: sampler, halving and racing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, model_validator

from sweeps import spec_rules
from sweeps.axes import MAX_REPLICATES
from sweeps.spec_sections import ObjectiveSpec, Section
from sweeps.wording import short

DESIGNS = ("random", "sobol", "saltelli")
"""Samplers whose cells do not depend on results: they are planned at once."""

ADAPTIVE = ("tpe", "gp", "cmaes", "nsga2")
"""Samplers that are asked for a batch of cells when the last one has been trained."""

SAMPLERS = ("grid", *DESIGNS, *ADAPTIVE)

MOST_CELLS = {"gp": 1_000, "tpe": 20_000, "nsga2": 20_000}
"""Cells of one loss beyond which asking takes longer than training."""

DEFAULT_BATCH = {"tpe": 10, "gp": 5, "nsga2": 20}
"""Cells of a loss asked at once. CMA-ES has its own: its population, which grows with the axes."""

MOST_BATCH = {"gp": 20}
MAX_SALTELLI = 2**20
PRUNERS = ("successive_halving", "median")
_OPTIONS = {
    "random": {"budget"},
    "sobol": {"budget"},
    "saltelli": {"n", "second_order"},
    "tpe": {"budget", "batch", "startup"},
    "gp": {"budget", "batch", "startup"},
    "cmaes": {"budget", "batch", "sigma"},
    "nsga2": {"budget", "batch", "objectives"},
}


def _whole(low: int, high: int) -> BeforeValidator:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(
                f"must be a whole number from {low:,} to {high:,}, but got {short(value)}. "
                "Change it."
            )
        return value

    return BeforeValidator(check)


def _fraction(most: float) -> BeforeValidator:
    def check(value: Any) -> float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 < value < most:
            raise ValueError(
                f"must be above 0 and below {most:g}, but got {short(value)}. Change it."
            )
        return float(value)

    return BeforeValidator(check)


def _check_name(name: Any) -> str:
    return spec_rules.check_choice(name, SAMPLERS)


def _check_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, but got {short(value)}. Write one of them.")
    return value


def _check_objectives(written: Any) -> tuple[ObjectiveSpec, ...]:
    if not isinstance(written, list | tuple) or not all(isinstance(o, Mapping) for o in written):
        raise ValueError(
            f"must be a list of objectives, but got {short(written)}. "
            "Write [{metric: weighted_f1}, {metric: map}]."
        )
    found = []
    for one in written:
        for key in one:
            if key not in ObjectiveSpec.model_fields:
                known = ", ".join(ObjectiveSpec.model_fields)
                raise ValueError(f"must have the keys {known} only, but got {key!r}. Drop it.")
        if "metric" not in one:
            raise ValueError(f"must each name a metric, but got {short(dict(one))}. Add it.")
        found.append(
            ObjectiveSpec.model_construct(
                metric=spec_rules.check_metric(one["metric"]),
                split=spec_rules.check_split(one.get("split", "validation")),
                threshold=spec_rules.check_threshold(one.get("threshold", 0.5)),
            )
        )
    return tuple(found)


class SamplerSpec(Section):
    """Where a sweep's cells come from.

    Args:
        name: ``grid`` (every combination), ``random``, ``sobol`` (a scrambled Sobol' sequence),
            ``saltelli`` (a design for Sobol' indices), ``tpe``, ``gp``, ``cmaes`` or ``nsga2``.
        budget: cells of each loss, >= 1; a loss with fewer settings gets them all.
        seed: of every random choice of the sampler.
        batch: cells of a loss that are asked at once and trained together.
        startup: random cells before ``tpe`` or ``gp`` use a model; 10 unless given.
        sigma: first step of ``cmaes``, as a share of each axis; 0.25 unless given.
        n: base samples of ``saltelli``, a power of two; N (D + 2) cells for D axes.
        second_order: whether ``saltelli`` also plans for second-order indices: N (2 D + 2) cells.
        objectives: of ``nsga2``: two or more.
    """

    synonyms: ClassVar[dict[str, str]] = {
        "n_trials": "budget",
        "num_samples": "budget",
        "trials": "budget",
        "cells": "budget",
        "population": "batch",
        "population_size": "batch",
        "batch_size": "batch",
        "n_startup_trials": "startup",
        "sampler": "name",
        "type": "name",
    }

    name: Annotated[str, BeforeValidator(_check_name)] = "grid"
    budget: Annotated[int, _whole(1, MAX_REPLICATES)] | None = None
    seed: Annotated[int, _whole(0, spec_rules.MAX_SEED)] = 0
    batch: Annotated[int, _whole(1, 10_000)] | None = None
    startup: Annotated[int, _whole(1, 10_000)] | None = None
    sigma: Annotated[float, _fraction(1)] | None = None
    n: Annotated[int, _whole(2, MAX_SALTELLI)] | None = None
    second_order: Annotated[bool, BeforeValidator(_check_flag)] | None = None
    objectives: Annotated[tuple[ObjectiveSpec, ...], BeforeValidator(_check_objectives)] = Field(
        default=()
    )

    @model_validator(mode="after")
    def _check_options(self) -> SamplerSpec:
        if self.name == "grid":
            given = self.model_fields_set - {"name"}
        else:
            given = self.model_fields_set - {"name", "seed"} - _OPTIONS[self.name]
        for key in type(self).model_fields:
            if key in given:
                taken = ", ".join(sorted(_OPTIONS.get(self.name, {"no option"})))
                raise ValueError(
                    f"{self.name} must be given {taken} only, but got {key}. Drop {key}."
                )
        if self.name == "saltelli":
            if self.n is None or self.n & (self.n - 1):
                raise ValueError(
                    f"saltelli must have n, a power of two, but got {self.n}. Write for example "
                    "n: 64."
                )
        elif self.name != "grid":
            self._check_budget()
        if self.name == "nsga2":
            self._check_several()
        if self.name == "cmaes" and find_spec("cmaes") is None:
            raise ValueError(
                "cmaes must have the package cmaes, but it is not installed. "
                "Run: pip install cmaes."
            )
        return self

    def _check_budget(self) -> None:
        most = MOST_CELLS.get(self.name, MAX_REPLICATES)
        if self.budget is None:
            raise ValueError(
                f"{self.name} must have a budget, the cells of each loss, but it is missing. "
                f"Write sampler: {{name: {self.name}, budget: 100}}."
            )
        if self.budget > most:
            raise ValueError(
                f"{self.name} must have a budget of at most {most:,} cells a loss, but got "
                f"{self.budget:,}. Lower it, or use random or sobol."
            )
        if self.batch is not None and self.batch > MOST_BATCH.get(self.name, self.batch):
            raise ValueError(
                f"{self.name} must have a batch of at most {MOST_BATCH[self.name]}, but got "
                f"{self.batch}. Lower it: each of its cells takes about a second to choose."
            )
        if self.batch == 1 and self.name in ("cmaes", "nsga2"):
            raise ValueError(f"{self.name} must have a batch of 2 or more, but got 1. Raise it.")

    def _check_several(self) -> None:
        if len(self.objectives) < 2:
            raise ValueError(
                f"nsga2 must have two objectives or more, but got {len(self.objectives)}. "
                "Write objectives: [{metric: weighted_f1}, {metric: map}], or use tpe."
            )
        if len(set(self.objective_keys)) < len(self.objectives):
            raise ValueError("nsga2 must have objectives that differ, but got one twice. Drop it.")

    @property
    def objective_keys(self) -> tuple[tuple[str, str, float], ...]:
        """(metric, split, threshold) of each objective of ``nsga2``."""
        return tuple((one.metric, one.split, one.threshold) for one in self.objectives)

    @property
    def is_adaptive(self) -> bool:
        """Whether cells depend on the results of earlier ones."""
        return self.name in ADAPTIVE

    def settings(self) -> dict[str, Any]:
        """Return what may not change under one sweep name: all but how many cells."""
        plain = self.to_plain()
        return {key: value for key, value in plain.items() if key not in ("budget", "n")}

    def to_plain(self) -> dict[str, Any]:
        """Return the block as a spec writes it, with nothing left out that applies."""
        plain: dict[str, Any] = {"name": self.name, "budget": self.budget, "seed": self.seed}
        for key in ("batch", "startup", "sigma", "n", "second_order"):
            plain[key] = getattr(self, key)
        if self.objectives:
            plain["objectives"] = [
                {"metric": metric, "split": split, "threshold": threshold}
                for metric, split, threshold in self.objective_keys
            ]
        return {key: value for key, value in plain.items() if value is not None}


class HalvingSpec(Section):
    """Successive halving over epochs: cells that lag behind stop early.

    Args:
        factor: of each bracket's cells one in ``factor`` goes on at a rung, >= 2.
        min_epochs: the first rung, >= 1; the next are ``factor`` times as far each.
        bracket: cells that are compared with each other, all of one loss, 2 to 100.
        pruner: ``successive_halving`` or ``median`` (keeps the better half at each rung).
    """

    synonyms: ClassVar[dict[str, str]] = {
        "reduction_factor": "factor",
        "eta": "factor",
        "min_resource": "min_epochs",
        "grace_period": "min_epochs",
    }

    factor: Annotated[int, _whole(2, 100)] = 3
    min_epochs: Annotated[int, _whole(1, 1_000_000)] = 5
    bracket: Annotated[int, _whole(2, 100)] = 27
    pruner: Annotated[str, BeforeValidator(lambda v: spec_rules.check_choice(v, PRUNERS))] = (
        "successive_halving"
    )

    def rungs(self, epochs: int) -> tuple[int, ...]:
        """Return the epochs, below ``epochs``, at which cells are compared.

        Example:
            >>> HalvingSpec(factor=3, min_epochs=5).rungs(60)
            (5, 15, 45)
        """
        found = []
        rung = self.min_epochs
        while rung < epochs:
            found.append(rung)
            rung *= self.factor
        return tuple(found)

    def to_plain(self) -> dict[str, Any]:
        """Return the block as a spec writes it."""
        return {name: getattr(self, name) for name in type(self).model_fields}


class RacingSpec(Section):
    """Sequential seeds: cells that are surely not the best of their loss get no more of them.

    Args:
        first: seeds of every cell in the first round, >= 2.
        step: seeds that the cells still in the race get in each further round, >= 1.
        most: seeds of a cell that stays to the end, above ``first``.
        alpha: probability that the truly best cell of a loss leaves the race, over all rounds, at
            most; in (0, 1).
    """

    synonyms: ClassVar[dict[str, str]] = {
        "min": "first",
        "start": "first",
        "max": "most",
        "limit": "most",
        "level": "alpha",
    }

    first: Annotated[int, _whole(2, 100_000)] = 3
    step: Annotated[int, _whole(1, 100_000)] = 2
    most: Annotated[int, _whole(3, 100_000)] = 15
    alpha: Annotated[float, _fraction(1)] = 0.05

    @model_validator(mode="after")
    def _check_together(self) -> RacingSpec:
        if self.most <= self.first:
            raise ValueError(
                f"must have most above first, but got first {self.first} and most {self.most}. "
                "Raise most."
            )
        return self

    def seeds_by_round(self) -> tuple[int, ...]:
        """Return the seeds that a cell still in the race has after each round.

        Example:
            >>> RacingSpec(first=3, step=5, most=10).seeds_by_round()
            (3, 8, 10)
        """
        rounds = math.ceil((self.most - self.first) / self.step) + 1
        return tuple(min(self.first + k * self.step, self.most) for k in range(rounds))

    def to_plain(self) -> dict[str, Any]:
        """Return the block as a spec writes it."""
        return {name: getattr(self, name) for name in type(self).model_fields}


def read_sampler(written: Any) -> Any:
    """Read the short form ``sampler: NAME``."""
    return {"name": written} if isinstance(written, str) else written
