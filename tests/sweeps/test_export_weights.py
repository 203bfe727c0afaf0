"""Exported heads and what comes of them: predictions, snippets, verification."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from sklearn.metrics import f1_score

from sigmoidf1 import HeadConfig, get_loss, load_features, load_head, loss_names
from sigmoidf1.evaluation import evaluate
from storage.kept_files import load_kept_scores
from storage.store import Store
from sweeps.errors import SweepError
from sweeps.export import export_best, write_export
from sweeps.export_snippet import loss_snippet
from sweeps.export_spec import best_specs, write_specs
from sweeps.export_weights import write_heads
from sweeps.keeping import keep_cells
from sweeps.sensitivity.f_measure import maximise_f_measure
from sweeps.verifying import verify_file


@pytest.fixture(scope="module")
def trained(tmp_path_factory, features_file, train_sweep) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    spec = folder / "spec.yaml"
    data = {"dataset": "features", "path": str(features_file)}
    common = {"data": data, "seeds": [4, 1]}
    linear = {
        "sweep": "linear", **common, "training": {"epochs": 5, "batch_size": 32, "lr": 0.05},
        "losses": {"sigmoid_f1": {"beta": [2, 8], "eta": [0, 1]}, "focal": {"alpha": [None, 0.5]}},
    }  # fmt: skip
    learned = {
        "sweep": "learned", **common, "head": {"kind": "mlp", "hidden": 200, "learn": ["beta"]},
        "training": {"epochs": 4, "batch_size": 32, "lr": 0.05, "keep_epoch": "best"},
        "losses": {"sigmoid_f1": {"beta": 3}},
    }  # fmt: skip
    for document in (linear, learned):
        spec.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        train_sweep(spec, f"sqlite:///{folder / 'store.db'}")
    return folder / "store.db"


@pytest.fixture
def store(trained, tmp_path):
    shutil.copy(trained, tmp_path / "store.db")
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as opened:
        yield opened


@pytest.fixture
def test_split(features_file):
    features = load_features({"dataset": "features", "path": str(features_file)})
    rows = features.split["test"]
    return features.embeddings[rows], features.targets[rows]


def test_a_head_predicts_its_test_split_to_the_exported_score(store, tmp_path, test_split):
    embeddings, targets = test_split
    for kept in (False, True):
        result = export_best(store, sweeps=["linear"], losses=["focal"])
        (one,) = result["results"]
        if kept:
            keep_cells(store, "linear", [one["provenance"]["cell_key"]])
        (folder,) = write_heads(store, result, tmp_path / f"head-{kept}")
        head = load_head(folder)
        assert head.info["heads"] == ("kept" if kept else "trained again")
        assert head.info["hyperparameters"] == one["hyperparameters"]
        assert head.labels == list("abcd")
        assert head.seeds == one["provenance"]["seeds"] == [1, 4]
        for place, seed in enumerate(head.seeds):
            probs = head.predict(embeddings, seed=seed)[None]
            scores = evaluate(probs, targets, threshold=head.threshold).scores
            for metric, values in scores.items():
                assert float(values[0]) == one["test"][metric]["values"][place], metric
        mean = evaluate(head.predict(embeddings)[None], targets, threshold=head.threshold).scores
        assert head.info["ensemble"]["test"]["weighted_f1"] == float(mean["weighted_f1"][0])
    first, second = (tmp_path / f"head-{kept}" / "seed-4.safetensors" for kept in (False, True))
    assert first.read_bytes() == second.read_bytes()


def test_several_heads_go_to_folders_of_their_own(store, tmp_path, test_split):
    result = export_best(store)
    folders = write_heads(store, result, tmp_path / "heads")
    assert [folder.name for folder in folders] == [
        "linear-sigmoid_f1", "linear-focal", "learned-sigmoid_f1",
    ]  # fmt: skip
    learned = load_head(folders[-1])
    assert learned.parameters["beta"].shape == (2, 4)
    assert learned.parameters["hidden.weight"].shape == (2, 12, 200)
    assert learned.label(test_split[0], seed=1)
    for folder in folders:
        card = (folder / "README.md").read_text(encoding="utf-8")
        assert "sigmoidf1 predict" in card
        assert load_head(folder).info["snippet"] in card
    stale = folders[0] / "seed-99.safetensors"
    stale.write_bytes(b"old")
    (folders[0] / "notes.txt").write_text("mine")
    write_heads(store, result, tmp_path / "heads")
    assert not stale.exists()
    assert (folders[0] / "notes.txt").exists()


def test_a_place_that_cannot_be_written(store, tmp_path):
    (tmp_path / "file").write_text("in the way")
    result = export_best(store, sweeps=["linear"], losses=["focal"])
    with pytest.raises(SweepError, match="must be a folder that can be written"):
        write_heads(store, result, tmp_path / "file")


@pytest.mark.parametrize("loss", loss_names())
def test_the_snippet_defines_the_exported_loss(loss):
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(9, 3, generator=generator, requires_grad=True)
    targets = (torch.rand(9, 3, generator=generator) > 0.5).float()
    own = {"beta": 2.5, "eta": -0.5, "gamma": 3.0, "alpha": None, "pos_weight": 2.0, "clip": 0.1}
    rules = get_loss(loss).hyperparameters
    values = get_loss(loss).resolve({k: v for k, v in own.items() if k in rules})
    space: dict = {}
    text = loss_snippet(loss, values)
    assert len(text.splitlines()) == 2
    exec(text, space)
    value = space["criterion"](logits, targets)
    assert torch.equal(value, get_loss(loss).function(logits, targets, **values))
    value.backward()
    assert HeadConfig(loss=loss, hyperparameters=space["criterion"].values).loss == loss


def test_the_snippet_of_learned_slopes_makes_parameters():
    space: dict = {}
    text = loss_snippet("sigmoid_f1", {"beta": 3.0, "eta": 0.0}, learned=["beta"], num_classes=4)
    exec(text, space)
    (parameter,) = space["criterion"].parameters()
    assert parameter.tolist() == [3.0] * 4
    space["criterion"](torch.randn(5, 4), torch.ones(5, 4)).backward()
    assert parameter.grad is not None


def test_a_registered_loss_is_looked_up():
    assert loss_snippet("hinge", {"margin": 1.0}).splitlines() == [
        "from sigmoidf1 import LossModule",
        'criterion = LossModule("hinge", margin=1.0)',
    ]


def test_intervals_over_examples_come_with_kept_cells(store):
    (one,) = export_best(store, sweeps=["linear"], losses=["focal"], statistics=True)["results"]
    assert "sweep keep linear" in one["intervals_over_examples"]["reason"]
    keep_cells(store, "linear", [one["provenance"]["cell_key"]])
    (one,) = export_best(store, sweeps=["linear"], losses=["focal"], statistics=True)["results"]
    found = one["intervals_over_examples"]
    assert (found["over"], found["reason"], found["test"]["n"]) == ("examples", None, 50)
    mean = one["test"]["weighted_f1"]["mean"]
    assert found["test"]["low"] < mean < found["test"]["high"]
    (other,) = export_best(
        store, sweeps=["linear"], losses=["focal"], metric="map", statistics=True
    )["results"]
    assert "confusion counts" in other["intervals_over_examples"]["reason"]
    assert "confusion counts" in other["threshold_rules"]["reason"]


def test_other_rules_of_decision_come_with_kept_cells(store):
    asked = {"sweeps": ["linear"], "losses": ["sigmoid_f1"], "statistics": True}
    (one,) = export_best(store, **asked)["results"]
    assert "sweep keep linear" in one["threshold_rules"]["reason"]
    keep_cells(store, "linear", [one["provenance"]["cell_key"]])
    (one,) = export_best(store, **asked)["results"]
    rules = one["threshold_rules"]
    assert rules["fixed"]["test"] == pytest.approx(one["test"]["weighted_f1"]["mean"])
    kept = load_kept_scores(store, "linear", one["provenance"]["cell_key"], "test")
    each = [
        f1_score(kept.targets, chosen, average="weighted", zero_division=0)
        for chosen in maximise_f_measure(kept.probs)
    ]
    assert rules["f_measure"]["test"] == pytest.approx(np.mean(each))
    sets = maximise_f_measure(kept.probs)
    lowest = np.where(sets, kept.probs, np.inf).min(-1)[sets.any(-1)]
    assert rules["f_measure"]["threshold"] == pytest.approx(lowest.mean())


def exported(store, folder: Path, ending: str, **asked) -> Path:
    result = export_best(store, **asked)
    return write_export(result, folder / f"best.{ending}", ending)


@pytest.mark.parametrize("ending", ["yaml", "json", "toml"])
def test_an_export_is_verified_without_its_store(store, trained, tmp_path, ending):
    path = exported(store, tmp_path, ending)
    store.close()
    (tmp_path / "store.db").unlink()
    verdicts = verify_file(path)
    assert [verdict.loss for verdict in verdicts] == ["sigmoid_f1", "focal", "sigmoid_f1"]
    for verdict in verdicts:
        assert verdict.ok, list(verdict.lines())
        assert verdict.agreement.exact
        assert verdict.same_embeddings
        assert verdict.recorded == verdict.now
        assert "equal to the bit" in next(verdict.lines())


def test_other_thresholds_are_verified_as_they_are_kept(store, tmp_path):
    for place, threshold in enumerate(("tuned", 0.05)):
        path = exported(
            store, tmp_path, "yaml", sweeps=["linear"], threshold=threshold, metric="micro_f1"
        )
        for verdict in verify_file(path):
            assert verdict.ok, (place, list(verdict.lines()))
            assert verdict.agreement.exact


def test_a_spec_carries_its_scores(store, tmp_path):
    result = export_best(store, sweeps=["linear"], losses=["focal"])
    (path,) = write_specs(best_specs(store, result), tmp_path / "again.yaml", result["results"])
    (verdict,) = verify_file(path)
    assert verdict.ok
    assert verdict.agreement.exact
    from sweeps.plan import make_plan
    from sweeps.spec import load_spec

    assert [c.key for c in make_plan(load_spec(path)).cells] == [
        result["results"][0]["provenance"]["cell_key"]
    ]
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("gamma: 2.0", "gamma: 4.0"), encoding="utf-8")
    (edited,) = verify_file(path)
    assert not edited.ok
    assert any("edited" in problem for problem in edited.problems)
    path.write_text(re.sub(r"(?m)^#.*\n", "", text), encoding="utf-8")
    with pytest.raises(SweepError, match="has none"):
        verify_file(path)


def edit(path: Path, change) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(document["results"][0])
    path.write_text(yaml.safe_dump(document), encoding="utf-8")


def set_beta(result):
    result["hyperparameters"]["beta"] = 3.0


def set_both_betas(result):
    set_beta(result)
    result["provenance"]["spec"]["losses"]["sigmoid_f1"]["beta"] = 3.0


def set_lr(result):
    result["provenance"]["training"]["lr"] = 0.001


def set_fingerprint(result):
    result["provenance"]["dataset_fingerprint"] = "0" * 64


def set_mean(result):
    result["test"]["weighted_f1"]["mean"] += 0.02


def set_values(result):
    scores = result["test"]["weighted_f1"]
    scores["values"] = [value + 0.02 for value in scores["values"]]
    scores["mean"] += 0.02


def drop_a_seed(result):
    result["provenance"]["seeds"] = result["provenance"]["seeds"][:1]


def misspell(result):
    result["hyperparameters"]["betta"] = 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_beta, "They were edited"),
        (set_both_betas, "They were edited"),
        (set_lr, "They were edited"),
        (set_fingerprint, "data must be what 'linear' was trained on"),
        (set_mean, "weighted_f1 on test has the mean"),
        (set_values, "Largest difference: weighted_f1 on test"),
        (drop_a_seed, "values for 1 seeds"),
        (misspell, "betta"),
    ],
)
def test_an_edited_export_is_not_verified(store, tmp_path, change, words):
    path = exported(store, tmp_path, "yaml", sweeps=["linear"], losses=["sigmoid_f1"])
    edit(path, change)
    (verdict,) = verify_file(path)
    assert not verdict.ok
    lines = list(verdict.lines())
    assert "NOT verified" in lines[0]
    assert any(words in line for line in lines), lines
    if change in (set_beta, set_both_betas):
        assert verdict.agreement.different > 0
        assert not verdict.agreement.close


def test_data_elsewhere_are_found_by_an_override(store, tmp_path, features_file):
    path = exported(store, tmp_path, "yaml", sweeps=["linear"], losses=["focal"])
    edit(path, lambda result: result["provenance"]["spec"]["data"].update(path="gone.npz"))
    (lost,) = verify_file(path)
    assert "gone.npz" in lost.problems[0]
    (verdict,) = verify_file(path, overrides=[("data.path", str(features_file))])
    assert verdict.ok


def test_files_that_are_no_export(tmp_path):
    cases = {
        "none.yaml": (None, "cannot be read"),
        "broken.json": ("{", "broken"),
        "table.csv": ("a,b", ".yaml, .json or .toml"),
        "empty.yaml": ("results: []", "must hold results"),
        "old.yaml": ("results: [{sweep: a, provenance: {}}]", "lacks dataset"),
        "text.toml": ("results = 3", "must hold results"),
    }
    for name, (content, words) in cases.items():
        if content is not None:
            (tmp_path / name).write_text(content)
        with pytest.raises(SweepError, match=re.escape(words)) as caught:
            verify_file(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_the_spec_in_the_provenance_survives_every_format(store, tmp_path):
    result = export_best(store, sweeps=["linear"], losses=["focal"])
    recorded = result["results"][0]["provenance"]["spec"]
    path = write_export(result, tmp_path / "best.json", "json")
    assert json.loads(path.read_text())["results"][0]["provenance"]["spec"] == recorded
    path = write_export(result, tmp_path / "best.toml", "toml")
    loaded = tomllib.loads(path.read_text(encoding="utf-8"))
    assert loaded["results"][0]["provenance"]["spec"]["data"] == recorded["data"]
    path = write_export(result, tmp_path / "best.csv", "csv")
    assert "provenance.spec." not in path.read_text(encoding="utf-8")
