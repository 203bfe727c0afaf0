"""Scheduling without Ray: who is alive, what is handed out, what comes again."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import deque

import pytest
from ray.tune.search import Searcher

from storage.records import CellRecord
from sweeps.packs import PackTask, halve
from sweeps.scheduling.cluster import _remove_abandoned
from sweeps.scheduling.identity import is_dead, this_run
from sweeps.scheduling.searcher import PACK, WORKER_DEATHS, PackSearcher


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


class Recorded:
    def __init__(self, source: Queue) -> None:
        self.handed: dict[int, PackTask] = {}
        self.given_up: list[PackTask] = []
        self.stop = threading.Event()
        self.searcher = PackSearcher(
            source,
            self.stop,
            self.handed.__setitem__,
            lambda _, task: self.given_up.append(task),
        )


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


def test_a_pack_of_a_dead_worker_comes_again_in_halves_until_it_is_given_up():
    source = Queue(make_task(1, 2, 3, 4))
    source.finished = True
    run = Recorded(source)
    trials = iter(range(100))
    sizes: list[int] = []
    while True:
        trial = str(next(trials))
        suggested = run.searcher.suggest(trial)
        if suggested == Searcher.FINISHED:
            break
        sizes.append(len(run.handed[suggested[PACK]].replicates))
        run.searcher.on_trial_complete(trial, error=True)
    assert sizes == [4, 2, 2, 1, 1, 1, 1]
    assert WORKER_DEATHS == 3
    assert sorted(task.replicates[0][0] for task in run.given_up) == [1, 2, 3, 4]


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
