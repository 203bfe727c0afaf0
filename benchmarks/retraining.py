"""Cells of a stored sweep trained again: what it costs, and how far other rounding takes metrics.

Trains the best cells of each loss as `sigmoidf1 sweep keep` does and compares every metric with
the stored one: with the products of this machine, with PyTorch's other product library, which
rounds otherwise, and with embeddings whose last bit was changed at random.

    python benchmarks/retraining.py --store sqlite:///sweeps.db --sweep movie-genres [--keep 10]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from sigmoidf1.features import Features
from sigmoidf1.training import products
from storage import frames
from storage.cell_scores import load_cell_scores
from storage.records import CellRecord
from storage.store import Store
from sweeps.agreement import Measure, compare_scores, merge_agreements
from sweeps.keep_work import stored_cells
from sweeps.retraining import Retrainer, same_features
from sweeps.sensitivity.best import rank_cells

Scores = dict[tuple[str, int], dict[Measure, float]]


def main() -> None:
    """Print a line a way of rounding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", required=True)
    parser.add_argument("--sweep", required=True)
    parser.add_argument("--keep", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    with Store.open(arguments.store, create=False, read_only=True) as store:
        info = frames.load_sweep(store, arguments.sweep)
        cells = frames.load_cells(store, arguments.sweep)
        replicates = frames.load_replicates(store, arguments.sweep)
        ranked = rank_cells(cells, replicates).groupby("loss", sort=False).head(arguments.keep)
        scores = load_cell_scores(store, [int(i) for i in ranked["cell_id"]])
        swept = float(
            (replicates["finished_at"].max() - replicates["started_at"].min()).total_seconds()
        )
    chosen = cells[cells["cell_id"].isin(ranked["cell_id"])]
    keys = dict(zip(chosen["cell_id"], chosen["key"], strict=True))
    stored: Scores = {}
    for row in scores.to_dict("records"):
        own = stored.setdefault((keys[row["cell_id"]], int(row["seed"])), {})
        own[row["split"], row["metric"]] = row["value"]
    records = stored_cells(chosen)
    pairs = [(records[key], seed) for key, seed in stored]
    features = same_features(
        info.spec["data"],
        info.spec["encoder"],
        sweep=info.name,
        dataset_fingerprint=info.dataset_fingerprint,
        features_fingerprint=info.identity.get("features"),
    )
    print(f"{len(records)} cells, {len(pairs)} replicates of {len(replicates)}")
    print(f"the sweep's own packs took {swept:.1f} s of wall time")

    def measure(name: str, these: Features) -> None:
        _measure(name, these, info.objective, pairs, stored, arguments.threads)

    measure("as stored", features)
    fastest = products._LINEAR
    products._LINEAR = None
    measure("other products", features)
    products._LINEAR = fastest
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(-1, 2, features.embeddings.shape, generator=generator)
    moved = features.embeddings * (1 + signs * torch.finfo(torch.float32).eps)
    measure("other last bits", replace(features, embeddings=moved))


def _measure(
    name: str,
    features: Features,
    objective: dict,
    pairs: Sequence[tuple[CellRecord, int]],
    stored: Scores,
    threads: int,
) -> None:
    started, work = time.perf_counter(), time.process_time()
    retrainer = Retrainer(features, objective, threads=threads)
    parts = [
        compare_scores(stored[one.cell.key, one.seed], one.scores, what=f"seed {one.seed}")
        for batch in retrainer.run(pairs)
        for one in batch
    ]
    found = merge_agreements(parts)
    largest = np.array([part.largest for part in parts])
    print(
        f"{name:16} {time.perf_counter() - started:7.1f} s, {time.process_time() - work:7.1f} s of "
        f"CPU; {found.different} of {found.compared} metrics differ, largest of a replicate: "
        f"median {np.median(largest):.1e}, 95 % {np.quantile(largest, 0.95):.1e}, "
        f"most {found.largest:.1e} ({found.where})"
    )


if __name__ == "__main__":
    main()
