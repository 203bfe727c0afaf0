import json
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from sigmoidf1.datasets import load_dataset
from sigmoidf1.errors import InputError

rng = np.random.default_rng(0)
X = rng.normal(size=(50, 6)).astype(np.float32)
Y = (rng.random((50, 3)) < 0.4).astype(np.uint8)
Y[:, 0] |= ~Y.any(axis=1)
NAMES = ["a", "b", "c"]


def refusal(**options):
    with pytest.raises(InputError) as caught:
        load_dataset({"dataset": "features", **options})
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.fixture
def expected(tmp_path):
    np.savez(tmp_path / "x.npz", X=X, Y=Y, labels=np.array(NAMES))
    return load_dataset({"dataset": "features", "path": str(tmp_path / "x.npz")})


def test_safetensors(tmp_path, expected):
    path = tmp_path / "x.safetensors"
    save_file({"X": X, "Y": Y}, path, metadata={"labels": json.dumps(NAMES)})
    dataset = load_dataset({"dataset": "features", "path": str(path)})
    assert dataset.fingerprint == expected.fingerprint
    path.write_bytes(path.read_bytes()[:-10])
    assert "must name a whole .safetensors file" in refusal(path=str(path))
    path.write_bytes(b"{}")
    assert "must name a whole .safetensors file" in refusal(path=str(path))


def test_a_pair_of_npy_files(tmp_path, expected):
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    options = {"root": str(tmp_path), "path": "x.npy", "targets": "y.npy", "labels": "names.txt"}
    dataset = load_dataset({"dataset": "features", **options})
    assert dataset.fingerprint == expected.fingerprint
    assert "data.targets is not set" in refusal(path=str(tmp_path / "x.npy"))
    np.save(tmp_path / "y.npy", np.array([{}, None], dtype=object), allow_pickle=True)
    assert "Y must be a whole .npy file of a plain array" in refusal(**options)


def svmlight(x, y):
    return "".join(
        ",".join(str(c) for c in np.flatnonzero(labels))
        + " "
        + " ".join(f"{column}:{float(value)!r}" for column, value in enumerate(row, start=1))
        + "\n"
        for row, labels in zip(x, y, strict=True)
    )


def test_svmlight(tmp_path, expected):
    pytest.importorskip("sklearn")
    path = tmp_path / "x.svm"
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    path.write_text(svmlight(X, Y))
    options = {"dataset": "features", "path": str(path)}
    dataset = load_dataset({**options, "labels": str(tmp_path / "names.txt")})
    assert dataset.fingerprint == expected.fingerprint
    assert load_dataset(options).labels == ["0", "1", "2"]
    path.write_text("50 6 3\n" + svmlight(X, Y))
    assert len(load_dataset(options).ids) == 50
    path.write_text("0,1 1:x\n")
    assert "must have lines such as" in refusal(path=str(path))


def test_svmlight_with_a_test_file(tmp_path):
    pytest.importorskip("sklearn")
    (tmp_path / "train.svm").write_text(svmlight(X[:40], Y[:40]))
    (tmp_path / "test.svm").write_text(svmlight(X[40:], Y[40:]))
    dataset = load_dataset(
        {"dataset": "features", "root": str(tmp_path), "path": "train.svm", "test": "test.svm"}
    )
    assert (dataset.split == "test").sum() == 10
    assert (dataset.targets == Y).all()


def test_without_scikit_learn_the_error_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "x.svm"
    path.write_text(svmlight(X, Y))
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert "pip install scikit-learn" in refusal(path=str(path))


@pytest.mark.parametrize("ending", [".pt", ".pkl", ".bin", ".joblib"])
def test_pickles_are_refused_unopened(tmp_path, ending):
    path = tmp_path / f"x{ending}"
    path.write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    assert "may hold pickled objects, which can run code" in refusal(path=str(path))


def test_options_of_other_formats_are_refused(tmp_path, expected):
    text = refusal(path=str(tmp_path / "x.npz"), targets="y.npy")
    assert "data.targets must not be set for npz files" in text


def test_groups_stay_together(tmp_path):
    groups = np.repeat(np.arange(10), 5)
    np.savez(tmp_path / "x.npz", X=X, Y=Y, groups=groups)
    dataset = load_dataset({"dataset": "features", "path": str(tmp_path / "x.npz")})
    split = dataset.split.reshape(10, 5)
    assert (split == split[:, :1]).all()
