from __future__ import annotations

import csv
import io
import json
import os

import pytest
import yaml

from sweeps.errors import SweepError
from sweeps.export_files import format_export, write_export


def row(loss: str, hyperparameters: dict, mean: float) -> dict:
    scores = {
        "weighted_f1": {"mean": mean, "sd": 0.03, "values": [mean - 0.03, mean, mean + 0.03]},
        "map": {"mean": None, "sd": None, "values": [None, None, None]},
    }
    return {
        "sweep": "movies",
        "dataset": "movie_genres",
        "encoder": "minilm",
        "loss": loss,
        "hyperparameters": hyperparameters,
        "objective": {"metric": "weighted_f1", "split": "validation", "threshold": 0.5},
        "n_seeds": 3,
        "validation": scores,
        "test": scores,
        "baselines": {"predict_all": {"test": {"weighted_f1": 0.2}}},
        "provenance": {"spec_hash": "abc", "seeds": [0, 2, 4]},
    }


RESULT = {
    "results": [
        row("sigmoid_f1", {"beta": 5.0, "eta": 0.0, "input": "logits"}, 0.53),
        row("focal", {"gamma": 2.0, "alpha": None}, 0.42),
    ]
}


def test_json_and_yaml_read_back():
    result = RESULT
    assert json.loads(format_export(result, "json")) == result
    assert yaml.safe_load(format_export(result, "yaml")) == result
    assert "NaN" not in format_export(result, "json")
    assert format_export(result) == format_export(result, "yaml")


def test_small_numbers_and_odd_text_survive_yaml():
    result = {"results": [{"lr": 1e-5, "large": 1e22, "text": "1e-5", "no": "no", "greek": "β"}]}
    assert yaml.safe_load(format_export(result, "yaml")) == result


def test_csv_has_a_row_a_loss():
    text = format_export(RESULT, "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 2
    assert rows[0]["hyperparameters.beta"] == "5.0"
    assert rows[0]["hyperparameters.gamma"] == ""
    assert rows[1]["hyperparameters.alpha"] == ""
    assert json.loads(rows[0]["validation.weighted_f1.values"]) == [0.53 - 0.03, 0.53, 0.53 + 0.03]
    assert float(rows[0]["test.weighted_f1.mean"]) == 0.53
    assert rows[0]["test.map.mean"] == ""
    assert rows[0]["baselines.predict_all.test.weighted_f1"] == "0.2"
    columns = text.split("\n", 1)[0].split(",")
    assert columns[:4] == ["sweep", "dataset", "encoder", "loss"]
    assert columns[4:9] == [
        f"hyperparameters.{name}" for name in ("beta", "eta", "input", "gamma", "alpha")
    ]


def test_unknown_format():
    with pytest.raises(SweepError) as caught:
        format_export(RESULT, "yml")
    assert str(caught.value) == (
        "Unknown format 'yml'. Did you mean 'yaml'? Known: yaml, json, csv, toml, latex."
    )


@pytest.mark.parametrize("format", ["yaml", "json", "csv"])
def test_write_export(tmp_path, format):
    result = RESULT
    path = tmp_path / "best"
    path.write_text("old")
    assert write_export(result, path, format) == path
    assert path.read_text(encoding="utf-8") == format_export(result, format)
    assert sorted(entry.name for entry in tmp_path.iterdir() if "best" in entry.name) == ["best"]


def test_write_through_a_link(tmp_path):
    target = tmp_path / "target.json"
    link = tmp_path / "link.json"
    link.symlink_to(target)
    write_export({"results": []}, link, "json")
    assert link.is_symlink()
    assert json.loads(target.read_text()) == {"results": []}


def test_write_to_a_device():
    assert write_export({"results": []}, os.devnull, "json")


def test_unwritable_places(tmp_path):
    with pytest.raises(SweepError) as caught:
        write_export({"results": []}, tmp_path / "none" / "best.yaml")
    assert str(caught.value) == (
        f"{tmp_path}/none/best.yaml must be writable, but got: No such file or directory. "
        "Choose another place for the file."
    )
    with pytest.raises(SweepError, match="Is a directory"):
        write_export({"results": []}, tmp_path)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "best.yaml"
    path.write_text("old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SweepError, match="No space left on device"):
        write_export({"results": []}, path)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["best.yaml"]
