"""What several runs of one sweep know of each other."""

from __future__ import annotations

import time

import sqlalchemy as sa

from storage.engine import current_time
from storage.leases import is_expired
from storage.schema import IS_LEASED, replicates
from storage.store import Store
from sweeps.scheduling.identity import is_dead

_HEARING_S = 15.0  # several heartbeats of a run


def release_dead_runs(store: Store, sweep_id: int) -> int:
    """Give back what runs hold that were killed on this machine; returns the replicates.

    A lease would expire by itself, minutes later; here the process can be seen to be gone.
    """
    released = 0
    for run in store.runs(sweep_id):
        if run.ended_at is None and is_dead(run.owner):
            released += store.release(run.owner)
            store.end_run(run.owner, "interrupted")
    return released


def end_runs(store: Store, sweep_id: int) -> None:
    """Tell all runs of a sweep to drop their packs; take the leases of those that do not hear."""
    release_dead_runs(store, sweep_id)
    store.request_stop(sweep_id, "abandon")
    deadline = time.monotonic() + _HEARING_S
    while held(store, sweep_id) and time.monotonic() < deadline:
        time.sleep(0.2)
    for run in store.runs(sweep_id):
        store.release(run.owner)


def held(store: Store, sweep_id: int) -> int:
    """How many replicates of a sweep some run is training, this one's included."""
    # Not `Store.counts`, which passes over all replicates: this is asked several times a second.
    r = replicates.c
    with store.reading() as connection:
        query = (
            sa.select(sa.func.count())
            .where(sa.literal_column(IS_LEASED, sa.Boolean))
            .where(r.sweep_id == sweep_id, ~is_expired(current_time(connection)))
        )
        return int(connection.execute(query).scalar_one())
