"""The plan of a merge: the sweep, and the cells and replicates that this store lacks."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from storage.engine import PLAN_LOCK
from storage.errors import SweepChangedError
from storage.plan_rows import add_pairs, extend_plan, read_cells
from storage.planning import changes, put_sweep
from storage.records import SweepInfo, SweepRecord
from storage.schema import cells, replicates, sweeps

if TYPE_CHECKING:
    from storage.store import Store


class MergedPlan(NamedTuple):
    """What a merge made of a plan.

    Attributes:
        sweep_id: the sweep here.
        cell_ids: cell there -> cell here.
        cells_added: cells that this store did not have.
        replicates_added: replicates that this store did not have.
    """

    sweep_id: int
    cell_ids: dict[int, int]
    cells_added: int
    replicates_added: int


def check_mergeable(store: Store, other: Store, name: str, target: str) -> None:
    """Refuse a sweep whose identity differs from that of the one of its name here.

    Raises:
        SweepChangedError: it differs; the differences are listed.
    """
    record = _record(other, other.sweep(name), target)
    with store.reading() as connection:
        _check_identity(connection, record)


def merge_plan(store: Store, other: Store, name: str, target: str) -> MergedPlan:
    """Make this store's plan of a sweep hold all cells and replicates of the other's."""
    info = other.sweep(name)
    record = _record(other, info, target)
    with other.reading() as connection:
        given = read_cells(connection, info.sweep_id, None)
        c, r = cells.c, replicates.c
        marks = {
            key: {"status": status, "note": note, "batch": batch}
            for key, status, note, batch in connection.execute(
                sa.select(c.key, c.status, c.note, c.batch).where(c.sweep_id == info.sweep_id)
            )
        }
        query = sa.select(c.id, c.key).where(c.sweep_id == info.sweep_id)
        keys = dict(connection.execute(query).all())
        pairs = [
            (cell_id, seed)
            for cell_id, seed in connection.execute(
                sa.select(r.cell_id, r.seed).where(r.sweep_id == info.sweep_id).order_by(r.id)
            )
        ]
        design = connection.execute(
            sa.select(sweeps.c.design).where(sweeps.c.id == info.sweep_id)
        ).scalar()

    def work(connection: sa.Connection, now: datetime) -> MergedPlan:
        found = _check_identity(connection, record)
        if found is None:
            sweep_id = put_sweep(connection, record, now)
            own = sweeps.update().where(sweeps.c.id == sweep_id)
            connection.execute(own.values(created_at=info.created_at, design=design))
        else:
            sweep_id = found
        before = _ids(connection, sweep_id)
        extend_plan(connection, sweep_id, given, [], None)
        after = _ids(connection, sweep_id)
        new = [key for key in after if key not in before]
        if new:
            statement = cells.update().where(cells.c.id == sa.bindparam("b_id"))
            rows = [{"b_id": after[key], **marks[key]} for key in new]
            connection.execute(statement, rows)
        cell_ids = {cell_id: after[key] for cell_id, key in keys.items()}
        added = add_pairs(connection, sweep_id, [(cell_ids[i], seed) for i, seed in pairs])
        return MergedPlan(sweep_id, cell_ids, len(new), added)

    return store.change(work, lock=PLAN_LOCK)


def _record(other: Store, info: SweepInfo, target: str) -> SweepRecord:
    values = {key: getattr(info, key) for key in SweepRecord.__dataclass_fields__}
    record = SweepRecord(**values)
    source = {"store": other.masked_url, "sweep": info.name}
    spec = {**info.spec, "sweep": target} if "sweep" in info.spec else info.spec
    provenance = {**info.provenance, "merged_from": source}
    return replace(record, name=target, spec=spec, provenance=provenance)


def _check_identity(connection: sa.Connection, record: SweepRecord) -> int | None:
    query = sa.select(sweeps).where(sweeps.c.name == record.name)
    stored = connection.execute(query).mappings().first()
    if stored is None:
        return None
    if differences := changes(dict(stored), record):
        raise SweepChangedError(record.name, differences)
    return int(stored["id"])


def _ids(connection: sa.Connection, sweep_id: int) -> dict[str, int]:
    query = sa.select(cells.c.key, cells.c.id).where(cells.c.sweep_id == sweep_id)
    return dict(connection.execute(query).all())
