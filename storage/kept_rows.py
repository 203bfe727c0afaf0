"""Rows of kept files: which replicates' weights and scores lie beside the store."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePosixPath

import sqlalchemy as sa

from storage.errors import RecordError
from storage.leases import batches
from storage.packs import touch
from storage.records import FINISHED_STATES, KeptRecord
from storage.schema import kept, replicates

_SHA256 = re.compile(r"[0-9a-f]{64}")


def keep(
    connection: sa.Connection, sweep_id: int, records: Sequence[KeptRecord], now: datetime
) -> None:
    """Insert or replace rows of kept files; see `Store.keep`."""
    for record in records:
        _check(record)
    ids = [record.replicate_id for record in records]
    if len(set(ids)) != len(ids):
        raise RecordError("The kept files are of distinct replicates, but got one twice.")
    found: dict[int, str] = {}
    for batch in batches(ids):
        query = sa.select(replicates.c.id, replicates.c.state).where(
            replicates.c.sweep_id == sweep_id, replicates.c.id.in_(batch)
        )
        found.update(dict(connection.execute(query).all()))
        connection.execute(kept.delete().where(kept.c.replicate_id.in_(batch)))
    for i in ids:
        if found.get(i) not in FINISHED_STATES:
            raise RecordError(
                f"A kept file is of a finished replicate of the sweep, but replicate {i} "
                f"is {found.get(i, 'not in it')}. Train it first."
            )
    if records:
        rows = [{**vars(r), "sweep_id": sweep_id, "created_at": now} for r in records]
        connection.execute(kept.insert(), rows)
        touch(connection, [sweep_id], now)


def unkeep(
    connection: sa.Connection, sweep_id: int, replicate_ids: Sequence[int], now: datetime
) -> list[str]:
    """Forget kept files; see `Store.unkeep`."""
    paths: list[str] = []
    for batch in batches(replicate_ids):
        statement = (
            kept.delete()
            .where(kept.c.sweep_id == sweep_id, kept.c.replicate_id.in_(batch))
            .returning(kept.c.path)
        )
        paths += connection.execute(statement).scalars()
    if paths:
        touch(connection, [sweep_id], now)
    return sorted(paths)


def _check(record: KeptRecord) -> None:
    path = PurePosixPath(record.path)
    if not record.path or path.is_absolute() or ".." in path.parts or "\\" in record.path:
        raise RecordError(
            f"A kept file's path lies below the kept folder, but got {record.path!r}."
        )
    if not _SHA256.fullmatch(record.sha256):
        raise RecordError(
            f"A checksum is 64 hexadecimal digits in lower case, but got {record.sha256!r}."
        )
    if record.size_bytes < 0:
        raise RecordError(f"A file has 0 bytes or more, but got {record.size_bytes}.")
