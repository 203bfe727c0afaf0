"""What running packs side by side costs: against the machine's own limit, and per pack.

Two workers of one core each train a pack side by side, as the service does, and by how much that
is faster than one is compared with two processes that do nothing but matrix products: what these
lose, the machine has lost (shared caches, memory, clock). Each repetition measures, one after the
other, one pack, two packs, one product, two products; ratios are taken within a repetition, and
their median is printed.

The cost of scheduling a pack is what a run takes beyond training it: Ray Tune, claiming, sending
the results, writing them. Two sweeps of many packs of one tile each, one long and one short, are
run from the command line's entry; the slope is the cost of a pack, without the start of Ray.

    python benchmarks/scaling.py [--sizes 384x20] [--repeats 9] [--packs 40 240]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from training_ways import BATCH, STEPS_PER_EPOCH, Packed, PackedWorkers

from sigmoidf1.training.products import matmul
from sigmoidf1.training.settings import TrainingSettings
from sigmoidf1.training.tiles import tile_slots
from sweeps import packs
from sweeps.runner import RunOptions, run_sweep
from sweeps.spec import parse_spec

CORES = 2
EPOCHS = 60
CLASSES_OF_SMALL_SWEEP = 40


@dataclass(frozen=True)
class Products:
    """Bare products of a tile's shape, the fastest at hand.

    Attributes:
        dim: D.
        columns: of the tile: heads × classes.
        precision: float32 or bf16.
    """

    dim: int
    columns: int
    precision: str

    def prepare(self) -> Callable[[int], None]:
        """A function that does as many products as some epochs of a pack of one tile."""
        torch.set_num_threads(1)
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        left = torch.randn(BATCH, self.dim).to(dtype)
        right = torch.randn(self.dim, self.columns).to(dtype)

        def run(epochs: int) -> None:
            for _ in range(2 * STEPS_PER_EPOCH * epochs):
                matmul(left, right)

        return run


def side_by_side(dim: int, classes: int, precision: str, repeats: int) -> None:
    """Print the speed-up of two packs, of two products, and the one as a part of the other."""
    place = torch.device("cpu")
    slots = tile_slots(TrainingSettings(), dim=dim, num_classes=classes, device=place)
    pack = Packed(dim, classes, slots, precision)
    products = Products(dim, slots * classes, precision)
    works = {"pack": pack, "product": products}
    workers = {
        (name, count): PackedWorkers(work, count)
        for name, work in works.items()
        for count in (1, CORES)
    }
    speed_ups: dict[str, list[float]] = {name: [] for name in works}
    try:
        for repetition in range(repeats + 1):
            for name in works:
                one, both = (_seconds(workers[name, n]) for n in (1, CORES))
                if repetition:  # the first one warms up
                    speed_ups[name].append(CORES * one / both)
    finally:
        for each in workers.values():
            each.close()
    parts = [a / b for a, b in zip(speed_ups["pack"], speed_ups["product"], strict=True)]
    middle = {name: statistics.median(values) for name, values in speed_ups.items()}
    print(
        f"({dim}, {classes}) {precision:8} {slots} heads: two packs {middle['pack']:.2f} × one, "
        f"two products {middle['product']:.2f} × one; {statistics.median(parts):.1%} of the "
        f"machine's limit (from {min(parts):.1%} to {max(parts):.1%})",
        flush=True,
    )


def _seconds(work: Callable[[int], None]) -> float:
    """Time of the epochs alone: set-up and the evaluation at the end cancel out."""
    started = time.perf_counter()
    work(EPOCHS + 1)
    middle = time.perf_counter()
    work(1)
    return 2 * middle - started - time.perf_counter()


def cost_of_a_pack(counts: list[int]) -> None:
    """Print what a pack costs beyond its training, with one worker and with two."""
    packs.SHARE = 10**9  # every pack a single tile
    with tempfile.TemporaryDirectory(prefix="scaling-") as scratch:
        features = Path(scratch, "features.npz")
        _write_features(features)
        for workers in (1, CORES):
            beyond = [_beyond_training(scratch, features, workers, count) for count in counts]
            (few, first), (many, last) = beyond[0], beyond[-1]
            each_ms = 1000 * (last - first) / (many - few)
            print(
                f"{workers} workers, {few} and {many} packs: {first:.2f} s and {last:.2f} s beyond "
                f"training, {each_ms:.1f} ms a pack",
                flush=True,
            )


def _beyond_training(scratch: str, features: Path, workers: int, count: int) -> tuple[int, float]:
    """Packs of a sweep, and the seconds of its training phase that no worker was training."""
    place = torch.device("cpu")
    slots = tile_slots(TrainingSettings(), dim=32, num_classes=CLASSES_OF_SMALL_SWEEP, device=place)
    spec = parse_spec(
        {
            "sweep": f"packs-{count}",
            "data": {"dataset": "features", "path": str(features)},
            "training": {"epochs": 1, "batch_size": 256, "lr": 0.005},
            "seeds": 1,
            "keep": "none",
            "losses": {"sigmoid_f1": {"beta": {"range": [1, 30], "num": slots * count}}},
        }
    )
    url = f"sqlite:///{scratch}/{workers}-{count}.db"
    summary = run_sweep(spec, url, options=RunOptions(workers=workers))
    trained = sum(summary.trained.values())
    return trained // slots, summary.seconds["training"] - summary.busy_s / workers


def _write_features(path: Path) -> None:
    generator = np.random.default_rng(0)
    embeddings = generator.normal(size=(1400, 32)).astype(np.float32)
    targets = (generator.random((1400, CLASSES_OF_SMALL_SWEEP)) < 0.2).astype(np.uint8)
    split = np.array(["train"] * 1000 + ["validation"] * 200 + ["test"] * 200)
    labels = np.array([f"class-{k}" for k in range(CLASSES_OF_SMALL_SWEEP)])
    np.savez(path, X=embeddings, Y=targets, split=split, labels=labels)


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sizes", nargs="+", default=["384x20"], help="D×C, such as 384x20")
    parser.add_argument("--precisions", nargs="+", default=["float32", "bf16"])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--packs", nargs=2, type=int, default=[40, 240], help="0 0: leave out")
    arguments = parser.parse_args()
    for size in arguments.sizes:
        dim, classes = (int(part) for part in size.split("x"))
        for precision in arguments.precisions:
            side_by_side(dim, classes, precision, arguments.repeats)
    if any(arguments.packs):
        cost_of_a_pack(arguments.packs)


if __name__ == "__main__":
    main()
