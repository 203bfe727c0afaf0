from __future__ import annotations

from datetime import timedelta

import pytest

from storage import frames, runs
from storage.engine import current_time
from storage.errors import RecordError, SweepNotFoundError
from storage.schema import runs as run_table


@pytest.fixture
def sweep_id(store, make_sweep):
    return store.put_sweep(make_sweep())


def begin(store, sweep_id, owner):
    return store.begin_run(sweep_id, owner, host="h", pid=7, workers=3)


def test_a_run_from_its_beginning_to_its_end(store, sweep_id):
    run_id = begin(store, sweep_id, "a")
    assert begin(store, sweep_id, "a") == run_id
    assert store.heartbeat("a") is None
    (run,) = store.runs(sweep_id)
    assert (run.run_id, run.host, run.pid, run.workers, run.live) == (run_id, "h", 7, 3, True)
    assert run.heartbeat_at > run.started_at
    store.end_run("a", "finished")
    store.end_run("a", "failed")
    frame = frames.load_runs(store, "movies")
    assert frame.loc[0, ["owner", "outcome", "live"]].tolist() == ["a", "finished", False]
    assert frame["ended_at"].notna().all()


def test_live_runs_hear_that_they_should_stop(store, sweep_id, make_sweep):
    for owner in ("ended", "dead", "live", "jumped"):
        begin(store, sweep_id, owner)
    begin(store, store.put_sweep(make_sweep("other")), "elsewhere")
    store.end_run("ended", "interrupted")
    with store.writing() as connection:
        now = current_time(connection)
        for owner, seconds in (("dead", -2 * runs.LIVE_S), ("jumped", 86_400)):
            statement = run_table.update().where(run_table.c.owner == owner)
            at = now + timedelta(seconds=seconds)
            connection.execute(statement.values(heartbeat_at=at))
    assert store.request_stop(sweep_id, "finish") == 1
    assert [store.heartbeat(o) for o in ("live", "dead", "elsewhere")] == ["finish", None, None]
    assert store.request_stop(sweep_id, "abandon") == 2
    assert store.heartbeat("live") == "abandon"


def test_a_run_whose_sweep_was_deleted_is_told_to_drop_its_work(store, sweep_id):
    begin(store, sweep_id, "a")
    store.delete_sweep("movies")
    assert store.heartbeat("a") == "abandon"


def test_bad_input(store, sweep_id, make_sweep):
    begin(store, sweep_id, "a")
    other = store.put_sweep(make_sweep("other"))
    for owner, sweep, kind in (
        ("", sweep_id, RecordError),
        ("a", other, RecordError),
        ("b", 99, SweepNotFoundError),
    ):
        with pytest.raises(kind):
            begin(store, sweep, owner)
    with pytest.raises(RecordError, match="abandon"):
        store.request_stop(sweep_id, "now")
    with pytest.raises(RecordError, match="interrupted"):
        store.end_run("a", "done")
