"""Packed training against other ways of training the same heads, per head-step.

A head-step is one optimiser step of one head on one batch of 256. Measured in one run: every
repetition measures every way once, one after the other, and medians over the repetitions are
printed, of times and of ratios within a repetition. So a machine that slows down slows all of them.

  a  a sequential PyTorch loop, features in memory, one head at a time, as fast as an honest loop
     gets: batches by index_select, fused Adam, the loss written for one head; on one thread or on
     all, whichever is faster
  b  torch.func: stacked modules, vmap over grad of functional_call, unfused Adam on the stack
  c  packed training, float32       d  packed training, bf16 products
     both as the service runs them: one worker process a core, one thread each, features kept
     between packs; beside them the same in one process with a thread a core

and the machine's own limit: the fastest large float32 (and bf16) matrix product at hand. (c) and
(d) are the time of the steps alone: two numbers of epochs, so that set-up and the evaluation at the
end cancel out. (e), end to end, is benchmarks/end_to_end.py.

    python benchmarks/packed_training.py [--sizes 384x20 768x145 2048x80] [--cores 2]
    python benchmarks/packed_training.py --profile      # where the time goes, on one core
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from training_profile import print_profile
from training_ways import (
    BATCH,
    STEPS_PER_EPOCH,
    Packed,
    PackedWorkers,
    Work,
    make_problem,
    sequential,
    vmapped,
)

from sigmoidf1.training.products import matmul
from sigmoidf1.training.settings import TrainingSettings
from sigmoidf1.training.tiles import tile_slots

TILES_PER_WORKER = 3
LIMITS = {"float32": torch.float32, "bf16": torch.bfloat16}


def seconds(work: Work, device: str = "cpu") -> float:
    """Wall time of one run."""
    started = time.perf_counter()
    work()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def product_seconds(dtype: torch.dtype, device: str) -> float:
    """Time of a large product by the faster of BLAS and oneDNN, on all of PyTorch's threads."""
    left, right = (torch.randn(2048, 2048, device=device).to(dtype) for _ in range(2))
    for product in (torch.mm, matmul):
        product(left, right)
    return min(seconds(lambda p=p: p(left, right), device) for p in (torch.mm, matmul))


def on_threads(count: int, work: Work) -> Work:
    """The same work on that many of PyTorch's threads."""

    def run() -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(count)
        try:
            work()
        finally:
            torch.set_num_threads(before)

    return run


