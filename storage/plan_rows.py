"""Plans: which cells and seeds a sweep consists of."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

import numpy as np
import sqlalchemy as sa

from storage.cell_columns import add_columns, rebuild_columns
from storage.errors import RecordError, SweepNotFoundError
from storage.leases import is_claimable, is_open, unlocked
from storage.records import CellRecord, PlanCounts
from storage.schema import cells, dump_json, replicates, sweeps

MAX_SEED = 2**63 - 1

_BATCH = 10_000

_planned_cells = sa.Table(
    "sweep_planned_cells",
    sa.MetaData(),
    sa.Column("cell_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    prefixes=["TEMPORARY"],
)
_planned_seeds = sa.Table(
    "sweep_planned_seeds",
    sa.MetaData(),
    sa.Column("seed", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    prefixes=["TEMPORARY"],
)


def plan(
    connection: sa.Connection,
    sweep_id: int,
    planned: Sequence[CellRecord],
    seeds: Sequence[int],
    now: datetime,
) -> PlanCounts:
    """Make the stored plan equal to cells × seeds; see `Store.plan`."""
    _check_plan(planned, seeds)
    stored = _read_hash(connection, sweep_id)
    given = plan_hash(planned, seeds)
    total = len(planned) * len(seeds)
    if stored == given:
        still_open = _count_open(connection, sweep_id)
        return PlanCounts(total, 0, 0, total - still_open, still_open)
    cell_ids, new, moved = _put_cells(connection, sweep_id, planned)
    with _planned(connection, [cell_ids[cell.key] for cell in planned], seeds):
        removed = _remove_unplanned(connection, sweep_id, now)
        added = _add_missing(connection, sweep_id)
        still_open = _count_open(connection, sweep_id, _is_planned())
    in_use = sa.select(1).where(replicates.c.cell_id == cells.c.id).exists()
    gone = connection.execute(cells.delete().where(cells.c.sweep_id == sweep_id, ~in_use)).rowcount
    if moved or gone:
        rebuild_columns(connection, sweep_id)
    else:
        add_columns(connection, sweep_id, new)
    # What another run holds of an earlier plan is removed by a later call, so that one must look.
    as_planned = still_open == _count_open(connection, sweep_id)
    _put_hash(connection, sweep_id, given if as_planned else None)
    return PlanCounts(total, added, removed, total - still_open, still_open)


def extend_plan(
    connection: sa.Connection,
    sweep_id: int,
    added: Sequence[CellRecord],
    seeds: Sequence[int],
    batch: int | None,
) -> PlanCounts:
    """Add cells × seeds to the plan; see `Store.extend_plan`."""
    _check_plan(added, seeds)
    _read_hash(connection, sweep_id)
    keys = [cell.key for cell in added]
    cell_ids = _ids_of(connection, sweep_id, keys)
    new = [cell for cell in added if cell.key not in cell_ids]
    last = connection.execute(
        sa.select(sa.func.max(cells.c.ordinal)).where(cells.c.sweep_id == sweep_id)
    ).scalar()
    first = 0 if last is None else last + 1
    _insert_cells(
        connection,
        sweep_id,
        [replace(cell, ordinal=first + k) for k, cell in enumerate(new)],
        batch,
    )
    new_keys = [cell.key for cell in new]
    cell_ids |= _ids_of(connection, sweep_id, new_keys)
    add_columns(connection, sweep_id, new_keys)
    with _planned(connection, [cell_ids[key] for key in keys], seeds):
        n_added = _add_missing(connection, sweep_id)
        still_open = _count_open(connection, sweep_id, _is_planned())
    _put_hash(connection, sweep_id, None)
    total = len(added) * len(seeds)
    return PlanCounts(total, n_added, 0, total - still_open, still_open)


def add_replicates(
    connection: sa.Connection, sweep_id: int, pairs: Sequence[tuple[str, int]]
) -> int:
    """Add single replicates of stored cells; see `Store.add_replicates`."""
    _read_hash(connection, sweep_id)
    _check_seeds([seed for _, seed in pairs])
    keys = list(dict.fromkeys(key for key, _ in pairs))
    cell_ids = _ids_of(connection, sweep_id, keys)
    if missing := [key for key in keys if key not in cell_ids]:
        raise RecordError(
            f"Replicates are added to cells of the plan, but got {missing[0]!r} "
            f"({len(missing)} unknown). Add the cells by extend_plan."
        )
    return add_pairs(connection, sweep_id, [(cell_ids[key], seed) for key, seed in pairs])


def add_pairs(connection: sa.Connection, sweep_id: int, pairs: Sequence[tuple[int, int]]) -> int:
    """Add those replicates, given by cell id and seed, that are not planned; their number."""
    wanted = dict.fromkeys((cell_id, int(seed)) for cell_id, seed in pairs)
    present: set[tuple[int, int]] = set()
    ids = sorted({cell_id for cell_id, _ in wanted})
    for start in range(0, len(ids), _BATCH):
        query = sa.select(replicates.c.cell_id, replicates.c.seed)
        batch = ids[start : start + _BATCH]
        rows = connection.execute(query.where(replicates.c.cell_id.in_(batch)))
        present.update((cell_id, seed) for cell_id, seed in rows)
    common = {"sweep_id": sweep_id, "state": "waiting", "attempts": 0}
    new = [{"cell_id": c, "seed": s, **common} for c, s in wanted if (c, s) not in present]
    for start in range(0, len(new), _BATCH):
        connection.execute(replicates.insert(), new[start : start + _BATCH])
    if new:
        _put_hash(connection, sweep_id, None)
    return len(new)


def read_cells(
    connection: sa.Connection, sweep_id: int, keys: Sequence[str] | None
) -> list[CellRecord]:
    """The stored cells; see `Store.cells`."""
    names = list(CellRecord.__dataclass_fields__)
    query = sa.select(*(cells.c[name] for name in names)).where(cells.c.sweep_id == sweep_id)
    query = query.order_by(cells.c.ordinal, cells.c.id)
    if keys is None:
        rows = connection.execute(query).all()
    else:
        ordered = sorted(set(keys))
        rows = []
        for start in range(0, len(ordered), _BATCH):
            batch = ordered[start : start + _BATCH]
            rows += connection.execute(query.where(cells.c.key.in_(batch)))
    found = [CellRecord(**dict(zip(names, row, strict=True))) for row in rows]
    return sorted(found, key=lambda cell: cell.ordinal)


def plan_hash(planned: Sequence[CellRecord], seeds: Sequence[int]) -> str:
    """Hash of a plan: equal ones mean equal plans; of the same plan in other types they differ."""
    digest = hashlib.sha256(repr([int(seed) for seed in seeds]).encode())
    for start in range(0, len(planned), _BATCH):
        part = [(c.key, c.ordinal, c.parameters) for c in planned[start : start + _BATCH]]
        digest.update(repr(part).encode())
    return digest.hexdigest()


def _read_hash(connection: sa.Connection, sweep_id: int) -> str | None:
    row = connection.execute(sa.select(sweeps.c.plan_hash).where(sweeps.c.id == sweep_id)).first()
    if row is None:
        raise SweepNotFoundError(f"A plan belongs to a stored sweep, but got the id {sweep_id}.")
    return row[0]


def _put_hash(connection: sa.Connection, sweep_id: int, value: str | None) -> None:
    connection.execute(sweeps.update().where(sweeps.c.id == sweep_id).values(plan_hash=value))


def _check_plan(planned: Sequence[CellRecord], seeds: Sequence[int]) -> None:
    for what, values in (("cell keys", [cell.key for cell in planned]), ("seeds", list(seeds))):
        if len(set(values)) != len(values):
            twice = next(value for value, count in Counter(values).items() if count > 1)
            raise RecordError(f"The {what} of a plan are distinct, but got {twice!r} twice.")
    _check_seeds(seeds)


def _check_seeds(seeds: Sequence[int]) -> None:
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
            raise RecordError(f"A seed is an integer, but got {seed!r}.")
        if not 0 <= seed <= MAX_SEED:
            raise RecordError(f"A seed lies in 0 … {MAX_SEED}, but got {seed}.")


def _put_cells(
    connection: sa.Connection, sweep_id: int, planned: Sequence[CellRecord]
) -> tuple[dict[str, int], list[str], bool]:
    """The ids of all the sweep's cells, the keys of new ones, and whether old ones moved."""
    parameters = sa.type_coerce(cells.c.parameters, sa.Text)
    rows = connection.execute(
        sa.select(cells.c.key, cells.c.id, cells.c.ordinal, parameters).where(
            cells.c.sweep_id == sweep_id
        )
    )
    stored = {key: (cell_id, ordinal, text) for key, cell_id, ordinal, text in rows}
    new = [cell for cell in planned if cell.key not in stored]
    moved = [
        {"b_id": stored[cell.key][0], "ordinal": cell.ordinal, "parameters": cell.parameters}
        for cell in planned
        if cell.key in stored and stored[cell.key][1:] != (cell.ordinal, dump_json(cell.parameters))
    ]
    _insert_cells(connection, sweep_id, new, None)
    if moved:
        connection.execute(cells.update().where(cells.c.id == sa.bindparam("b_id")), moved)
    ids = {key: row[0] for key, row in stored.items()}
    new_keys = [cell.key for cell in new]
    return ids | _ids_of(connection, sweep_id, new_keys), new_keys, bool(moved)


