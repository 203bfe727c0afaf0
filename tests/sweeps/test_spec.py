from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sweeps.errors import SpecError
from sweeps.spaces import Axis
from sweeps.spec import SweepSpec, load_spec, parse_spec
from sweeps.spec_rules import HEAD_KINDS, METRIC_NAMES, OPTIMIZERS

ROOT = Path(__file__).parents[2]
MOVIES = ROOT / "examples" / "movie-genres.yaml"

DOCUMENT = {
    "sweep": "try",
    "data": {"dataset": "movie_genres"},
    "encoder": {"name": "minilm"},
    "training": {"epochs": 3},
    "seeds": 2,
    "losses": {"sigmoid_f1": {"beta": [1, 2], "eta": 0}, "bce": {}},
}


def changed(**changes) -> dict:
    document = copy.deepcopy(DOCUMENT)
    for key, value in changes.items():
        *parents, last = key.split("__")
        place = document
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return document


def without(key: str) -> dict:
    document = copy.deepcopy(DOCUMENT)
    del document[key]
    return document


def test_the_example_is_the_main_job():
    spec = load_spec(MOVIES)
    assert spec.sweep == "movie-genres"
    assert spec.data == {"dataset": "movie_genres", "limit": 4000}
    assert spec.encoder == {"name": "minilm"}
    assert spec.head.variants() == [{"kind": "linear"}]
    assert spec.training.epochs == Axis((60,), constant=True)
    assert spec.training.batch_size == Axis((256,), constant=True)
    assert spec.training.lr == Axis((0.001,), constant=True)
    assert spec.seeds == (0, 1, 2, 3, 4)
    assert spec.objective.metric == "weighted_f1"
    assert spec.objective.split == "validation"
    assert spec.objective.threshold == 0.5
    assert list(spec.losses) == ["sigmoid_f1", "focal", "asl", "bce", "unbounded_f1", "soft_f1"]
    assert spec.losses["sigmoid_f1"]["beta"].values == tuple(range(1, 31))
    assert spec.losses["sigmoid_f1"]["eta"].values == (-1, -0.5, 0, 0.5, 1, 1.5, 2)
    assert spec.n_cells == 30 * 7 + 9 + 12 + 3
    assert spec.n_replicates == 1170


def test_the_features_example_needs_no_encoder():
    spec = load_spec(ROOT / "examples" / "features.yaml")
    assert spec.encoder == {}
    assert spec.training.lr.values == (1e-4, 1e-3, 1e-2)
    assert spec.training.lr.scale == "log"
    assert spec.n_cells == 3 * (4 * 3 + 1)


def test_defaults():
    spec = parse_spec(without("training"))
    assert spec.to_plain()["training"] == {
        "epochs": 60,
        "batch_size": 256,
        "lr": 0.001,
        "weight_decay": 0.0,
        "optimizer": "adam",
    }
    assert spec.to_plain()["head"] == {"kind": "linear"}
    assert spec.to_plain()["objective"] == {
        "metric": "weighted_f1",
        "split": "validation",
        "threshold": 0.5,
    }
    assert spec.description == ""


def test_empty_sections_are_the_defaults():
    empty = changed(training=None, head=None, objective=None, description=None, losses__bce=None)
    assert parse_spec(empty).to_plain() == parse_spec(without("training")).to_plain()


def test_every_training_number_may_be_an_axis():
    spec = parse_spec(
        changed(
            training={
                "epochs": {"range": [10, 30], "num": 3},
                "batch_size": [64, 256],
                "lr": {"range": [1e-4, 1e-2], "num": 3, "scale": "log"},
                "weight_decay": {"values": [0, 0.1]},
            }
        )
    )
    assert spec.training.epochs.values == (10, 20, 30)
    assert spec.n_cells == 3 * 3 * 2 * 3 * 2
    assert spec.n_replicates == 2 * spec.n_cells


@pytest.mark.parametrize(
    ("seeds", "read"), [(1, (0,)), (3, (0, 1, 2)), ([7, 3], (7, 3)), ([2**31 - 1], (2**31 - 1,))]
)
def test_seeds(seeds, read):
    assert parse_spec(changed(seeds=seeds)).seeds == read


def test_normalised_spec_reads_back():
    for spec in (
        load_spec(MOVIES),
        parse_spec(DOCUMENT),
        load_spec(ROOT / "examples/features.yaml"),
    ):
        again = parse_spec(spec.to_plain())
        assert again.to_plain() == spec.to_plain()
        assert again.spec_hash == spec.spec_hash


