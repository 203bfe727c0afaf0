"""What a fault leaves behind, and the moment at which it strikes."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress

from fault_sweep import FaultSweep, Run, State, count_done, read_state, wait_until


class LeftOut(Exception):  # noqa: N818
    """A fault that this machine cannot make."""


class Struck:
    """What a fault left behind.

    Attributes:
        url: the store to go on with.
        before: what it held at the fault; None where it could not be read.
        note: what is worth telling.
    """

    def __init__(
        self,
        url: str,
        note: str = "",
        *,
        before: State | None = None,
        resources: ExitStack | None = None,
    ) -> None:
        self.url = url
        self.note = note
        self._resources = resources or ExitStack()
        self.before = before
        with suppress(Exception):  # killed before the store or the sweep was there
            self.before = before or read_state(url)

    def __enter__(self) -> Struck:
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()


def sqlite_url(sweep: FaultSweep) -> str:
    """A store in the sweep's folder."""
    return f"sqlite:///{sweep.folder}/store.db"


def wait_until_half_done(run: Run, url: str, share: float = 0.3) -> State:
    """Wait until a part of the sweep is recorded and a pack trains; what the store holds then."""
    total = 59 * 8 * share
    if not wait_until(lambda: count_done(url) >= total, run):
        raise RuntimeError(f"the run ended before the fault: {run.errors()}")
    time.sleep(0.3)
    return read_state(url)