def make_ways(
    dim: int, classes: int, arguments: argparse.Namespace
) -> tuple[dict[str, Callable[[], float]], list[PackedWorkers]]:
    """Name to a function that measures seconds per head-step; and the processes to end."""
    cores, device, epochs = arguments.cores, arguments.device, arguments.epochs
    features, targets = (tensor.to(device) for tensor in make_problem(dim, classes))
    loop = sequential(features, targets, arguments.steps)
    threads = {1, cores} if device == "cpu" else {1}
    ways: dict[str, Callable[[], float]] = {
        "a sequential": lambda: (
            min(seconds(on_threads(n, loop), device) for n in threads) / arguments.steps
        )
    }
    if device == "cpu":
        width = max(4, min(64, 40_000_000 // (dim * classes * 24)))
        stacked = on_threads(cores, vmapped(features, targets, width, 20))
        ways["b vmap"] = lambda: seconds(stacked) / (20 * width)

    def steps_alone(run: Callable[[int], None], heads: int) -> Callable[[], float]:
        def measure() -> float:
            long = seconds(lambda: run(epochs + 1), device)
            return (long - seconds(lambda: run(1), device)) / (epochs * STEPS_PER_EPOCH * heads)

        return measure

    place = torch.device(device)
    slots = tile_slots(TrainingSettings(), dim=dim, num_classes=classes, device=place)
    heads = TILES_PER_WORKER * slots if device == "cpu" else arguments.heads or slots
    started = []
    for letter, precision in (("c", "float32"), ("d", "bf16")):
        name = f"{letter} packed {precision}"
        if device == "cpu":
            workers = PackedWorkers(Packed(dim, classes, heads, precision), cores)
            started.append(workers)
            ways[name] = steps_alone(workers, cores * heads)
            here = Packed(dim, classes, cores * heads, precision, threads=cores).prepare()
            ways[f"{name}, threads"] = steps_alone(here, cores * heads)
        else:
            run = Packed(dim, classes, heads, precision, device=device).prepare()
            ways[name] = steps_alone(run, heads)
    return ways, started


def measure(dim: int, classes: int, arguments: argparse.Namespace) -> None:
    """Print the table of one size."""
    ways, started = make_ways(dim, classes, arguments)
    limits = {
        f"limit {name}": lambda dtype=dtype: product_seconds(dtype, arguments.device)
        for name, dtype in LIMITS.items()
    }
    times: dict[str, list[float]] = {name: [] for name in [*ways, *limits]}
    for repetition in range(arguments.repeats + 1):
        for name, way in (*ways.items(), *limits.items()):
            value = way()
            if repetition:  # the first one warms up
                times[name].append(value)
    for workers in started:
        workers.close()
    peaks = {name: 2 * 2048**3 / statistics.median(times[f"limit {name}"]) / 1e9 for name in LIMITS}
    print(
        f"\n(D, C) = ({dim}, {classes}), {arguments.cores} cores, {arguments.repeats} repetitions"
    )
    print("product limit: " + ", ".join(f"{k} {v:.0f} GFLOP/s" for k, v in peaks.items()))
    print(f"{'':27} {'µs/head-step':>12} {'× a':>8} {'× b':>8} {'of the limit':>13}")
    flops = 4 * BATCH * dim * classes
    for name in ways:
        against_a = _ratio(times["a sequential"], times[name])
        against_b = _ratio(times["b vmap"], times[name]) if "b vmap" in ways else "–"
        limit = times["limit bf16" if "bf16" in name else "limit float32"]
        share = statistics.median(
            flops / own / (2 * 2048**3 / best) for own, best in zip(times[name], limit, strict=True)
        )
        middle = 1e6 * statistics.median(times[name])
        print(f"{name:27} {middle:12.1f} {against_a:>8} {against_b:>8} {share:12.1%}")


def _ratio(slower: list[float], faster: list[float]) -> str:
    return f"{statistics.median(a / b for a, b in zip(slower, faster, strict=True)):.2f}"


def show_profile(dim: int, classes: int, epochs: int) -> None:
    """Print where the time goes on one core: before, in (a), and in (c) and (d)."""
    features, targets = make_problem(dim, classes)
    steps = epochs * STEPS_PER_EPOCH
    print_profile(
        f"(D, C) = ({dim}, {classes}), a sequential",
        on_threads(1, sequential(features, targets, 2 * steps)),
        on_threads(1, sequential(features, targets, steps)),
        steps,
    )
    place = torch.device("cpu")
    slots = tile_slots(TrainingSettings(), dim=dim, num_classes=classes, device=place)
    for precision in LIMITS:
        run = Packed(dim, classes, slots, precision).prepare()
        print_profile(
            f"(D, C) = ({dim}, {classes}), {slots} heads, {precision}",
            lambda run=run: run(epochs + 1),
            lambda run=run: run(1),
            epochs * STEPS_PER_EPOCH * slots,
        )


def main() -> None:
    """Measure or profile all sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=["384x20", "768x145", "2048x80"])
    parser.add_argument("--cores", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=10, help="of (c) and (d)")
    parser.add_argument("--steps", type=int, default=300, help="of (a)")
    parser.add_argument("--heads", type=int, help="of a pack on a GPU; default: one tile")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.cores)
    for size in arguments.sizes:
        dim, classes = (int(part) for part in size.split("x"))
        if arguments.profile:
            show_profile(dim, classes, arguments.epochs)
        else:
            measure(dim, classes, arguments)


if __name__ == "__main__":
    main()
