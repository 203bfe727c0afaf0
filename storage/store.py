"""The store: sweeps, their plans, leases and results, in SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from storage import leases, packs, planning
from storage.engine import PLAN_LOCK, current_time, read_transaction, write_transaction
from storage.errors import StoreUnwritableError
from storage.opening import open_engine
from storage.records import (
    CellRecord,
    OpenReplicate,
    PackResult,
    PlanCounts,
    SweepInfo,
    SweepRecord,
)
from storage.schema import sweeps
from storage.urls import DEFAULT_URL, mask_url, parse_url


class Store:
    """A database of sweeps; these docstrings are the contract for every kind of database.

    A sweep is a plan (cells × seeds) and its replicates. A replicate is unique by cell and
    seed; it is waiting, running (leased to an owner until a time), complete, diverged or
    failed. Only the owner of its lease finishes it, and a finished replicate never changes.
    A lease that has expired counts as waiting, everywhere.

    Every method is one transaction and raises a `StoreError` when the database fails. One
    Store may be used by several threads; processes open their own. Times are UTC and aware.

    Example:
        >>> import pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> with Store.open(f"sqlite:///{folder}/sweeps.db") as store:
        ...     store.sweep_names()
        []
    """

    def __init__(self, engine: sa.Engine, url: sa.URL, *, read_only: bool) -> None:
        self._engine = engine
        self._url = url
        self.read_only = read_only

    @classmethod
    def open(
        cls, url: str | sa.URL = DEFAULT_URL, *, create: bool = True, read_only: bool = False
    ) -> Self:
        """Open a store; create its tables or upgrade them as needed.

        A database that holds only Optuna's tables is accepted: ours are added beside them.

        Args:
            url: `sqlite:///FILE.db` or `postgresql://USER:PASSWORD@HOST/DATABASE`.
            create: create a store that does not exist; else it is an error.
            read_only: write nothing, not even tables; works beside a writer.

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
        return cls(engine, parsed, read_only=read_only)

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

    def put_sweep(self, sweep: SweepRecord) -> int:
        """Store a sweep under its name, or update the one that is there.

        Args:
            sweep: the sweep. If the name is stored, `identity`, and in any case the dataset's
                fingerprint, the objective and the thresholds, must equal the stored ones;
                the rest (spec, metrics, baselines, provenance, …) replaces what is stored.

        Returns:
            The sweep's id.

        Raises:
            SweepChangedError: what must not change differs; the differences are listed.
            RecordError: the name is empty or too long.
        """
        with self.writing(lock=PLAN_LOCK) as connection:
            return planning.put_sweep(connection, sweep, current_time(connection))

    def plan(self, sweep_id: int, cells: Sequence[CellRecord], seeds: Sequence[int]) -> PlanCounts:
        """Make a sweep's plan equal to cells × seeds; the same plan again changes nothing.

        Missing replicates are added as waiting. Those no longer planned are removed if they
        are waiting; finished and running ones stay, and so do their cells.

        Args:
            sweep_id: the sweep.
            cells: the planned cells, distinct by key; ordinal and parameters of stored cells
                are updated.
            seeds: the planned seeds, distinct, each in 0 … 2^63 - 1.

        Returns:
            The number of planned replicates, of added, removed, finished and open ones.

        Raises:
            RecordError: a key or seed appears twice, or a seed is no such integer.
            SweepNotFoundError: there is no such sweep.
        """
        with self.writing(lock=PLAN_LOCK) as connection:
            return planning.plan(connection, sweep_id, cells, seeds, current_time(connection))

    def open_replicates(self, sweep_id: int) -> list[OpenReplicate]:
        """The replicates that are waiting or whose lease has expired, by cell and seed."""
        with self.reading() as connection:
            return leases.open_replicates(connection, sweep_id, current_time(connection))

    def claim(self, replicate_ids: Sequence[int], owner: str, lease_s: float) -> list[int]:
        """Lease replicates, atomically: of several claimants one obtains each.

        Args:
            replicate_ids: the replicates wanted.
            owner: a name unique to the claimant, 1 to 200 characters.
            lease_s: seconds until the lease expires unless renewed, > 0.

        Returns:
            The ids obtained, in the given order; those running elsewhere, finished or gone
            are left out.

        Raises:
            RecordError: the owner's name or the duration breaks the rule above.
        """
        with self.writing() as connection:
            now = current_time(connection)
            return leases.claim(connection, replicate_ids, owner, lease_s, now)

    def renew(self, owner: str, lease_s: float) -> int:
        """Let all of an owner's leases expire in `lease_s` seconds from now; their number."""
        with self.writing() as connection:
            return leases.renew(connection, owner, lease_s, current_time(connection))

    def release(self, owner: str) -> int:
        """Give all of an owner's leases back, to be claimed by anyone; their number."""
        with self.writing() as connection:
            return leases.release(connection, owner)

    def record_pack(self, sweep_id: int, result: PackResult, owner: str) -> int:
        """Record the results of a pack, all or nothing, and end its leases.

        Args:
            sweep_id: the sweep of all the pack's replicates.
            result: the results; the objective of other than complete replicates is not kept.
            owner: the owner of the leases. A lease that expired but was not taken by
                another owner is still good.

        Returns:
            The pack's id.

        Raises:
            LeaseLostError: some replicates are not the owner's (taken, finished or removed);
                `result.without(error.replicate_ids)` is what can still be recorded.
            RecordError: a shape, state, range or time breaks the rules of `PackResult`.
        """
        # Compression takes longer than the writing: it stays outside of the transaction.
        encoded = packs.encode_pack(result)
        with self.writing() as connection:
            return packs.write_pack(connection, sweep_id, encoded, owner)

    def fail(self, replicate_ids: Sequence[int], owner: str, reason: str) -> int:
        """Mark replicates as failed that gave no results, for instance with their worker.

        Args:
            replicate_ids: the replicates; those that the owner does not hold are left alone.
            owner: the owner of the leases.
            reason: why, one line.

        Returns:
            How many were marked.
        """
        with self.writing() as connection:
            now = current_time(connection)
            return packs.fail(connection, replicate_ids, owner, reason, now)

    def counts(self, sweep_id: int) -> dict[str, int]:
        """Replicates by state, every state present; an expired lease counts as waiting."""
        with self.reading() as connection:
            return leases.count_states(connection, current_time(connection), sweep_id)[sweep_id]

    def sweep(self, name: str) -> SweepInfo:
        """The stored sweep of a name.

        Raises:
            SweepNotFoundError: there is none; the message names the nearest.
        """
        with self.reading() as connection:
            return planning.read_sweep(connection, name)

    def sweep_id(self, name: str) -> int:
        """The id of the sweep of a name.

        Raises:
            SweepNotFoundError: there is none; the message names the nearest.
        """
        return self.sweep(name).sweep_id

    def sweep_names(self) -> list[str]:
        """The names of all sweeps, oldest first."""
        with self.reading() as connection:
            query = sa.select(sweeps.c.name).order_by(sweeps.c.id)
            return list(connection.execute(query).scalars())
