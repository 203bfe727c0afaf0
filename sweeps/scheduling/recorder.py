"""The one actor that writes a run's results into the store and knows how far the run is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from storage.errors import LeaseLostError, StoreError
from storage.records import PackResult
from storage.store import Store
from sweeps.packs import PackTask
from sweeps.scheduling.identity import RunIdentity, is_dead
from sweeps.scheduling.speed import Speed, Straggler

LEASE_S = 120.0  # a run that dies gives its replicates back after this long
BEAT_S = 3.0  # how soon a run hears of `sweep stop`
PATIENCE_S = 900.0  # a database that is away for longer ends the run

Answer = TypeVar("Answer")


@dataclass
class RunStatus:
    """How far a run is; heads are counted in fractions while they train.

    Attributes:
        finished: replicates that this run has recorded, by state.
        taken_elsewhere: replicates of its packs that another run trains or has trained.
        partial_heads: work done on packs that still train, in heads.
        training_s: seconds of training of the recorded packs.
        recording_s: seconds of writing them.
        errors: reasons of failed replicates, each once.
        work_per_s: work that one worker does in a second; None before the first pack has ended.
        stragglers: packs that take far longer than they should.
        stop: what `sweep stop` asked of the run: "finish" or "abandon".
        waiting: why nothing can be written at the moment.
        fatal: why the run cannot go on.
    """

    finished: dict[str, int] = field(
        default_factory=lambda: {"complete": 0, "diverged": 0, "failed": 0}
    )
    taken_elsewhere: int = 0
    partial_heads: float = 0.0
    training_s: float = 0.0
    recording_s: float = 0.0
    errors: list[str] = field(default_factory=list)
    work_per_s: float | None = None
    stragglers: list[Straggler] = field(default_factory=list)
    stop: str | None = None
    waiting: str | None = None
    fatal: str | None = None

    @property
    def replicates(self) -> int:
        """Replicates that this run has recorded."""
        return sum(self.finished.values())


class Recorder:
    """Claims replicates for the run's workers, records packs, keeps the run's leases and sign.

    A plain class, made a Ray actor by `as_actor`; it holds the only connections that write. Its
    methods under "watched" never wait for the database, the others may, for minutes.

    Args:
        store_url: the store.
        sweep_id: the sweep.
        run: this run, the owner of its leases.
        workers: packs at the same time, for those who look at the run.
    """

    def __init__(self, store_url: str, sweep_id: int, run: RunIdentity, workers: int) -> None:
        self._store = Store.open(store_url, create=False, retry_s=PATIENCE_S)
        self._sweep_id = sweep_id
        self._run = run
        self._status = RunStatus()
        self._tasks: dict[int, PackTask] = {}
        self._partial: dict[int, float] = {}
        self._elsewhere: set[int] = set()
        self._held: set[int] = set()
        self._speed = Speed(time.monotonic)
        self._stopping = False
        self._dropping = False
        self._closed = threading.Event()
        self._store.begin_run(sweep_id, run.owner, host=run.host, pid=run.pid, workers=workers)
        self._attendance = threading.Thread(target=self._attend, args=(store_url,), daemon=True)
        self._attendance.start()

    # --- called by workers -------------------------------------------------------------------

    def claim(self, pack: int, worker: str) -> tuple[PackTask, list[int]] | None:
        """A pack, and which of its replicates are this run's to train; None when none are."""
        task = self._tasks[pack]
        ids = [replicate for replicate, _, _ in task.replicates]
        if self._stopping:
            return None  # Tune had this pack in hand when the run was told to stop
        # Those of a worker that died are held already, under the number of its pack.
        new = [i for i in ids if i not in self._held]
        if len(new) < len(ids):
            self._forget(pack, set(ids))
        obtained = self._insist(lambda: self._store.claim(new, self._run.owner, LEASE_S)) or []
        self._held.update(obtained)
        claimed = [i for i in ids if i in self._held]
        self._elsewhere.update(ids)
        self._elsewhere.difference_update(claimed)
        if claimed and not self._stopping:
            self._speed.begin(pack, task.work * len(claimed) / len(ids), worker)
            return task, claimed
        self._settle(pack)
        return None

    def record(self, pack: int, result: PackResult) -> int:
        """Write a pack's results in one transaction; returns the replicates written."""
        started = time.perf_counter()
        ids = [int(i) for i in result.replicate_ids]
        lost = self._insist(lambda: self._write(result))
        if lost is None:
            return 0
        if lost:  # this machine slept, or the run was told to let go, and another run has them
            self._elsewhere.update(lost)
            result = result.without(lost)
        self._speed.end(pack, recorded=not lost)
        self._settle(pack, ids)
        for state in result.states:
            self._status.finished[state] = self._status.finished.get(state, 0) + 1
        self._status.training_s += result.duration_s
        self._status.recording_s += time.perf_counter() - started
        return len(result.states)

    def fail(self, pack: int, reason: str) -> None:
        """Mark what this run holds of a pack as failed, with the reason."""
        task = self._tasks.get(pack)
        if task is None:
            return  # recorded before its worker died
        ids = [i for i, _, _ in task.replicates]
        held = [i for i in ids if i in self._held]
        if self._insist(lambda: self._store.fail(held, self._run.owner, reason)) is None:
            return
        self._settle(pack, ids)
        self._status.finished["failed"] += len(held)
        if reason not in self._status.errors:
            self._status.errors.append(reason)

    # --- watched: answered at once, by a thread of its own -----------------------------------

    def add(self, pack: int, task: PackTask) -> None:
        """Tune is about to have this pack."""
        self._tasks[pack] = task

    def progress(self, pack: int, heads: float) -> bool:
        """A worker has done the work of ``heads`` heads; False tells it to drop the pack."""
        self._partial[pack] = heads
        return not self._dropping

    def stop(self) -> None:
        """Give out no further pack; those that train are still recorded."""
        self._stopping = True

    def status(self) -> RunStatus:
        """How far the run is now."""
        self._status.partial_heads = sum(list(self._partial.values()))
        self._status.taken_elsewhere = len(self._elsewhere)
        self._status.work_per_s = self._speed.work_per_s
        self._status.stragglers = self._speed.stragglers()
        return self._status

    # -----------------------------------------------------------------------------------------

    def close(self, outcome: str) -> None:
        """End the run: give back what was claimed and not recorded, and say how it ended."""
        self._closed.set()
        if self._status.fatal:
            with suppress(StoreError):  # what cannot be given back expires
                self._leave(self._store, "failed")
        else:
            self._insist(lambda: self._leave(self._store, outcome))
        self._store.close()

    def _leave(self, store: Store, outcome: str) -> None:
        store.release(self._run.owner)
        store.end_run(self._run.owner, outcome)

    def _write(self, result: PackResult) -> list[int]:
        """Record what is still this run's; returns the replicates that are not."""
        try:
            self._store.record_pack(self._sweep_id, result, self._run.owner)
        except LeaseLostError as error:
            result = result.without(error.replicate_ids)
            if result.states:
                self._store.record_pack(self._sweep_id, result, self._run.owner)
            return error.replicate_ids
        return []

    def _insist(self, work: Callable[[], Answer]) -> Answer | None:
        """Work on the store, which waits while its server is away; None when the run must end."""
        if self._status.fatal:
            return None
        try:
            return work()
        except StoreError as error:
            self._end(str(error))
            return None

    def _end(self, reason: str) -> None:
        self._status.fatal = reason
        self._stopping = self._dropping = True

    def _settle(self, pack: int, ids: list[int] | None = None) -> None:
        self._partial.pop(pack, None)
        self._speed.end(pack, recorded=False)
        self._held.difference_update(ids or ())
        self._tasks.pop(pack, None)

    def _forget(self, pack: int, ids: set[int]) -> None:
        """Drop the packs that this one comes of."""
        for number, task in list(self._tasks.items()):
            if number < pack and any(i in ids for i, _, _ in task.replicates):
                self._partial.pop(number, None)
                self._speed.end(number, recorded=False)

    def _attend(self, store_url: str) -> None:
        """Tell the store that the run lives, hear what is asked of it, renew its leases."""
        renewed = time.monotonic()
        store: Store | None = None
        while not self._closed.wait(BEAT_S):
            driverless = is_dead(self._run.owner)
            if driverless:
                self._end("The process that drives the run has ended.")
            try:
                store = store or Store.open(store_url, create=False, retry_s=0)
                if driverless:
                    self._leave(store, "interrupted")
                    break
                self._obey(store, store.heartbeat(self._run.owner))
                if time.monotonic() - renewed > LEASE_S / 4:
                    store.renew(self._run.owner, LEASE_S)
                    renewed = time.monotonic()
            except StoreError as error:
                self._status.waiting = str(error)
            else:
                self._status.waiting = None
        if store is not None:
            store.close()

    def _obey(self, store: Store, asked: str | None) -> None:
        if asked is None:
            return
        self._stopping = True
        self._status.stop = asked
        if asked == "abandon" and not self._dropping:
            self._dropping = True
            store.release(self._run.owner)


WATCHED = ("add", "progress", "stop", "status")


class RecorderHandle:
    """The recorder as an actor: `call` waits for the answer, `tell` does not."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def call(self, method: str, *arguments: Any, timeout: float | None = None) -> Any:
        """Call a method and return its answer."""
        import ray

        return ray.get(self.tell(method, *arguments), timeout=timeout)

    def tell(self, method: str, *arguments: Any) -> Any:
        """Call a method; returns a reference to its answer."""
        bound = getattr(self._actor, method)
        if method in WATCHED:
            bound = bound.options(concurrency_group="watched")
        return bound.remote(*arguments)


def as_actor(store_url: str, sweep_id: int, run: RunIdentity, workers: int) -> RecorderHandle:
    """Start the recorder on the driver's node, beside the store, taking no CPU from the packs."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    options: dict[str, Any] = {"num_cpus": 0, "concurrency_groups": {"watched": 1}}
    actor = ray.remote(**options)(Recorder).options(scheduling_strategy=here)
    return RecorderHandle(actor.remote(store_url, sweep_id, run, workers))
