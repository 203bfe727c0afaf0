"""Several runs on one cluster: each gets a fair part of it, whichever sweep and store it has."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_NAME, _NAMESPACE = "shares", "sigmoidf1"
_FORGET_S = 20.0  # a run that has not asked for so long has ended
_ANSWER_S = 10.0
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Demand:
    """What one run could use.

    Attributes:
        packs: packs that it could train at the same time now.
        fits: packs of its kind that the whole cluster holds, at least 1.
    """

    packs: int
    fits: int


def fair_packs(demands: Mapping[str, Demand]) -> dict[str, int]:
    """Divide a cluster over runs: nobody can have more without one with less having less.

    A run's part is counted in fractions of the cluster, so packs of a whole GPU and of a tenth
    are on one scale (max-min fairness). What a run cannot use goes to the others. Every run has
    one pack at least, and one that is alone whatever it asks for.

    Args:
        demands: run to its demand, in the order of their arrival, which breaks ties.

    Returns:
        Run to packs.

    Example:
        >>> fair_packs({"a": Demand(8, 8), "b": Demand(8, 8), "c": Demand(1, 8)})
        {'a': 4, 'b': 3, 'c': 1}
    """
    if len(demands) == 1:
        return {run: demand.packs for run, demand in demands.items()}
    level = _level([min(1.0, d.packs / d.fits) for d in demands.values()])
    given = {
        run: max(1, min(d.packs, int(level * d.fits + _ROUNDING))) for run, d in demands.items()
    }
    left = 1.0 - sum(given[run] / d.fits for run, d in demands.items())
    for run, demand in demands.items():
        if given[run] < demand.packs and 1 / demand.fits <= left + _ROUNDING:
            given[run] += 1
            left -= 1 / demand.fits
    return given


def _level(wanted: list[float]) -> float:
    """The part that nobody may exceed, so that all parts together are the whole."""
    left = 1.0
    for place, part in enumerate(sorted(wanted)):
        level = left / (len(wanted) - place)
        if part > level:
            return level
        left -= part
    return 1.0


class ShareBoard:
    """Knows the runs of a cluster and divides it; an actor that any of them may have started."""

    def __init__(self) -> None:
        self._demands: dict[str, Demand] = {}
        self._heard: dict[str, float] = {}

    def ask(self, run: str, demand: Demand) -> int:
        """A run's packs now; it asks again every few seconds, or is forgotten."""
        now = time.monotonic()
        self._demands[run], self._heard[run] = demand, now
        for name in [name for name, at in self._heard.items() if now - at > _FORGET_S]:
            self.leave(name)
        return fair_packs(self._demands)[run]

    def leave(self, run: str) -> None:
        """A run has ended."""
        self._demands.pop(run, None)
        self._heard.pop(run, None)


class Shares:
    """A run's place among the others of its cluster.

    The board holds nothing that is not asked again a moment later: it ends with the run that
    started it, and the next to ask starts another.

    Args:
        run: the run's unique name.
    """

    def __init__(self, run: str) -> None:
        self._run = run
        self._board: Any = None

    def ask(self, demand: Demand) -> int | None:
        """How many packs this run may train now; None when the cluster did not answer."""
        answer = self._call("ask", self._run, demand)
        return None if answer is None else int(answer)

    def leave(self) -> None:
        """Tell the others that this run has ended; not told, they forget it in a moment."""
        self._call("leave", self._run)
        self._board = None

    def _call(self, method: str, *arguments: Any) -> Any:
        import ray

        try:
            # Held: Ray ends the actor when the run that started it has no handle any more.
            self._board = self._board or self._join()
            return ray.get(getattr(self._board, method).remote(*arguments), timeout=_ANSWER_S)
        except (ray.exceptions.RayError, ValueError):
            self._board = None  # the run that had started it has ended, or the network is slow
            return None

    @staticmethod
    def _join() -> Any:
        import ray

        board = ray.remote(num_cpus=0)(ShareBoard)
        return board.options(name=_NAME, namespace=_NAMESPACE, get_if_exists=True).remote()
