"""Leases: who works on which replicates, and until when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from storage.errors import RecordError
from storage.records import STATES, OpenReplicate
from storage.schema import IS_LEASED, IS_OPEN, cells, replicates, sweeps

MAX_LEASE_S = 600.0
"""The longest lease."""

_LATEST_S = MAX_LEASE_S + 60.0
"""A lease that ends later than this from now was written before the clock jumped back: its owner
either renews it by the present clock, or is gone. The minute is for small corrections."""

FREED = {"lease_owner": None, "lease_expires_at": None, "lease_token": None}  # nosec B105

# Below SQLite's limit of bound values in one statement.
_BATCH = 10_000


def is_open() -> sa.ColumnElement[bool]:
    """Waiting or running, in the words of the partial index."""
    return sa.literal_column(IS_OPEN, sa.Boolean)


def is_expired(now: datetime) -> sa.ColumnElement[bool]:
    """Leased to an owner that has not renewed in time, by a clock that may have jumped back."""
    expires_at = replicates.c.lease_expires_at
    latest = now + timedelta(seconds=_LATEST_S)
    return sa.and_(replicates.c.state == "running", sa.or_(expires_at <= now, expires_at > latest))


def is_claimable(now: datetime) -> sa.ColumnElement[bool]:
    """Waiting, or with an expired lease."""
    return sa.and_(is_open(), sa.or_(replicates.c.state == "waiting", is_expired(now)))


def state_seen(now: datetime) -> sa.ColumnElement[str]:
    """The state as readers see it: an expired lease counts as waiting."""
    return sa.case((is_expired(now), "waiting"), else_=replicates.c.state)


def unlocked(*conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """The replicates that meet the conditions and that no other transaction is changing.

    Locked in one order and skipping what others hold: nobody waits, so nobody deadlocks.
    """
    r = replicates.c
    rows = sa.select(r.id).where(*conditions).order_by(r.id).with_for_update(skip_locked=True)
    return r.id.in_(rows)


def batches(ids: Sequence[int]) -> Iterator[list[int]]:
    """The ids in increasing order, in lists short enough for one statement."""
    ordered = sorted({int(i) for i in ids})
    for start in range(0, len(ordered), _BATCH):
        yield ordered[start : start + _BATCH]


def open_replicates(connection: sa.Connection, sweep_id: int, now: datetime) -> list[OpenReplicate]:
    """The replicates that may be claimed, in the plan's order; see `Store.open_replicates`."""
    r, c = replicates.c, cells.c
    rows = connection.execute(
        sa.select(r.id, r.cell_id, r.seed).where(r.sweep_id == sweep_id, is_claimable(now))
    ).all()
    # Joined in Python: one key object per cell, not one per replicate.
    own = sa.select(r.cell_id).where(r.sweep_id == sweep_id, is_open())
    keys = {
        cell_id: (ordinal, key)
        for cell_id, ordinal, key in connection.execute(
            sa.select(c.id, c.ordinal, c.key).where(c.id.in_(own))
        )
    }
    ordered = sorted(rows, key=lambda row: (keys[row[1]][0], row[0]))
    return [OpenReplicate(i, keys[cell_id][1], seed) for i, cell_id, seed in ordered]


def claim(
    connection: sa.Connection,
    replicate_ids: Sequence[int],
    owner: str,
    lease_s: float,
    now: datetime,
    token: str,
) -> list[int]:
    """Lease the claimable ones of some replicates; see `Store.claim`.

    Args:
        connection: a writing connection.
        replicate_ids: the replicates wanted.
        owner: the claimant.
        lease_s: seconds until the lease expires.
        now: the store's time.
        token: unique to this claim: made again with it, a claim whose answer was lost obtains
            what it did.
    """
    expires_at = _expiry(owner, lease_s, now)
    r = replicates.c
    obtained: set[int] = set()
    for batch in batches(replicate_ids):
        claimable = sa.or_(is_claimable(now), r.lease_token == token)
        statement = (
            replicates.update()
            .where(unlocked(r.id.in_(batch), claimable))
            .values(
                state="running",
                lease_owner=owner,
                lease_expires_at=expires_at,
                attempts=r.attempts + sa.case((r.lease_token == token, 0), else_=1),
                lease_token=token,
            )
            .returning(r.id)
        )
        obtained.update(connection.execute(statement).scalars())
    return [int(i) for i in replicate_ids if int(i) in obtained]


def renew(connection: sa.Connection, owner: str, lease_s: float, now: datetime) -> int:
    """Extend all leases of an owner; see `Store.renew`."""
    statement = (
        replicates.update()
        .where(unlocked(replicates.c.lease_owner == owner))
        .values(lease_expires_at=_expiry(owner, lease_s, now))
    )
    return connection.execute(statement).rowcount


def release(connection: sa.Connection, owner: str) -> int:
    """Give all leases of an owner back; see `Store.release`."""
    statement = (
        replicates.update()
        .where(unlocked(replicates.c.lease_owner == owner))
        .values(state="waiting", **FREED)
    )
    return connection.execute(statement).rowcount


def count_states(
    connection: sa.Connection, now: datetime, sweep_id: int | None = None
) -> dict[int, dict[str, int]]:
    """Replicates by state of one sweep, or of all; see `Store.counts`."""
    r = replicates.c
    counted = sa.select(r.sweep_id, r.state, sa.func.count()).group_by(r.sweep_id, r.state)
    late = (
        sa.select(r.sweep_id, sa.func.count())
        .where(sa.literal_column(IS_LEASED, sa.Boolean), is_expired(now))
        .group_by(r.sweep_id)
    )
    ids = connection.execute(sa.select(sweeps.c.id)).scalars()
    counts = {i: dict.fromkeys(STATES, 0) for i in ([sweep_id] if sweep_id is not None else ids)}
    if sweep_id is not None:
        counted, late = counted.where(r.sweep_id == sweep_id), late.where(r.sweep_id == sweep_id)
    for i, state, count in connection.execute(counted):
        counts[i][state] = count
    for i, count in connection.execute(late):
        counts[i]["running"] -= count
        counts[i]["waiting"] += count
    return counts


def _expiry(owner: str, lease_s: float, now: datetime) -> datetime:
    if not owner or len(owner) > 200:
        raise RecordError(f"An owner's name has 1 to 200 characters, but got {owner!r}.")
    if not 0 < lease_s <= MAX_LEASE_S:
        raise RecordError(
            f"A lease lasts more than 0 and at most {MAX_LEASE_S:g} seconds, but got {lease_s!r}. "
            "Renew it while the work goes on."
        )
    return now + timedelta(seconds=lease_s)
