import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from sigmoidf1.datasets import load_dataset
from sigmoidf1.errors import InputError

SHARED_DATA = Path(
    os.environ.get("SIGMOIDF1_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data")
)


def arrays(count=50, dim=6, classes=3):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, dim)).astype(np.float32)
    y = (rng.random((count, classes)) < 0.4).astype(np.uint8)
    y[:, 0] |= ~y.any(axis=1)
    return x, y


X, Y = arrays()
SPLIT = np.array(["train"] * 30 + ["validation"] * 10 + ["test"] * 10)


def load(tmp_path, options=None, **content):
    path = tmp_path / "features.npz"
    np.savez(path, **content)
    return load_dataset({"dataset": "features", "path": str(path), **(options or {})})


def with_value(array, value, dtype=None):
    changed = array.astype(dtype or array.dtype)
    changed[7, 1] = value
    return changed


def test_x_and_y_alone_get_a_seeded_split(tmp_path):
    dataset = load(tmp_path, X=X, Y=Y)
    assert (dataset.embeddings == X).all()
    assert (dataset.targets == Y).all()
    assert dataset.labels == ["class_0", "class_1", "class_2"]
    assert dataset.ids[:2] == ["0", "1"]
    sizes = {name: int((dataset.split == name).sum()) for name in ("train", "validation", "test")}
    assert sizes == {"train": 30, "validation": 10, "test": 10}
    other = load(tmp_path, {"split_seed": 1}, X=X, Y=Y)
    assert (other.split != dataset.split).any()


def test_labels_ids_and_split_of_the_file_are_used(tmp_path):
    ids = np.arange(100, 150)
    dataset = load(tmp_path, X=X, Y=Y, labels=np.array(["a", "b", "ç"]), ids=ids, split=SPLIT)
    assert dataset.labels == ["a", "b", "ç"]
    assert dataset.ids[0] == "100"
    assert (dataset.split == SPLIT).all()


def test_labels_as_bytes(tmp_path):
    assert load(tmp_path, X=X, Y=Y, labels=np.array([b"a", b"b", b"c"])).labels == ["a", "b", "c"]


@pytest.mark.parametrize("dtype", ["float16", "float64", "int8", "bool"])
def test_other_number_types_are_taken(tmp_path, dtype):
    dataset = load(tmp_path, X=X.astype(dtype), Y=Y.astype(dtype))
    assert dataset.embeddings.dtype == np.float32
    assert dataset.targets.dtype == np.uint8
    assert (dataset.targets == Y).all()


def test_separate_splits(tmp_path):
    content = {f"{a}_{s}": v[s == SPLIT] for a, v in (("X", X), ("Y", Y)) for s in set(SPLIT)}
    dataset = load(tmp_path, **content, features=np.array(["f1", "f2"]))
    assert (dataset.embeddings == X).all()
    assert (dataset.split == SPLIT).all()
    assert dataset.ids[0] == "train:0"
    assert dataset.ids[-1] == "test:9"
    assert dataset.info["ignored_arrays"] == ["features"]


def test_validation_is_else_a_seeded_part_of_train(tmp_path):
    train = SPLIT != "test"
    content = {
        "X_train": X[train],
        "Y_train": Y[train],
        "X_test": X[~train],
        "Y_test": Y[~train],
    }
    dataset = load(tmp_path, **content)
    assert (dataset.split[:40] == "validation").sum() == 10
    assert (dataset.split[40:] == "test").all()
    assert (load(tmp_path, {"split_seed": 1}, **content).split != dataset.split).any()
    by_column = load(tmp_path, X=X, Y=Y, split=np.where(train, "train", "test"))
    assert (by_column.split == "validation").sum() == 10


def test_examples_without_labels_are_kept(tmp_path):
    y = Y.copy()
    y[3] = 0
    dataset = load(tmp_path, X=X, Y=y)
    assert len(dataset.ids) == 50
    assert dataset.info["n_unlabelled"] == 1


