"""Names, options, and what all datasets have in common: limits, rare classes, splits, checks."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from sigmoidf1 import datasets
from sigmoidf1.datasets import (
    DatasetSource,
    DroppedClassWarning,
    Examples,
    dataset_names,
    dataset_summary,
    list_datasets,
    load_dataset,
    register_dataset,
)
from sigmoidf1.errors import InputError

COUNT = 200


def make_examples(order=None) -> Examples:
    rng = np.random.default_rng(0)
    targets = (rng.random((COUNT, 4)) < [0.5, 0.3, 0.2, 0.04]).astype(np.uint8)
    rows = np.arange(COUNT) if order is None else order
    return Examples(
        ids=[f"id{row}" for row in rows],
        inputs=[f"text {row}" for row in rows],
        targets=targets[rows],
        labels=["often", "sometimes", "seldom", "rare"],
    )


@pytest.fixture
def toy(monkeypatch):
    """Register a small text dataset for one test; returns how to change what it reads."""
    monkeypatch.setattr(datasets, "_sources", {})
    state = {"examples": make_examples()}
    source = DatasetSource(
        name="toy",
        modality="text",
        summary="Two hundred short texts",
        read=lambda options: state["examples"],
        drop_unlabelled=True,
    )
    register_dataset(source)

    def change(**changes):
        state["examples"] = replace(state["examples"], **changes)

    return change


def test_files_of_the_folder_are_found():
    assert {"features", "movie_genres"} <= set(dataset_names())
    for name in dataset_names():
        assert dataset_summary(name)["name"] == name


def test_listing_is_json_safe_and_says_what_is_at_hand():
    for entry in json.loads(json.dumps(list_datasets())):
        assert entry["modality"] in ("text", "image", "features", "text or image")
        assert entry["available"] == (entry["how"] is None)
        names = [option["name"] for option in entry["options"]]
        assert {"limit", "min_examples", "split_seed", "permute_labels"} <= set(names)
        assert all(option["description"] and option["rule"] for option in entry["options"])


def test_listing_imports_no_torch():
    code = (
        "import sys; from sigmoidf1.datasets import list_datasets; list_datasets(); "
        "from sigmoidf1.encoders import get_encoder; get_encoder({'name': 'minilm'}); "
        "print(sorted({'torch', 'transformers', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "data must be a mapping that names its dataset"),
        ("movie_genres", "data must be a mapping that names its dataset"),
        ({"dataset": "movie_genre"}, "Unknown dataset 'movie_genre'. Did you mean 'movie_genres'?"),
        ({"dataset": 3}, "Unknown dataset '3'"),
        ({"dataset": "toy", "limits": 3}, "Did you mean 'limit'?"),
        ({"dataset": "toy", "limit": 1}, "data.limit must be a whole number >= 2 or null"),
        ({"dataset": "toy", "limit": "4k"}, "but got '4k'"),
        ({"dataset": "toy", "limit": True}, "but got True"),
        ({"dataset": "toy", "limit": 10.0}, "but got 10.0"),
        ({"dataset": "toy", "min_examples": 0}, "data.min_examples must be a whole number >= 1"),
        ({"dataset": "toy", "split_seed": -1}, "data.split_seed must be a whole number >= 0"),
        ({"dataset": "toy", "permute_labels": True}, "data.permute_labels must be a whole number"),
        ({"dataset": "toy", "min_examples": 150}, "none of 4 has 150 examples (the largest has"),
    ],
)
@pytest.mark.usefixtures("toy")
def test_bad_options_get_one_clear_line(options, message):
    with pytest.raises(InputError) as caught:
        load_dataset(options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ids": ["same"] * COUNT}, "ids must be distinct, but 'same' occurs more than once"),
        ({"labels": ["a", "b", "b", "c"]}, "labels must be distinct, but 'b'"),
        ({"labels": ["a", "b"]}, "ids, labels and targets must agree"),
        ({"targets": np.zeros((COUNT, 4), np.uint8)}, "a dataset needs at least two examples"),
        (
            {"split": np.array(["train"] * COUNT, dtype="<U10")},
            "test is empty",
        ),
    ],
)
def test_broken_examples_get_one_clear_line(toy, changes, message):
    toy(**changes)
    with pytest.raises(InputError) as caught:
        load_dataset({"dataset": "toy"})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("toy")
def test_a_name_is_taken_once():
    taken = replace(datasets.get_source("toy"), name="features")
    with pytest.raises(InputError, match="'features' is taken"):
        register_dataset(taken)


def test_row_order_changes_nothing_about_an_example(toy):
    options = {"dataset": "toy", "limit": 120, "min_examples": 10, "permute_labels": 5}
    before = load_dataset(options)
    shuffled = make_examples(np.random.default_rng(1).permutation(COUNT))
    toy(ids=shuffled.ids, inputs=shuffled.inputs, targets=shuffled.targets)
    after = load_dataset(options)

    def by_id(dataset):
        return {
            example: (dataset.inputs[row], dataset.split[row], tuple(dataset.targets[row]))
            for row, example in enumerate(dataset.ids)
        }

    assert by_id(before) == by_id(after)


def test_limit_comes_before_rare_classes_and_they_before_unlabelled(toy):
    whole = load_dataset({"dataset": "toy", "min_examples": 1})
    limited = load_dataset({"dataset": "toy", "limit": 100, "min_examples": 10})
    assert whole.labels == ["often", "sometimes", "seldom", "rare"]
    assert "rare" not in limited.labels
    dropped = limited.info["dropped_classes"]
    assert [entry["label"] for entry in dropped] == ["rare"]
    assert 0 < dropped[0]["examples"] < 10
    assert limited.targets.any(axis=1).all()
    assert len(limited.ids) < 100
    assert set(limited.ids) <= set(whole.ids)
    toy(targets=np.ones((COUNT, 4), np.uint8))
    assert len(load_dataset({"dataset": "toy", "limit": 100}).ids) == 100


def test_a_class_unseen_in_training_is_dropped_and_named(toy):
    examples = make_examples()
    targets = examples.targets.copy()
    targets[:, 3] = 0
    toy(targets=targets)
    with pytest.warns(DroppedClassWarning, match="dropped 1 of 4 classes.*'rare'"):
        dataset = load_dataset({"dataset": "toy"})
    assert dataset.labels == ["often", "sometimes", "seldom"]
    assert dataset.info["dropped_classes"] == [
        {"label": "rare", "reason": "no positive training example", "examples": 0}
    ]
    assert dataset.targets.shape[1] == 3


def test_no_class_left_is_refused(toy):
    split = np.array(["train", "validation", "test", "test"] * (COUNT // 4), dtype="<U10")
    targets = np.zeros((COUNT, 4), np.uint8)
    targets[split != "train"] = 1
    toy(targets=targets, split=split)
    datasets._sources["toy"] = replace(datasets._sources["toy"], drop_unlabelled=False)
    with pytest.raises(InputError, match="none has a positive training example"):
        load_dataset({"dataset": "toy"})


@pytest.mark.usefixtures("toy")
def test_permuted_labels_keep_rows_of_targets_and_change_the_fingerprint():
    plain = load_dataset({"dataset": "toy"})
    permuted = load_dataset({"dataset": "toy", "permute_labels": 1})
    assert permuted.ids == plain.ids
    assert (permuted.split == plain.split).all()
    assert sorted(map(tuple, permuted.targets)) == sorted(map(tuple, plain.targets))
    assert (permuted.targets != plain.targets).any()
    assert permuted.info["options"]["permute_labels"] == 1
    assert permuted.fingerprint != plain.fingerprint
    # The same texts: the embeddings in the cache serve both.
    assert permuted.inputs_fingerprint == plain.inputs_fingerprint
    again = load_dataset({"dataset": "toy", "permute_labels": 1})
    assert again.fingerprint == permuted.fingerprint
    other = load_dataset({"dataset": "toy", "permute_labels": 2})
    assert other.fingerprint != permuted.fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"ids": [f"other{row}" for row in range(COUNT)]},
        {"inputs": [f"other {row}" for row in range(COUNT)]},
        {"targets": 1 - make_examples().targets},
        {"labels": ["a", "b", "c", "d"]},
        {"split": np.array(["train", "validation", "test", "test"] * (COUNT // 4), dtype="<U10")},
    ],
)
def test_fingerprint_covers_all_content(toy, changes):
    before = load_dataset({"dataset": "toy"}).fingerprint
    assert load_dataset({"dataset": "toy"}).fingerprint == before
    toy(**changes)
    assert load_dataset({"dataset": "toy"}).fingerprint != before


@pytest.mark.usefixtures("toy")
def test_info_counts_what_is_there():
    dataset = load_dataset({"dataset": "toy"})
    info = json.loads(json.dumps(dataset.info))
    assert info["n_train"] + info["n_validation"] + info["n_test"] == info["n_examples"]
    assert info["n_examples"] == len(dataset.ids)
    assert info["labels"] == dataset.labels
    for name, counts in info["positives"].items():
        assert counts == dataset.targets[dataset.split == name].sum(axis=0).tolist()
        part = dataset.targets[dataset.split == name]
        assert info["labels_per_example"][name] == pytest.approx(part.sum() / len(part))
