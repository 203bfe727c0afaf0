"""The recorder without Ray: what it claims, writes, hears and leaves behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from storage.store import Store
from sweeps.pack_training import PackTrainer
from sweeps.packs import PackLimits, PackTask, Throughput, make_packs
from sweeps.plan import make_plan
from sweeps.scheduling import recorder as recording
from sweeps.scheduling.identity import RunIdentity, this_run
from sweeps.scheduling.recorder import Recorder
from sweeps.scheduling.sharing import held, release_dead_runs
from sweeps.scheduling.source import SharedPlan
from sweeps.spec import load_spec
from sweeps.sweep_data import load_sweep_features, pack_data, sweep_record


class Planned:
    """A planned sweep of 16 replicates, and what trains its packs."""

    def __init__(self, spec_path: Path, url: str) -> None:
        self.url = url
        self.plan = make_plan(load_spec(spec_path))
        features = load_sweep_features(self.plan)
        self.store = Store.open(url)
        self.sweep_id = self.store.put_sweep(sweep_record(self.plan, features))
        self.store.plan(self.sweep_id, self.plan.cells, self.plan.seeds)
        self.trainer = PackTrainer(pack_data(features, self.plan, "cpu"))
        self.cells = {cell.key: cell for cell in self.plan.cells}

    def packs(self, left: Any = None) -> list[PackTask]:
        left = self.store.open_replicates(self.sweep_id) if left is None else left
        limits = PackLimits(tile_heads=8, max_heads=8)
        return list(make_packs(left, self.cells, limits, Throughput(workers=1)))

    def train(self, task: PackTask, claimed: list[int]) -> Any:
        return self.trainer.train(task, set(claimed), worker="test")

    def counts(self) -> dict[str, int]:
        return {k: n for k, n in self.store.counts(self.sweep_id).items() if n}


@pytest.fixture
def planned(tmp_path: Path, make_spec: Any) -> Iterator[Planned]:
    made = Planned(make_spec(), f"sqlite:///{tmp_path / 'store.db'}")
    yield made
    made.store.close()


@pytest.fixture
def record(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Recorder]]:
    """Makes recorders that beat fast; closes them."""
    monkeypatch.setattr(recording, "BEAT_S", 0.05)
    monkeypatch.setattr(recording, "PATIENCE_S", 0.0)
    made: list[Recorder] = []

    def start(run: RunIdentity | None = None) -> Recorder:
        made.append(Recorder(planned.url, planned.sweep_id, run or this_run(), 1))
        return made[-1]

    yield start
    for each in made:
        each.close("finished")


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_packs_are_claimed_recorded_and_given_back(planned, record):
    first, second = planned.packs()
    recorder = record()
    recorder.add(0, first)
    recorder.add(1, second)
    task, claimed = recorder.claim(0, "here/1")
    assert recorder.progress(0, 3.5)
    assert recorder.status().partial_heads == 3.5
    assert recorder.record(0, planned.train(task, claimed)) == 8
    recorder.claim(1, "here/1")
    assert planned.counts() == {"complete": 8, "running": 8}
    (run,) = planned.store.runs(planned.sweep_id)
    assert run.live
    recorder.close("interrupted")
    assert planned.counts() == {"complete": 8, "waiting": 8}
    (run,) = planned.store.runs(planned.sweep_id)
    assert (run.outcome, run.live) == ("interrupted", False)


def test_a_pack_of_a_dead_worker_is_claimed_again_and_never_written_twice(planned, record):
    task, _ = planned.packs()
    recorder = record()
    recorder.add(0, task)
    _, claimed = recorder.claim(0, "here/1")
    result = planned.train(task, claimed)
    recorder.add(1, task)  # its worker died; the pack comes again
    assert recorder.claim(1, "here/1") == (task, claimed)
    assert recorder.record(1, result) == 8
    assert recorder.record(0, result) == 0  # the first was alive after all
    assert recorder.status().finished["complete"] == 8
    assert planned.counts() == {"complete": 8, "waiting": 8}


def test_a_run_is_told_to_finish(planned, record):
    first, second = planned.packs()
    recorder = record()
    recorder.add(0, first)
    recorder.add(1, second)
    task, claimed = recorder.claim(0, "here/1")
    assert planned.store.request_stop(planned.sweep_id, "finish") == 1
    wait_for(lambda: recorder.status().stop == "finish")
    assert recorder.claim(1, "here/1") is None
    assert recorder.progress(0, 1.0)
    assert recorder.record(0, planned.train(task, claimed)) == 8


def test_a_run_is_told_to_abandon(planned, record):
    task, _ = planned.packs()
    recorder = record()
    recorder.add(0, task)
    _, claimed = recorder.claim(0, "here/1")
    planned.store.request_stop(planned.sweep_id, "abandon")
    wait_for(lambda: planned.counts() == {"waiting": 16})
    assert not recorder.progress(0, 1.0)
    assert recorder.record(0, planned.train(task, claimed)) == 0
    assert planned.counts() == {"waiting": 16}


def test_what_another_run_has_taken_is_left_to_it(planned, record):
    task, _ = planned.packs()
    mine, theirs = record(), record()
    mine.add(0, task)
    theirs.add(0, task)
    _, claimed = mine.claim(0, "here/1")
    assert theirs.claim(0, "here/1") is None
    assert theirs.status().taken_elsewhere == 8
    assert mine.record(0, planned.train(task, claimed)) == 8


def test_a_failure_is_kept_with_its_reason(planned, record):
    task, _ = planned.packs()
    recorder = record()
    recorder.add(0, task)
    recorder.claim(0, "here/1")
    recorder.fail(0, "RuntimeError: no")
    recorder.fail(0, "RuntimeError: no")  # a pack that is dealt with
    assert recorder.status().errors == ["RuntimeError: no"]
    assert planned.counts() == {"failed": 8, "waiting": 8}


def test_a_full_disk_ends_the_run_and_loses_nothing(planned, record):
    first, second = planned.packs()
    recorder = record()
    for number, task in enumerate((first, second)):
        recorder.add(number, task)
    task, claimed = recorder.claim(0, "here/1")
    assert recorder.record(0, planned.train(task, claimed)) == 8
    task, claimed = recorder.claim(1, "here/1")
    engine = recorder._store._engine

    def no_more_room(connection: sa.Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")

    sa.event.listen(engine, "begin", no_more_room)
    assert recorder.record(1, planned.train(task, claimed)) == 0
    assert "Free some space" in recorder.status().fatal
    assert not recorder.progress(1, 1.0)
    assert planned.counts()["complete"] == 8
    sa.event.remove(engine, "begin", no_more_room)
    recorder.close("finished")
    (run,) = planned.store.runs(planned.sweep_id)
    assert run.outcome == "failed"
    assert planned.counts() == {"complete": 8, "waiting": 8}
    assert planned.store.check().clean


def dead_run() -> RunIdentity:
    ours = this_run()
    return RunIdentity(ours.owner.replace(f"/{ours.pid}/", "/999999999/"), ours.host, 999999999)


def test_a_recorder_whose_driver_was_killed_lets_go(planned, record):
    task, _ = planned.packs()
    recorder = record(dead_run())
    recorder.add(0, task)
    recorder.claim(0, "here/1")
    wait_for(lambda: planned.counts() == {"waiting": 16})
    (run,) = planned.store.runs(planned.sweep_id)
    assert run.outcome == "interrupted"
    assert recorder.claim(0, "here/1") is None


def test_the_next_run_takes_over_from_a_killed_one_whatever_the_clock(planned, monkeypatch):
    dead = dead_run()
    ids = [i for i, _, _ in planned.packs()[0].replicates]
    planned.store.begin_run(planned.sweep_id, dead.owner, host=dead.host, pid=dead.pid, workers=1)
    # As far ahead as a lease may be: a clock that jumped back, or a long lease.
    assert planned.store.claim(ids, dead.owner, 600) == ids
    assert held(planned.store, planned.sweep_id) == 8
    source = SharedPlan(planned.store, planned.sweep_id, planned.packs)
    monkeypatch.setattr("sweeps.scheduling.source._ASK_EVERY_S", 0.0)
    assert sum(len(pack.replicates) for pack in iter(source.next_pack, None)) == 16
    assert release_dead_runs(planned.store, planned.sweep_id) == 0
    assert planned.counts() == {"waiting": 16}


def test_a_source_knows_of_its_end_when_the_last_pack_ends(planned, monkeypatch):
    # Asked again only after a long while, unless the last pack has just ended.
    monkeypatch.setattr("sweeps.scheduling.source._ASK_EVERY_S", 1e6)
    source = SharedPlan(planned.store, planned.sweep_id, planned.packs)
    tasks = list(iter(source.next_pack, None))
    assert len(tasks) > 1
    for task in tasks:
        assert source.next_pack() is None
        assert not source.finished
        claimed = planned.store.claim([i for i, _, _ in task.replicates], "mine", 60)
        planned.store.record_pack(planned.sweep_id, planned.train(task, claimed), "mine")
        source.ended(task)
    assert source.next_pack() is None
    assert source.finished


def test_a_source_does_not_hand_out_twice_and_ends_when_nobody_works(planned, monkeypatch):
    monkeypatch.setattr("sweeps.scheduling.source._ASK_EVERY_S", 0.0)
    monkeypatch.setattr("sweeps.scheduling.source._LOOK_EVERY_S", 0.0)
    source = SharedPlan(planned.store, planned.sweep_id, planned.packs)
    first, second = source.next_pack(), source.next_pack()
    assert source.next_pack() is None  # they wait for a worker, and are open in the store
    assert not source.finished
    other = planned.store.claim([i for i, _, _ in second.replicates], "another run", 60)
    source.ended(second)  # its claim found them taken
    assert source.next_pack() is None
    assert not source.finished  # the other may yet die
    planned.store.release("another run")
    again = source.next_pack()
    assert sorted(i for i, _, _ in again.replicates) == sorted(other)
    for task in (first, again):
        claimed = planned.store.claim([i for i, _, _ in task.replicates], "mine", 60)
        planned.store.record_pack(planned.sweep_id, planned.train(task, claimed), "mine")
        source.ended(task)
    assert source.next_pack() is None
    assert source.finished
