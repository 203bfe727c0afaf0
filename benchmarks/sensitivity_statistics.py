"""Time every statistic of one loss of a sweep: the whole analysis, and its parts.

Made-up sweeps of 30 × 9 cells × 5 seeds and 100 × 100 × 20 with 99 thresholds on two splits, half
of the grid with twice the noise so that the slower path without pooling is timed as well. With
``--stored`` each sweep is also written to an SQLite store, and analysed from there as
``sigmoidf1 analyse`` does.

    python benchmarks/sensitivity_statistics.py [--runs 3] [--stored]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from storage.records import CellRecord, PackResult, SweepRecord
from storage.store import Store
from sweeps.sensitivity.analysis import analyse
from sweeps.sensitivity.analysis_data import Analysis, Question, ThresholdCurves
from sweeps.sensitivity.anova import anova
from sweeps.sensitivity.mcb import tied_with_best
from sweeps.sensitivity.probability import probability_best, selection_frequency
from sweeps.sensitivity.seed_table import seed_table
from sweeps.sensitivity.sweep_analysis import analyse_sweep
from sweeps.sensitivity.words import in_words

SHAPES = ((30, 9, 5), (100, 100, 20))
N_THRESHOLDS = 99
PACK = 2000
SPLITS = ("validation", "test")
CURVES = ("weighted_f1", "micro_precision", "micro_recall")


def made_up_sweep(
    n_beta: int, n_eta: int, n_seeds: int
) -> tuple[pd.DataFrame, pd.DataFrame, ThresholdCurves]:
    """Frames as storage returns them, and the metric at every threshold."""
    rng = np.random.default_rng(0)
    k = n_beta * n_eta
    beta, eta = np.meshgrid(np.linspace(1, 30, n_beta), np.linspace(-1, 2, n_eta), indexing="ij")
    cells = pd.DataFrame(
        {
            "cell_id": np.arange(k), "ordinal": np.arange(k), "loss": "sigmoid_f1",
            "param_beta": beta.ravel(), "param_eta": eta.ravel(),
        }
    )  # fmt: skip
    sd = np.where(np.arange(k) % 2, 0.004, 0.008)
    mean = 0.42 - 0.02 * (eta.ravel() - 0.5) ** 2 - 0.0001 * (beta.ravel() - 12) ** 2
    values = mean[:, None] + sd[:, None] * rng.standard_normal((k, n_seeds))
    values += 0.003 * rng.standard_normal(n_seeds)
    replicates = pd.DataFrame(
        {
            "cell_id": np.repeat(np.arange(k), n_seeds), "seed": np.tile(np.arange(n_seeds), k),
            "loss": "sigmoid_f1", "state": "complete", "objective": values.ravel(),
            "predicted_positive_rate": 0.15, "train_loss": 0.6,
        }
    )  # fmt: skip
    thresholds = 1 / (1 + np.exp(-np.linspace(-9.2, 9.2, N_THRESHOLDS)))
    bend = -0.02 * np.linspace(-1, 1, N_THRESHOLDS)[:, None, None] ** 2
    return cells, replicates, ThresholdCurves(thresholds, values + bend, values + bend - 0.01)


def store_sweep(
    store: Store, cells: pd.DataFrame, replicates: pd.DataFrame, curves: ThresholdCurves
) -> None:
    """Write a made-up sweep as a run would, pack by pack."""
    n_seeds = int(replicates["seed"].max()) + 1
    plan = [
        CellRecord(
            key=f"{row.cell_id:016x}", loss="sigmoid_f1", training={"lr": 0.001},
            hyperparameters={"beta": row.param_beta, "eta": row.param_eta}, ordinal=row.ordinal,
            head={"kind": "linear"}, parameters={"beta": row.param_beta, "eta": row.param_eta},
        )
        for row in cells.itertuples()
    ]  # fmt: skip
    metrics = [
        {"name": name, "higher_is_better": True, "thresholded": True, "curve": True}
        for name in CURVES
    ]
    sweep_id = store.put_sweep(
        SweepRecord(
            name="made-up", spec={}, spec_hash="h", identity={}, dataset="made-up", encoder="none",
            dataset_fingerprint="f", metrics=metrics, thresholds=curves.thresholds.tolist(),
            features_info={"n_validation": 100, "n_test": 100,
                           "positives": {split: [12, 12] for split in SPLITS}},
            objective={"metric": "weighted_f1", "split": "validation",
                       "threshold": float(curves.thresholds[N_THRESHOLDS // 2])},
            baselines={"predict_all": {split: dict.fromkeys(CURVES, 0.36) for split in SPLITS}},
        )
    )  # fmt: skip
    store.plan(sweep_id, plan, range(n_seeds))
    waiting = store.open_replicates(sweep_id)
    for start in range(0, len(waiting), PACK):
        pack = waiting[start : start + PACK]
        rows = np.array([int(one.cell_key, 16) * n_seeds + one.seed for one in pack])
        store.claim([one.replicate_id for one in pack], "benchmark", 600)
        values = replicates["objective"].to_numpy()[rows]
        layers = curves.validation.reshape(N_THRESHOLDS, -1)[:, rows].T
        now = datetime.now(UTC)
        store.record_pack(
            sweep_id,
            PackResult(
                replicate_ids=[one.replicate_id for one in pack], states=["complete"] * len(pack),
                reasons=[None] * len(pack), objective=values,
                scores={(split, name): values for split in SPLITS for name in CURVES},
                slices={(split, name): layers for split in SPLITS for name in CURVES},
                curves={}, curve_epochs=[],
                diagnostics={"predicted_positive_rate": np.full(len(pack), 0.15)},
                started_at=now, finished_at=now, duration_s=1.0, worker="benchmark",
            ),
            "benchmark",
        )  # fmt: skip


def timed_from_store(
    cells: pd.DataFrame, replicates: pd.DataFrame, curves: ThresholdCurves, runs: int
) -> float:
    """Median seconds of the analysis of a stored sweep, reading included."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(f"sqlite:///{Path(folder) / 'made-up.db'}") as store,
    ):
        store_sweep(store, cells, replicates, curves)
        return timed(lambda: analyse_sweep(store, "made-up").to_dict(), runs)


