"""Adaptive sweeps: a batch of cells is asked for when the last one has been trained."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from storage.outcomes import CellOutcome, count_open, load_outcomes
from storage.records import CellRecord, PlanCounts
from storage.store import Store
from sweeps.plan import Plan
from sweeps.samplers.asking import ask_cells
from sweeps.samplers.growth import common_design
from sweeps.samplers.history import Outcome, Told
from sweeps.samplers.pruned import mark_pruned
from sweeps.samplers.values import ObjectiveKey, cell_values, directions, objectives_of


@dataclass
class AdaptivePlan:
    """Cells × seeds of a sampler that learns from results.

    A batch is in the plan before any of it trains: a run that is killed in between loses no
    suggestion, and the next run trains it first. All losses are asked in the same rounds.
    """

    store: Store
    sweep_id: int
    plan: Plan
    sampler: Mapping[str, Any] = field(init=False)
    objectives: list[ObjectiveKey] = field(init=False)

    def __post_init__(self) -> None:
        self.sampler = self.plan.spec["sampler"]
        self.objectives = objectives_of(self.plan.spec)

    def begin(self) -> PlanCounts:
        """Plan the seeds that asked cells still lack, and a first batch where nothing is open."""
        self.store.put_design(self.sweep_id, common_design(self.plan))
        mark_pruned(self.store, self.sweep_id, self.plan)
        known = load_outcomes(self.store, self.sweep_id)
        pairs = [
            (outcome.key, seed)
            for outcome in known
            if outcome.status is None
            for seed in self.plan.seeds
            if seed not in outcome.seeds
        ]
        if pairs:
            self.store.add_replicates(self.sweep_id, pairs)
        before = sum(len(outcome.seeds) for outcome in known)
        if count_open(self.store, self.sweep_id) == 0:
            self.grow()
        known = load_outcomes(self.store, self.sweep_id)
        planned = sum(len(outcome.seeds) for outcome in known)
        still_open = count_open(self.store, self.sweep_id)
        total = planned + self._to_ask(known) * len(self.plan.seeds)
        done = planned - still_open
        return PlanCounts(total, planned - before, 0, done, total - done)

    def grow(self) -> bool:
        """Ask for the next batch of every loss, and commit it to the plan at once."""
        if count_open(self.store, self.sweep_id):
            return True  # another run has asked for it meanwhile
        mark_pruned(self.store, self.sweep_id, self.plan)
        known = load_outcomes(self.store, self.sweep_id)
        histories = self._histories(known)
        asked: list[CellRecord] = []
        for loss, space in self.plan.spaces.items():
            asked += ask_cells(
                space,
                self.sampler,
                histories.get(loss, []),
                maximize=self._maximize(),
                first_ordinal=len(known) + len(asked),
            )
        if not asked:
            return False
        batch = 1 + max((outcome.batch or 0 for outcome in known), default=-1)
        self.store.extend_plan(self.sweep_id, asked, self.plan.seeds, batch=batch)
        return True

    def _maximize(self) -> list[bool]:
        metrics = self.store.sweep(self.plan.sweep).metrics
        return directions(metrics, [metric for metric, _, _ in self.objectives])

    def _to_ask(self, known: Sequence[CellOutcome]) -> int:
        there: dict[str, int] = defaultdict(int)
        for outcome in known:
            there[outcome.loss] += 1
        return sum(max(part.n_cells - there[loss], 0) for loss, part in self.plan.losses.items())

    def _histories(self, known: Sequence[CellOutcome]) -> dict[str, list[Outcome]]:
        records = {cell.key: cell for cell in self.store.cells(self.sweep_id)}
        values = cell_values(self.store, self.plan.sweep, known, self.objectives)
        histories: dict[str, list[Outcome]] = {}
        rounds: dict[str, dict[int, int]] = {}
        for outcome in known:
            # A loss that was added later has its own first batch.
            own = rounds.setdefault(outcome.loss, {})
            batch = own.setdefault(outcome.batch or 0, len(own))
            histories.setdefault(outcome.loss, []).append(
                _told(outcome, records[outcome.key], values.get(outcome.cell_id), batch)
            )
        return histories


def _told(
    outcome: CellOutcome, cell: CellRecord, values: tuple[float, ...] | None, batch: int
) -> Outcome:
    states = [state for state, _ in outcome.seeds.values()]
    told: Told
    if any(state in ("waiting", "running") for state in states):
        told = "running"
    elif values is None:
        told = "failed"
    else:
        told = "pruned" if outcome.status == "pruned" else "complete"
    step = int((outcome.note or {}).get("epoch", 1)) if told == "pruned" else 1
    diverged = told == "failed" and "diverged" in states and "failed" not in states
    return Outcome(cell, told, values if told != "running" else None, batch, diverged, step)
