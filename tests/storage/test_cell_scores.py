from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from storage.cell_scores import load_cell_scores
from storage.frames import load_cells, load_scores
from storage.records import CellRecord, PackResult, SweepRecord
from storage.store import Store

SPLITS = ("validation", "test")
METRICS = ("micro_f1", "map")
SEEDS = (5, 1)


@pytest.fixture
def store(tmp_path):
    """Four cells × two seeds in three packs; the last replicate is still waiting."""
    with Store.open(f"sqlite:///{tmp_path}/sweeps.db") as opened:
        sweep_id = opened.put_sweep(
            SweepRecord(
                name="movies",
                spec={},
                spec_hash="abc",
                identity={},
                dataset="movie_genres",
                encoder="minilm",
                dataset_fingerprint="f",
                features_info={},
                objective={"metric": "micro_f1", "split": "validation", "threshold": 0.5},
                metrics=[
                    {"name": m, "higher_is_better": True, "thresholded": True, "curve": False}
                    for m in METRICS
                ],
                thresholds=[0.5],
            )
        )
        cells = [
            CellRecord(
                key=f"key{i}",
                loss="bce",
                hyperparameters={"pos_weight": i},
                training={},
                head={},
                ordinal=i,
                parameters={},
            )
            for i in range(4)
        ]
        opened.plan(sweep_id, cells, SEEDS)
        rng = np.random.default_rng(0)
        ids = [entry.replicate_id for entry in opened.open_replicates(sweep_id)]
        for part in (ids[:3], ids[3:5], ids[5:7]):
            held = opened.claim(part, "me", 60)
            now = datetime.now(UTC)
            result = PackResult(
                replicate_ids=held,
                states=["complete"] * (len(held) - 1) + ["diverged"],
                reasons=[None] * (len(held) - 1) + ["not finite"],
                objective=rng.random(len(held)),
                scores={(s, m): rng.random(len(held)) for s in SPLITS for m in METRICS},
                slices={},
                curves={},
                curve_epochs=[],
                diagnostics={},
                started_at=now,
                finished_at=now,
                duration_s=0.0,
                worker="here",
            )
            opened.record_pack(sweep_id, result, "me")
        yield opened


def test_equals_the_scores_of_the_whole_sweep(store):
    cell_ids = load_cells(store, "movies")["cell_id"].tolist()
    found = load_cell_scores(store, cell_ids[1:])
    assert len(found) == 5 * len(SPLITS) * len(METRICS)
    for split in SPLITS:
        for metric in METRICS:
            whole = load_scores(store, "movies", split=split, metric=metric)
            recorded = whole["state"].isin(["complete", "diverged"])
            whole = whole[recorded & whole["cell_id"].isin(cell_ids[1:])]
            of_measure = found[(found["split"] == split) & (found["metric"] == metric)]
            for column in ("cell_id", "seed", "state", "value"):
                assert of_measure[column].tolist() == whole[column].tolist()


def test_no_cells_and_unknown_cells_give_no_rows(store):
    for cell_ids in ([], [10**6]):
        frame = load_cell_scores(store, cell_ids)
        assert frame.empty
        assert list(frame) == ["cell_id", "seed", "state", "split", "metric", "value"]
        assert frame["value"].dtype == "float64"
