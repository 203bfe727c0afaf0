"""Sweeps: what a name stands for, and that its meaning does not change."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from storage.errors import RecordError, SweepChangedError, SweepNotFoundError
from storage.records import SweepInfo, SweepRecord
from storage.schema import dump_json, sweeps

MAX_NAME_LENGTH = 200

# What a stored number was computed with; a change would silently give old rows a new meaning.
_FIXED = ("dataset_fingerprint", "objective", "thresholds")


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
    if differences := changes(dict(stored), sweep):
        raise SweepChangedError(sweep.name, differences)
    connection.execute(
        sweeps.update().where(sweeps.c.id == stored["id"]).values(values | {"updated_at": now})
    )
    return int(stored["id"])


def changes(stored: Mapping[str, Any], sweep: SweepRecord) -> list[str]:
    """What differs of that which must not change under one name, `key: stored -> given` each."""
    given = asdict(sweep)
    return [
        *_differences(stored["identity"], sweep.identity),
        *(
            f"{key}: {_shorten(stored[key])} -> {_shorten(given[key])}"
            for key in _FIXED
            if key not in sweep.identity and dump_json(stored[key]) != dump_json(given[key])
        ),
    ]


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
