from __future__ import annotations

import json
import logging
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import yaml

from storage.records import CellRecord, PackResult, SweepRecord
from storage.store import Store
from sweeps.errors import SweepError
from sweeps.export import export_best, format_export

METRICS = ("weighted_f1", "map", "hamming_loss")
SPLITS = ("validation", "test")
SEEDS = (4, 0, 2)
NAN = math.nan


def cell(ordinal: int, loss: str, **hyperparameters) -> CellRecord:
    return CellRecord(
        key=f"key{ordinal}",
        loss=loss,
        hyperparameters=hyperparameters,
        training={"epochs": 3, "batch_size": 256, "lr": 0.001, "optimizer": "adam"},
        head={"kind": "linear"},
        ordinal=ordinal,
        parameters=hyperparameters,
    )


CELLS = [
    cell(0, "sigmoid_f1", beta=1.0, eta=0.0, input="logits"),
    cell(1, "sigmoid_f1", beta=5.0, eta=0.0, input="logits"),
    cell(2, "focal", gamma=2.0, alpha=None),
    cell(3, "unbounded_f1"),
]
# Objective by cell and seed; a text is a state.
OBJECTIVES = {
    "key0": {0: 0.30, 2: 0.32, 4: 0.34},
    "key1": {0: 0.50, 2: 0.56, 4: 0.53},
    "key2": {0: 0.40, 2: 0.44, 4: "diverged"},
    "key3": {0: "diverged", 2: "diverged", 4: "failed"},
}


def put(store: Store, name="movies", dataset="movie_genres", metric="weighted_f1") -> int:
    baselines = dict.fromkeys(METRICS, 0.2) | {"map": NAN}
    return store.put_sweep(
        SweepRecord(
            name=name,
            spec={"sweep": name},
            spec_hash="abc",
            identity={"data": {"dataset": dataset}},
            dataset=dataset,
            encoder="minilm",
            dataset_fingerprint="f" * 64,
            features_info={"labels": ["x", "y"]},
            objective={"metric": metric, "split": "validation", "threshold": 0.5},
            metrics=[
                {
                    "name": name,
                    "higher_is_better": name != "hamming_loss",
                    "thresholded": name != "map",
                    "curve": name == "weighted_f1",
                }
                for name in METRICS
            ],
            thresholds=[0.25, 0.5, 0.75],
            baselines={
                "predict_all": dict.fromkeys(SPLITS, baselines),
                "predict_none": {split: dict.fromkeys(METRICS, 0.0) for split in SPLITS},
            },
            provenance={"code_version": "0.1.0", "packages": {"torch": "2.14.0"}},
        )
    )


def run(store: Store, sweep_id: int, cells=CELLS, seeds=SEEDS, objectives=OBJECTIVES) -> None:
    store.plan(sweep_id, cells, seeds)
    waiting = store.open_replicates(sweep_id)
    held = set(store.claim([w.replicate_id for w in waiting], "me", 60))
    done = [w for w in waiting if w.replicate_id in held and w.seed in objectives[w.cell_key]]
    values = [objectives[w.cell_key][w.seed] for w in done]
    states = [value if isinstance(value, str) else "complete" for value in values]
    objective = np.array([NAN if isinstance(value, str) else value for value in values])
    scores = {
        (split, metric): {"weighted_f1": objective, "hamming_loss": 1 - objective}.get(
            metric, np.full(len(done), NAN)
        )
        - (0.1 if split == "test" else 0.0)
        for split in SPLITS
        for metric in METRICS
    }
    start = datetime(2026, 1, 1, tzinfo=UTC)
    result = PackResult(
        replicate_ids=[w.replicate_id for w in done],
        states=states,
        reasons=[None if state == "complete" else "why" for state in states],
        objective=objective,
        scores=scores,
        slices={(split, "weighted_f1"): np.full((len(done), 3), 0.5) for split in SPLITS},
        curves={"train_loss": np.zeros((2, len(done)), np.float32)},
        curve_epochs=[1, 2],
        diagnostics={"train_loss": np.zeros(len(done))},
        started_at=start,
        finished_at=start + timedelta(seconds=5),
        duration_s=5.0,
        worker="here",
    )
    store.record_pack(sweep_id, result, "me")
    store.release("me")


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path}/sweeps.db") as opened:
        yield opened


@pytest.fixture
def finished(store):
    run(store, put(store))
    return store


def test_the_form_that_others_rely_on(finished):
    results = export_best(finished)["results"]
    assert [result["loss"] for result in results] == ["sigmoid_f1", "focal"]
    best = results[0]
    assert list(best) == [
        "sweep", "dataset", "encoder", "loss", "hyperparameters", "objective", "n_seeds",
        "validation", "test", "baselines", "snippet", "provenance",
    ]  # fmt: skip
    assert best["sweep"] == "movies"
    assert best["dataset"] == "movie_genres"
    assert best["encoder"] == "minilm"
    assert best["hyperparameters"] == {"beta": 5.0, "eta": 0.0, "input": "logits"}
    assert best["objective"] == {"metric": "weighted_f1", "split": "validation", "threshold": 0.5}
    assert best["n_seeds"] == 3
    assert list(best["validation"]) == list(best["test"]) == list(METRICS)
    validation = best["validation"]["weighted_f1"]
    assert list(validation) == ["mean", "sd", "values"]
    assert validation["values"] == [0.50, 0.56, 0.53]
    assert validation["mean"] == pytest.approx(0.53, abs=1e-15)
    assert validation["sd"] == pytest.approx(0.03, abs=1e-15)
    assert best["test"]["weighted_f1"]["values"] == pytest.approx([0.40, 0.46, 0.43], abs=1e-15)
    assert best["baselines"]["predict_all"]["test"] == {
        "weighted_f1": 0.2,
        "map": None,
        "hamming_loss": 0.2,
    }
    assert best["baselines"]["predict_none"]["validation"]["weighted_f1"] == 0.0
    provenance = best["provenance"]
    assert provenance["dataset_fingerprint"] == "f" * 64
    assert provenance["spec_hash"] == "abc"
    assert provenance["code_version"] == "0.1.0"
    assert provenance["packages"] == {"torch": "2.14.0"}
    assert provenance["seeds"] == [0, 2, 4]
    assert provenance["cell_key"] == "key1"
    assert provenance["training"] == CELLS[1].training
    assert provenance["head"] == {"kind": "linear"}
    assert provenance["n_diverged"] == provenance["n_failed"] == 0
    assert provenance["trained_at"] == "2026-01-01T00:00:05+00:00"
    assert provenance["rule"].startswith("the best mean over seeds")


