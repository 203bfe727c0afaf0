"""Makes in advance what will probably be asked for next, while the reader looks at the last."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

# A wish waits until its predecessor's answer has been sent and drawn.
PAUSE_S = 0.06
# Whoever asks for nothing more needs no thread.
_IDLE_S = 5.0


class Ahead:
    """One wish at a time, the latest: however many wish, at most one thread is busy with it.

    A wish is a function whose result is kept elsewhere, such as by `Answers.get`, where whoever
    asks for it while it is being made waits for it. Errors are logged, and left to be told to
    whoever asks in earnest. Safe to share between threads.

    Args:
        pause_s: for how long a wish waits before it is made.
    """

    def __init__(self, pause_s: float = PAUSE_S) -> None:
        self._pause_s = pause_s
        self._wish: Callable[[], object] | None = None
        self._due = 0.0
        self._busy = False
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()

    def wish(self, make: Callable[[], object]) -> None:
        """Have ``make`` called soon, in place of an earlier wish that still waits."""
        with self._changed:
            self._wish, self._due = make, time.monotonic() + self._pause_s
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="read-ahead", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def drop(self, wait_s: float = 0.0) -> None:
        """Forget a wish that still waits.

        Args:
            wait_s: for how long at most what is being made is waited for.
        """
        with self._changed:
            self._wish = None
            self._changed.notify_all()
            if threading.current_thread() is not self._thread:
                self._changed.wait_for(lambda: not self._busy, wait_s)

    def _run(self) -> None:
        try:
            while self._make_next():
                pass
        finally:
            with self._changed:
                # A wish that came meanwhile has begun a thread of its own.
                if self._thread is threading.current_thread():
                    self._thread = None

    def _make_next(self) -> bool:
        """Wait for a wish and make it; False when none came."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._wish is not None, _IDLE_S):
                self._thread = None
                return False
            while (left := self._due - time.monotonic()) > 0:
                self._changed.wait(left)
            make, self._wish = self._wish, None
            self._busy = make is not None
        try:
            if make is not None:
                make()
        except Exception:
            logger.debug("what was read ahead could not be made", exc_info=True)
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
        return True