def test_hash_ignores_layout():
    respelled = {
        "losses": {"bce": None, "sigmoid_f1": {"eta": 0.0, "beta": {"range": [1, 2], "num": 2}}},
        "seeds": [0, 1],
        "training": {"lr": 1e-3, "epochs": 3.0},
        "encoder": {"name": "minilm"},
        "data": {"dataset": "movie_genres"},
        "sweep": "try",
        "description": "words",
    }
    assert parse_spec(respelled).spec_hash == parse_spec(DOCUMENT).spec_hash


@pytest.mark.parametrize(
    "change",
    [
        {"sweep": "other"},
        {"data__limit": 10},
        {"encoder__pooling": "cls"},
        {"training__epochs": 4},
        {"training__optimizer": "adamw"},
        {"seeds": 3},
        {"objective": {"threshold": 0.4}},
        {"losses__bce": {"pos_weight": 2}},
        {"losses__sigmoid_f1__beta": [1, 2, 3]},
    ],
)
def test_hash_sees_content(change):
    assert parse_spec(changed(**change)).spec_hash != parse_spec(DOCUMENT).spec_hash


def test_overrides():
    spec = load_spec(MOVIES, [("training.epochs", "10"), ("losses.focal.gamma", "[1, 2]")])
    assert spec.training.epochs.values == (10,)
    assert spec.losses["focal"]["gamma"].values == (1, 2)


def test_document_is_left_alone():
    document = copy.deepcopy(DOCUMENT)
    parse_spec(document, overrides=[("training.epochs", "10"), ("head.kind", "linear")])
    assert document == DOCUMENT


def test_source_begins_messages():
    assert load_spec(MOVIES).source == f"spec {MOVIES}"
    with pytest.raises(SpecError, match=r"^my notebook: seeds must"):
        parse_spec(changed(seeds=0), source="my notebook")


def test_bad_files(tmp_path):
    def line_of(path):
        with pytest.raises(SpecError) as caught:
            load_spec(path)
        return str(caught.value).replace(f"spec {path}: ", "")

    assert line_of(tmp_path / "none.yaml") == "file not found. Check the path."
    assert line_of(tmp_path) == "must be a file, but got a folder. Give the YAML file in it."
    file = tmp_path / "spec.yaml"
    file.write_text("  \n")
    assert line_of(file) == "must not be empty. Start from examples/movie-genres.yaml."
    file.write_bytes(b"sweep: \xff")
    assert line_of(file) == "must be UTF-8 text, but byte 7 is not. Is it a spec?"
    file.write_bytes(b"#" * (2**20 + 1))
    assert line_of(file) == "must be at most 1,048,576 bytes. Is it a spec?"
    file.write_text("# only a comment\n")
    assert line_of(file).startswith("must be a mapping of keys to values, but got None.")
    file.write_text("sweep: a\nsweep: b\n")
    assert line_of(file) == (
        "must be valid YAML, but key 'sweep' is given twice (line 2, column 1)."
    )
    assert line_of(tmp_path / "spec.yaml" / "below") == (
        "must be readable, but got: Not a directory. Check the path."
    )
    assert line_of("a\0b").startswith("must be readable, but got: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file(tmp_path):
    file = tmp_path / "spec.yaml"
    file.write_text("sweep: a")
    file.chmod(0)
    with pytest.raises(SpecError, match="must be readable, but got: Permission denied"):
        load_spec(file)


def test_byte_order_mark_is_no_part_of_the_first_key(tmp_path):
    file = tmp_path / "spec.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + MOVIES.read_bytes())
    assert load_spec(file).spec_hash == load_spec(MOVIES).spec_hash


def test_spec_is_frozen():
    spec = parse_spec(DOCUMENT)
    with pytest.raises(ValueError, match="frozen"):
        spec.sweep = "other"
    assert isinstance(spec, SweepSpec)


def test_names_are_those_of_the_library():
    from sigmoidf1.metrics import METRICS
    from sigmoidf1.training.settings import HEAD_KINDS as TRAINED_HEADS
    from sigmoidf1.training.settings import OPTIMIZERS as TRAINED_OPTIMIZERS

    assert set(METRIC_NAMES) == set(METRICS)
    assert OPTIMIZERS == TRAINED_OPTIMIZERS
    assert HEAD_KINDS == TRAINED_HEADS


def test_spec_and_statistics_load_neither_torch_nor_ray():
    code = (
        "import sys, sweeps.spec, sweeps.sensitivity.best\n"
        "print(sorted({'torch', 'ray', 'sigmoidf1', 'optuna', 'dash'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
