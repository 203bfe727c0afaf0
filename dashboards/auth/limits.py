"""How often somebody may try: a bucket of attempts for each address and each name."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

_MOST_KEYS = 10_000


class Attempts:
    """Attempts that are left to each of many keys.

    A key has ``burst`` attempts; a used one comes back after ``each_s`` seconds, one after the
    other. Of the 10,000 keys seen last an exact count is kept, in a few megabytes; whoever comes
    from more addresses than that is held by the names, and the other way round.

    Safe to share between threads.

    Args:
        burst: attempts of a key that was not seen for long.
        each_s: seconds until a used attempt comes back.
        clock: seconds, from any moment.
    """

    def __init__(
        self, burst: int, each_s: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._burst = burst
        self._each_s = each_s
        self._clock = clock
        self._lock = threading.Lock()
        # When all attempts of a key are back: nothing else need be kept.
        self._whole_at: OrderedDict[str, float] = OrderedDict()

    def take(self, key: str) -> float:
        """Use an attempt; return 0, or the seconds to wait if there is none."""
        with self._lock:
            now = self._clock()
            whole_at = max(self._whole_at.get(key, now), now) + self._each_s
            wait = whole_at - now - self._burst * self._each_s
            if wait > 0:
                return wait
            self._whole_at[key] = whole_at
            self._whole_at.move_to_end(key)
            self._forget(now)
            return 0.0

    def give_back(self, key: str) -> None:
        """Return an attempt that succeeded, and so was none at guessing."""
        with self._lock:
            if key in self._whole_at:
                self._whole_at[key] -= self._each_s

    def __len__(self) -> int:
        return len(self._whole_at)

    def _forget(self, now: float) -> None:
        while self._whole_at:
            oldest = next(iter(self._whole_at))
            if len(self._whole_at) <= _MOST_KEYS and self._whole_at[oldest] > now:
                break
            del self._whole_at[oldest]
