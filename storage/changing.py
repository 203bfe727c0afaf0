"""Changes after the fact: cells out of the race, replicates to be tried again, sweeps deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from storage.errors import RecordError, StoreBusyError
from storage.leases import batches, is_expired
from storage.optuna_studies import delete_studies
from storage.packs import touch
from storage.places import void_places
from storage.planning import read_sweep
from storage.records import CELL_STATUSES, FINISHED_STATES
from storage.schema import (
    cell_columns,
    cells,
    curves,
    diagnostics,
    kept,
    packs,
    places,
    replicates,
    runs,
    scores,
    slices,
    sweeps,
)

RETRIABLE_STATES = tuple(state for state in FINISHED_STATES if state != "complete")


def set_cell_status(
    connection: sa.Connection,
    sweep_id: int,
    keys: Sequence[str],
    status: str | None,
    note: Mapping[str, Any] | None,
    now: datetime,
) -> int:
    """Mark cells; see `Store.set_cell_status`."""
    if status is not None and status not in CELL_STATUSES:
        raise RecordError(f"A cell's status is one of {CELL_STATUSES} or None, but got {status!r}.")
    changed = 0
    ordered = sorted(set(keys))
    for start in range(0, len(ordered), 10_000):
        own = (cells.c.sweep_id == sweep_id, cells.c.key.in_(ordered[start : start + 10_000]))
        statement = cells.update().where(*own).values(status=status, note=note)
        changed += connection.execute(statement).rowcount
    if changed != len(ordered):
        raise RecordError(
            f"A status is given to cells of the sweep, but {len(ordered) - changed} of "
            f"{len(ordered)} keys are not in its plan."
        )
    touch(connection, [sweep_id], now)
    return changed


def retry(connection: sa.Connection, sweep_id: int, states: Sequence[str], now: datetime) -> int:
    """Send finished replicates back to waiting; see `Store.retry`."""
    if wrong := sorted(set(states) - set(RETRIABLE_STATES)):
        raise RecordError(
            f"Replicates that are {', '.join(RETRIABLE_STATES)} can be tried again, "
            f"but got {', '.join(map(repr, wrong))}."
        )
    spec = connection.execute(sa.select(sweeps.c.spec).where(sweeps.c.id == sweep_id)).scalar()
    if "imported" in (spec or {}):
        raise RecordError(
            "Replicates are tried again by training them, but this sweep was imported, and "
            "nothing says how it was trained."
        )
    r = replicates.c
    chosen = (r.sweep_id == sweep_id, r.state.in_(list(states)))
    rows = connection.execute(
        sa.select(r.id, r.pack_id, r.pack_index).where(*chosen).with_for_update()
    ).all()
    by_pack: dict[int, list[int]] = {}
    for _, pack_id, index in rows:
        if pack_id is not None:
            by_pack.setdefault(pack_id, []).append(index)
    for batch in batches([row[0] for row in rows]):
        connection.execute(kept.delete().where(kept.c.replicate_id.in_(batch)))
        connection.execute(
            replicates.update()
            .where(r.id.in_(batch))
            .values(state="waiting", reason=None, pack_id=None, pack_index=None, objective=None)
        )
    if "pruned" in states:
        again = sa.select(r.cell_id).where(r.sweep_id == sweep_id, r.state == "waiting")
        pruned = (cells.c.sweep_id == sweep_id, cells.c.status == "pruned", cells.c.id.in_(again))
        connection.execute(cells.update().where(*pruned).values(status=None, note=None))
    for pack_id, indices in by_pack.items():
        own = places.c.pack_id == pack_id
        data = connection.execute(sa.select(places.c.data).where(own)).scalar_one()
        values = {"data": void_places(data, indices)}
        connection.execute(places.update().where(own).values(values))
    for batch in batches(list(by_pack)):
        in_use = sa.select(1).where(r.pack_id == packs.c.id).exists()
        connection.execute(packs.delete().where(packs.c.id.in_(batch), ~in_use))
    if rows:
        touch(connection, [sweep_id], now)
    return len(rows)


def delete_sweep(connection: sa.Connection, name: str, now: datetime) -> dict[str, Any]:
    """Delete a sweep's rows; see `Store.delete_sweep`."""
    sweep_id = read_sweep(connection, name).sweep_id
    r = replicates.c
    running = (r.sweep_id == sweep_id, r.state == "running", ~is_expired(now))
    owners = list(connection.execute(sa.select(r.lease_owner).where(*running).distinct()).scalars())
    if owners:
        raise StoreBusyError(
            f"A sweep is deleted when nobody works on it, but {name!r} is being run by "
            f"{', '.join(owners[:3])}. Stop the run first: sigmoidf1 sweep stop {name}."
        )
    paths = connection.execute(sa.select(kept.c.path).where(kept.c.sweep_id == sweep_id)).scalars()
    counts: dict[str, Any] = {"kept_paths": sorted(paths)}
    counts["studies"] = delete_studies(connection, sweep_id)
    own_packs = sa.select(packs.c.id).where(packs.c.sweep_id == sweep_id)
    blobs = (scores, slices, curves, diagnostics, places)
    # Table by table: a cascade on a large sweep looks up its children a row at a time.
    connection.execute(kept.delete().where(kept.c.sweep_id == sweep_id))
    counts["replicates"] = connection.execute(
        replicates.delete().where(r.sweep_id == sweep_id)
    ).rowcount
    for table in blobs:
        connection.execute(table.delete().where(table.c.pack_id.in_(own_packs)))
    counts["packs"] = connection.execute(
        packs.delete().where(packs.c.sweep_id == sweep_id)
    ).rowcount
    connection.execute(cell_columns.delete().where(cell_columns.c.sweep_id == sweep_id))
    counts["cells"] = connection.execute(
        cells.delete().where(cells.c.sweep_id == sweep_id)
    ).rowcount
    counts["runs"] = connection.execute(runs.delete().where(runs.c.sweep_id == sweep_id)).rowcount
    connection.execute(sweeps.delete().where(sweeps.c.id == sweep_id))
    return counts
