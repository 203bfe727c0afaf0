"""The one actor that writes a run's results into the store and knows how far the run is."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from storage.errors import LeaseLostError
from storage.records import PackResult
from storage.store import Store

LEASE_S = 120.0  # a run that dies gives its replicates back after this long


@dataclass
class RunStatus:
    """How far a run is; heads are counted in fractions while they train."""

    finished: dict[str, int] = field(
        default_factory=lambda: {"complete": 0, "diverged": 0, "failed": 0}
    )
    taken_elsewhere: int = 0
    partial_heads: float = 0.0
    training_s: float = 0.0
    recording_s: float = 0.0
    errors: list[str] = field(default_factory=list)

    @property
    def replicates(self) -> int:
        """Replicates that this run has recorded."""
        return sum(self.finished.values())


class Recorder:
    """Claims replicates for the run's workers, records packs, renews the run's leases.

    A plain class, made a Ray actor by the runner; it holds the only connection that writes.

    Args:
        store_url: the store.
        sweep_id: the sweep.
        owner: name of this run, the owner of its leases.
    """

    def __init__(self, store_url: str, sweep_id: int, owner: str) -> None:
        self._store = Store.open(store_url, create=False)
        self._sweep_id = sweep_id
        self._owner = owner
        self._status = RunStatus()
        self._partial: dict[int, float] = {}
        self._settled: set[int] = set()
        self._elsewhere: dict[int, int] = {}
        self._stopping = False
        self._stopped = threading.Event()
        self._renewal = threading.Thread(target=self._renew, args=(store_url,), daemon=True)
        self._renewal.start()

    def claim(self, pack: int, replicate_ids: Sequence[int]) -> list[int]:
        """The replicates of a pack that this run may train; others train or have the rest."""
        if self._stopping:
            return []  # Tune had this pack in hand when the run was told to stop
        claimed = self._store.claim(list(replicate_ids), self._owner, LEASE_S)
        self._elsewhere[pack] = len(replicate_ids) - len(claimed)
        if not claimed:
            self._settled.add(pack)
        return claimed

    def stop(self) -> None:
        """Give out no further pack; those that train are still recorded."""
        self._stopping = True

    def settled(self) -> set[int]:
        """The packs of which nothing is left to do."""
        return self._settled

    def progress(self, pack: int, heads: float) -> None:
        """A worker has done the work of ``heads`` heads of pack ``pack``."""
        self._partial[pack] = heads

    def record(self, pack: int, result: PackResult) -> int:
        """Write a pack's results in one transaction; returns the replicates written."""
        started = time.perf_counter()
        try:
            self._store.record_pack(self._sweep_id, result, self._owner)
        except LeaseLostError as lost:  # this machine slept, and another run has taken them
            self._elsewhere[pack] += len(lost.replicate_ids)
            result = result.without(lost.replicate_ids)
            if result.states:
                self._store.record_pack(self._sweep_id, result, self._owner)
        self._settle(pack)
        for state in result.states:
            self._status.finished[state] += 1
        self._status.training_s += result.duration_s
        self._status.recording_s += time.perf_counter() - started
        return len(result.states)

    def fail(self, pack: int, replicate_ids: Sequence[int], reason: str) -> None:
        """Mark a pack's replicates as failed, with the reason."""
        self._store.fail(list(replicate_ids), self._owner, reason)
        self._settle(pack)
        self._status.finished["failed"] += len(replicate_ids)
        if reason not in self._status.errors:
            self._status.errors.append(reason)

    def status(self) -> RunStatus:
        """How far the run is now."""
        self._status.partial_heads = sum(self._partial.values())
        self._status.taken_elsewhere = sum(self._elsewhere.values())
        return self._status

    def close(self) -> int:
        """Give back what was claimed and not recorded; returns how many that were."""
        self._stopped.set()
        released = self._store.release(self._owner)
        self._store.close()
        return int(released)

    def _settle(self, pack: int) -> None:
        self._settled.add(pack)
        self._partial.pop(pack, None)

    def _renew(self, store_url: str) -> None:
        store = Store.open(store_url, create=False)
        while not self._stopped.wait(LEASE_S / 4):
            store.renew(self._owner, LEASE_S)
        store.close()


def as_actor(store_url: str, sweep_id: int, owner: str) -> Any:
    """Start the recorder on the driver's node, beside the store, taking no CPU from the packs."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(Recorder).options(num_cpus=0, scheduling_strategy=here)
    return actor.remote(store_url, sweep_id, owner)
