"""Analyses of a real store: what is read, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from storage.records import CellRecord, PackResult, SweepRecord
from storage.store import Store
from sweeps.errors import SweepError
from sweeps.sensitivity.analysis_data import Unavailable
from sweeps.sensitivity.reading import analyse_stored
from sweeps.sensitivity.reading_losses import compare_stored, transfer_stored

METRICS = ("micro_f1", "micro_precision", "micro_recall", "map")
SPLITS = ("validation", "test")
THRESHOLDS = [0.25, 0.5, 0.75]
GRID = [(b, e) for b in (-5.0, 1.0, 9.0) for e in (0.0, 1.0)]


def cell(ordinal: int, loss: str, **hyperparameters) -> CellRecord:
    return CellRecord(
        key=f"{loss}-{sorted(hyperparameters.items())}",
        loss=loss,
        hyperparameters=hyperparameters,
        training={"lr": 0.001},
        head={"kind": "linear"},
        ordinal=ordinal,
        parameters=hyperparameters,
    )


def put(store: Store, name: str, dataset: str, gain: float) -> None:
    """Six cells of sigmoid_f1 and one of bce, three seeds; micro-F1 grows with gain × β."""
    sweep_id = store.put_sweep(
        SweepRecord(
            name=name,
            spec={},
            spec_hash="h",
            identity={"name": name},
            dataset=dataset,
            encoder="minilm",
            dataset_fingerprint="f",
            features_info={
                "n_validation": 10, "n_test": 10,
                "positives": {"validation": [2, 2], "test": [1, 3]},
            },
            objective={"metric": "micro_f1", "split": "validation", "threshold": 0.5},
            metrics=[
                {
                    "name": metric, "higher_is_better": True,
                    "thresholded": metric != "map", "curve": metric != "map",
                }
                for metric in METRICS
            ],
            thresholds=THRESHOLDS,
            baselines={"predict_all": {split: dict.fromkeys(METRICS, 0.3) for split in SPLITS}},
        )
    )  # fmt: skip
    cells = [cell(i, "sigmoid_f1", beta=b, eta=e) for i, (b, e) in enumerate(GRID)]
    cells.append(cell(len(GRID), "bce"))
    store.plan(sweep_id, cells, [0, 1, 2])
    waiting = store.open_replicates(sweep_id)
    store.claim([w.replicate_id for w in waiting], "me", 60)
    by_key = {c.key: c for c in cells}
    beta = np.array([by_key[w.cell_key].hyperparameters.get("beta", 0.0) for w in waiting])
    rng = np.random.default_rng(0)
    values = 0.4 + gain * beta + 0.005 * rng.standard_normal(len(waiting))
    curves = np.stack([values - 0.1, values, values + 0.05], axis=1)
    curves[:, 2] = np.where(beta == 1.0, 0.3, curves[:, 2])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    store.record_pack(
        sweep_id,
        PackResult(
            replicate_ids=[w.replicate_id for w in waiting],
            states=["complete"] * len(waiting),
            reasons=[None] * len(waiting),
            objective=values,
            scores={(split, metric): values for split in SPLITS for metric in METRICS},
            slices={(split, metric): curves for split in SPLITS for metric in METRICS[:3]},
            curves={"train_loss": np.zeros((1, len(waiting)), np.float32)},
            curve_epochs=[1],
            diagnostics={
                "train_loss": np.ones(len(waiting)),
                "predicted_positive_rate": np.full(len(waiting), 0.2),
            },
            started_at=start,
            finished_at=start + timedelta(seconds=1),
            duration_s=1.0,
            worker="w",
        ),
        "me",
    )


@pytest.fixture
def store(tmp_path):
    opened = Store.open(f"sqlite:///{tmp_path}/s.db")
    put(opened, "voc", "voc", 0.01)
    put(opened, "coco", "coco", -0.01)
    yield opened
    opened.close()


def test_everything_is_read_at_the_objectives_threshold(store):
    found = analyse_stored(store, "voc", "sigmoid_f1")
    assert found.question.metric == "micro_f1"
    assert found.choice_values[0]["parameters"]["beta"] == 9.0
    assert found.choice_values[0]["test"]["n"] == 3
    assert set(found.cells["parameters"]) == {"beta", "eta"}
    assert found.cells["predicted_positive_rate"] == pytest.approx(np.full(6, 0.2))
    assert found.cells["diagnostic_train_loss"].tolist() == [1.0] * 6
    assert found.threshold.tuned.tolist() == [0.75, 0.75, 0.5, 0.5, 0.75, 0.75]
    assert found.threshold.regret_test[0] == pytest.approx(0.05, abs=1e-4)
    assert found.baseline["predict_all"]["better"] == 6
    assert isinstance(found.kept, Unavailable)
    json.dumps(found.to_dict(), allow_nan=False)


def test_another_threshold_takes_its_predicted_rate_from_the_curves(store):
    found = analyse_stored(store, "voc", "sigmoid_f1", threshold=0.75, curves=False)
    assert found.question.threshold == 0.75
    # precision equals recall here, so the rate is the base rate: 4 of 20 pairs
    assert found.cells["predicted_positive_rate"] == pytest.approx(np.full(6, 0.2), abs=1e-4)
    assert isinstance(found.threshold, Unavailable)
    ranked = analyse_stored(store, "voc", "sigmoid_f1", metric="map")
    assert ranked.question.threshold is None


def test_losses_and_datasets_are_compared(store):
    found = compare_stored(store, "voc")
    assert set(found.chosen) == {"sigmoid_f1", "bce"}
    assert found.paired["sigmoid_f1", "bce"].difference == pytest.approx(0.09, abs=0.02)
    assert "bce, threshold tuned" in found.against["sigmoid_f1"]
    moved = transfer_stored(store, ["voc", "coco"], "sigmoid_f1")
    assert moved.datasets == ("coco", "voc")
    assert moved.n_common == 6
    assert np.diag(moved.regret).tolist() == [0, 0]
    assert moved.regret[0, 1] == pytest.approx(0.14, abs=0.02)


def test_unknown_names_are_refused_with_the_nearest(store):
    with pytest.raises(SweepError, match="Did you mean 'sigmoid_f1'"):
        analyse_stored(store, "voc", "sigmoid_f2")
    with pytest.raises(SweepError, match="Did you mean 'micro_f1'"):
        analyse_stored(store, "voc", "bce", metric="micro_f2")
    with pytest.raises(SweepError, match="Unknown loss 'focal'"):
        compare_stored(store, "voc", losses=["focal"])
