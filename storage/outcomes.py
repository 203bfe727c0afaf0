"""What became of a sweep's cells, for what decides on the next ones: samplers and races."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from storage.engine import current_time
from storage.leases import is_open, state_seen
from storage.schema import cells, replicates, sweeps
from storage.store import Store


@dataclass
class CellOutcome:
    """One cell and its replicates.

    Attributes:
        cell_id: its id.
        key: its key.
        loss: its loss.
        ordinal: its place in the plan.
        batch: which ask of a sampler it is from; None for a planned one.
        status: "pruned", "raced_out" or None.
        note: why.
        seeds: seed to (state, objective); an expired lease counts as waiting.
    """

    cell_id: int
    key: str
    loss: str
    ordinal: int
    batch: int | None
    status: str | None
    note: Mapping[str, Any] | None
    seeds: dict[int, tuple[str, float | None]] = field(default_factory=dict)


def load_outcomes(store: Store, sweep_id: int) -> list[CellOutcome]:
    """The cells of a sweep with the state and objective of every replicate, in the plan's order."""
    c, r = cells.c, replicates.c
    wanted = (c.id, c.key, c.loss, c.ordinal, c.batch, c.status, c.note)
    query = sa.select(*wanted).where(c.sweep_id == sweep_id).order_by(c.ordinal, c.id)
    with store.reading() as connection:
        seen = state_seen(current_time(connection))
        found = {row[0]: CellOutcome(*row) for row in connection.execute(query)}
        rows = connection.execute(
            sa.select(r.cell_id, r.seed, seen, r.objective)
            .where(r.sweep_id == sweep_id)
            .order_by(r.cell_id, r.seed)
        )
        for cell_id, seed, state, objective in rows:
            found[cell_id].seeds[seed] = (state, objective)
    return list(found.values())


def count_open(store: Store, sweep_id: int) -> int:
    """How many replicates of a sweep are waiting or running, without looking at the others."""
    query = sa.select(sa.func.count()).where(replicates.c.sweep_id == sweep_id, is_open())
    with store.reading() as connection:
        return int(connection.execute(query).scalar_one())


def stored_plan_hash(store: Store, sweep_id: int) -> str | None:
    """The hash of the plan that a sweep's replicates are; None when they are no whole plan."""
    query = sa.select(sweeps.c.plan_hash).where(sweeps.c.id == sweep_id)
    with store.reading() as connection:
        found: str | None = connection.execute(query).scalar_one()
    return found
