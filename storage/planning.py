"""Sweeps and their plans: which cells and seeds a sweep consists of."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa

from storage.errors import RecordError, SweepChangedError, SweepNotFoundError
from storage.leases import is_claimable, is_open, unlocked
from storage.records import CellRecord, PlanCounts, SweepInfo, SweepRecord
from storage.schema import cells, dump_json, replicates, sweeps

MAX_NAME_LENGTH = 200
MAX_SEED = 2**63 - 1

# What a stored number was computed with; a change would silently give old rows a new meaning.
_FIXED = ("dataset_fingerprint", "objective", "thresholds")

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


def put_sweep(connection: sa.Connection, sweep: SweepRecord, now: datetime) -> int:
    """Insert the sweep, or update the one of its name; see `Store.put_sweep`."""
    if not sweep.name or len(sweep.name) > MAX_NAME_LENGTH:
        raise RecordError(
            f"A sweep's name has 1 to {MAX_NAME_LENGTH} characters, but got {sweep.name!r}."
        )
    values = asdict(sweep)
    stored = (
        connection.execute(sa.select(sweeps).where(sweeps.c.name == sweep.name))
        .mappings()
        .one_or_none()
    )
    if stored is None:
        values |= {"created_at": now, "updated_at": now}
        return connection.execute(sweeps.insert().returning(sweeps.c.id), values).scalar_one()
    differences = [
        *_differences(stored["identity"], sweep.identity),
        *(
            f"{key}: {_shorten(stored[key])} -> {_shorten(values[key])}"
            for key in _FIXED
            if key not in sweep.identity and dump_json(stored[key]) != dump_json(values[key])
        ),
    ]
    if differences:
        raise SweepChangedError(sweep.name, differences)
    connection.execute(
        sweeps.update().where(sweeps.c.id == stored["id"]).values(values | {"updated_at": now})
    )
    return int(stored["id"])


def read_sweep(connection: sa.Connection, name: str) -> SweepInfo:
    """The stored sweep of a name.

    Raises:
        SweepNotFoundError: there is none; the message names the nearest.
    """
    row = connection.execute(sa.select(sweeps).where(sweeps.c.name == name)).mappings().first()
    if row is None:
        names = list(connection.execute(sa.select(sweeps.c.name).order_by(sweeps.c.id)).scalars())
        raise SweepNotFoundError(not_found("sweep", name, names))
    values = {key: row[key] for key in SweepInfo.__dataclass_fields__ if key != "sweep_id"}
    return SweepInfo(sweep_id=row["id"], **values)


def plan(
    connection: sa.Connection,
    sweep_id: int,
    planned: Sequence[CellRecord],
    seeds: Sequence[int],
    now: datetime,
) -> PlanCounts:
    """Make the stored plan equal to cells × seeds; see `Store.plan`."""
    _check_plan(planned, seeds)
    if connection.execute(sa.select(sweeps.c.id).where(sweeps.c.id == sweep_id)).first() is None:
        raise SweepNotFoundError(f"A plan belongs to a stored sweep, but got the id {sweep_id}.")
    cell_ids = _put_cells(connection, sweep_id, planned)
    for table in (_planned_cells, _planned_seeds):
        table.create(connection)
    _fill(connection, _planned_cells, "cell_id", [cell_ids[cell.key] for cell in planned])
    _fill(connection, _planned_seeds, "seed", seeds)
    counts = _plan_replicates(connection, sweep_id, len(planned) * len(seeds), now)
    for table in (_planned_cells, _planned_seeds):
        table.drop(connection)
    return counts


def _check_plan(planned: Sequence[CellRecord], seeds: Sequence[int]) -> None:
    for what, values in (("cell keys", [cell.key for cell in planned]), ("seeds", list(seeds))):
        if len(set(values)) != len(values):
            twice = next(value for value, count in Counter(values).items() if count > 1)
            raise RecordError(f"The {what} of a plan are distinct, but got {twice!r} twice.")
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
            raise RecordError(f"A seed is an integer, but got {seed!r}.")
        if not 0 <= seed <= MAX_SEED:
            raise RecordError(f"A seed lies in 0 … {MAX_SEED}, but got {seed}.")


def _put_cells(
    connection: sa.Connection, sweep_id: int, planned: Sequence[CellRecord]
) -> dict[str, int]:
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
    for start in range(0, len(new), _BATCH):
        batch = new[start : start + _BATCH]
        connection.execute(cells.insert(), [{"sweep_id": sweep_id, **vars(c)} for c in batch])
    if moved:
        connection.execute(cells.update().where(cells.c.id == sa.bindparam("b_id")), moved)
    if not new:
        return {key: row[0] for key, row in stored.items()}
    ids = connection.execute(sa.select(cells.c.key, cells.c.id).where(cells.c.sweep_id == sweep_id))
    return dict(ids.all())


def _fill(connection: sa.Connection, table: sa.Table, column: str, values: Sequence[int]) -> None:
    rows = [{column: int(value), "position": k} for k, value in enumerate(values)]
    for start in range(0, len(rows), _BATCH):
        connection.execute(table.insert(), rows[start : start + _BATCH])
    if connection.dialect.name == "postgresql":
        # Nobody else analyses a temporary table, and a plan for an empty one would crawl.
        connection.execute(sa.text(f"ANALYZE {table.name}"))


def _plan_replicates(
    connection: sa.Connection, sweep_id: int, total: int, now: datetime
) -> PlanCounts:
    r, c, s = replicates.c, _planned_cells.c, _planned_seeds.c
    is_planned = sa.and_(r.cell_id.in_(sa.select(c.cell_id)), r.seed.in_(sa.select(s.seed)))
    removed = connection.execute(
        replicates.delete().where(unlocked(r.sweep_id == sweep_id, is_claimable(now), ~is_planned))
    ).rowcount
    exists = sa.select(1).where(r.cell_id == c.cell_id, r.seed == s.seed).exists()
    missing = (
        sa.select(sa.literal(sweep_id), c.cell_id, s.seed, sa.literal("waiting"), sa.literal(0))
        .select_from(_planned_cells.join(_planned_seeds, sa.true()))
        .where(~exists.correlate(_planned_cells, _planned_seeds))
        .order_by(c.position, s.position)
    )
    columns = ["sweep_id", "cell_id", "seed", "state", "attempts"]
    added = connection.execute(
        replicates.insert().from_select(columns, missing),
        execution_options={"preserve_rowcount": True},
    ).rowcount
    in_use = sa.select(1).where(r.cell_id == cells.c.id).exists()
    connection.execute(cells.delete().where(cells.c.sweep_id == sweep_id, ~in_use))
    still_open = connection.execute(
        sa.select(sa.func.count()).where(r.sweep_id == sweep_id, is_open(), is_planned)
    ).scalar_one()
    return PlanCounts(total, added, removed, total - still_open, still_open)


def not_found(kind: str, name: str, known: Sequence[str]) -> str:
    """One line for an unknown name: the nearest known one, and the known ones."""
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    shown = ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
    return f"Unknown {kind} {name!r}.{hint} Known: {shown or 'none'}."


def _differences(stored: Any, given: Any, key: str = "") -> Iterator[str]:
    if isinstance(stored, Mapping) and isinstance(given, Mapping):
        for name in [*stored, *(name for name in given if name not in stored)]:
            inner = f"{key}.{name}" if key else str(name)
            yield from _differences(stored.get(name), given.get(name), inner)
    elif dump_json(stored) != dump_json(given) and not _equal_numbers(stored, given):
        yield f"{key}: {_shorten(stored)} -> {_shorten(given)}"


def _equal_numbers(stored: Any, given: Any) -> bool:
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (stored, given))
    return numbers and stored == given


def _shorten(value: Any) -> str:
    text = dump_json(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
