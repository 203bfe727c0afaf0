"""Opening a store: look first, refuse what is not ours, then create or upgrade the tables."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from storage.engine import (
    BUSY_TIMEOUT_S,
    SCHEMA_LOCK,
    create_engine,
    read_transaction,
    translate_error,
    write_transaction,
)
from storage.errors import (
    SchemaVersionError,
    StoreBusyError,
    StoreForeignError,
    StoreNotFoundError,
    StoreUnwritableError,
    StoreUrlError,
)
from storage.schema import REVISION, VERSION_TABLE
from storage.urls import mask_url

OPTUNA_TABLES = frozenset({"studies", "trials", "version_info"})


class _Contents(NamedTuple):
    tables: frozenset[str]
    revision: str | None


def open_engine(url: sa.URL, *, create: bool, read_only: bool) -> sa.Engine:
    """An engine on a store whose tables are those of this code.

    Args:
        url: a URL from `parse_url`.
        create: create the file or the tables if they are missing.
        read_only: never write, neither tables nor upgrades.

    Returns:
        The engine.

    Raises:
        StoreError: see `storage.store.Store.open`.
    """
    if url.get_backend_name() == "sqlite":
        if not _file_exists(url, create=create and not read_only):
            return _create_file(url)
        engine, contents = _inspect_file(url)
    else:
        engine = create_engine(url, access="read" if read_only else "write")
        contents = _inspect(engine)
    try:
        _check(url, contents, create=create, read_only=read_only)
        if read_only:
            return engine
        if url.get_backend_name() == "sqlite":
            engine.dispose()
            engine = create_engine(url)
            _use_wal(engine)
        _upgrade(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def read_schema(url: sa.URL) -> str:
    """The revision of a store's schema, whatever it is; nothing is changed.

    Raises:
        StoreNotFoundError: there is no store.
        StoreError: the database cannot be read.
    """
    if url.get_backend_name() == "sqlite":
        _file_exists(url, create=False)
        engine, contents = _inspect_file(url)
    else:
        engine = create_engine(url, access="read")
        contents = _inspect(engine)
    engine.dispose()
    if contents.revision is None:
        raise StoreNotFoundError(f"The database {mask_url(url)} holds no sweeps. Check the URL.")
    return contents.revision


def _file_exists(url: sa.URL, *, create: bool) -> bool:
    path = Path(url.database or "")
    try:
        if path.is_dir():
            raise StoreUrlError(
                f"A store is a file, but {path} is a folder. Write sqlite:///{path}/sigmoidf1.db."
            )
        if path.exists():
            return True
        if not create:
            raise StoreNotFoundError(
                f"There is no store at {mask_url(url)}. Run a sweep first, or check the URL."
            )
        if not path.parent.is_dir():
            problem = "is not a folder" if path.parent.exists() else "does not exist"
            raise StoreUnwritableError(
                f"A store is created in an existing folder, but {path.parent} {problem}. "
                "Create the folder, or give another URL."
            )
    except PermissionError as error:
        raise StoreUnwritableError(
            f"The store {mask_url(url)} cannot be reached: {error.strerror}. "
            "Choose a place where you may read and write."
        ) from None
    return False


def _create_file(url: sa.URL) -> sa.Engine:
    engine = create_engine(url)
    try:
        _use_wal(engine)
        _upgrade(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _inspect_file(url: sa.URL) -> tuple[sa.Engine, _Contents]:
    engine = create_engine(url, access="read")
    try:
        return engine, _inspect(engine)
    except StoreUnwritableError:
        engine.dispose()
    # Even a reader must write the shared-memory file of a WAL database. Where that is
    # impossible nobody writes here, and the file can be read as it lies, unless a log is left.
    log = Path(f"{url.database}-wal")
    access_is_exclusive = not log.exists() or log.stat().st_size == 0
    engine = create_engine(url, access="immutable" if access_is_exclusive else "read")
    return engine, _inspect(engine)


def _inspect(engine: sa.Engine) -> _Contents:
    with read_transaction(engine) as connection:
        tables = frozenset(sa.inspect(connection).get_table_names())
        return _Contents(tables, _read_revision(connection, VERSION_TABLE in tables))


def _check(url: sa.URL, contents: _Contents, *, create: bool, read_only: bool) -> None:
    where = mask_url(url)
    if contents.revision == REVISION:
        return
    if contents.revision is not None:
        _check_revision(where, contents.revision, read_only=read_only)
        return
    is_optuna = contents.tables >= OPTUNA_TABLES
    is_file = url.get_backend_name() == "sqlite"
    # Optuna owns alembic_version and refuses a database in which another program's stands.
    if contents.tables and not is_optuna and (is_file or "alembic_version" in contents.tables):
        shown = ", ".join(sorted(contents.tables)[:3])
        raise StoreForeignError(
            f"The database {where} belongs to another program (its tables: {shown}, …). "
            "Give a new one; this one was left as it is."
        )
    if read_only or not create:
        raise StoreNotFoundError(
            f"The database {where} holds no sweeps. Run a sweep into it first, or check the URL."
        )


def _check_revision(where: str, revision: str, *, read_only: bool) -> None:
    from storage.migrations.upgrade import known_revisions

    if revision not in known_revisions():
        raise SchemaVersionError(
            f"The store {where} has schema {revision!r}, newer than this version's {REVISION!r}. "
            "Upgrade sigmoidf1-sweeps; the store was left as it is."
        )
    if read_only:
        raise SchemaVersionError(
            f"The store {where} has schema {revision!r}, older than this version's {REVISION!r}. "
            "Upgrade it: sigmoidf1 store upgrade --store URL."
        )


def _use_wal(engine: sa.Engine) -> None:
    # The switch needs the file for itself and does not wait for it, whatever the busy timeout.
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            with engine.execution_options(sqlite_begin="").connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            return
        except sa.exc.SQLAlchemyError as error:
            translated = translate_error(error, engine.url)
            if not isinstance(translated, StoreBusyError) or time.monotonic() > deadline:
                raise translated from error
        time.sleep(0.02)


def _upgrade(engine: sa.Engine) -> None:
    # The transaction is taken even when nothing is to be done: it proves that we may write.
    with write_transaction(engine, lock=SCHEMA_LOCK) as connection:
        revision = _read_revision(connection, sa.inspect(connection).has_table(VERSION_TABLE))
        if revision == REVISION:
            return
        from storage.migrations.upgrade import upgrade

        if revision is not None:
            _check_revision(mask_url(engine.url), revision, read_only=False)
        upgrade(connection)


def _read_revision(connection: sa.Connection, has_version_table: bool) -> str | None:
    if not has_version_table:
        return None
    version = sa.table(VERSION_TABLE, sa.column("version_num"))
    return connection.execute(sa.select(version.c.version_num)).scalar()