def timed(call: Callable[[], object], runs: int) -> float:
    """Median seconds of a call."""
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def main() -> None:
    """Print a table of seconds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--stored", action="store_true", help="also write and read a store")
    options = parser.parse_args()
    runs = options.runs
    for shape in SHAPES:
        cells, replicates, curves = made_up_sweep(*shape)
        scores = replicates.rename(columns={"objective": "value"})
        question = Question(
            sweep="s", loss="sigmoid_f1", metric="weighted_f1", split="validation", threshold=0.5
        )

        def everything(
            cells: pd.DataFrame = cells,
            replicates: pd.DataFrame = replicates,
            scores: pd.DataFrame = scores,
            curves: ThresholdCurves = curves,
            question: Question = question,
        ) -> Analysis:
            found = analyse(
                cells, replicates, scores, question=question, test_scores=scores, curves=curves,
                positive_rate=0.12, baselines={"predict_all": 0.36, "predict_none": 0.0},
            )  # fmt: skip
            in_words(found)
            found.to_dict()
            return found

        table = seed_table(cells, replicates)
        parts: dict[str, Callable[[], object]] = {
            "everything, with words and JSON": everything,
            "analysis of variance": lambda t=table: anova(t.parameters, t.values),
            "tied set": lambda t=table: tied_with_best(t.values),
            "probability of being best": lambda t=table: probability_best(t.values, seed=0),
            "selection frequency": lambda t=table: selection_frequency(t.values, seed=0),
        }
        print(f"{' × '.join(map(str, shape))}, {N_THRESHOLDS} thresholds")
        for name, call in parts.items():
            print(f"  {name:34s} {timed(call, runs):7.3f} s")
        if options.stored:
            seconds = timed_from_store(cells, replicates, curves, runs)
            print(f"  {'read from a store, losses compared':34s} {seconds:7.3f} s")


if __name__ == "__main__":
    main()
