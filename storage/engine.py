"""SQLAlchemy engines of a store: pragmas, transactions, and errors in one line."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

import sqlalchemy as sa

from storage.errors import (
    DriverError,
    StoreBusyError,
    StoreConnectionError,
    StoreCorruptError,
    StoreError,
    StoreUnwritableError,
)
from storage.urls import POSTGRES_EXTRA, mask_message, mask_url

BUSY_TIMEOUT_S = 60.0
CONNECT_TIMEOUT_S = 10

# Two constants of one 64-bit space shared with whatever else uses the server's advisory locks.
PLAN_LOCK = 0x5167_4631_0001
SCHEMA_LOCK = 0x5167_4631_0002

_SQLITE_ERRORS: tuple[tuple[str, type[StoreError], str], ...] = (
    ("not a database", StoreCorruptError, "Give another file; this one was left as it is."),
    ("malformed", StoreCorruptError, "The file is damaged: restore it from a backup."),
    ("readonly", StoreUnwritableError, "Choose a place where you may write."),
    ("unable to open", StoreUnwritableError, "Choose a place where you may read and write."),
    ("disk is full", StoreUnwritableError, "Free some space and run again."),
    ("disk i/o", StoreUnwritableError, "Check the disk and run again."),
    ("locked", StoreBusyError, "Another process is writing: wait for it and run again."),
)


# PostgreSQL's codes of errors.
_NO_SPACE = ("53100", "Free some space on the server's disk and run again.")
_BUSY = ("40001", "40P01", "55P03")
_UNWRITABLE = ("25006", "42501")


def is_lost(error: sa.exc.SQLAlchemyError) -> bool:
    """A server's connection was refused or lost, so that the same request may work later."""
    if not isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    # No code at all: the server could not be asked. 08, 57P and 53300 are what it says itself
    # when it breaks off, stops, starts, or has no connection left; 28 and 3D refuse a user.
    return (
        state is None or state[:2] in ("08", "28", "3D") or state[:3] == "57P" or state == "53300"
    )


def translate_error(error: sa.exc.SQLAlchemyError, url: sa.URL) -> StoreError:
    """The store's own one-line error for a driver's, passwords masked."""
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig else error
    text = mask_message(str(cause), url)
    where = mask_url(url)
    if url.get_backend_name() == "sqlite":
        for fragment, kind, advice in _SQLITE_ERRORS:
            if fragment in text.lower():
                return kind(f"The store {where} cannot be used: {text}. {advice}")
    elif is_lost(error):
        return StoreConnectionError(
            f"The database {where} cannot be used: {text}. "
            "Check that the server runs, and the URL's host, user, password and database."
        )
    state = getattr(cause, "sqlstate", None)
    if state == _NO_SPACE[0]:
        return StoreUnwritableError(f"The store {where} cannot be used: {text}. {_NO_SPACE[1]}")
    if state in _BUSY:
        return StoreBusyError(f"The store {where} is busy: {text}. Run again.")
    if state in _UNWRITABLE:
        return StoreUnwritableError(
            f"The store {where} cannot be written: {text}. Use a user who may write."
        )
    return StoreError(f"The store {where} refused a request: {text}.")


def create_engine(
    url: sa.URL, *, access: Literal["write", "read", "immutable"] = "write"
) -> sa.Engine:
    """An engine for a store; nothing is opened yet.

    Args:
        url: a URL from `parse_url`.
        access: "read" refuses every write. "immutable" (SQLite) also takes no lock, for a
            file that nobody can change.

    Returns:
        The engine; its transactions on SQLite begin where SQLAlchemy says so.

    Raises:
        DriverError: the driver is not installed.
    """
    if url.get_backend_name() == "sqlite":
        return _create_sqlite_engine(url, access)
    connect_args: dict[str, Any] = {}
    if "connect_timeout" not in url.query:
        connect_args["connect_timeout"] = CONNECT_TIMEOUT_S
    try:
        if access != "write" and url.get_driver_name() == "psycopg":
            connect_args["cursor_factory"] = _binary_cursor()
        return sa.create_engine(
            url,
            connect_args=connect_args,
            pool_pre_ping=True,
            hide_parameters=True,
            execution_options={"postgresql_readonly": True} if access != "write" else {},
        )
    except ImportError as error:
        raise DriverError(
            f"PostgreSQL needs the driver psycopg, which is not usable here ({error.name}). "
            f"Install it: {POSTGRES_EXTRA}"
        ) from None


def _binary_cursor() -> type[Any]:
    """A cursor of psycopg that asks for results in binary.

    Blobs come as text otherwise, twice as long, and are decoded digit by digit. It is for readers:
    SQLAlchemy's look at a schema expects text.
    """
    import psycopg

    class BinaryCursor(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            return super().execute(query, params, **{"binary": True, **options})

    return BinaryCursor


def set_pragmas(connection: sqlite3.Connection, _record: object = None) -> None:
    """SQLite's settings that live in a connection: every one that touches a store has them."""
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")


def _create_sqlite_engine(url: sa.URL, access: str) -> sa.Engine:
    if access != "write":
        query = {"mode": "ro", "uri": "true"}
        if access == "immutable":
            query["immutable"] = "1"
        url = url.set(database=f"file:{quote(url.database or '')}", query=query)
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S}, hide_parameters=True)

    # The driver's own BEGIN comes late and is never IMMEDIATE: a transaction that reads before
    # it writes could then fail at once with "database is locked" instead of waiting its turn.
    def on_connect(connection: Any, record: object) -> None:
        connection.isolation_level = None
        set_pragmas(connection)

    def on_begin(connection: sa.Connection) -> None:
        begin = connection.get_execution_options().get("sqlite_begin", "BEGIN")
        if begin:
            connection.exec_driver_sql(begin)

    sa.event.listen(engine, "connect", on_connect)
    sa.event.listen(engine, "begin", on_begin)
    return engine


@contextmanager
def read_transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One consistent view of the store for several queries.

    Raises:
        StoreError: the database fails.
    """
    try:
        with engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection
    except sa.exc.SQLAlchemyError as error:
        raise translate_error(error, engine.url) from error


@contextmanager
def write_transaction(engine: sa.Engine, *, lock: int | None = None) -> Iterator[sa.Connection]:
    """All or nothing; on SQLite the one writer, waiting its turn.

    Args:
        engine: the store's engine.
        lock: on PostgreSQL, hold this advisory lock until the transaction ends.

    Raises:
        StoreError: the database fails; nothing was written.
    """
    try:
        with engine.execution_options(sqlite_begin="BEGIN IMMEDIATE").begin() as connection:
            if lock is not None and connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock)))
            yield connection
    except sa.exc.SQLAlchemyError as error:
        raise translate_error(error, engine.url) from error


def current_time(connection: sa.Connection) -> datetime:
    """The one clock of a store: the server's, or for a file this machine's."""
    if connection.dialect.name == "postgresql":
        now = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        return now.astimezone(UTC)
    return datetime.now(UTC)
