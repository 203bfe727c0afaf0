"""How a sweep's plan comes about: whole from the start, or a part at a time as results come in."""

from __future__ import annotations

from typing import Any, Protocol

from storage.errors import SweepChangedError
from storage.outcomes import count_open, stored_plan_hash
from storage.plan_rows import plan_hash
from storage.records import PlanCounts
from storage.store import Store
from sweeps.canonical import canonical_json
from sweeps.plan import Plan
from sweeps.samplers.pruned import mark_pruned, pruned_cells
from sweeps.wording import short


class Growth(Protocol):
    """Plans a sweep. Every step is read from the store, so that any step may be the last."""

    def begin(self) -> PlanCounts:
        """Plan what can be planned now.

        Returns:
            Counts of the whole sweep: ``total`` is the most that it may come to.
        """

    def grow(self) -> bool:
        """Plan the next part once all that is planned has finished; False when there is none."""


def check_unchanged(store: Store, plan: Plan) -> None:
    """Check that a sampled or raced sweep draws from the same space as before.

    Raises:
        SweepChangedError: a loss that was sampled before has other settings; they are listed.
    """
    if not _is_fixed(plan) or plan.sweep not in store.sweep_names():
        return
    stored = (store.design(store.sweep_id(plan.sweep)) or {}).get("spaces", {})
    spaces = plain_spaces(plan)
    differences = [
        f"losses.{loss}.{key}: {short(before.get(key))} -> {short(spaces[loss].get(key))}"
        for loss, before in stored.items()
        if loss in spaces
        for key in dict.fromkeys([*before, *spaces[loss]])
        if canonical_json(before.get(key)) != canonical_json(spaces[loss].get(key))
    ]
    if "racing" in plan.spec and stored and list(stored) != list(spaces):
        differences.append(f"losses: {', '.join(stored)} -> {', '.join(spaces)}")
    if differences:
        raise SweepChangedError(plan.sweep, differences)


def plain_spaces(plan: Plan) -> dict[str, dict[str, Any]]:
    """Each loss's settings as JSON holds them: constants, and axes spelled out."""
    if plan.spaces:
        return {loss: space.to_plain() for loss, space in plan.spaces.items()}
    return {
        name: {**part.constants, **{axis: list(values) for axis, values in part.axes.items()}}
        for name, part in plan.losses.items()
    }


def common_design(plan: Plan) -> dict[str, Any]:
    """What the store keeps of how a sweep's cells are chosen, whatever chooses them."""
    sampler = plan.spec.get("sampler", {"name": "grid"})
    design: dict[str, Any] = {"sampler": sampler["name"], "plan_hash": plan.plan_hash}
    if _is_fixed(plan):
        design["spaces"] = plain_spaces(plan)
    for key in ("halving", "racing"):
        if key in plan.spec:
            design[key] = plan.spec[key]
    return design


def _is_fixed(plan: Plan) -> bool:
    return bool(plan.spaces) or "racing" in plan.spec


class FixedPlan:
    """A grid or a design: cells × seeds, known before anything is trained."""

    def __init__(self, store: Store, sweep_id: int, plan: Plan) -> None:
        self._store = store
        self._sweep_id = sweep_id
        self._plan = plan

    def begin(self) -> PlanCounts:
        """Make the stored plan equal to the spec's; costs next to nothing when it is already."""
        mark_pruned(self._store, self._sweep_id, self._plan)
        design = self._store.design(self._sweep_id) or {}
        stored = stored_plan_hash(self._store, self._sweep_id)
        # A million records need not be made to find that they are all there.
        if (
            stored is not None
            and design.get("plan_hash") == self._plan.plan_hash
            and design.get("stored_hash") == stored
        ):
            total, left = design["total"], count_open(self._store, self._sweep_id)
            return PlanCounts(total, 0, 0, total - left, left)
        return self._plan_all()

    def grow(self) -> bool:
        """Nothing is left to plan."""
        mark_pruned(self._store, self._sweep_id, self._plan)
        return False

    def _plan_all(self) -> PlanCounts:
        # Seeds that are added later are not for cells that were stopped.
        stopped = pruned_cells(self._store, self._sweep_id, self._plan)
        cells = [cell for cell in self._plan.cells if cell.key not in stopped]
        counts = self._store.plan(self._sweep_id, cells, self._plan.seeds)
        done_there = sum(stopped.values())
        counts = counts._replace(total=counts.total + done_there, done=counts.done + done_there)
        self._store.put_design(
            self._sweep_id,
            {
                **common_design(self._plan),
                **_saltelli_design(self._plan),
                "stored_hash": plan_hash(cells, self._plan.seeds),
                "total": counts.total,
            },
        )
        return counts


def _saltelli_design(plan: Plan) -> dict[str, Any]:
    """The rows of a Saltelli design: two of them may be one cell."""
    sampler = plan.spec.get("sampler", {})
    if sampler.get("name") != "saltelli":
        return {}
    dimensions = {d.name: d for space in plan.spaces.values() for d in space.dimensions}
    return {
        "n": sampler["n"],
        "second_order": bool(sampler.get("second_order")),
        "names": list(dimensions),
        "bounds": [[d.axis.points[0], d.axis.points[-1]] for d in dimensions.values()],
        "rows": [key for design in plan.designs.values() for key in design.rows],
    }
