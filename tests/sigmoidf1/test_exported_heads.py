"""Heads read from a folder: the same bits, and one clear line where the folder is not right."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sigmoidf1 import (
    HeadConfig,
    InputError,
    Objective,
    TrainingSettings,
    load_head,
    train_replicates,
)
from sigmoidf1.evaluation import evaluate
from sigmoidf1.training.predicting import head_probabilities

LABELS = ["comedy", "drama", "war"]
DIM, SEEDS = 7, (3, 0)


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(160, DIM, generator=generator)
    y = (x[:, :3] + 0.3 * torch.randn(160, 3, generator=generator) > 0.4).to(torch.uint8)
    splits = {"train": torch.arange(90), "validation": torch.arange(90, 120)}
    return x, y, splits | {"test": torch.arange(120, 160)}


def trained(data, **settings):
    x, y, splits = data
    configs = [HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": 5.0}, lr=0.05)]
    return train_replicates(
        x, y, configs, [(0, seed) for seed in SEEDS], splits=splits,
        settings=TrainingSettings(epochs=6, batch_size=32, **settings),
        objective=Objective(threshold=0.5), threads=1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def parameters(data):
    return trained(data).parameters


@pytest.fixture
def write(tmp_path: Path, parameters):
    """Write a head's folder; keyword arguments replace keys of head.json."""

    def to(name: str = "head", **changes) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        files = []
        for row, seed in enumerate(SEEDS):
            path = folder / f"seed-{seed}.safetensors"
            save_file({k: v[row].contiguous() for k, v in parameters.items()}, path)
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            files.append({"seed": seed, "file": path.name, "sha256": sha256})
        info = {
            "format": "sigmoidf1-head", "format_version": 1, "labels": LABELS, "threshold": 0.5,
            "loss": "sigmoid_f1", "head": {"kind": "linear"}, "precision": "float32", "dim": DIM,
            "encoder": {"name": "none"}, "modality": "features", "seeds": files,
        }  # fmt: skip
        (folder / "head.json").write_text(json.dumps(info | changes), encoding="utf-8")
        return folder

    return to


@pytest.mark.parametrize(
    "settings",
    [{}, {"head": "mlp", "hidden": 5}, {"precision": "bf16"}],
    ids=["linear", "mlp", "bf16"],
)
def test_probabilities_are_those_that_training_scored(data, settings):
    x, y, splits = data
    results = trained(data, **settings)
    for split in ("validation", "test"):
        rows = splits[split]
        probs = head_probabilities(
            x[rows], results.parameters, precision=settings.get("precision", "float32")
        )
        scores = evaluate(probs, y[rows], threshold=0.5).scores
        for metric, values in scores.items():
            assert np.array_equal(values.numpy(), results.scores[split, metric]), metric
    assert torch.allclose(
        results.predict(x[rows]), probs, atol=2e-2 if "precision" in settings else 1e-6
    )


def test_a_seed_alone_and_the_mean_of_all(write, data, parameters):
    x = data[0]
    head = load_head(write())
    assert (head.seeds, head.labels, head.threshold) == ([3, 0], LABELS, 0.5)
    alone = [head.predict(x, seed=seed) for seed in SEEDS]
    assert torch.equal(torch.stack(alone), head_probabilities(x, parameters))
    assert torch.equal(head.predict(x), torch.stack(alone).double().mean(0).float())
    assert torch.equal(head.predict(x.numpy()), head.predict(x))


def test_labels_at_the_head_s_threshold_and_at_another(write, data):
    head = load_head(write(threshold=0.3))
    probs = head.predict(data[0][:5])
    expected = [[LABELS[c] for c in range(3) if row[c] >= 0.3] for row in probs.tolist()]
    assert head.label(data[0][:5]) == expected
    assert head.label(data[0][:5], threshold=0.0) == [LABELS] * 5
    assert head.label(data[0][:5], threshold=1.0) == [[]] * 5
    # A threshold counts as float32 does: 0.1 as float64 is below the float32 nearest to it.
    assert head.decide(torch.tensor([[0.1, 0.2, 0.05]]), threshold=0.1) == [["comedy", "drama"]]


def refused(call, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text


def test_bad_embeddings_seeds_and_thresholds(write, data):
    head = load_head(write())
    refused(lambda: head.predict(torch.zeros(2, DIM + 1)), f"(N, {DIM})", "(2, 8)")
    refused(lambda: head.predict(torch.full((2, DIM), float("nan"))), "finite")
    refused(lambda: head.predict(data[0], seed=7), "ensemble", "3, 0", "7")
    refused(lambda: head.label(data[0], threshold=1.5), "[0, 1]", "1.5")
    refused(lambda: head.encode(["a text"]), "ready features")


def test_folders_that_are_no_head(write, tmp_path):
    refused(lambda: load_head(tmp_path / "none"), "is not there", "--weights")
    (tmp_path / "empty").mkdir()
    refused(lambda: load_head(tmp_path / "empty"), "head.json")
    (tmp_path / "model.pt").write_bytes(b"x")
    refused(lambda: load_head(tmp_path / "model.pt"), "pickled")
    refused(lambda: load_head(write("other", format="other")), "format")
    refused(lambda: load_head(write("newer", format_version=2)), "format_version 1", "2")
    refused(lambda: load_head(write("few", labels=["a", "b"])), "2 labels", "3")
    refused(lambda: load_head(write("wide", dim=9)), "9 inputs", "7")
    refused(lambda: load_head(write("mlp", head={"kind": "mlp"})), "hidden.weight")
    refused(lambda: load_head(write("none", seeds=[])), "lacks seeds")
    broken = write("broken")
    (broken / "head.json").write_text("{", encoding="utf-8")
    refused(lambda: load_head(broken), "must be JSON")


def test_altered_missing_and_pickled_weights(write):
    folder = write("altered")
    file = folder / "seed-3.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    refused(lambda: load_head(folder), "seed-3.safetensors", "altered")
    file.unlink()
    refused(lambda: load_head(folder), "seed-3.safetensors", "must be there")
    for name in ("weights.pkl", "../seed-3.safetensors"):
        entry = {"seed": 3, "file": name, "sha256": "0"}
        refused(lambda e=entry, n=name: load_head(write(n.strip("./")[:6], seeds=[e])), name)
