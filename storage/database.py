"""A store's database: opened, read, and changed a transaction at a time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from types import TracebackType
from typing import Self, TypeVar

import sqlalchemy as sa

from storage.defaults import DEFAULT_URL
from storage.engine import current_time, read_transaction, write_transaction
from storage.errors import StoreUnwritableError
from storage.opening import open_engine
from storage.retrying import RETRY_S, retry_while_away
from storage.urls import mask_url, parse_url

T = TypeVar("T")


class Database:
    """The connections of a store; see `storage.store.Store`."""

    def __init__(self, engine: sa.Engine, url: sa.URL, *, read_only: bool, retry_s: float) -> None:
        self._engine = engine
        self._url = url
        self._retry_s = retry_s
        self.read_only = read_only

    @classmethod
    def open(
        cls,
        url: str | sa.URL = DEFAULT_URL,
        *,
        create: bool = True,
        read_only: bool = False,
        retry_s: float = RETRY_S,
    ) -> Self:
        """Open a store; create its tables or upgrade them as needed.

        A database that holds only Optuna's tables is accepted: ours are added beside them.

        Args:
            url: `sqlite:///FILE.db` or `postgresql://USER:PASSWORD@HOST/DATABASE`.
            create: create a store that does not exist; else it is an error.
            read_only: write nothing, not even tables; works beside a writer.
            retry_s: for how many seconds a change is tried again while the database is away
                or locked. Opening and reading are tried once.

        Returns:
            The store.

        Raises:
            StoreUrlError: the URL is not one of a store, or names a folder.
            DriverError: the database is unknown or its driver not installed.
            StoreNotFoundError: there is no store, and none was to be created.
            StoreUnwritableError: the place cannot be written (or, reading, not be read).
            StoreCorruptError: the file is no database or is damaged; it is left as it is.
            StoreForeignError: the database is another program's; it is left as it is.
            SchemaVersionError: the schema is newer than this code (left as it is), or the
                store is opened for reading only and has an older one.
            StoreConnectionError: the server refuses; the password is never shown.
        """
        parsed = parse_url(url)
        engine = open_engine(parsed, create=create, read_only=read_only)
        return cls(engine, parsed, read_only=read_only, retry_s=retry_s)

    def close(self) -> None:
        """Close the connections; the store can be used no more."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({self.masked_url!r})"

    @property
    def masked_url(self) -> str:
        """The URL without its password, for messages."""
        return mask_url(self._url)

    @property
    def url(self) -> sa.URL:
        """The URL with its password: to open the same store elsewhere, never to be shown."""
        return self._url

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """A connection that sees one consistent state of the store, for queries."""
        return read_transaction(self._engine)

    def writing(self, *, lock: int | None = None) -> AbstractContextManager[sa.Connection]:
        """A connection whose changes are committed together, or not at all.

        Raises:
            StoreUnwritableError: the store was opened for reading only.
        """
        if self.read_only:
            raise StoreUnwritableError(
                f"The store {self.masked_url} was opened for reading only. "
                "Open it without read_only=True to change it."
            )
        return write_transaction(self._engine, lock=lock)

    def change(self, work: Callable[[sa.Connection, datetime], T], *, lock: int | None = None) -> T:
        """Do work in one transaction, again while the database is away.

        Args:
            work: given the connection and the store's time; it may be called again after it
                was done, when the answer to its commit was lost.
            lock: on PostgreSQL, hold this advisory lock until the transaction ends.

        Returns:
            What the work returns.

        Raises:
            StoreError: the database fails, or is away for longer than the store waits.
        """

        def request() -> T:
            with self.writing(lock=lock) as connection:
                return work(connection, current_time(connection))

        return retry_while_away(request, self._retry_s, self.masked_url)
