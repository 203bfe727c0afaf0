"""Peak memory of a pack against what the planner predicts, for packs of 10 to 5,000 heads.

Each pack is trained in a process of its own, on one thread; memory is the process's resident set,
sampled every 2 ms. Printed are the process's total (what a worker takes: before the pack, plus the
pack) and the pack's own part, with what was predicted of each. With ``--rungs`` heads may be pruned
half-way, so that the state of all of them is held.

    python benchmarks/memory.py [--heads 10 100 1000 5000] [--sizes 384x20 768x145] [--rungs]
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
import threading

import psutil
import torch

from sigmoidf1.thresholds import default_thresholds
from sigmoidf1.training.memory import predict_memory
from sigmoidf1.training.packed import train_replicates
from sigmoidf1.training.settings import HeadConfig, TrainingSettings

SPLITS = {"train": 2400, "validation": 800, "test": 800}
SETTINGS = TrainingSettings(epochs=2)


def one_pack(dim: int, classes: int, heads: int, *, rungs: bool) -> None:
    """Train one pack and print bytes: before, peak."""
    generator = torch.Generator().manual_seed(0)
    total = sum(SPLITS.values())
    features = torch.randn(total, dim, generator=generator)
    targets = (torch.rand(total, classes, generator=generator) < 0.1).float()
    splits, start = {}, 0
    for name, size in SPLITS.items():
        splits[name] = torch.arange(start, start + size)
        start += size

    def train(configs: list[HeadConfig], rows: dict[str, torch.Tensor]) -> None:
        pruning = {"rungs": (1,), "prune": lambda epoch, objective: objective < -1} if rungs else {}
        train_replicates(
            features,
            targets,
            configs,
            [(index, 0) for index in range(len(configs))],
            splits=rows,
            settings=SETTINGS,
            threads=1,
            keep_weights=False,
            **pruning,
        )

    train([HeadConfig(loss="sigmoid_f1")], {name: rows[:64] for name, rows in splits.items()})
    gc.collect()
    process, done = psutil.Process(), threading.Event()
    before = peak = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    betas = [{"beta": 1.0 + i / heads} for i in range(heads)]
    train([HeadConfig(loss="sigmoid_f1", hyperparameters=b) for b in betas], splits)
    done.set()
    watcher.join()
    print(before, peak)


def main() -> None:
    """Measure every size, each pack in a fresh process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", nargs="+", type=int, default=[10, 100, 1000, 5000])
    parser.add_argument("--sizes", nargs="+", default=["384x20", "768x145"])
    parser.add_argument("--rungs", action="store_true")
    parser.add_argument("--one", nargs=3, type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one_pack(*arguments.one, rungs=arguments.rungs)
        return
    print(f"{'size':>9} {'heads':>6} {'pack MB':>8} {'predicted':>9} {'total MB':>9} {'error':>7}")
    for size in arguments.sizes:
        dim, classes = (int(part) for part in size.split("x"))
        memory = predict_memory(
            SETTINGS,
            split_sizes=SPLITS,
            dim=dim,
            num_classes=classes,
            num_thresholds=len(default_thresholds()),
            device=torch.device("cpu"),
            rungs=arguments.rungs,
        )
        for heads in arguments.heads:
            if heads * dim * classes > 2 * 10**8:
                continue  # minutes of training on two cores
            command = [sys.executable, __file__, "--one", str(dim), str(classes), str(heads)]
            command += ["--rungs"] if arguments.rungs else []
            environment = {**os.environ, "MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"}
            output = subprocess.run(
                command, check=True, capture_output=True, text=True, env=environment
            ).stdout
            before, peak = (int(word) / 1e6 for word in output.split())
            predicted = memory.peak_bytes(heads) / 1e6
            error = (before + predicted) / peak - 1
            print(
                f"{size:>9} {heads:6} {peak - before:8.1f} {predicted:9.1f} {peak:9.1f} "
                f"{error:+7.1%}"
            )


if __name__ == "__main__":
    main()
