"""Where a run's packs come from: a plan shared with other runs, or a sampler."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Protocol

from storage.errors import StoreBusyError, StoreConnectionError
from storage.records import OpenReplicate
from storage.store import Store
from sweeps.packs import PackTask
from sweeps.scheduling.sharing import held, release_dead_runs

_ASK_EVERY_S = 0.2  # one count of the leased
_LOOK_EVERY_S = 2.0  # for what other runs left behind


class PackSource(Protocol):
    """Gives packs to a run, one whenever a worker is free; called by one thread."""

    def next_pack(self) -> PackTask | None:
        """The next pack; None when there is none now."""

    def ended(self, task: PackTask) -> None:
        """A pack that was handed out is trained, was taken by another run, or is given up."""

    @property
    def finished(self) -> bool:
        """Whether no further pack will come."""


class SharedPlan:
    """The packs of a plan's open replicates, then what other runs of the sweep leave behind.

    It is finished when nothing of the sweep is open and no run holds a part of it: so a second
    run beside a first waits for it, and does its work if it dies.

    Args:
        store: the store.
        sweep_id: the sweep.
        make: divides open replicates into packs, each cut when it is asked for.
    """

    def __init__(
        self,
        store: Store,
        sweep_id: int,
        make: Callable[[Sequence[OpenReplicate]], Iterable[PackTask]],
    ) -> None:
        self._store = store
        self._sweep_id = sweep_id
        self._make = make
        self._packs = iter(make(store.open_replicates(sweep_id)))
        self._out: set[int] = set()
        self._asked = 0.0
        self._looked = 0.0
        self._finished = False

    @property
    def finished(self) -> bool:
        """Whether no further pack will come."""
        return self._finished

    def next_pack(self) -> PackTask | None:
        """The next pack, also of what other runs have given back."""
        task = next(self._packs, None)
        if task is None and not self._finished:
            with suppress(StoreConnectionError, StoreBusyError):  # it is asked again
                self._look()
            task = next(self._packs, None)
        if task is not None:
            self._out.update(_ids(task))
        return task

    def ended(self, task: PackTask) -> None:
        """Forget a pack; what is still open of it may be handed out again."""
        self._out.difference_update(_ids(task))
        if not self._out:
            # Perhaps the last: Tune, told that there is no pack now, would sleep for two seconds.
            self._asked = -math.inf

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._asked < _ASK_EVERY_S:
            return
        self._asked = now
        if held(self._store, self._sweep_id) and now - self._looked < _LOOK_EVERY_S:
            return
        self._looked = now
        release_dead_runs(self._store, self._sweep_id)
        # In this order: what is given back between the two reads is seen as held.
        others = held(self._store, self._sweep_id)
        # What Tune has in hand is open until its worker claims it.
        opened = self._store.open_replicates(self._sweep_id)
        left = [r for r in opened if r.replicate_id not in self._out]
        self._packs = iter(self._make(left))
        self._finished = not (left or self._out or others)


def _ids(task: PackTask) -> list[int]:
    return [replicate for replicate, _, _ in task.replicates]
