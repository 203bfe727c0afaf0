"""What a run does with a store: claims replicates, records packs, says that it lives."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from storage import leases, packs, runs
from storage.database import Database
from storage.engine import current_time
from storage.records import OpenReplicate, PackResult, RunRecord


class WorkMethods(Database):
    """Leases, packs and runs; see `storage.store.Store`."""

    def open_replicates(self, sweep_id: int) -> list[OpenReplicate]:
        """The replicates that are waiting or whose lease has expired, by cell and seed."""
        with self.reading() as connection:
            return leases.open_replicates(connection, sweep_id, current_time(connection))

    def claim(self, replicate_ids: Sequence[int], owner: str, lease_s: float) -> list[int]:
        """Lease replicates, atomically: of several claimants one obtains each.

        Args:
            replicate_ids: the replicates wanted.
            owner: a name unique to the claimant, 1 to 200 characters.
            lease_s: seconds until the lease expires unless renewed, in (0, 600].

        Returns:
            The ids obtained, in the given order; those running elsewhere, finished or gone
            are left out.

        Raises:
            RecordError: the owner's name or the duration breaks the rule above.
        """
        token = uuid.uuid4().hex
        return self.change(
            lambda connection, now: leases.claim(
                connection, replicate_ids, owner, lease_s, now, token
            )
        )

    def renew(self, owner: str, lease_s: float) -> int:
        """Let all of an owner's leases expire in `lease_s` seconds from now; their number."""
        return self.change(lambda connection, now: leases.renew(connection, owner, lease_s, now))

    def release(self, owner: str) -> int:
        """Give all of an owner's leases back, to be claimed by anyone; their number."""
        return self.change(lambda connection, now: leases.release(connection, owner))

    def record_pack(self, sweep_id: int, result: PackResult, owner: str) -> int:
        """Record the results of a pack, all or nothing, and end its leases.

        While the database is away the pack is tried again; one whose commit was made and
        whose answer was lost is found, neither refused nor written twice.

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
        token = uuid.uuid4().hex
        return self.change(
            lambda connection, now: packs.write_pack(
                connection, sweep_id, encoded, owner, now, token
            )
        )

    def fail(self, replicate_ids: Sequence[int], owner: str, reason: str) -> int:
        """Mark replicates as failed that gave no results, for instance with their worker.

        Args:
            replicate_ids: the replicates; those that the owner does not hold are left alone.
            owner: the owner of the leases.
            reason: why, one line.

        Returns:
            How many were marked.
        """
        token = uuid.uuid4().hex
        marked: list[int] = []

        def work(connection: sa.Connection, now: datetime) -> int:
            if packs.find_pack(connection, token) is None:
                marked[:] = [packs.fail(connection, replicate_ids, owner, reason, now, token)]
            return marked[0]

        return self.change(work)

    def begin_run(self, sweep_id: int, owner: str, *, host: str, pid: int, workers: int) -> int:
        """Note that a run of a sweep has begun.

        Args:
            sweep_id: the sweep.
            owner: the owner of its leases, unique to the run, 1 to 200 characters.
            host: the machine of its driver.
            pid: the driver's process id there.
            workers: packs that it runs at once, at most.

        Returns:
            The run's id.

        Raises:
            SweepNotFoundError: there is no such sweep.
            RecordError: the owner's name is empty, too long, or another run's.
        """
        return self.change(
            lambda connection, now: runs.begin_run(
                connection, sweep_id, owner, host=host, pid=pid, workers=workers, now=now
            )
        )

    def heartbeat(self, owner: str) -> str | None:
        """Note that a run lives, and hear what it is asked to do.

        A run that is silent for longer than a minute is taken for dead: beat every 15 s.

        Args:
            owner: the run's owner.

        Returns:
            None to go on; "finish" to finish the running packs and start no more; "abandon"
            to drop them, also if the sweep of the run was deleted.
        """
        return self.change(lambda connection, now: runs.heartbeat(connection, owner, now))

    def end_run(self, owner: str, outcome: str) -> None:
        """Note how a run ended: "finished", "interrupted", "stopped" or "failed".

        Raises:
            RecordError: the outcome is none of these.
        """
        self.change(lambda connection, now: runs.end_run(connection, owner, outcome, now))

    def request_stop(self, sweep_id: int, how: str) -> int:
        """Ask the live runs of a sweep to stop; they hear it at their next heartbeat.

        Args:
            sweep_id: the sweep.
            how: "finish" their running packs, or "abandon" them.

        Returns:
            The number of live runs that were told.

        Raises:
            RecordError: `how` is neither.
        """
        return self.change(
            lambda connection, now: runs.request_stop(connection, sweep_id, how, now)
        )

    def runs(self, sweep_id: int) -> list[RunRecord]:
        """The runs of a sweep, oldest first; a killed one is not live and has no outcome."""
        with self.reading() as connection:
            return runs.read_runs(connection, [sweep_id], current_time(connection))
