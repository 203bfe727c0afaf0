"""Hands the packs to Ray Tune, one a trial."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from ray.tune.search import Searcher

PACK = "pack"  # the only key of a trial's configuration: Tune names directories after it


class PackSearcher(Searcher):
    """A queue of pack numbers that can be closed while the sweep runs.

    Args:
        packs: numbers of the packs, handed out in order.
        stop: once set, no further pack is handed out; the running ones finish.
    """

    def __init__(self, packs: Sequence[int], stop: threading.Event) -> None:
        super().__init__(metric="replicates", mode="max")
        self._packs = list(packs)
        self._stop = stop
        self._next = 0

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles the searcher into a snapshot that is never read; an event has no pickle.
        return {name: value for name, value in self.__dict__.items() if name != "_stop"}

    def suggest(self, trial_id: str) -> Any:
        """The next pack, or FINISHED."""
        if self._stop.is_set() or self._next >= len(self._packs):
            return Searcher.FINISHED
        self._next += 1
        return {PACK: self._packs[self._next - 1]}

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """Ray Tune's own resource accounting limits what runs at once."""
        return True

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing to learn: the recorder has written the results."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the store is the truth."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: a new run plans from the store."""
