"""How far the sweeps of a store are, who works on them, and what went wrong."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from storage.engine import current_time
from storage.records import FINISHED_STATES
from storage.schema import cells, packs, replicates
from storage.store import Store
from sweeps.scheduling.identity import is_dead

RATE_WINDOW = timedelta(minutes=5)
_LISTED_ERRORS = 5


def read_status(store: Store, name: str) -> dict[str, Any]:
    """The status of one sweep, as plain, JSON-safe values.

    Args:
        store: the store; may be open for reading only.
        name: the sweep's name.

    Returns:
        ``sweep``, ``states`` (name to replicates; an expired lease counts as waiting),
        ``total``, ``done``, ``progress`` (share done), ``replicates_per_s`` over the last five
        minutes (null if nothing finished in them), ``left_s`` (null without a live run),
        ``runs`` (live ones: host, pid, workers, started_at, heartbeat_age_s, stop),
        ``cell_states`` (cells that a sampler or a race has ended early, by how) and ``errors``
        (reasons of failed replicates with their number, the most frequent first).

    Raises:
        SweepNotFoundError: there is no such sweep.
    """
    sweep_id = store.sweep_id(name)
    states = store.counts(sweep_id)
    with store.reading() as connection:
        now = current_time(connection)
        rate = _rate(connection, sweep_id, now)
        ended = _counts(connection, cells.c.status, cells.c.sweep_id == sweep_id)
        errors = _counts(
            connection,
            replicates.c.reason,
            replicates.c.sweep_id == sweep_id,
            replicates.c.state == "failed",
        )
    runs = live_runs(store, sweep_id, now)
    total = sum(states.values())
    done = sum(states[state] for state in FINISHED_STATES)
    return {
        "sweep": name,
        "states": states,
        "total": total,
        "done": done,
        "progress": done / total if total else 1.0,
        "replicates_per_s": rate,
        "left_s": (total - done) / rate if rate and runs else None,
        "runs": runs,
        "cell_states": ended,
        "errors": [
            {"reason": reason, "replicates": count}
            for reason, count in list(errors.items())[:_LISTED_ERRORS]
        ],
    }


def live_runs(store: Store, sweep_id: int, now: datetime | None = None) -> list[dict[str, Any]]:
    """The runs that work on a sweep: not ended, not killed, heard of lately."""
    if now is None:
        with store.reading() as connection:
            now = current_time(connection)
    return [
        {
            "host": run.host,
            "pid": run.pid,
            "workers": run.workers,
            "started_at": run.started_at.isoformat(timespec="seconds"),
            "heartbeat_age_s": round(max(0.0, (now - run.heartbeat_at).total_seconds()), 1),
            "stop": run.stop,
        }
        for run in store.runs(sweep_id)
        if run.live and not is_dead(run.owner)
    ]


def _rate(connection: sa.Connection, sweep_id: int, now: datetime) -> float | None:
    """Replicates a second of the packs that finished lately, since the first of them began."""
    p = packs.c
    since = now - RATE_WINDOW
    count, begun = connection.execute(
        sa.select(sa.func.sum(p.n_replicates), sa.func.min(p.started_at)).where(
            p.sweep_id == sweep_id, p.finished_at > since, p.started_at.is_not(None)
        )
    ).one()
    if not count:
        return None
    seconds = (now - max(begun, since)).total_seconds()
    return float(count) / seconds if seconds > 0 else None


def _counts(
    connection: sa.Connection, column: sa.Column[Any], *conditions: sa.ColumnElement[bool]
) -> dict[str, int]:
    number = sa.func.count()
    query = sa.select(column, number).where(column.is_not(None), *conditions).group_by(column)
    return {str(k): int(n) for k, n in connection.execute(query.order_by(number.desc(), column))}
