"""Scheduling without Ray: who is alive, what is handed out, what comes again."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass, replace

import pytest
from ray.tune.search import Searcher

from storage.records import CellRecord
from sweeps.packs import PackTask, halve
from sweeps.scheduling.cluster import _remove_abandoned
from sweeps.scheduling.identity import is_dead, this_run
from sweeps.scheduling.lost import Lost, why_lost
from sweeps.scheduling.searcher import (
    NODE_LOSSES,
    OUT_OF_MEMORY,
    PACK,
    WORKER_DEATHS,
    PackSearcher,
)
from sweeps.scheduling.speed import Speed


def make_task(*ids: int) -> PackTask:
    cells = tuple(
        CellRecord(
            key=str(i),
            loss="bce",
            hyperparameters={},
            training={},
            head={},
            ordinal=i,
            parameters={},
        )
        for i in ids
    )
    return PackTask(
        replicates=tuple((i, place, 7) for place, i in enumerate(ids)),
        cells=cells,
        settings={"epochs": 1},
        head={},
    )


class Queue:
    """A source that has packs, then none for a while, then is finished."""

    def __init__(self, *tasks: PackTask) -> None:
        self.tasks = deque(tasks)
        self.finished = False
        self.ended_with: list[PackTask] = []

    def next_pack(self) -> PackTask | None:
        return self.tasks.popleft() if self.tasks else None

    def ended(self, task: PackTask) -> None:
        self.ended_with.append(task)


@dataclass
class Room:
    packs: int = 100
    nodes_lost: int | None = None


class Recorded:
    def __init__(self, source: Queue) -> None:
        self.handed: dict[int, PackTask] = {}
        self.given_up: list[tuple[PackTask, str]] = []
        self.stop = threading.Event()
        self.room = Room()
        self.now = 0.0
        self.searcher = PackSearcher(
            source,
            self.stop,
            self.handed.__setitem__,
            lambda _, task, reason: self.given_up.append((task, reason)),
            self.room,
            lambda: self.now,
        )

    def lose_all(self, why: Lost, *, by_result: bool = False) -> list[int]:
        """Train one pack after another, each of which is lost; their sizes."""
        trials = iter(range(10_000))
        sizes: list[int] = []
        while True:
            trial = str(next(trials))
            suggested = self.searcher.suggest(trial)
            if suggested == Searcher.FINISHED:
                return sizes
            sizes.append(len(self.handed[suggested[PACK]].replicates))
            if by_result:
                self.searcher.on_trial_complete(trial, {"replicates": 0, OUT_OF_MEMORY: True})
                continue
            self.searcher.lost(trial, why)
            self.searcher.on_trial_complete(trial, error=True)


def test_a_run_is_dead_when_its_process_has_ended():
    ours = this_run()
    assert not is_dead(ours.owner)
    code = "from sweeps.scheduling.identity import this_run; print(this_run().owner)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert is_dead(done.stdout.strip())


def test_a_process_that_took_the_number_of_a_dead_one_is_not_taken_for_it():
    host, pid, born, place, name = this_run().owner.split("/")
    assert is_dead("/".join((host, pid, str(int(born) - 1), place, name)))


def test_what_cannot_be_known_is_not_dead():
    host, _, born, place, name = this_run().owner.split("/")
    elsewhere = "/".join((host, "999999999", born, "another-boot", name))
    assert not is_dead(elsewhere)
    assert is_dead("/".join((host, "999999999", born, place, name)))
    assert not is_dead("somebody")
    assert not is_dead("host/12/abc")


def test_owner_names_are_unique_and_fit_the_store():
    assert this_run().owner != this_run().owner
    assert len(this_run().owner) <= 200


def test_halves_hold_the_same_replicates_with_their_own_cells():
    task = make_task(4, 5, 6)
    first, second = halve(task)
    assert [i for i, _, _ in first.replicates + second.replicates] == [4, 5, 6]
    for half in (first, second):
        assert [half.cells[place].key for _, place, _ in half.replicates] == [
            str(i) for i, _, _ in half.replicates
        ]
    assert halve(make_task(9)) == [make_task(9)]


def test_searcher_waits_for_its_source_and_ends_with_it():
    source = Queue(make_task(1, 2))
    run = Recorded(source)
    assert run.searcher.suggest("a") == {PACK: 0}
    assert run.handed[0] == make_task(1, 2)
    assert run.searcher.suggest("b") is None
    source.finished = True
    assert run.searcher.suggest("b") is None  # the first may come back
    run.searcher.on_trial_complete("a", {"replicates": 2})
    assert source.ended_with == [make_task(1, 2)]
    assert run.searcher.suggest("b") == Searcher.FINISHED


def finished(*tasks: PackTask) -> Queue:
    source = Queue(*tasks)
    source.finished = True
    return source


def test_a_pack_of_a_dead_worker_comes_again_in_halves_until_it_is_given_up():
    run = Recorded(finished(make_task(1, 2, 3, 4)))
    assert run.lose_all(Lost.DEATH) == [4, 2, 2, 1, 1, 1, 1]
    assert WORKER_DEATHS == 3
    assert sorted(task.replicates[0][0] for task, _ in run.given_up) == [1, 2, 3, 4]
    assert "died 3 times" in run.given_up[0][1]


@pytest.mark.parametrize("by_result", [False, True])
def test_out_of_memory_halves_down_to_single_heads(by_result):
    run = Recorded(finished(make_task(*range(32))))
    sizes = run.lose_all(Lost.MEMORY, by_result=by_result)
    assert sizes == [32, *[16] * 2, *[8] * 4, *[4] * 8, *[2] * 16, *[1] * 32 * WORKER_DEATHS]
    assert len(run.given_up) == 32
    assert "even a single head does not fit" in run.given_up[0][1]


def test_a_bracket_that_was_killed_once_for_memory_is_tried_again():
    bracket = replace(make_task(1, 2), brackets=(0, 0))
    run = Recorded(finished(bracket))
    assert run.searcher.suggest("a") == {PACK: 0}
    run.searcher.lost("a", Lost.MEMORY)
    run.searcher.on_trial_complete("a", error=True)
    assert not run.given_up
    assert run.lose_all(Lost.MEMORY) == [2] * (WORKER_DEATHS - 1)
    assert [reason.split()[:2] for _, reason in run.given_up] == [["a", "bracket"]]


def test_a_pack_of_a_lost_node_comes_again_whole_and_is_no_death():
    run = Recorded(finished(make_task(1, 2)))
    for trial in range(5):
        run.searcher.suggest(str(trial))
        run.searcher.lost(str(trial), Lost.NODE)
        run.searcher.on_trial_complete(str(trial), error=True)
    assert run.searcher.suggest("5") == {PACK: 5}
    assert run.handed[5] == make_task(1, 2)
    run.searcher.on_trial_complete("5", {"replicates": 2})
    assert not run.given_up


def test_in_a_cluster_a_death_is_not_judged_before_its_node_is_known_to_live():
    run = Recorded(finished(make_task(1, 2)))
    run.room.nodes_lost = 1
    run.searcher.suggest("a")
    run.searcher.on_trial_complete("a", error=True)
    assert run.searcher.suggest("b") is None  # neither again nor finished
    run.room.nodes_lost = 2  # it was the node
    assert run.searcher.suggest("b") == {PACK: 1}
    assert run.handed[1] == make_task(1, 2)
    run.searcher.on_trial_complete("b", error=True)
    run.now = 31.0  # no node was lost: it was the worker
    assert run.searcher.suggest("c") == {PACK: 2}
    assert run.handed[2] == halve(make_task(1, 2))[0]


def test_a_pack_that_takes_every_node_with_it_is_given_up():
    run = Recorded(finished(make_task(1)))
    # What takes twenty nodes is then taken for the pack's own doing.
    assert run.lose_all(Lost.NODE) == [1] * (NODE_LOSSES + WORKER_DEATHS - 1)
    assert len(run.given_up) == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("The actor died because its node has died. Node Id: 5f", Lost.NODE),
        ("Task was killed due to the node running low on memory.", Lost.MEMORY),
        ("ray.exceptions.OutOfMemoryError: Worker was killed", Lost.MEMORY),
        ("The actor is dead because its worker process has died. SIGSEGV", Lost.DEATH),
        ("", Lost.DEATH),
    ],
)
def test_why_a_worker_was_lost(text, why):
    assert why_lost(text) is why


def test_no_more_packs_than_there_is_room_for():
    run = Recorded(finished(make_task(1), make_task(2), make_task(3)))
    run.room.packs = 1
    assert run.searcher.suggest("a") == {PACK: 0}
    assert run.searcher.is_full
    assert run.searcher.suggest("b") is None
    run.room.packs = 2  # a node has joined
    assert run.searcher.suggest("b") == {PACK: 1}
    run.room.packs = 1  # another run wants its part: nothing is taken away
    run.searcher.on_trial_complete("a", {"replicates": 1})
    assert run.searcher.suggest("c") is None
    run.searcher.on_trial_complete("b", {"replicates": 1})
    assert run.searcher.suggest("c") == {PACK: 2}


def test_a_pack_that_takes_three_times_as_long_as_others_is_named():
    now = 0.0
    speed = Speed(lambda: now)
    assert speed.work_per_s is None
    for pack, end in ((0, 10.0), (1, 20.0), (2, 30.0)):
        speed.begin(pack, 5.0, "a/1")
        now = end
        speed.end(pack, recorded=True)
    assert speed.work_per_s == 0.5
    speed.begin(3, 20.0, "b/2")
    speed.begin(4, 1.0, "c/3")
    now = 30.0 + 19.0  # more than three times 2 s, but nobody waits long
    assert speed.stragglers() == []
    now = 30.0 + 25.0
    (slow,) = speed.stragglers()
    assert (slow.pack, slow.worker, slow.elapsed_s, slow.expected_s) == (4, "c/3", 25.0, 2.0)
    now = 30.0 + 121.0
    assert [s.pack for s in speed.stragglers()] == [3, 4]
    speed.end(3, recorded=False)  # its worker died: its time says nothing
    assert speed.work_per_s == 0.5
    assert [s.pack for s in speed.stragglers()] == [4]


def test_nothing_is_handed_out_after_a_stop():
    run = Recorded(Queue(make_task(1), make_task(2)))
    run.searcher.suggest("a")
    run.stop.set()
    assert run.searcher.suggest("b") == Searcher.FINISHED
    run.searcher.on_trial_complete("a", error=True)
    assert run.searcher.suggest("c") == Searcher.FINISHED


def test_what_a_killed_run_left_is_removed_and_a_live_one_is_left_alone(tmp_path):
    ours = this_run()
    killed, live, unknown = (tmp_path / f"sf1-{name}" for name in ("killed", "live", "unknown"))
    for folder in (killed, live, unknown):
        (folder / "ray").mkdir(parents=True)
    (killed / "owner").write_text(ours.owner.replace(f"/{ours.pid}/", "/999999999/"))
    (live / "owner").write_text(ours.owner)
    _remove_abandoned(tmp_path)
    assert sorted(tmp_path.iterdir()) == [live, unknown]


@pytest.mark.parametrize(("first", "mode"), [("", "token"), ("import ray; ", "disabled")])
def test_a_local_ray_has_a_token_unless_ray_has_read_its_mode_before(first: str, mode: str) -> None:
    code = (
        f"{first}import os; from sweeps.scheduling.cluster import _ask_for_a_token; "
        "_ask_for_a_token(); print(os.environ['RAY_AUTH_MODE'], "
        "len(os.environ.get('RAY_AUTH_TOKEN', '')))"
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith("RAY_AUTH")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [mode, "64" if mode == "token" else "0"]
