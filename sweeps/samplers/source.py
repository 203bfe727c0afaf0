"""The packs of a plan that grows while it is trained."""

from __future__ import annotations

from collections.abc import Callable

from sweeps.packs import PackTask
from sweeps.samplers.growth import Growth
from sweeps.scheduling.source import PackSource


class GrowingPlan:
    """Packs of what is planned; when all of it has finished, of what is planned next.

    Args:
        growth: plans the next part.
        packs: makes the source of what is planned and open; it is finished when nothing is, and
            no other run trains a part of it.
    """

    def __init__(self, growth: Growth, packs: Callable[[], PackSource]) -> None:
        self._growth = growth
        self._packs = packs
        self._source = packs()
        self._ended = False

    @property
    def finished(self) -> bool:
        """Whether no further pack will come."""
        return self._ended

    def ended(self, task: PackTask) -> None:
        """A pack that was handed out is dealt with."""
        self._source.ended(task)

    def next_pack(self) -> PackTask | None:
        """The next pack; None while the last ones of a part are trained, here or elsewhere."""
        while not self._ended:
            pack = self._source.next_pack()
            if pack is not None:
                return pack
            if not self._source.finished:
                return None
            if self._growth.grow():
                self._source = self._packs()
            else:
                self._ended = True
        return None
