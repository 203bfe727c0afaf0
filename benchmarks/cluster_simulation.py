"""The scheduler on a simulated clock: 100 nodes, 10,000 packs, nodes lost at random.

What decides is the code that runs sweeps: packs are cut by `sweeps.packs.make_packs`, handed out
and taken back by `PackSearcher`, their speed is followed by `Speed`. Simulated are the nodes, which
differ in speed, are lost and come back like spot instances, and the time that training takes, of
which the scheduler knows the mean only. Everything is drawn from one seed.

    python benchmarks/cluster_simulation.py [--nodes 100] [--tiles 40000] [--seeds 5]

The bound is computed from the nodes and the work alone, apart from the scheduler: the earliest
moment by which the nodes that were there could have done all the work, if none was ever lost,
divided at will and handed out at no cost. No scheduler can be faster.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from ray.tune.search import Searcher

from storage.records import CellRecord, OpenReplicate
from sweeps.packs import PackLimits, PackTask, Throughput, group_key, make_packs
from sweeps.scheduling.lost import Lost
from sweeps.scheduling.searcher import PACK, PackSearcher
from sweeps.scheduling.speed import Speed

TILE_HEADS = 4
MAX_TILES = 4  # what a pack's memory holds
OVERHEAD_S = 0.05  # of a pack, beyond its training


@dataclass(frozen=True)
class Setting:
    """What is simulated.

    Args:
        nodes: nodes at the start; one pack each at a time.
        tiles: tiles of four heads in all; a third of them train for twice and four times as long.
        tile_s: seconds of an average tile on an average node.
        life_s: mean seconds until a node is lost; exponential.
        away_s: mean seconds until another takes its place; exponential.
        seed: of everything that is drawn.
    """

    nodes: int = 100
    tiles: int = 40_000
    tile_s: float = 30.0
    life_s: float = 4 * 3600.0
    away_s: float = 600.0
    seed: int = 0


@dataclass
class Node:
    """One place for a pack, and when it is there: intervals from the start on."""

    speed: float
    intervals: list[tuple[float, float]]


@dataclass
class Outcome:
    """What came of a simulation.

    Attributes:
        makespan_s: until the last replicate was done.
        bound_s: see the module.
        packs: handed out, those that came again included.
        lost: packs that went with their node.
        times: how often replicates were done, by count: all of them once, if all is well.
        replicates: planned.
        first_heads, last_heads: heads of the first pack, and in the mean of the last ones.
        decision_ms: mean real time of cutting and handing out one pack.
    """

    makespan_s: float
    bound_s: float
    packs: int = 0
    lost: int = 0
    times: Counter[int] = field(default_factory=Counter)
    replicates: int = 0
    first_heads: int = 0
    last_heads: float = 0.0
    decision_ms: float = 0.0

    @property
    def ratio(self) -> float:
        """The makespan as a multiple of the bound."""
        return self.makespan_s / self.bound_s


class _Plan:
    """The replicates, what each really takes, and a source of packs over them."""

    def __init__(self, setting: Setting, draw: np.random.Generator) -> None:
        heads = setting.tiles * TILE_HEADS
        epochs = np.repeat([40, 20, 10], [heads // 12, heads // 6, heads])[:heads]
        self.cells = [
            CellRecord(
                key=f"{k:08d}",
                loss="bce",
                hyperparameters={},
                training={"epochs": int(e)},
                head={"kind": "linear"},
                ordinal=k,
                parameters={},
            )
            for k, e in enumerate(epochs)
        ]
        self.replicates = [OpenReplicate(k, cell.key, 0) for k, cell in enumerate(self.cells)]
        # Unknown to the scheduler: one head takes up to a quarter more or less than another.
        self.seconds = epochs / 10 * draw.uniform(0.75, 1.25, heads) * setting.tile_s / TILE_HEADS
        work = {group_key(cell): float(cell.training["epochs"]) for cell in self.cells}
        self.limits = PackLimits(TILE_HEADS, MAX_TILES * TILE_HEADS, work)

    def packs(self, throughput: Throughput) -> Iterator[PackTask]:
        cells = {cell.key: cell for cell in self.cells}
        return make_packs(self.replicates, cells, self.limits, throughput)


@dataclass
class _Room:
    """Places for packs; what takes a worker is known here at once."""

    packs: int
    nodes_lost: int | None = None


class _Source:
    """The plan's packs as the searcher asks for them."""

    def __init__(self, packs: Iterator[PackTask]) -> None:
        self._packs = packs
        self.finished = False

    def next_pack(self) -> PackTask | None:
        """The next pack."""
        task = next(self._packs, None)
        self.finished = task is None
        return task

    def ended(self, task: PackTask) -> None:
        """Nothing is shared with anybody."""


def draw_nodes(setting: Setting, draw: np.random.Generator, horizon_s: float) -> list[Node]:
    """Nodes with their speeds, and when each is there."""
    nodes = []
    for speed in draw.uniform(0.7, 1.3, setting.nodes):
        intervals, at = [], 0.0
        while at < horizon_s:
            gone = at + draw.exponential(setting.life_s)
            intervals.append((at, gone))
            at = gone + draw.exponential(setting.away_s)
        nodes.append(Node(float(speed), intervals))
    return nodes


def bound_s(nodes: list[Node], seconds: np.ndarray) -> float:
    """The earliest moment by which these nodes could have done work of so many seconds."""
    total, longest = float(seconds.sum()), float(seconds.max())
    low, high = 0.0, max(end for node in nodes for _, end in node.intervals)
    for _ in range(100):
        middle = (low + high) / 2
        done = sum(
            node.speed * max(0.0, min(end, middle) - start)
            for node in nodes
            for start, end in node.intervals
        )
        low, high = (middle, high) if done < total else (low, middle)
    return max(high, longest / max(node.speed for node in nodes))


