"""Time one whole sweep from the command line: training, recording, start-up, memory.

Runs ``sigmoidf1 sweep run SPEC`` on a fresh store, features cached beforehand, as many times as
asked, and prints the median of each figure. Nothing else should run on the machine.

    python benchmarks/first_light.py [--spec examples/movie-genres.yaml] [--runs 3]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

COMMAND = Path(sys.executable).with_name("sigmoidf1")


def tree_memory_bytes(process: psutil.Process) -> int:
    """Memory of a process and all its descendants, shared pages counted once (PSS)."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except psutil.Error:
            continue
    return total


def run_once(spec: Path, workers: int | None) -> dict[str, float]:
    """One sweep on a fresh store; seconds by phase, peak memory in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(COMMAND), "sweep", "run", str(spec), "--json"]
        command += ["--store", f"sqlite:///{folder}/sweeps.db"]
        command += ["--workers", str(workers)] if workers else []
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        peak = 0

        def watch() -> None:
            nonlocal peak
            while process.poll() is None:
                try:
                    peak = max(peak, tree_memory_bytes(psutil.Process(process.pid)))
                except psutil.Error:
                    return
                time.sleep(0.25)

        watcher = threading.Thread(target=watch)
        watcher.start()
        output, _ = process.communicate()
        watcher.join()
        wall = time.perf_counter() - started
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} failed with status {process.returncode}")
        summary = json.loads(output)[0]
        size = (Path(folder) / "sweeps.db").stat().st_size
    replicates = sum(summary["trained"].values())
    seconds = summary["seconds"]
    packs = summary["busy_s"] / summary["workers"]
    return {
        "replicates": replicates,
        "wall_s": wall,
        "features_s": seconds["features"],
        "wait_for_ray_s": seconds["ray"],
        "training_s": seconds["training"],
        "optuna_s": seconds["optuna"],
        "packs_s": packs,
        "recording_s": summary["recording_s"],
        "overhead_share": 1.0 - packs / wall,
        "peak_memory_mib": peak / 2**20,
        "store_kib_per_replicate": size / 1024 / replicates,
    }


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", type=Path, default=Path("examples/movie-genres.yaml"))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=None)
    arguments = parser.parse_args()
    subprocess.run([str(COMMAND), "embed", str(arguments.spec)], check=True)
    runs = [run_once(arguments.spec, arguments.workers) for _ in range(arguments.runs)]
    print(f"{'figure':26} {'median':>10} {'min':>10} {'max':>10}   ({len(runs)} runs)")
    for name in runs[0]:
        values = [run[name] for run in runs]
        median = statistics.median(values)
        print(f"{name:26} {median:10.2f} {min(values):10.2f} {max(values):10.2f}")


if __name__ == "__main__":
    main()
