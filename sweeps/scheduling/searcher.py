"""Hands the packs to Ray Tune, one a trial, and those of dead workers again."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from ray.tune.search import Searcher

from sweeps.packs import PackTask, halve
from sweeps.scheduling.source import PackSource

PACK = "pack"  # the only key of a trial's configuration: Tune names directories after it
WORKER_DEATHS = 3  # a pack whose worker died this often is not tried again


class PackSearcher(Searcher):
    """Asks a source for packs until it is finished or the run is told to stop.

    A pack whose worker died, or ran out of memory, comes again in two halves.

    Args:
        source: where packs come from.
        stop: once set, no further pack is handed out; the running ones finish.
        hand_out: told each pack and its number before Tune has it.
        give_up: told a pack that killed its worker too often.
    """

    def __init__(
        self,
        source: PackSource,
        stop: threading.Event,
        hand_out: Callable[[int, PackTask], None],
        give_up: Callable[[int, PackTask], None],
    ) -> None:
        super().__init__(metric="replicates", mode="max")
        self._source = source
        self._stop = stop
        self._hand_out = hand_out
        self._give_up = give_up
        self._again: deque[tuple[PackTask, int]] = deque()
        self._running: dict[str, int] = {}
        self._tasks: dict[int, PackTask] = {}
        self._deaths: Counter[int] = Counter()
        self._next = 0

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles the searcher into a snapshot that is never read; these have no pickle.
        left_out = ("_stop", "_source", "_hand_out", "_give_up")
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def suggest(self, trial_id: str) -> Any:
        """The next pack, None for none now, or FINISHED."""
        if self._stop.is_set():
            return Searcher.FINISHED
        task, deaths = self._again.popleft() if self._again else (self._source.next_pack(), 0)
        if task is None:
            # A pack in training may come back: only with none of them is this the end.
            return Searcher.FINISHED if self._source.finished and not self._running else None
        number = self._next
        self._next += 1
        self._hand_out(number, task)
        self._running[trial_id], self._tasks[number], self._deaths[number] = number, task, deaths
        return {PACK: number}

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """Ray Tune's own resource accounting limits what runs at once."""
        return True

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Forget a finished pack; take back one whose worker died."""
        number = self._running.pop(trial_id, None)
        if number is None:
            return
        task, deaths = self._tasks.pop(number), self._deaths.pop(number)
        if not error or self._stop.is_set():
            self._source.ended(task)
            return
        if deaths + 1 >= WORKER_DEATHS:
            self._give_up(number, task)
            self._source.ended(task)
            return
        self._again.extend((half, deaths + 1) for half in halve(task))

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the store is the truth."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: a new run plans from the store."""
