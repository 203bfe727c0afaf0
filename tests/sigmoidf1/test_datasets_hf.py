"""Datasets through the library of Hugging Face, made here: nothing is downloaded."""

import sys

import numpy as np
import pytest

from sigmoidf1.datasets import dataset_summary, load_dataset
from sigmoidf1.errors import InputError

NAMES = ["joy", "anger", "fear"]


def targets_of(number):
    return [place for place in range(3) if (number >> place) & 1]


def refusal(**options):
    with pytest.raises(InputError) as caught:
        load_dataset(options)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_without_the_library_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert "pip install sigmoidf1-sweeps[hf]" in refusal(dataset="hf:some/name")


@pytest.fixture
def library(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return pytest.importorskip("datasets")


def columns(count=40):
    return {"text": [f"Text {number}" for number in range(count)]}


def class_numbers(library):
    for make in ("Sequence", "List"):
        if hasattr(library, make):
            feature = getattr(library, make)(library.ClassLabel(names=NAMES))
    return library.Dataset.from_dict(
        {**columns(), "labels": [targets_of(n) for n in range(40)]},
        features=library.Features({"text": library.Value("string"), "labels": feature}),
    )


def lists_of_names(library):
    names = [[NAMES[place] for place in targets_of(n)] for n in range(40)]
    return library.Dataset.from_dict({**columns(), "labels": names})


def flags(library):
    values = {
        name: [int(place in targets_of(n)) for n in range(40)] for place, name in enumerate(NAMES)
    }
    return library.Dataset.from_dict({**columns(), **values})


@pytest.mark.parametrize("make", [class_numbers, lists_of_names, flags])
def test_forms_of_labels(library, tmp_path, make):
    make(library).save_to_disk(str(tmp_path / "saved"))
    dataset = load_dataset({"dataset": f"hf:{tmp_path / 'saved'}"})
    assert sorted(dataset.labels) == sorted(NAMES)
    row = dataset.inputs.index("Text 5")
    chosen = {label for label, has in zip(dataset.labels, dataset.targets[row], strict=True) if has}
    assert chosen == {"joy", "fear"}
    assert dataset.name == "hf"


def test_official_splits_or_one_alone(library, tmp_path):
    whole = lists_of_names(library)
    parts = library.DatasetDict(
        {"train": whole.select(range(24)), "test": whole.select(range(24, 40))}
    )
    parts.save_to_disk(str(tmp_path / "saved"))
    options = {"dataset": "hf:saved", "root": str(tmp_path)}
    dataset = load_dataset(options)
    sizes = [int((dataset.split == name).sum()) for name in ("train", "validation", "test")]
    assert sizes == [18, 6, 16]
    assert len(load_dataset({**options, "use": "train"}).ids) == 24
    assert "data.use must be a split of hf:saved" in refusal(**options, use="dev")


def test_images_become_files_that_are_the_same_everywhere(library, tmp_path, monkeypatch):
    image = pytest.importorskip("PIL.Image")
    pictures = [
        image.fromarray(np.random.default_rng(n).integers(0, 255, (8, 8, 3)).astype(np.uint8))
        for n in range(30)
    ]
    saved = library.Dataset.from_dict(
        {"image": pictures, "labels": [["a"] if n % 2 else ["a", "b"] for n in range(30)]},
        features=library.Features(
            {"image": library.Image(), "labels": lists_of_names(library).features["labels"]}
        ),
    )
    saved.save_to_disk(str(tmp_path / "saved"))
    found = []
    for cache in ("one", "two"):
        monkeypatch.setenv("SIGMOIDF1_CACHE", str(tmp_path / cache))
        found.append(load_dataset({"dataset": f"hf:{tmp_path / 'saved'}"}))
    assert found[0].modality == "image"
    assert found[0].fingerprint == found[1].fingerprint
    assert found[0].inputs[0].startswith(str((tmp_path / "one").resolve()))


def test_what_is_not_there_is_one_line(library):
    text = refusal(dataset="hf:no-such-organisation/no-such-dataset")
    assert "save_to_disk(DIR)" in text


def test_the_listing_says_whether_the_library_is_there(library):
    assert dataset_summary("hf")["available"]
