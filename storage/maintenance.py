"""What a store holds and takes up; its upgrade and its backup."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from storage.engine import current_time, translate_error
from storage.errors import StoreError, StoreNotFoundError, StoreUnwritableError
from storage.leases import count_states
from storage.opening import read_schema
from storage.records import FINISHED_STATES
from storage.runs import read_runs
from storage.schema import (
    REVISION,
    cells,
    curves,
    diagnostics,
    kept,
    packs,
    places,
    scores,
    slices,
    sweeps,
)
from storage.urls import parse_url

if TYPE_CHECKING:
    from storage.store import Store

_BLOBS = (scores, slices, curves, diagnostics, places)


@dataclass(frozen=True, kw_only=True)
class SweepSize:
    """What one sweep holds.

    Attributes:
        name: its name.
        cells: number of its cells.
        states: replicates by state.
        packs: number of its packs.
        result_bytes: bytes of its packs' scores, slices, curves and diagnostics.
        bytes_per_replicate: of these a finished replicate; None before there is one.
        kept_files: number of its kept files.
        kept_bytes: their size.
        live_runs: runs that work on it now.
    """

    name: str
    cells: int
    states: Mapping[str, int]
    packs: int
    result_bytes: int
    bytes_per_replicate: float | None
    kept_files: int
    kept_bytes: int
    live_runs: int


@dataclass(frozen=True, kw_only=True)
class StoreInfo:
    """What a store is and holds.

    Attributes:
        url: its URL, without a password.
        database: the database and its version.
        schema: its schema's revision, which is this code's.
        size_bytes: size of the file with its log, or of the whole database.
        free_bytes: of these, what deleted rows left behind and new ones will take.
        bytes_per_replicate: `(size_bytes - free_bytes)` a finished replicate; None without one.
        studies: Optuna studies in the database.
        sweeps: the sweeps, oldest first.
    """

    url: str
    database: str
    schema: str
    size_bytes: int
    free_bytes: int
    bytes_per_replicate: float | None
    studies: int
    sweeps: Sequence[SweepSize]


def info(store: Store) -> StoreInfo:
    """What a store is and holds; see `Store.info`."""
    with store.reading() as connection:
        now = current_time(connection)
        states = count_states(connection, now)
        sizes = [
            _sweep_size(connection, sweep_id, name, states[sweep_id], now)
            for sweep_id, name in connection.execute(
                sa.select(sweeps.c.id, sweeps.c.name).order_by(sweeps.c.id)
            )
        ]
        has_optuna = sa.inspect(connection).has_table("studies")
        studies = 0
        if has_optuna:
            studies = connection.execute(sa.text("SELECT count(*) FROM studies")).scalar_one()
        database, size, free = _database_size(connection, store.url)
    finished = sum(counts[state] for counts in states.values() for state in FINISHED_STATES)
    return StoreInfo(
        url=store.masked_url,
        database=database,
        schema=REVISION,
        size_bytes=size,
        free_bytes=free,
        bytes_per_replicate=(size - free) / finished if finished else None,
        studies=studies,
        sweeps=sizes,
    )


def _sweep_size(
    connection: sa.Connection, sweep_id: int, name: str, states: Mapping[str, int], now: Any
) -> SweepSize:
    def count(table: sa.Table) -> int:
        query = sa.select(sa.func.count()).where(table.c.sweep_id == sweep_id)
        return connection.execute(query).scalar_one()

    result_bytes = 0
    for table in _BLOBS:
        query = (
            sa.select(sa.func.coalesce(sa.func.sum(sa.func.length(table.c.data)), 0))
            .join(packs, packs.c.id == table.c.pack_id)
            .where(packs.c.sweep_id == sweep_id)
        )
        result_bytes += int(connection.execute(query).scalar_one())
    kept_bytes = connection.execute(
        sa.select(sa.func.coalesce(sa.func.sum(kept.c.size_bytes), 0)).where(
            kept.c.sweep_id == sweep_id
        )
    ).scalar_one()
    finished = sum(states[state] for state in FINISHED_STATES)
    return SweepSize(
        name=name,
        cells=count(cells),
        states=states,
        packs=count(packs),
        result_bytes=result_bytes,
        bytes_per_replicate=result_bytes / finished if finished else None,
        kept_files=count(kept),
        kept_bytes=int(kept_bytes),
        live_runs=sum(run.live for run in read_runs(connection, [sweep_id], now)),
    )


def size_bytes(store: Store) -> int:
    """Size of an SQLite file with its log, or of the whole PostgreSQL database."""
    with store.reading() as connection:
        return _database_size(connection, store.url)[1]


def _database_size(connection: sa.Connection, url: sa.URL) -> tuple[str, int, int]:
    """Name and version of the database, its bytes, and those of them that are free."""
    if connection.dialect.name == "postgresql":
        version = connection.execute(sa.text("SHOW server_version")).scalar_one()
        size = connection.execute(
            sa.text("SELECT pg_database_size(current_database())")
        ).scalar_one()
        return f"PostgreSQL {version}", size, 0
    page, free = (
        connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
        for name in ("page_size", "freelist_count")
    )
    size = 0
    for suffix in ("", "-wal"):
        with contextlib.suppress(FileNotFoundError):
            size += Path(f"{url.database}{suffix}").stat().st_size
    return f"SQLite {sqlite3.sqlite_version}", size, page * free


def upgrade_store(url: str | sa.URL, *, create: bool = False) -> tuple[str | None, str]:
    """Bring a store's tables to this code's schema, all or nothing.

    Args:
        url: the store.
        create: make the tables, or the file, where there are none; Optuna's as well, so that its
            tools can read the store before the first sweep.

    Returns:
        The schema's revision before, None where there was none, and after.

    Raises:
        StoreError: as `Store.open`; a newer schema than this code's is left as it is.
    """
    from storage.store import Store

    before = None
    try:
        before = read_schema(parse_url(url))
    except StoreNotFoundError:
        if not create:
            raise
    with Store.open(url, create=create) as store:
        if create:
            from storage.optuna_mirror import make_tables

            make_tables(store)
    return before, REVISION


def backup(store: Store, path: Path) -> int:
    """Copy an SQLite store into a new file; see `Store.backup`."""
    if store.url.get_backend_name() != "sqlite":
        raise StoreError(
            f"A backup of {store.masked_url} is made by PostgreSQL itself: run pg_dump on it, "
            "or merge its sweeps into a new SQLite store."
        )
    path = path.expanduser().absolute()
    if path.exists() or path.is_symlink():
        raise StoreUnwritableError(f"A backup overwrites nothing, but {path} is there already.")
    if not path.parent.is_dir():
        raise StoreUnwritableError(
            f"A backup is made in an existing folder, but got {path.parent}. Create it first."
        )
    partial = path.with_name(f"{path.name}.partial-{secrets.token_hex(4)}")
    try:
        _copy_database(store, partial)
        # A link, unlike a rename, fails where another file has come in between.
        try:
            os.link(partial, path)
        except FileExistsError:
            raise StoreUnwritableError(
                f"A backup overwrites nothing, but {path} is there already."
            ) from None
        except OSError:
            partial.rename(path)
        return path.stat().st_size
    except OSError as error:
        raise StoreUnwritableError(
            f"The backup {path} cannot be written: {error.strerror}. Choose another place."
        ) from None
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{partial}{suffix}").unlink(missing_ok=True)


def _copy_database(store: Store, target: Path) -> None:
    try:
        with store.reading() as connection, contextlib.closing(sqlite3.connect(target)) as copy:
            source: Any = connection.connection.driver_connection
            # In one step: the copy is of one moment, and a writer waits for no reader in WAL.
            source.backup(copy)
            problem = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        wrapped = sa.exc.OperationalError("backup", None, error)
        raise translate_error(wrapped, store.url) from None
    if problem != "ok":
        raise StoreError(f"The copy of {store.masked_url} is damaged: {problem}. Check the store.")
    with target.open("rb") as file:
        os.fsync(file.fileno())
