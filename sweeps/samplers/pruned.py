"""Marks the cells that halving stopped."""

from __future__ import annotations

from storage.frames import load_replicates
from storage.outcomes import load_outcomes
from storage.store import Store
from sweeps.plan import Plan
from sweeps.samplers.sections import HalvingSpec


def pruned_cells(store: Store, sweep_id: int, plan: Plan) -> dict[str, int]:
    """The marked cells of a sweep with halving, and how many replicates each has."""
    if "halving" not in plan.spec:
        return {}
    return {
        outcome.key: len(outcome.seeds)
        for outcome in load_outcomes(store, sweep_id)
        if outcome.status == "pruned"
    }


def mark_pruned(store: Store, sweep_id: int, plan: Plan) -> None:
    """Give cells with pruned replicates the status "pruned" and a note of epoch and rung.

    Results are written by the recorder, marks here; a run that was killed between the two leaves
    the marking to the next.
    """
    if "halving" not in plan.spec or not store.counts(sweep_id).get("pruned"):
        return
    unmarked = {
        outcome.cell_id: outcome.key
        for outcome in load_outcomes(store, sweep_id)
        if outcome.status is None and any(state == "pruned" for state, _ in outcome.seeds.values())
    }
    if not unmarked:
        return
    halving = HalvingSpec(**plan.spec["halving"])
    frame = load_replicates(store, plan.sweep)
    stopped = frame[(frame["state"] == "pruned") & frame["cell_id"].isin(list(unmarked))]
    by_epoch: dict[int, list[str]] = {}
    # A pruned head's best epoch is the one after which it was stopped.
    for cell_id, epoch in stopped.groupby("cell_id")["best_epoch"].max().items():
        by_epoch.setdefault(int(epoch), []).append(unmarked[int(str(cell_id))])
    for epoch, keys in by_epoch.items():
        rung = halving.rungs(epoch + 1).index(epoch)
        store.set_cell_status(sweep_id, keys, "pruned", {"epoch": epoch, "rung": rung})
