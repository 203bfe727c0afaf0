"""Races: rounds of seeds, after each of which some cells have surely lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from storage.outcomes import CellOutcome, count_open, load_outcomes
from storage.records import PlanCounts
from storage.store import Store
from sweeps.plan import Plan
from sweeps.samplers.designs import seed_of
from sweeps.samplers.growth import common_design
from sweeps.samplers.sections import RacingSpec
from sweeps.samplers.values import directions
from sweeps.sensitivity.racing import look_at_race, spending_plan


@dataclass
class Race:
    """Cells × the seeds of the first round, then more seeds for those that may be the best.

    Each loss is a race of its own: losses are compared with each other afterwards, on the seeds
    that all their best cells have. What a round decides follows from the results of its seeds, so
    a run that was killed while deciding decides the same again.
    """

    store: Store
    sweep_id: int
    plan: Plan
    racing: RacingSpec = field(init=False)
    rounds: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.racing = RacingSpec(**self.plan.spec["racing"])
        self.rounds = self.racing.seeds_by_round()

    def begin(self) -> PlanCounts:
        """Plan the first round, or go on with the round in which the last run ended."""
        shares = spending_plan(self.rounds, self.racing.alpha)
        race = {"seeds_by_round": list(self.rounds), "alpha_by_round": list(shares)}
        # Fixed before the first result.
        self.store.put_design(self.sweep_id, {**common_design(self.plan), "race": race})
        first = self.plan.seeds[: self.rounds[0]]
        counts = self.store.extend_plan(self.sweep_id, self.plan.cells, first)
        if count_open(self.store, self.sweep_id) == 0:
            self.grow()
        known = load_outcomes(self.store, self.sweep_id)
        planned = sum(len(outcome.seeds) for outcome in known)
        racing = [outcome for outcome in known if outcome.status is None]
        most = planned + sum(self.rounds[-1] - len(outcome.seeds) for outcome in racing)
        done = planned - count_open(self.store, self.sweep_id)
        return PlanCounts(most, counts.added, 0, done, most - done)

    def grow(self) -> bool:
        """Look at every race; give those still in it the seeds of the next round."""
        if count_open(self.store, self.sweep_id):
            return True  # another run has planned the next round meanwhile
        known = load_outcomes(self.store, self.sweep_id)
        pairs: list[tuple[str, int]] = []
        for loss in dict.fromkeys(outcome.loss for outcome in known):
            own = [outcome for outcome in known if outcome.loss == loss]
            pairs += self._next_round(loss, own)
        return bool(pairs) and self.store.add_replicates(self.sweep_id, pairs) > 0

    def _next_round(self, loss: str, known: Sequence[CellOutcome]) -> list[tuple[str, int]]:
        racing = [outcome for outcome in known if outcome.status is None]
        # Seeds are added to all that race at once, so that any of them tells the round.
        number = self.rounds.index(max(len(outcome.seeds) for outcome in racing))
        if number == len(self.rounds) - 1:
            return []
        # Those that this round put out already, before a crash, belong to its comparison.
        cells = [
            outcome
            for outcome in known
            if outcome.status is None or (outcome.note or {}).get("round") == number + 1
        ]
        out = self._look(loss, cells, number)
        seeds = self.plan.seeds[: self.rounds[number + 1]]
        return [
            (outcome.key, seed)
            for outcome in cells
            if outcome.key not in out
            for seed in seeds
            if seed not in outcome.seeds
        ]

    def _look(self, loss: str, cells: Sequence[CellOutcome], number: int) -> set[str]:
        """Mark the cells that leave the race in a round; returns their keys."""
        seeds = self.plan.seeds[: self.rounds[number]]
        values = np.array([[_value(outcome, seed) for seed in seeds] for outcome in cells])
        metric = self.plan.spec["objective"]["metric"]
        look = look_at_race(
            values,
            spending_plan(self.rounds, self.racing.alpha)[number],
            higher_is_better=directions(self.store.sweep(self.plan.sweep).metrics, [metric])[0],
            seed=seed_of(loss, number),
        )
        diverged = [_diverged(outcome, seeds) for outcome in cells]
        # Of a loss that diverges everywhere something must be left to show.
        spared = all(diverged)
        out = set()
        for outcome, leaves, p, lost in zip(cells, look.out, look.p, diverged, strict=True):
            note: dict[str, Any] = {"round": number + 1, "seeds": len(seeds), "alpha": look.alpha}
            if leaves:
                note["p"] = float(p)
            elif lost and not spared:
                note["reason"] = f"{lost} of {len(seeds)} seeds diverged"
            else:
                continue
            out.add(outcome.key)
            if outcome.status is None:
                self.store.set_cell_status(self.sweep_id, [outcome.key], "raced_out", note)
        return out


def _value(outcome: CellOutcome, seed: int) -> float:
    _, value = outcome.seeds.get(seed, ("", None))
    return np.nan if value is None else value


def _diverged(outcome: CellOutcome, seeds: Sequence[int]) -> int:
    return sum(outcome.seeds.get(seed, ("", None))[0] == "diverged" for seed in seeds)
