"""How fast a run goes, and for how long yet."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from sweeps.cli.tables import duration

_IDLE_AFTER_S = 3.0


class Progress(NamedTuple):
    """How far the training of one run is.

    Attributes:
        done: replicates that this run has recorded.
        open: replicates that were open when it began.
        finished: of these, recorded by this run or trained by another.
        worked: the same with those that train, counted in fractions.
        rate: heads a second since it began; 0 before the first.
        left_s: seconds until the end at this rate; None at a rate of 0.
        idle: nothing of this run trains, although others' work is open.
    """

    done: int
    open: int
    finished: int
    worked: float
    rate: float
    left_s: float | None
    idle: bool


class Pace:
    """Follows one run from its plan on."""

    def __init__(self) -> None:
        self._open = 0
        self._named: set[int] = set()
        self._began = self._active = time.monotonic()

    def begin(self, open_replicates: int) -> None:
        """The plan is made; training begins."""
        self._open = open_replicates
        self._began = self._active = time.monotonic()

    def look(self, status: Any) -> Progress:
        """How far the run is by a :class:`sweeps.scheduling.recorder.RunStatus`."""
        now = time.monotonic()
        if status.partial_heads or not status.replicates + status.taken_elsewhere:
            self._active = now
        finished = status.replicates + status.taken_elsewhere
        worked = min(finished + status.partial_heads, self._open)
        rate = (worked - status.taken_elsewhere) / max(now - self._began, 1e-9)
        return Progress(
            done=status.replicates,
            open=self._open,
            finished=finished,
            worked=worked,
            rate=rate,
            left_s=(self._open - worked) / rate if rate > 0 else None,
            idle=now - self._active > _IDLE_AFTER_S and finished < self._open,
        )

    def new_stragglers(self, status: Any) -> list[str]:
        """A line on each pack that takes far longer than it should, the first time it is seen."""
        new = [one for one in status.stragglers if one.pack not in self._named]
        self._named.update(one.pack for one in new)
        return [
            f"Pack {one.pack} on {one.worker.replace('/', ', process ')} is slow: "
            f"{duration(one.elapsed_s)} so far, where {duration(one.expected_s)} were expected."
            for one in new
        ]
