"""Which way a sweep's plan comes about."""

from __future__ import annotations

from storage.store import Store
from sweeps.plan import Plan
from sweeps.samplers.growth import FixedPlan, Growth
from sweeps.samplers.sections import ADAPTIVE


def make_growth(store: Store, sweep_id: int, plan: Plan) -> Growth:
    """Return what plans a sweep: at once, by an adaptive sampler, or by a race."""
    if plan.spec.get("sampler", {}).get("name") in ADAPTIVE:
        from sweeps.samplers.adaptive import AdaptivePlan

        return AdaptivePlan(store, sweep_id, plan)
    if "racing" in plan.spec:
        from sweeps.samplers.race import Race

        return Race(store, sweep_id, plan)
    return FixedPlan(store, sweep_id, plan)
