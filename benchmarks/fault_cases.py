"""The faults: each strikes a run of a fresh sweep and says what the store held right after."""

from __future__ import annotations

import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from fault_environment import (
    clock_jump,
    database_outage,
    disk_full,
    postgres_driver_kill,
    read_only,
)
from fault_struck import Struck, sqlite_url, wait_until_half_done
from fault_sweep import FaultSweep, Run, count_done, ended, read_state, wait_until


def driver_kill(
    sweep: FaultSweep, *, moment: float, timeline: list[tuple[float, int]], draw: random.Random
) -> Struck:
    """kill -9 of the driver at a moment of the run, 0 … 1.

    The first tenth is what comes before the first result, the last tenth what comes after the
    last one, both by the clock of an undisturbed run. In between the moment is found by what is
    done, so that it is the same share of the work on a slower machine.
    """
    url = sqlite_url(sweep)
    total = timeline[-1][1]
    first_s = min(t for t, n in timeline if n > 0)
    last_s = min(t for t, n in timeline if n == total)
    pack_s = (last_s - first_s) / len({n for _, n in timeline})
    with ended(sweep.run(url)) as run:
        if moment < 0.1:
            time.sleep(moment / 0.1 * first_s)
        elif moment < 0.9:
            done = max(1.0, (moment - 0.1) / 0.8 * total)
            wait_until(lambda: count_done(url) >= done, run)
            time.sleep(draw.random() * pack_s)
        else:
            wait_until(lambda: count_done(url) >= total, run)
            time.sleep((moment - 0.9) / 0.1 * (timeline[-1][0] - last_s))
        late = run.process.poll() is not None
        run.kill()
    note = f"moment {100 * moment:.0f} % of the run" + (", which had ended" if late else "")
    return Struck(url, note)


def worker_kill(sweep: FaultSweep) -> Struck:
    """kill -9 of a process that trains; the run itself must go on to its end."""
    url = sqlite_url(sweep)
    with ended(sweep.run(url)) as run:
        before = wait_until_half_done(run, url)
        workers = run.below("Trainable.train")
        workers[0].kill()
        status = run.wait(600)
    return Struck(url, f"the run went on; status {status}", before=before)


def recorder_kill(sweep: FaultSweep) -> Struck:
    """kill -9 of the process that records, as its file is being written: amid a commit."""
    url = sqlite_url(sweep)
    with ended(sweep.run(url)) as run:
        wait_until_half_done(run, url)
        recorders = run.below("Recorder")
        log = Path(f"{sweep.folder}/store.db-wal")
        size = log.stat().st_size
        deadline = time.monotonic() + 60
        while log.stat().st_size == size and time.monotonic() < deadline:
            pass  # the log grows while a transaction is written
        recorders[0].kill()
        status = run.wait(120)
        said = run.errors().strip().splitlines()[-1]
    return Struck(url, f"status {status}: {said[:90]}")


def node_kill(sweep: FaultSweep) -> Struck:
    """kill -9 of Ray's node: the raylet, and with it all its workers."""
    url = sqlite_url(sweep)
    with ended(sweep.run(url)) as run:
        wait_until_half_done(run, url)
        run.below("raylet/raylet")[0].kill()
        try:
            note = f"the driver ended, status {run.wait(120)}"
        except subprocess.TimeoutExpired:
            note = "THE DRIVER HUNG"
    return Struck(url, note)


def cluster_node_kill(sweep: FaultSweep) -> Struck:
    """kill -9 of one node of a cluster of two: the run goes on with the other."""
    url = sqlite_url(sweep)
    sweep.environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    script = Path(__file__).with_name("fault_cluster.py")
    with subprocess.Popen(
        [sys.executable, str(script)],
        env=sweep.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as cluster:
        assert cluster.stdin is not None
        assert cluster.stdout is not None
        address = cluster.stdout.readline().strip()
        with ended(sweep.run(url, "--ray-address", address)) as run:
            before = wait_until_half_done(run, url)
            cluster.stdin.write("kill\n")
            cluster.stdin.flush()
            status = run.wait(600)
        cluster.stdin.close()
    return Struck(url, f"the run went on; status {status}", before=before)


def control_kill(sweep: FaultSweep) -> Struck:
    """kill -9 of Ray's control server."""
    url = sqlite_url(sweep)
    with ended(sweep.run(url)) as run:
        wait_until_half_done(run, url)
        run.below("gcs_server")[0].kill()
        try:
            note = f"the driver ended, status {run.wait(180)}"
        except subprocess.TimeoutExpired:
            note = "THE DRIVER HUNG"
    return Struck(url, note)


def interrupt_once(sweep: FaultSweep) -> Struck:
    """Ctrl-C: the running packs finish."""
    url = sqlite_url(sweep)
    with ended(sweep.run(url)) as run:
        wait_until_half_done(run, url)
        running = _running(url)
        run.signal(signal.SIGINT, group=True)
        status = run.wait(120)
    return Struck(url, f"status {status}, {running} were training")


def interrupt_twice(sweep: FaultSweep) -> Struck:
    """Ctrl-C twice: stop now."""
    url = sqlite_url(sweep)
    with ended(sweep.run(url)) as run:
        wait_until_half_done(run, url)
        run.signal(signal.SIGINT, group=True)
        time.sleep(0.5)
        started = time.monotonic()
        run.signal(signal.SIGINT, group=True)
        status = run.wait(120)
    return Struck(url, f"status {status} after {time.monotonic() - started:.1f} s")


def together(count: int) -> Callable[[FaultSweep], Struck]:
    """Several `sweep run` of the sweep at once: they share it."""

    def case(sweep: FaultSweep) -> Struck:
        url = sqlite_url(sweep)
        with ExitStack() as stack:
            runs = [
                stack.enter_context(ended(sweep.run(url, "--workers", "1"))) for _ in range(count)
            ]
            statuses = [run.wait(900) for run in runs]
            trained = [_trained(run) for run in runs]
        return Struck(url, f"statuses {sorted(set(statuses))}; trained {trained}")

    return case


def _trained(run: Run) -> int:
    for line in run.errors().splitlines():
        if "replicates trained" in line:
            return int(line.split(": ")[1].split()[0])
    return 0


def _running(url: str) -> int:
    state = read_state(url)
    return state.states.get("running", 0)


Case = Callable[[FaultSweep], AbstractContextManager[Struck]]
CASES: dict[str, Case] = {
    "worker": worker_kill,
    "recorder-mid-commit": recorder_kill,
    "node": node_kill,
    "cluster-node": cluster_node_kill,
    "control-server": control_kill,
    "ctrl-c": interrupt_once,
    "ctrl-c-twice": interrupt_twice,
    "two-runs": together(2),
    "eight-runs": together(8),
    "clock-back": clock_jump,
    "disk-full": disk_full,
    "read-only": read_only,
    "postgres-30-s": database_outage,
    "postgres-driver": postgres_driver_kill,
}