BAD = {
    "NaN": ({"X": with_value(X, np.nan), "Y": Y}, "X has NaN or inf in 1 of 50 rows"),
    "inf": ({"X": with_value(X, np.inf), "Y": Y}, "the first of them row 7"),
    "too large for float32": ({"X": with_value(X, 1e300, "float64"), "Y": Y}, "finite float32"),
    "label 2": ({"X": X, "Y": with_value(Y, 2)}, "Y holds 2 in row 7, column 1"),
    "label -1": ({"X": X, "Y": with_value(Y, -1, "int8")}, "Y holds -1"),
    "label 0.5": ({"X": X, "Y": with_value(Y, 0.5, "float32")}, "Y holds 0.5"),
    "label NaN": ({"X": X, "Y": with_value(Y, np.nan, "float32")}, "Y holds nan"),
    "rows": ({"X": X, "Y": Y[:-1]}, "got 50 and 49 rows"),
    "flat X": ({"X": X[:, 0], "Y": Y}, "X has shape (50,)"),
    "no columns": ({"X": X[:, :0], "Y": Y}, "X has shape (50, 0)"),
    "flat Y": ({"X": X, "Y": Y[:, 0]}, "Y has shape (50,)"),
    "texts as X": ({"X": X.astype(str), "Y": Y}, "X has dtype <U"),
    "complex X": ({"X": X.astype(complex), "Y": Y}, "X has dtype complex128"),
    "texts as Y": ({"X": X, "Y": Y.astype(str)}, "Y has dtype <U"),
    "no Y": ({"X": X}, "must hold Y"),
    "no X": ({"Y": Y}, "must hold X"),
    "nothing": ({"a": X}, "must hold X_train"),
    "no test": ({"X_train": X, "Y_train": Y}, "must hold X_test"),
    "half validation": (
        {"X_train": X, "Y_train": Y, "X_test": X, "Y_test": Y, "X_validation": X},
        "must hold Y_validation",
    ),
    "misspelt": (
        {"X_train": X, "Y_train": Y, "X_test": X, "Y_test": Y, "X_val": X},
        "Unknown array in",
    ),
    "both layouts": ({"X": X, "Y": Y, "X_test": X}, "keep to one layout"),
    "stray split": (
        {"X_train": X, "Y_train": Y, "X_test": X, "Y_test": Y, "split": SPLIT},
        "must not hold split",
    ),
    "other columns": (
        {"X_train": X, "Y_train": Y, "X_test": X[:, 1:], "Y_test": Y},
        "all splits must share D and C",
    ),
    "labels": ({"X": X, "Y": Y, "labels": np.array(["a"])}, "labels must name all columns of Y"),
    "same labels": ({"X": X, "Y": Y, "labels": np.array(["a", "a", "b"])}, "'a' occurs more"),
    "ids": ({"X": X, "Y": Y, "ids": np.arange(3)}, "ids must name all rows of X"),
    "same ids": ({"X": X, "Y": Y, "ids": np.zeros(50, int)}, "ids must be distinct, but '0'"),
    "ids as floats": ({"X": X, "Y": Y, "ids": np.zeros(50)}, "ids must be a one-dimensional"),
    "split name": ({"X": X, "Y": Y, "split": np.where(SPLIT == "test", "dev", SPLIT)}, "'dev'"),
    "no test split": ({"X": X, "Y": Y, "split": np.full(50, "train")}, "test is empty"),
    "objects": ({"X": X, "Y": Y, "labels": np.array(["a", 1, None], object)}, "no pickled objects"),
    "one example": ({"X": X[:1], "Y": Y[:1]}, "at least two examples, but got 1"),
    "none": ({"X": X[:0], "Y": Y[:0]}, "at least two examples, but got 0"),
    "two": ({"X": X[:2], "Y": Y[:2]}, "test is empty"),
    "no positive": ({"X": X, "Y": np.zeros_like(Y)}, "none has a positive training example"),
    "no classes": ({"X": X, "Y": Y[:, :0]}, "at least one class must be left"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_content_gets_one_clear_line(tmp_path, case):
    content, message = BAD[case]
    with pytest.raises(InputError) as caught:
        load(tmp_path, **content)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def npz_cut_short(path):
    np.savez(path, X=X, Y=Y)
    path.write_bytes(path.read_bytes()[:-300])


def npz_altered(path):
    np.savez(path, X=X, Y=Y)
    content = bytearray(path.read_bytes())
    content[400] ^= 255
    path.write_bytes(bytes(content))


def one_bare_array(path):
    with path.open("wb") as file:
        np.save(file, X)


@pytest.mark.parametrize(
    "write",
    [
        npz_cut_short,
        npz_altered,
        one_bare_array,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("a,b\n1,2\n"),
        lambda path: path.write_bytes(pickle.dumps({"X": [1]})),
    ],
    ids=["cut short", "altered", "bare array", "empty", "text", "pickle"],
)
def test_broken_files_get_one_clear_line(tmp_path, write):
    path = tmp_path / "features.npz"
    write(path)
    with pytest.raises(InputError) as caught:
        load_dataset({"dataset": "features", "path": str(path)})
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_and_options(tmp_path):
    with pytest.raises(InputError, match=r"needs the option data.path"):
        load_dataset({"dataset": "features"})
    with pytest.raises(InputError, match="is not there"):
        load_dataset({"dataset": "features", "path": str(tmp_path / "absent.npz")})
    with pytest.raises(InputError, match="is a folder"):
        load_dataset({"dataset": "features", "path": str(tmp_path)})
    with pytest.raises(InputError, match=r"data.path must be a path, but got 3"):
        load_dataset({"dataset": "features", "path": 3})


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "shape", "sizes"),
    [
        ("features/cancer_hallmarks_minilm", (1852, 384, 35), (1111, 371, 370)),
        ("features/movie_posters_mobilenetv2", (7242, 1280, 25), (4345, 1449, 1448)),
        ("mulan/emotions", (593, 72, 6), (293, 98, 202)),
        ("mulan/scene", (2407, 294, 6), (908, 303, 1196)),
        ("mulan/yeast", (2417, 103, 14), (1125, 375, 917)),
    ],
)
def test_real_files(name, shape, sizes):
    path = SHARED_DATA / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    dataset = load_dataset({"dataset": "features", "path": str(path)})
    assert (*dataset.embeddings.shape, len(dataset.labels)) == shape
    info = dataset.info
    assert (info["n_train"], info["n_validation"], info["n_test"]) == sizes
