"""On paper: what the paper's six sweeps cost on 1, 8 and 64 GPUs, and what limits first.

Nothing is run. Sizes come from examples/paper/*.yaml and the paper's Table 2; arithmetic is
counted; speeds are inputs, each marked as measured here or assumed. Print them all:

    python benchmarks/cluster_cost.py [--gpus 1 8 64] [--learning-rates 1]

A phase's time is its work over what does it. Training and embedding are done by all GPUs. The plan,
Ray's start, handing out packs, recording them and training the kept cells again are the driver's.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from sweeps.spec import load_spec

SPECS = Path(__file__).parents[1] / "examples" / "paper"
TRAIN_SHARE = 0.6
FLOAT_BYTES = 4


@dataclass(frozen=True)
class Input:
    """One number, and where it is from."""

    value: float
    unit: str
    source: str


INPUTS = {
    "core": Input(0.16e12, "FLOP/s", "measured: 49 µs a head-step; docs/performance.md"),
    "pack": Input(0.012, "s", "measured: Ray Tune and recorder, a pack; benchmarks/scaling.py"),
    "record": Input(0.0007, "s", "measured: recording, a replicate, on a busy machine"),
    "start": Input(28.0, "s", "measured: imports, Ray, plan, Optuna; docs/performance.md"),
    "evaluate": Input(0.15, "", "measured: objective and scores, part of training; ditto"),
    "gpu": Input(12.5e12, "FLOP/s", "assumed: 40 % of an A10G's 31 TFLOP/s in float32"),
    "memory": Input(420e9, "B/s", "assumed: 70 % of an A10G's 600 GB/s"),
    "adam": Input(32.0, "B", "counted: weights, moments and gradient, read and written"),
    "images": Input(1000.0, "1/s", "assumed: images embedded by one GPU"),
    "texts": Input(400.0, "1/s", "assumed: texts embedded by one GPU (DistilBERT, 512 tokens)"),
    "network": Input(1.25e9, "B/s", "assumed: 10 Gbit/s between nodes"),
    "gpus a node": Input(8.0, "", "assumed"),
    "driver cores": Input(16.0, "", "assumed: they train the kept cells again"),
    "packs a GPU": Input(20.0, "", "counted: thirds of what is left, down to single tiles"),
    "tile": Input(16_384.0, "columns", "counted: heads × classes of a tile on a GPU"),
}


@dataclass(frozen=True)
class Corpus:
    """A dataset of Table 2: examples, classes that are kept, width of its embeddings."""

    spec: str
    examples: int
    classes: int
    dim: int
    kind: str


CORPORA = [
    Corpus("movie_posters", 37_632, 14, 1280, "images"),
    Corpus("arxiv2020", 26_558, 145, 768, "texts"),
    Corpus("chemical_exposure", 3_661, 38, 768, "texts"),
    Corpus("cancer_hallmarks", 1_582, 33, 768, "texts"),
    Corpus("voc2007", 9_963, 20, 2048, "images"),
    Corpus("coco2014", 122_218, 80, 2048, "images"),
]


def of(name: str) -> float:
    """An input's value."""
    return INPUTS[name].value


def phases(corpus: Corpus, gpus: int, learning_rates: int) -> dict[str, float]:
    """Seconds of each phase of one dataset's sweep."""
    spec = load_spec(SPECS / f"{corpus.spec}.yaml")
    training = spec.training.to_plain()
    views = int(spec.encoder.get("augment_views", 0))
    train = int(TRAIN_SHARE * corpus.examples)
    steps = -(-train // int(training["batch_size"])) * int(training["epochs"])
    weights = corpus.dim * corpus.classes
    flop = 4.0 * train * int(training["epochs"]) * weights  # two products, two operations each
    heads = spec.n_replicates * learning_rates
    head_s = flop / of("gpu") + steps * weights * of("adam") / of("memory")
    keep = spec.keep if isinstance(spec.keep, int) else 0
    kept = sum(min(keep, _cells(spec, loss) * learning_rates) for loss in spec.losses)
    nodes = -(-gpus // of("gpus a node"))
    rows = corpus.examples + views * train
    train_s = (1 + of("evaluate")) * heads * head_s / gpus
    tiles = heads * corpus.classes / of("tile")
    packs = max(gpus, min(of("packs a GPU") * gpus, tiles))  # fewer tiles than GPUs are divided
    return {
        "start": of("start"),
        "embed": rows / of(corpus.kind) / gpus,
        "send": (nodes - 1) * rows * corpus.dim * FLOAT_BYTES / of("network"),
        "train": train_s,
        "packs": max(0.0, packs * of("pack") - train_s),
        "record": max(0.0, heads * of("record") - train_s),
        "keep": kept * len(spec.seeds) * flop / of("core") / of("driver cores"),
    }


def _cells(spec: object, loss: str) -> int:
    cells = 1
    for axis in spec.losses[loss].values():  # type: ignore[attr-defined]
        cells *= len(axis)
    return cells


def main() -> None:
    """Print inputs, a table for each number of GPUs, and what limits."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--gpus", nargs="+", type=int, default=[1, 8, 64])
    parser.add_argument("--learning-rates", type=int, default=1, help="a grid of so many")
    arguments = parser.parse_args()
    for name, given in INPUTS.items():
        print(f"{name:14} {given.value:>10.4g} {given.unit:7} {given.source}")
    for gpus in arguments.gpus:
        print(f"\n{gpus} GPUs, seconds")
        whole: dict[str, float] = {}
        for corpus in CORPORA:
            found = phases(corpus, gpus, arguments.learning_rates)
            whole = {name: whole.get(name, 0.0) + seconds for name, seconds in found.items()}
            print(_row(corpus.spec, found))
        print(_row("all six", whole))
        most = max(whole, key=whole.__getitem__)
        hours = sum(whole.values()) / 3600
        print(f"{hours:.2f} h, {gpus * hours:.1f} GPU-hours; most of it: {most}")


def _row(name: str, seconds: dict[str, float]) -> str:
    parts = "  ".join(f"{phase} {value:.0f}" for phase, value in seconds.items())
    return f"{name:18} {sum(seconds.values()):>7.0f}   {parts}"


if __name__ == "__main__":
    main()
