"""What a plan does with a store: sweeps and their cells, made, extended, marked, deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from storage import changing, leases, plan_rows, planning
from storage.database import Database
from storage.engine import PLAN_LOCK, current_time
from storage.errors import SweepNotFoundError
from storage.records import CellRecord, PlanCounts, SweepInfo, SweepRecord
from storage.schema import sweeps


class PlanMethods(Database):
    """Sweeps and plans; see `storage.store.Store`."""

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
        return self.change(
            lambda connection, now: planning.put_sweep(connection, sweep, now), lock=PLAN_LOCK
        )

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
        return self.change(
            lambda connection, now: plan_rows.plan(connection, sweep_id, cells, seeds, now),
            lock=PLAN_LOCK,
        )

    def extend_plan(
        self,
        sweep_id: int,
        cells: Sequence[CellRecord],
        seeds: Sequence[int],
        *,
        batch: int | None = None,
    ) -> PlanCounts:
        """Add cells × seeds to a sweep's plan; nothing is ever removed.

        Args:
            sweep_id: the sweep.
            cells: cells, distinct by key; those that are stored stay as they are. New ones
                follow the stored ones in their order, whatever their `ordinal`.
            seeds: the seeds, distinct, each in 0 … 2^63 - 1.
            batch: which ask of a sampler the new cells are from; None for a planned grid.

        Returns:
            Counts over the given cells × seeds; `removed` is 0.

        Raises:
            RecordError: a key or seed appears twice, or a seed is no such integer.
            SweepNotFoundError: there is no such sweep.
        """
        return self.change(
            lambda connection, _: plan_rows.extend_plan(connection, sweep_id, cells, seeds, batch),
            lock=PLAN_LOCK,
        )

    def add_replicates(self, sweep_id: int, pairs: Sequence[tuple[str, int]]) -> int:
        """Add single replicates of stored cells, for instance the next seeds of a race.

        Args:
            sweep_id: the sweep.
            pairs: (cell key, seed); those that are planned already are left alone.

        Returns:
            How many were added.

        Raises:
            RecordError: a cell is not in the plan, or a seed is no integer in 0 … 2^63 - 1.
            SweepNotFoundError: there is no such sweep.
        """
        return self.change(
            lambda connection, _: plan_rows.add_replicates(connection, sweep_id, pairs),
            lock=PLAN_LOCK,
        )

    def cells(self, sweep_id: int, keys: Sequence[str] | None = None) -> list[CellRecord]:
        """The stored cells of a sweep, in the plan's order.

        Args:
            sweep_id: the sweep.
            keys: only these; unknown ones are left out. None is all.
        """
        with self.reading() as connection:
            return plan_rows.read_cells(connection, sweep_id, keys)

    def set_cell_status(
        self,
        sweep_id: int,
        keys: Sequence[str],
        status: str | None,
        note: Mapping[str, Any] | None = None,
    ) -> int:
        """Mark cells as "pruned" or "raced_out", or None to unmark them.

        Args:
            sweep_id: the sweep.
            keys: the cells.
            status: the mark.
            note: what a reader should know of it, for instance `{"epoch": 15, "rung": 1}`.

        Returns:
            The number of cells marked.

        Raises:
            RecordError: another status, or a cell is not in the plan.
        """
        return self.change(
            lambda connection, now: changing.set_cell_status(
                connection, sweep_id, keys, status, note, now
            ),
            lock=PLAN_LOCK,
        )

    def design(self, sweep_id: int) -> dict[str, Any] | None:
        """What an adaptive sweep needs to go on; None for a planned one.

        Raises:
            SweepNotFoundError: there is no such sweep.
        """
        with self.reading() as connection:
            query = sa.select(sweeps.c.design).where(sweeps.c.id == sweep_id)
            row = connection.execute(query).first()
        if row is None:
            raise SweepNotFoundError(f"A design belongs to a stored sweep, but got id {sweep_id}.")
        return row[0]

    def put_design(self, sweep_id: int, design: Mapping[str, Any] | None) -> None:
        """Replace what `design` returns: anything that JSON can hold.

        Raises:
            SweepNotFoundError: there is no such sweep.
        """

        def work(connection: sa.Connection, now: datetime) -> int:
            statement = sweeps.update().where(sweeps.c.id == sweep_id)
            return connection.execute(statement.values(design=design, updated_at=now)).rowcount

        if self.change(work) == 0:
            raise SweepNotFoundError(f"A design belongs to a stored sweep, but got id {sweep_id}.")

    def retry(self, sweep_id: int, states: Sequence[str] = ("failed",)) -> int:
        """Send finished replicates back to waiting, to be trained again.

        Their results and kept files' rows are forgotten; `attempts` goes on counting.

        Args:
            sweep_id: the sweep.
            states: which of "diverged", "failed" and "pruned"; a complete one never changes.

        Returns:
            The number of replicates.

        Raises:
            RecordError: another state, or the sweep was imported.
        """
        return self.change(
            lambda connection, now: changing.retry(connection, sweep_id, states, now),
            lock=PLAN_LOCK,
        )

    def delete_sweep(self, name: str) -> dict[str, Any]:
        """Delete a sweep: its plan, results, runs and Optuna studies.

        Args:
            name: the sweep.

        Returns:
            The number of deleted `replicates`, `cells`, `packs`, `runs` and `studies`, and
            `kept_paths`: the kept files, relative to the kept folder, for the caller to remove.

        Raises:
            SweepNotFoundError: there is no such sweep.
            StoreBusyError: a run holds live leases in it.
        """
        with self.writing(lock=PLAN_LOCK) as connection:
            return changing.delete_sweep(connection, name, current_time(connection))

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
