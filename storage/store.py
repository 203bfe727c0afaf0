"""The store: sweeps, their plans, leases and results, in SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from storage import kept_rows
from storage.records import KeptRecord
from storage.store_plans import PlanMethods
from storage.store_work import WorkMethods

if TYPE_CHECKING:
    from storage.checking import CheckReport
    from storage.maintenance import StoreInfo
    from storage.merging import SweepMerge


class Store(PlanMethods, WorkMethods):
    """A database of sweeps; these docstrings are the contract for every kind of database.

    A sweep is a plan (cells × seeds) and its replicates. A replicate is unique by cell and
    seed; it is waiting, running (leased to an owner until a time), complete, diverged, failed
    or pruned. Only the owner of its lease finishes it, and a complete replicate never changes.
    A lease that has expired counts as waiting, everywhere.

    Every method is one transaction and raises a `StoreError` when the database fails. Those
    that change something are tried again while the database is away or locked. One
    Store may be used by several threads; processes open their own. Times are UTC and aware.

    Example:
        >>> import pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> with Store.open(f"sqlite:///{folder}/sweeps.db") as store:
        ...     store.sweep_names()
        []
    """

    def keep(self, sweep_id: int, records: Sequence[KeptRecord]) -> None:
        """Note the files in which replicates' weights and scores are kept.

        Args:
            sweep_id: the sweep of all the replicates.
            records: one per replicate; a stored one of the same replicate is replaced.

        Raises:
            RecordError: a replicate is not the sweep's or not finished, or a path leaves the
                kept folder.
        """
        self.change(lambda connection, now: kept_rows.keep(connection, sweep_id, records, now))

    def unkeep(self, sweep_id: int, replicate_ids: Sequence[int]) -> list[str]:
        """Forget kept files.

        Args:
            sweep_id: the sweep.
            replicate_ids: the replicates; those without a file are left alone.

        Returns:
            The files' paths, relative to the kept folder, for the caller to remove.
        """
        return self.change(
            lambda connection, now: kept_rows.unkeep(connection, sweep_id, replicate_ids, now)
        )

    def merge(
        self,
        other: Store,
        names: Sequence[str] | None = None,
        *,
        rename: Mapping[str, str] | None = None,
    ) -> list[SweepMerge]:
        """Bring in another store's sweeps: what is missing here, a replicate at a time.

        A sweep of a new name is taken whole. Of one that is here, cells, replicates, results
        and kept files that are missing are added, and what is here stays as it is. The other
        store is only read. Made again, a merge that was interrupted goes on.

        Args:
            other: the other store.
            names: its sweeps to bring in; None for all.
            rename: name there -> name here, for sweeps that should be taken under another name.

        Returns:
            What was brought in, per sweep.

        Raises:
            SweepChangedError: a sweep of the same name has another identity; nothing was changed.
            SweepNotFoundError: the other store has no such sweep.
            RecordError: both are the same store, or two sweeps would have one name.
        """
        from storage.merging import merge

        return merge(self, other, names, rename or {})

    def info(self) -> StoreInfo:
        """What the store is and holds: database, schema, sizes, and counts of every sweep."""
        from storage.maintenance import info

        return info(self)

    def check(self) -> CheckReport:
        """Check that the store is consistent; nothing is changed.

        Looked at: the database itself (SQLite's integrity and foreign keys), leases, states,
        that every finished replicate has its place in a pack, every block of every pack, that
        objectives equal the stored scores, kept files and their checksums, and rows without
        an owner. It reads everything: a large store takes minutes.
        """
        from storage.checking import check

        return check(self)

    def backup(self, path: str | Path) -> int:
        """Copy an SQLite store, of one moment and also while runs write, into a new file.

        Args:
            path: a file that does not exist; it appears when it is complete.

        Returns:
            Its size in bytes.

        Raises:
            StoreUnwritableError: the file exists or cannot be written.
            StoreError: the store is in PostgreSQL, which has a tool of its own.
        """
        from storage.maintenance import backup

        return backup(self, Path(path))

    @staticmethod
    def upgrade(url: str, *, create: bool = False) -> tuple[str | None, str]:
        """Bring a store's tables to this code's schema; revisions before and after.

        Args:
            url: the store.
            create: make the tables, or the file, where there are none; before is None then.

        Raises:
            StoreError: as `open`; a newer schema than this code's is left as it is.
        """
        from storage.maintenance import upgrade_store

        return upgrade_store(url, create=create)
