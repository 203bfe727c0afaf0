"""Hands the packs to Ray Tune, one a trial, and those of lost workers again."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ray.tune.search import Searcher

from sweeps.packs import PackTask, halve
from sweeps.scheduling.lost import Lost
from sweeps.scheduling.source import PackSource

PACK = "pack"  # the only key of a trial's configuration: Tune names directories after it
OUT_OF_MEMORY = "out_of_memory"  # in the result of a trial that could not get the memory it asked
WORKER_DEATHS = 3  # a pack whose worker died this often is not tried again
NODE_LOSSES = 20  # after so many a pack is suspected of what happens to the nodes it trains on
NODE_DEATH_KNOWN_S = 30.0  # a node is found dead when it has missed heartbeats for half of that


class RoomView(Protocol):
    """What the searcher sees of :class:`sweeps.scheduling.room.Room`.

    Attributes:
        packs: packs that may train at the same time now, at least 1.
        nodes_lost: nodes that the cluster has lost so far; None where there is one node alone.
    """

    packs: int
    nodes_lost: int | None


@dataclass(frozen=True)
class _Attempt:
    task: PackTask
    deaths: int = 0
    nodes: int = 0
    nodes_lost: int | None = None  # by the cluster, when the pack was handed out


@dataclass(frozen=True)
class _Suspect:
    """A pack whose worker died: by itself, or because its node did, which is known later."""

    number: int
    attempt: _Attempt
    until: float


class PackSearcher(Searcher):
    """Asks a source for packs until it is finished or the run is told to stop.

    A pack whose worker died comes again in two halves, at most three times. One that ran out of
    memory comes again in halves until they are single heads or brackets, and one whose node went
    away as it was: neither says anything against its heads. A single head or bracket that runs out
    of memory counts as one whose worker died.

    Args:
        source: where packs come from.
        stop: once set, no further pack is handed out; the running ones finish.
        hand_out: told each pack and its number before Tune has it.
        give_up: told a pack that cannot be trained, and why.
        room: packs that may train at the same time now, and nodes that were lost.
        clock: seconds, never going back.
    """

    def __init__(
        self,
        source: PackSource,
        stop: threading.Event,
        hand_out: Callable[[int, PackTask], None],
        give_up: Callable[[int, PackTask, str], None],
        room: RoomView,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(metric="replicates", mode="max")
        self._source = source
        self._stop = stop
        self._hand_out = hand_out
        self._give_up = give_up
        self._room = room
        self._clock = clock
        self._suspects: list[_Suspect] = []
        self._again: deque[_Attempt] = deque()
        self._running: dict[str, int] = {}
        self._attempts: dict[int, _Attempt] = {}
        self._lost: dict[str, Lost] = {}
        self._next = 0
        self._starved = False

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles the searcher into a snapshot that is never read; these have no pickle.
        left_out = ("_stop", "_source", "_hand_out", "_give_up", "_room", "_clock")
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    @property
    def running(self) -> int:
        """Packs that Tune has."""
        return len(self._running)

    @property
    def starved(self) -> bool:
        """Whether there was no pack to hand out when one was asked for."""
        return self._starved

    @property
    def is_full(self) -> bool:
        """Whether Tune has as many packs as may train at the same time."""
        return len(self._running) >= self._room.packs

    def suggest(self, trial_id: str) -> Any:
        """The next pack, None for none now, or FINISHED."""
        if self._stop.is_set():
            return Searcher.FINISHED
        self._judge_suspects()
        if self.is_full:
            return None
        attempt = self._next_attempt()
        self._starved = attempt is None
        if attempt is None:
            # A pack in training may come back: only with none of them is this the end.
            back = self._running or self._suspects
            return Searcher.FINISHED if self._source.finished and not back else None
        attempt = replace(attempt, nodes_lost=self._room.nodes_lost)
        number = self._next
        self._next += 1
        self._hand_out(number, attempt.task)
        self._running[trial_id], self._attempts[number] = number, attempt
        return {PACK: number}

    def _next_attempt(self) -> _Attempt | None:
        if self._again:
            return self._again.popleft()
        task = self._source.next_pack()
        return None if task is None else _Attempt(task)

    def lost(self, trial_id: str, why: Lost) -> None:
        """Note what took a trial's worker, before the trial completes with an error."""
        self._lost[trial_id] = why

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Forget a finished pack; take back one whose worker was lost."""
        number = self._running.pop(trial_id, None)
        if number is None:
            return
        attempt = self._attempts.pop(number)
        why = self._lost.pop(trial_id, Lost.DEATH) if error else None
        if result and result.get(OUT_OF_MEMORY):
            why = Lost.MEMORY
        if why is None or self._stop.is_set():
            self._source.ended(attempt.task)
        elif why is Lost.DEATH and attempt.nodes_lost is not None:
            until = self._clock() + NODE_DEATH_KNOWN_S
            self._suspects.append(_Suspect(number, attempt, until))
        else:
            self._take_back(number, attempt, why)

    def _judge_suspects(self) -> None:
        waiting = []
        for suspect in self._suspects:
            attempt = suspect.attempt
            if (self._room.nodes_lost or 0) > (attempt.nodes_lost or 0):
                self._take_back(suspect.number, attempt, Lost.NODE)
            elif self._clock() > suspect.until:
                self._take_back(suspect.number, attempt, Lost.DEATH)
            else:
                waiting.append(suspect)
        self._suspects = waiting

    def _take_back(self, number: int, attempt: _Attempt, why: Lost) -> None:
        halves = halve(attempt.task)
        if why is Lost.NODE and attempt.nodes + 1 < NODE_LOSSES:
            self._again.append(replace(attempt, nodes=attempt.nodes + 1))
        elif why is Lost.MEMORY and len(halves) > 1:
            self._again.extend(replace(attempt, task=half) for half in halves)
        elif attempt.deaths + 1 < WORKER_DEATHS:
            # Also for memory: a node's monitor kills workers for what other processes take.
            died = replace(attempt, deaths=attempt.deaths + 1)
            self._again.extend(replace(died, task=half) for half in halves)
        else:
            self._give_up(number, attempt.task, _reason(attempt.task, why))
            self._source.ended(attempt.task)

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the store is the truth."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: a new run plans from the store."""


def _reason(task: PackTask, why: Lost) -> str:
    """Why a pack is given up."""
    if why is Lost.MEMORY:
        what = "a bracket" if len(task.replicates) > 1 else "even a single head"
        return f"{what} does not fit into a worker's memory"
    times = f"died {WORKER_DEATHS} times"
    if why is Lost.NODE:
        times = f"was lost with its node {NODE_LOSSES} times"
    return f"its worker {times}; see the system's log for memory or a crash"