def simulate(setting: Setting) -> Outcome:
    """Run one sweep on a simulated cluster."""
    draw = np.random.default_rng(setting.seed)
    plan = _Plan(setting, draw)
    ideal_s = float(plan.seconds.sum()) / setting.nodes
    nodes = draw_nodes(setting, draw, 3 * ideal_s + 10 * setting.tile_s)
    outcome = Outcome(0.0, bound_s(nodes, plan.seconds), replicates=len(plan.replicates))
    _Simulation(plan, nodes, outcome).run()
    return outcome


class _Simulation:
    """The events of one run: a node comes, a pack ends, a node goes."""

    def __init__(self, plan: _Plan, nodes: list[Node], outcome: Outcome) -> None:
        self._plan = plan
        self._nodes = nodes
        self._outcome = outcome
        self._now = 0.0
        self._order = itertools.count()
        self._events: list[tuple[float, int, str, int, str]] = []
        self._there: set[int] = set()
        self._training: dict[int, str] = {}  # node to trial
        self._handed: dict[int, PackTask] = {}
        self._tasks: dict[str, tuple[int, PackTask]] = {}
        self._done: Counter[int] = Counter()
        self._speed = Speed(lambda: self._now)
        self._throughput = Throughput(workers=len(nodes))
        self._over = False
        self._room = _Room(len(nodes))
        self._searcher = PackSearcher(
            _Source(plan.packs(self._throughput)),
            threading.Event(),
            self._handed.__setitem__,
            self._give_up,
            self._room,
        )

    def run(self) -> None:
        """Until all is done."""
        for number, node in enumerate(self._nodes):
            for start, end in node.intervals:
                self._push(start, "comes", number)
                self._push(end, "goes", number)
        sizes: list[int] = []
        decided_s = 0.0
        while self._events and not (self._over and not self._training):
            self._now, _, event, number, trial = heapq.heappop(self._events)
            if event == "comes":
                self._there.add(number)
            elif event == "goes":
                self._go(number)
            elif self._training.get(number) == trial:
                self._end(number, trial)
            self._throughput.workers = self._room.packs = max(1, len(self._there))
            self._throughput.work_per_s = self._speed.work_per_s
            started = time.perf_counter()
            sizes += self._hand_out()
            decided_s += time.perf_counter() - started
        self._outcome.packs = len(sizes)
        self._outcome.times = Counter(self._done.values())
        self._outcome.first_heads = sizes[0]
        self._outcome.last_heads = float(np.mean(sizes[-len(self._nodes) :]))
        self._outcome.decision_ms = 1000 * decided_s / len(sizes)

    def _hand_out(self) -> list[int]:
        sizes = []
        for node in sorted(self._there - self._training.keys()):
            trial = f"trial-{next(self._order)}"
            answer = self._searcher.suggest(trial)
            self._over = self._over or answer == Searcher.FINISHED
            if not isinstance(answer, dict):
                break
            number = answer[PACK]
            task = self._handed.pop(number)
            ids = [i for i, _, _ in task.replicates]
            self._training[node], self._tasks[trial] = trial, (number, task)
            self._speed.begin(number, task.work, str(node))
            seconds = float(self._plan.seconds[ids].sum()) / self._nodes[node].speed
            self._push(self._now + OVERHEAD_S + seconds, "ends", node, trial)
            sizes.append(len(ids))
        return sizes

    def _end(self, node: int, trial: str) -> None:
        del self._training[node]
        number, task = self._tasks.pop(trial)
        self._done.update(i for i, _, _ in task.replicates)
        self._speed.end(number, recorded=True)
        self._searcher.on_trial_complete(trial, {"replicates": len(task.replicates)})
        self._outcome.makespan_s = self._now

    def _go(self, node: int) -> None:
        self._there.discard(node)
        trial = self._training.pop(node, None)
        if trial is None:
            return
        number, _ = self._tasks.pop(trial)
        self._outcome.lost += 1
        self._speed.end(number, recorded=False)
        self._searcher.lost(trial, Lost.NODE)
        self._searcher.on_trial_complete(trial, error=True)

    @staticmethod
    def _give_up(_number: int, task: PackTask, reason: str) -> None:
        raise RuntimeError(f"{len(task.replicates)} replicates were given up: {reason}")

    def _push(self, at: float, event: str, node: int, trial: str = "") -> None:
        heapq.heappush(self._events, (at, next(self._order), event, node, trial))


def main() -> None:
    """Print a row for each seed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--nodes", type=int, default=Setting().nodes)
    parser.add_argument("--tiles", type=int, default=Setting().tiles)
    parser.add_argument("--life-h", type=float, default=Setting().life_s / 3600)
    parser.add_argument("--seeds", type=int, default=5, help="simulations")
    arguments = parser.parse_args()
    print("seed  packs  lost  replicates  not once  first → last heads  makespan  bound  ratio")
    for seed in range(arguments.seeds):
        setting = Setting(
            nodes=arguments.nodes,
            tiles=arguments.tiles,
            life_s=arguments.life_h * 3600,
            seed=seed,
        )
        o = simulate(setting)
        wrong = o.replicates - o.times[1]
        print(
            f"{seed:>4} {o.packs:>6} {o.lost:>5} {o.replicates:>11} {wrong:>9} "
            f"{o.first_heads:>9} → {o.last_heads:<6.1f} {o.makespan_s / 3600:>7.3f} h "
            f"{o.bound_s / 3600:>6.3f} h {o.ratio:>6.3f}   ({o.decision_ms:.2f} ms a decision)"
        )


if __name__ == "__main__":
    main()
