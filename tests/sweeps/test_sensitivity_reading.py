"""Analyses of a real store: what is read, and what is refused."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score
from typer.testing import CliRunner

from storage import frames
from storage.kept_files import kept_folder, load_kept_scores, write_kept, write_targets
from storage.records import CellRecord, KeptRecord, PackResult, SweepRecord
from storage.store import Store
from sweeps.cli.main import app
from sweeps.errors import SweepError
from sweeps.sensitivity import reading
from sweeps.sensitivity.analysis import analyse
from sweeps.sensitivity.analysis_data import Question, Unavailable
from sweeps.sensitivity.dataset_comparison import compare_datasets
from sweeps.sensitivity.reading import analyse_stored
from sweeps.sensitivity.reading_losses import compare_stored, transfer_stored
from sweeps.sensitivity.words import in_words
from sweeps.sensitivity.words_datasets import datasets_in_words

RUNNER = CliRunner()
METRICS = ("micro_f1", "micro_precision", "micro_recall", "map")
SPLITS = ("validation", "test")
THRESHOLDS = [0.25, 0.5, 0.75]
GRID = [(b, e) for b in (-5.0, 1.0, 9.0) for e in (0.0, 1.0)]


def cell(ordinal: int, loss: str, training: dict[str, float], **hyperparameters) -> CellRecord:
    return CellRecord(
        key=hashlib.sha256(f"{loss} {training} {hyperparameters}".encode()).hexdigest(),
        loss=loss,
        hyperparameters=hyperparameters,
        training=training,
        head={"kind": "linear"},
        ordinal=ordinal,
        parameters=hyperparameters,
    )


def put(
    store: Store,
    name: str,
    dataset: str,
    gain: float,
    *,
    epochs: int = 60,
    lrs: tuple[float, ...] = (0.001,),
    metrics: tuple[str, ...] = METRICS,
) -> None:
    """Six cells of sigmoid_f1 a rate and one of bce, three seeds; micro-F1 grows with gain × β."""
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
                for metric in metrics
            ],
            thresholds=THRESHOLDS,
            baselines={"predict_all": {split: dict.fromkeys(metrics, 0.3) for split in SPLITS}},
        )
    )  # fmt: skip
    grid = [({"lr": lr, "epochs": epochs}, b, e) for lr in lrs for b, e in GRID]
    cells = [cell(i, "sigmoid_f1", t, beta=b, eta=e) for i, (t, b, e) in enumerate(grid)]
    cells.append(cell(len(grid), "bce", grid[0][0]))
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
            scores={(split, metric): values for split in SPLITS for metric in metrics},
            slices={
                (split, metric): curves for split in SPLITS for metric in metrics if metric != "map"
            },
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


def keep(store: Store, sweep: str, betas: tuple[float, ...], *, n: int = 60) -> np.ndarray:
    """Keep probabilities of some sigmoid_f1 cells with η = 0; those of larger β are better."""
    info = frames.load_sweep(store, sweep)
    cells = frames.load_cells(store, sweep, losses=["sigmoid_f1"])
    rows = frames.load_replicates(store, sweep, losses=["sigmoid_f1"])
    rng = np.random.default_rng(5)
    targets = {split: (rng.random((n, 2)) < 0.4).astype(np.uint8) for split in SPLITS}
    ids = {split: [f"{split}{i}" for i in range(n)] for split in SPLITS}
    folder = kept_folder(store.url)
    digest = write_targets(folder, sweep, targets, ids)
    records = []
    chosen = cells[(cells["param_eta"] == 0) & cells["param_beta"].isin(betas)]
    for _, one in chosen.iterrows():
        own = rows[rows["cell_id"] == one["cell_id"]]
        for replicate, seed in zip(own["replicate_id"], own["seed"], strict=True):
            draw = np.random.default_rng([int(seed), int(one["param_beta"]) + 9])
            signal = 0.1 + 0.04 * one["param_beta"]
            probs = {
                split: np.clip(0.3 + signal * (y - 0.4) + 0.1 * draw.standard_normal(y.shape), 0, 1)
                for split, y in targets.items()
            }
            file = write_kept(
                folder, sweep, one["key"], int(seed), probs=probs,
                parameters={"weight": np.zeros((3, 2)), "bias": np.zeros(2)},
                metadata={"labels": ["a", "b"], "targets_sha256": digest},
            )  # fmt: skip
            records.append(
                    KeptRecord(
                        replicate_id=int(replicate), path=file.path, sha256=file.sha256,
                        size_bytes=file.size_bytes,
                    )
                )  # fmt: skip
    store.keep(info.sweep_id, records)
    return targets["test"]


def test_kept_probabilities_are_read_for_the_best_cells(store):
    targets = keep(store, "voc", (1.0, 9.0))
    found = analyse_stored(store, "voc", "sigmoid_f1")
    assert len(found.kept) == 2
    best = int(found.cells["cell_id"][found.cells["parameters"]["beta"].index(9.0)])
    assert found.rules.cell_id == best
    assert found.kept[best].against_best == {}
    cells = frames.load_cells(store, "voc").set_index("cell_id")
    probs = load_kept_scores(store, "voc", cells["key"][best], "test").probs
    wanted = np.mean(
        [f1_score(targets, one >= 0.5, average="micro", zero_division=0) for one in probs]
    )
    assert found.kept[best].intervals["test"].estimate == pytest.approx(wanted)
    assert found.kept[best].intervals["test"].over == "examples"
    kinds = [(line.rule, line.tuned_on) for line in found.rules.lines]
    assert kinds[0] == ("fixed", "validation")
    for rule in ("global", "threshold_averaging", "per_class", "per_instance"):
        assert {(rule, "validation"), (rule, "holdout")} <= set(kinds)
    assert kinds.count(("f_measure", "validation")) == 1
    assert kinds.count(("f_measure", "holdout")) == 0
    fixed, tuned = found.rules.lines[:2]
    assert fixed.test.estimate == pytest.approx(wanted)
    assert tuned.gain.estimate == pytest.approx(tuned.test.estimate - wanted)
    assert tuned.gain.low > 0
    assert (found.rules.n_validation, found.rules.n_holdout) == (60, 30)
    assert found.optimism.over == found.optimism_tuned.over == "examples"
    assert "cell and threshold" in found.optimism_tuned.method
    words = in_words(found)
    assert "Probabilities of 2 cells are kept" in words["examples"]
    assert "over 60 test examples" in words["examples"]
    assert "Threshold Averaging" in words["rules"]
    assert "Tuned on a holdout" in words["rules"]
    assert "F-measure maximisation" in words["rules"]
    json.dumps(found.to_dict(), allow_nan=False)
    assert found.to_dict() == analyse_stored(store, "voc", "sigmoid_f1").to_dict()
    # A metric that does not follow from counts says so, and keeps its seeds.
    other = analyse_stored(store, "voc", "sigmoid_f1", metric="map")
    assert "does not follow from confusion counts" in other.rules.reason
    assert other.optimism.over == "seeds"


def test_what_is_not_kept_names_the_command_and_a_damaged_file_is_told(store):
    found = analyse_stored(store, "voc", "sigmoid_f1")
    assert "sigmoidf1 sweep keep voc" in found.kept.reason
    assert "over seeds only" in in_words(found)["examples"]
    assert found.optimism_tuned.over == "seeds"
    keep(store, "voc", (9.0,))
    file = next(kept_folder(store.url).rglob("*-0.safetensors"))
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    damaged = analyse_stored(store, "voc", "sigmoid_f1")
    assert "SHA-256" in damaged.kept.reason
    assert damaged.optimism.over == "seeds"
    assert damaged.choice_values == found.choice_values


def test_cells_stopped_by_a_race_take_no_part(store):
    sweep_id = frames.load_sweep(store, "voc").sweep_id
    cells = frames.load_cells(store, "voc", losses=["sigmoid_f1"])
    best = cells[cells["param_beta"] == 9.0]
    store.set_cell_status(sweep_id, best["key"].tolist(), "raced_out", {"round": 1})
    found = analyse_stored(store, "voc", "sigmoid_f1")
    assert found.set_apart["stopped"] == {"raced_out": 2}
    assert found.compared["left_out"] == {"raced out": 2}
    assert found.choice_values[0]["parameters"]["beta"] == 1.0
    assert np.isfinite(found.cells["mean"]).all()
    assert found.anova.n_cells == 4
    assert found.plateau["n_cells"] <= 4
    assert len(found.expected_best["m"]) == 4
    words = in_words(found)
    assert "2 raced out after fewer seeds" in words["cells"]
    assert "speaks of the cells that were let run" in words["variance"]
    assert compare_stored(store, "voc").chosen["sigmoid_f1"]["parameters"]["beta"] == 1.0


def test_an_adaptive_sampler_is_named_with_its_estimates():
    rng = np.random.default_rng(0)
    columns = {"beta": rng.random(20).tolist(), "eta": rng.random(20).tolist()}
    cells = pd.DataFrame(
        {"cell_id": range(20), "ordinal": range(20), "loss": "sigmoid_f1"}
        | {f"param_{name}": column for name, column in columns.items()}
    )
    rows = pd.DataFrame(
        {
            "cell_id": np.repeat(range(20), 2), "seed": [0, 1] * 20, "state": "complete",
            "loss": "sigmoid_f1", "objective": np.repeat(columns["beta"], 2),
        }
    )  # fmt: skip
    question = Question(
        sweep="s", loss="sigmoid_f1", metric="micro_f1", split="validation", threshold=0.5
    )
    found = analyse(cells, rows, question=question, design={"sampler": "tpe"})
    assert found.design == {"sampler": "tpe", "racing": False}
    assert "estimate by Optuna" in in_words(found)["variance"]
    assert "The sampler (tpe) chose cells by earlier results" in in_words(found)["variance"]
    plain = analyse(cells, rows, question=question)
    assert "The sampler" not in in_words(plain)["variance"]


def test_curves_of_too_many_cells_are_left_out_with_a_reason(store, monkeypatch):
    monkeypatch.setattr(reading, "MOST_CURVE_VALUES", 10)
    found = analyse_stored(store, "voc", "sigmoid_f1")
    assert "more than an analysis reads" in found.threshold.reason
    assert "more than an analysis reads" in found.optimism_tuned.reason
    assert not isinstance(found.tied, Unavailable)


def test_datasets_are_compared_in_words_json_and_by_the_command(store):
    found = compare_datasets(store, ["voc", "coco", "voc"])
    assert found.sweeps == {"voc": "voc", "coco": "coco"}
    assert found.ranked == ["sigmoid_f1", "bce"]
    assert found.ranks.mean_rank == {"sigmoid_f1": 1.0, "bce": 2.0}
    assert found.ranks_tuned is not None
    assert found.by_dataset["voc"].paired["sigmoid_f1", "bce"].difference > 0.05
    moved = found.transfer["sigmoid_f1"]
    paired = moved.paired["coco", "voc"]
    assert paired.difference == pytest.approx(moved.regret[0, 1])
    assert paired.low < paired.difference < paired.high
    assert found.transfer["bce"].n_common == 1
    words = datasets_in_words(found)
    assert set(words) == {
        "ranks", "ranks tuned", "voc", "coco", "transfer sigmoid_f1", "transfer bce",
    }  # fmt: skip
    assert "β = -5" in words["transfer sigmoid_f1"]
    assert "nothing to choose" in words["transfer bce"]
    assert all(text.endswith(".") for text in words.values())

    arguments = ["compare", "voc", "coco", "--store", str(store.url)]
    done = RUNNER.invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert done.stdout.startswith("voc, coco: micro_f1, t = 0.5\n")
    assert max(map(len, done.stdout.splitlines())) <= 100
    plain = json.loads(RUNNER.invoke(app, [*arguments, "--json"], catch_exceptions=False).stdout)
    assert plain["words"] == words
    assert plain["transfer"]["sigmoid_f1"]["best"]["voc"]["beta"] == 9.0
    assert set(plain["datasets"]) == {"voc", "coco"}


def test_cells_of_sweeps_are_the_same_whatever_their_datasets_training(store):
    put(store, "longer", "posters", 0.01, epochs=500)
    moved = transfer_stored(store, ["voc", "longer"], "sigmoid_f1")
    assert moved.n_common == 6
    # An lr that varies within a sweep tells cells apart.
    put(store, "two rates", "exposure", 0.01, lrs=(0.001, 0.01))
    assert transfer_stored(store, ["voc", "two rates"], "sigmoid_f1").n_common == 6
    put(store, "another rate", "exposure", 0.01, lrs=(0.01, 0.1))
    assert transfer_stored(store, ["voc", "another rate"], "sigmoid_f1").n_common == 0


def test_a_comparison_of_datasets_refuses_what_it_cannot_compare(store):
    with pytest.raises(SweepError, match="two sweeps or more, but got voc"):
        compare_datasets(store, ["voc", "voc"])
    with pytest.raises(SweepError, match="Did you mean 'sigmoid_f1'"):
        compare_datasets(store, ["voc", "coco"], losses=["sigmoidf1"])
    put(store, "ranked", "posters", 0.01, metrics=("map", "micro_f1"))
    with pytest.raises(SweepError, match="'ranked' has no 'micro_recall'"):
        compare_datasets(store, ["voc", "ranked"], metric="micro_recall")
    assert RUNNER.invoke(app, ["compare", "voc", "--store", str(store.url)]).exit_code == 1
    assert RUNNER.invoke(app, ["compare", "--store", str(store.url)]).exit_code == 2


def test_unknown_names_are_refused_with_the_nearest(store):
    with pytest.raises(SweepError, match="Did you mean 'sigmoid_f1'"):
        analyse_stored(store, "voc", "sigmoid_f2")
    with pytest.raises(SweepError, match="Did you mean 'micro_f1'"):
        analyse_stored(store, "voc", "bce", metric="micro_f2")
    with pytest.raises(SweepError, match="Unknown loss 'focal'"):
        compare_stored(store, "voc", losses=["focal"])