def test_a_loss_without_a_clean_cell_says_how_many_seeds_count(finished):
    focal = export_best(finished)["results"][1]
    assert focal["n_seeds"] == 2
    assert focal["provenance"]["seeds"] == [0, 2]
    assert focal["provenance"]["n_diverged"] == 1
    assert focal["validation"]["weighted_f1"]["values"] == [0.40, 0.44]
    assert focal["hyperparameters"] == {"gamma": 2.0, "alpha": None}


def test_a_metric_without_a_value_is_null(finished):
    of_map = export_best(finished)["results"][0]["validation"]["map"]
    assert of_map == {"mean": None, "sd": None, "values": [None, None, None]}


def test_a_loss_without_a_result_is_warned_of(finished, caplog):
    with caplog.at_level(logging.WARNING):
        export_best(finished)
    assert caplog.messages == [
        "Sweep 'movies' has no finished cell of unbounded_f1 with a complete seed "
        "(2 diverged, 1 failed). Widen its grid, or look at why its replicates failed. "
        "It is left out."
    ]


def test_one_seed_has_no_sd(store):
    run(store, put(store), seeds=(2,), cells=CELLS[:2])
    best = export_best(store)["results"][0]
    assert best["n_seeds"] == 1
    assert best["validation"]["weighted_f1"] == {"mean": 0.56, "sd": None, "values": [0.56]}


def test_direction_of_the_objective(store):
    run(store, put(store, metric="hamming_loss"), cells=CELLS[:2])
    assert export_best(store)["results"][0]["hyperparameters"]["beta"] == 1.0


def test_unfinished_cells_do_not_compete(store):
    objectives = {"key0": OBJECTIVES["key0"], "key1": {0: 0.9, 2: 0.9}}
    run(store, put(store), cells=CELLS[:2], objectives=objectives)
    assert export_best(store)["results"][0]["hyperparameters"]["beta"] == 1.0


def test_filters(store):
    run(store, put(store))
    run(store, put(store, name="others", dataset="features"))

    def found(**filters):
        return [(r["sweep"], r["loss"]) for r in export_best(store, **filters)["results"]]

    assert found() == [
        (sweep, loss) for sweep in ("movies", "others") for loss in ("sigmoid_f1", "focal")
    ]
    assert found(sweeps=["others"]) == [("others", "sigmoid_f1"), ("others", "focal")]
    assert found(losses=["focal"]) == [("movies", "focal"), ("others", "focal")]
    assert found(datasets=["movie_genres"], losses=["focal"]) == [("movies", "focal")]


@pytest.mark.parametrize(
    ("filters", "line"),
    [
        (
            {"sweeps": ["movie"]},
            "Unknown sweep 'movie'. Did you mean 'movies'? Known: movies.",
        ),
        (
            {"losses": ["sigmoidf1"]},
            "Unknown loss 'sigmoidf1'. Did you mean 'sigmoid_f1'? "
            "Known: sigmoid_f1, focal, unbounded_f1.",
        ),
        (
            {"datasets": ["voc"]},
            "Unknown dataset 'voc'. Known: movie_genres.",
        ),
        (
            {"sweeps": ["movies"], "losses": ["unbounded_f1"]},
            "Sweep 'movies' has no finished cell of unbounded_f1 with a complete seed "
            "(2 diverged, 1 failed). Widen its grid, or look at why its replicates failed.",
        ),
    ],
)
def test_filters_that_find_nothing(finished, filters, line):
    with pytest.raises(SweepError) as caught:
        export_best(finished, **filters)
    assert str(caught.value) == line


def test_an_empty_store(store):
    with pytest.raises(SweepError) as caught:
        export_best(store)
    assert str(caught.value) == (
        "There is nothing to export: the store holds no sweep. Run 'sigmoidf1 sweep run' first."
    )


def test_a_sweep_without_a_finished_cell(store, caplog):
    store.plan(put(store), CELLS[:1], SEEDS)
    with pytest.raises(SweepError, match=r"^There is nothing to export: no selected sweep has a"):
        export_best(store)
    with pytest.raises(SweepError) as caught:
        export_best(store, sweeps=["movies"])
    assert str(caught.value) == (
        "Sweep 'movies' has no finished cell of sigmoid_f1 with a complete seed (3 waiting). "
        "Run it to its end with 'sigmoidf1 sweep run'."
    )


def test_a_sweep_without_a_cell(store):
    put(store)
    with pytest.raises(SweepError, match="There is nothing to export"):
        export_best(store)


@pytest.mark.parametrize("read", [json.loads, yaml.safe_load])
def test_the_result_survives_being_written(finished, read):
    result = export_best(finished)
    format = "json" if read is json.loads else "yaml"
    assert read(format_export(result, format)) == result
    assert len(format_export(result, "csv").splitlines()) == 3
