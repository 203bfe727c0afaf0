"""Runs: which processes work on a sweep, whether they live, and what they are asked to do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from storage.errors import RecordError, SweepNotFoundError
from storage.records import RUN_OUTCOMES, STOPS, RunRecord
from storage.schema import runs, sweeps

LIVE_S = 60.0
"""A run whose last heartbeat is older than this is taken for dead."""


def begin_run(
    connection: sa.Connection,
    sweep_id: int,
    owner: str,
    *,
    host: str,
    pid: int,
    workers: int,
    now: datetime,
) -> int:
    """Insert a run, unless it is there; see `Store.begin_run`."""
    if not owner or len(owner) > 200:
        raise RecordError(f"An owner's name has 1 to 200 characters, but got {owner!r}.")
    if connection.execute(sa.select(sweeps.c.id).where(sweeps.c.id == sweep_id)).first() is None:
        raise SweepNotFoundError(f"A run belongs to a stored sweep, but got the id {sweep_id}.")
    values = {"host": host[:200], "pid": pid, "workers": workers}
    row = connection.execute(sa.select(runs).where(runs.c.owner == owner)).mappings().first()
    if row is not None:
        if {key: row[key] for key in values} != values or row["sweep_id"] != sweep_id:
            raise RecordError(f"An owner's name is unique to a run, but got {owner!r} again.")
        return int(row["id"])
    values |= {"sweep_id": sweep_id, "owner": owner, "started_at": now, "heartbeat_at": now}
    return connection.execute(runs.insert().returning(runs.c.id), values).scalar_one()


def heartbeat(connection: sa.Connection, owner: str, now: datetime) -> str | None:
    """Note that a run lives; what it is asked to do; see `Store.heartbeat`."""
    statement = (
        runs.update().where(runs.c.owner == owner).values(heartbeat_at=now).returning(runs.c.stop)
    )
    row = connection.execute(statement).first()
    return "abandon" if row is None else row[0]


def end_run(connection: sa.Connection, owner: str, outcome: str, now: datetime) -> None:
    """Note how a run ended; see `Store.end_run`."""
    if outcome not in RUN_OUTCOMES:
        raise RecordError(f"A run ends as one of {RUN_OUTCOMES}, but got {outcome!r}.")
    statement = runs.update().where(runs.c.owner == owner, runs.c.ended_at.is_(None))
    connection.execute(statement.values(ended_at=now, heartbeat_at=now, outcome=outcome))


def request_stop(connection: sa.Connection, sweep_id: int, how: str, now: datetime) -> int:
    """Ask a sweep's live runs to stop; see `Store.request_stop`."""
    if how not in STOPS:
        raise RecordError(f"A run is asked to stop by one of {STOPS}, but got {how!r}.")
    statement = runs.update().where(runs.c.sweep_id == sweep_id, _is_live(now)).values(stop=how)
    return connection.execute(statement).rowcount


def read_runs(
    connection: sa.Connection, sweep_ids: Sequence[int], now: datetime
) -> list[RunRecord]:
    """The runs of some sweeps, oldest first; see `Store.runs`."""
    query = (
        sa.select(runs, _is_live(now).label("live"))
        .where(runs.c.sweep_id.in_(sweep_ids))
        .order_by(runs.c.id)
    )
    return [RunRecord(**_record_values(row)) for row in connection.execute(query).mappings()]


def _record_values(row: Any) -> dict[str, Any]:
    values = {key: row[key] for key in RunRecord.__dataclass_fields__ if key != "run_id"}
    return values | {"run_id": row["id"], "live": bool(row["live"])}


def _is_live(now: datetime) -> sa.ColumnElement[bool]:
    # A heartbeat later than now was written before the clock jumped back.
    span = timedelta(seconds=LIVE_S)
    return sa.and_(
        runs.c.ended_at.is_(None),
        runs.c.heartbeat_at > now - span,
        runs.c.heartbeat_at <= now + span,
    )