def _insert_cells(
    connection: sa.Connection, sweep_id: int, new: Sequence[CellRecord], batch: int | None
) -> None:
    common = {"sweep_id": sweep_id, "batch": batch}
    for start in range(0, len(new), _BATCH):
        rows = [vars(cell) | common for cell in new[start : start + _BATCH]]
        connection.execute(cells.insert(), rows)


def _ids_of(connection: sa.Connection, sweep_id: int, keys: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for start in range(0, len(keys), _BATCH):
        query = sa.select(cells.c.key, cells.c.id).where(
            cells.c.sweep_id == sweep_id, cells.c.key.in_(keys[start : start + _BATCH])
        )
        found.update(dict(connection.execute(query).all()))
    return found


@contextmanager
def _planned(
    connection: sa.Connection, cell_ids: Sequence[int], seeds: Sequence[int]
) -> Iterator[None]:
    """Cells and seeds as temporary tables, to be joined with what is stored."""
    for table in (_planned_cells, _planned_seeds):
        table.create(connection)
    _fill(connection, _planned_cells, "cell_id", cell_ids)
    _fill(connection, _planned_seeds, "seed", seeds)
    yield
    for table in (_planned_cells, _planned_seeds):
        table.drop(connection)


def _fill(connection: sa.Connection, table: sa.Table, column: str, values: Sequence[int]) -> None:
    rows = [{column: int(value), "position": k} for k, value in enumerate(values)]
    for start in range(0, len(rows), _BATCH):
        connection.execute(table.insert(), rows[start : start + _BATCH])
    if connection.dialect.name == "postgresql":
        # Nobody else analyses a temporary table, and a plan for an empty one would crawl.
        connection.execute(sa.text(f"ANALYZE {table.name}"))


def _is_planned() -> sa.ColumnElement[bool]:
    r = replicates.c
    return sa.and_(
        r.cell_id.in_(sa.select(_planned_cells.c.cell_id)),
        r.seed.in_(sa.select(_planned_seeds.c.seed)),
    )


def _remove_unplanned(connection: sa.Connection, sweep_id: int, now: datetime) -> int:
    unplanned = (replicates.c.sweep_id == sweep_id, is_claimable(now), ~_is_planned())
    return connection.execute(replicates.delete().where(unlocked(*unplanned))).rowcount


def _add_missing(connection: sa.Connection, sweep_id: int) -> int:
    r, c, s = replicates.c, _planned_cells.c, _planned_seeds.c
    exists = sa.select(1).where(r.cell_id == c.cell_id, r.seed == s.seed).exists()
    missing = (
        sa.select(sa.literal(sweep_id), c.cell_id, s.seed, sa.literal("waiting"), sa.literal(0))
        .select_from(_planned_cells.join(_planned_seeds, sa.true()))
        .where(~exists.correlate(_planned_cells, _planned_seeds))
        .order_by(c.position, s.position)
    )
    columns = ["sweep_id", "cell_id", "seed", "state", "attempts"]
    return connection.execute(
        replicates.insert().from_select(columns, missing),
        execution_options={"preserve_rowcount": True},
    ).rowcount


def _count_open(
    connection: sa.Connection, sweep_id: int, *conditions: sa.ColumnElement[bool]
) -> int:
    # Of a column that only the rows have: else SQLite goes through the index of all states.
    query = sa.select(sa.func.count(replicates.c.seed)).where(
        replicates.c.sweep_id == sweep_id, is_open(), *conditions
    )
    return connection.execute(query).scalar_one()
