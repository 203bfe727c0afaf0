"""How fast packs are trained, and which of them takes far longer than others would."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_REMEMBERED = 101  # packs: a cluster that gets busier is soon known to be
_SLOW = 3.0  # times what a pack should take
_PATIENCE_S = 20.0  # below this nobody waits long enough to be told


@dataclass(frozen=True)
class Straggler:
    """A pack that takes more than three times what it should.

    Attributes:
        pack: its number.
        worker: host and process that train it.
        elapsed_s: for how long.
        expected_s: what the run's other packs let one expect.
    """

    pack: int
    worker: str
    elapsed_s: float
    expected_s: float


class Speed:
    """Times of packs, by the work they hold.

    Args:
        clock: seconds, never going back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._times: deque[float] = deque(maxlen=_REMEMBERED)  # seconds of one unit of work
        self._begun: dict[int, tuple[float, float, str]] = {}

    def begin(self, pack: int, work: float, worker: str) -> None:
        """A worker begins with a pack."""
        self._begun[pack] = (self._clock(), work, worker)

    def end(self, pack: int, *, recorded: bool) -> None:
        """A pack is over; of one that is not recorded the time means nothing."""
        begun = self._begun.pop(pack, None)
        if begun is not None and recorded and begun[1] > 0:
            self._times.append((self._clock() - begun[0]) / begun[1])

    @property
    def work_per_s(self) -> float | None:
        """Work that one worker does in a second, in the median; None before the first pack."""
        return 1 / max(statistics.median(self._times), 1e-12) if self._times else None

    def stragglers(self) -> list[Straggler]:
        """The packs that train now and have taken more than three times what they should."""
        if not self._times:
            return []
        unit_s, now = statistics.median(self._times), self._clock()
        found = [
            Straggler(pack, worker, now - since, work * unit_s)
            for pack, (since, work, worker) in list(self._begun.items())
        ]
        return [s for s in found if s.elapsed_s > max(_SLOW * s.expected_s, _PATIENCE_S)]
