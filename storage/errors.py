"""What the store raises: `str(error)` is one line that says rule, what was got, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class StoreError(Exception):
    """Anything the store refuses or cannot do; every other error here is one of these."""


class StoreUrlError(StoreError, ValueError):
    """The store's URL cannot be understood, or names something that cannot be a store."""


class DriverError(StoreError):
    """The database is unknown to the store, or its driver is not installed."""


class StoreNotFoundError(StoreError):
    """There is no store at the URL, and it was not to be created."""


class StoreUnwritableError(StoreError):
    """The store, or the place where it should be created, cannot be written."""


class StoreConnectionError(StoreError):
    """The database server refused the connection, or it was lost."""


class StoreBusyError(StoreError):
    """Another process held the database's write lock for longer than the store waits."""


class StoreCorruptError(StoreError):
    """The file is not a database, or it is damaged."""


class StoreForeignError(StoreError):
    """The database belongs to another program."""


class SchemaVersionError(StoreError):
    """The store's schema is newer than this code, or too old to be read without an upgrade."""


class RecordError(StoreError, ValueError):
    """A record breaks the store's rules (a shape, a range, a name); nothing was written."""


class SweepNotFoundError(StoreError, LookupError):
    """The store holds no such sweep."""


class SweepChangedError(StoreError):
    """What must not change under one sweep name differs from what is stored.

    Attributes:
        differences: one text per differing key, `key: stored -> given`.
    """

    def __init__(self, name: str, differences: Sequence[str]) -> None:
        self.name = name
        self.differences = list(differences)
        super().__init__(
            f"Sweep {name!r} is already stored with other settings "
            f"(stored -> given): {'; '.join(differences)}. "
            "Give the changed sweep a new name, or restore these settings."
        )


class LeaseLostError(StoreError):
    """An owner reports replicates that it does not hold; nothing of the pack was written.

    Attributes:
        replicate_ids: the replicates that were refused.
    """

    def __init__(self, owner: str, replicate_ids: Iterable[int]) -> None:
        self.owner = owner
        self.replicate_ids = sorted(replicate_ids)
        shown = ", ".join(map(str, self.replicate_ids[:5]))
        if len(self.replicate_ids) > 5:
            shown += ", …"
        super().__init__(
            f"Only replicates leased to {owner!r} and not yet finished are recorded, but got "
            f"{len(self.replicate_ids)} others ({shown}). Record the pack without them."
        )
