"""Files of arrays: npz, safetensors, npy pairs, svmlight. None of them may hold pickles."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sigmoidf1.datasets.reading.files import find_file, read_bytes, read_text
from sigmoidf1.datasets.reading.labels import make_targets
from sigmoidf1.datasets.reading.problems import Unusable
from sigmoidf1.errors import InputError

FORMATS = ("npz", "safetensors", "npy", "svmlight")
_ENDINGS = {
    ".safetensors": "safetensors",
    ".npy": "npy",
    ".svm": "svmlight",
    ".svmlight": "svmlight",
    ".libsvm": "svmlight",
    ".txt": "svmlight",
}
_PICKLED = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib")


def load_arrays(path: Path, options: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the arrays of a file by name.

    Args:
        path: the file that `data.path` names.
        options: `format`, `targets`, `labels`, `test` and `root`.

    Raises:
        InputError: if a file is missing, broken or holds pickles, or a package is.
    """
    if not path.is_file():
        raise InputError(
            f"data.path must name a file of features, but {path} is "
            f"{'a folder' if path.is_dir() else 'not there'}. Correct data.path."
        )
    if path.suffix in _PICKLED:
        raise InputError(
            f"features must be plain arrays, but {path} may hold pickled objects, which can run "
            "code when read. Save them as .npz or .safetensors."
        )
    kind = options["format"]
    if kind == "auto":
        kind = _ENDINGS.get(path.suffix.lower(), "npz")
    wanted = {"npy": ("targets", "labels"), "svmlight": ("labels", "test")}.get(kind, ())
    for option in ("targets", "labels", "test"):
        if options[option] is not None and option not in wanted:
            raise InputError(
                f"data.{option} must not be set for {kind} files, but is. Leave it out."
            )
    if kind == "npz":
        return _load_npz(path)
    if kind == "safetensors":
        return _load_safetensors(path)
    arrays = _load_npy_pair(path, options) if kind == "npy" else _load_svmlight(path, options)
    if options["labels"] is not None:
        arrays["labels"] = _load_lines(
            find_file(options["labels"], options["root"], option="labels")
        )
    return arrays


def _load_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        # Pickles can run code when read: never allowed.
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it holds one bare array")
            return {name: archive[name] for name in archive.files}
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        if "allow_pickle" in reason:
            # NumPy's own words advise to load such files all the same.
            reason = "it is no archive or holds pickled objects"
        raise InputError(
            f"data.path must name a whole .npz archive of plain arrays (no pickled objects), but "
            f"{path} is not ({reason}). Write it with numpy.savez from arrays of numbers or texts."
        ) from error


def _load_npy_pair(path: Path, options: Mapping[str, Any]) -> dict[str, np.ndarray]:
    if options["targets"] is None:
        raise InputError(
            f"a .npy file of X needs one of Y, but data.targets is not set for {path}. "
            "Set data.targets to the .npy file of Y."
        )
    arrays = {}
    for name, file in (
        ("X", path),
        ("Y", find_file(options["targets"], options["root"], option="targets")),
    ):
        try:
            loaded = np.load(file, allow_pickle=False)
        except (OSError, EOFError, ValueError) as error:
            raise InputError(
                f"{name} must be a whole .npy file of a plain array (no pickled objects), but "
                f"{file} is not. Write it with numpy.save from an array of numbers."
            ) from error
        if not isinstance(loaded, np.ndarray):
            raise InputError(
                f"{name} must be one array, but {file} is an archive. Set data.format to npz."
            )
        arrays[name] = loaded
    return arrays


def _load_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Return tensors, and labels, ids, split and groups that the metadata hold as JSON lists."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise InputError(
            f"{path} needs the package safetensors to be read, but it is not installed. "
            "Run: pip install safetensors"
        ) from error
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
        for name in ("labels", "ids", "split", "groups"):
            if name in metadata:
                arrays[name] = np.array([str(value) for value in json.loads(metadata[name])])
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise InputError(
            f"data.path must name a whole .safetensors file of number types that NumPy has, but "
            f"{path} is not ({reason}). Write it again, as float32."
        ) from error
    return arrays


def _load_svmlight(path: Path, options: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return X and Y of a multilabel file, or of a train and a test file."""
    try:
        from sklearn.datasets import load_svmlight_files
    except ImportError as error:
        raise InputError(
            f"svmlight files need the package scikit-learn to be read, but it is not installed "
            f"({path}). Run: pip install scikit-learn"
        ) from error
    files = [path]
    if options["test"] is not None:
        files.append(find_file(options["test"], options["root"], option="test"))
    try:
        loaded = load_svmlight_files(
            [io.BytesIO(_without_counts(read_bytes(file))) for file in files],
            multilabel=True,
            dtype=np.float32,
        )
    except (Unusable, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(
            f"svmlight files must have lines such as 0,2 1:0.5 7:1, but {path} has not ({reason}). "
            "Correct it."
        ) from error
    names = [[_label(value) for value in row] for rows in loaded[1::2] for row in rows]
    every = sorted({name for row in names for name in row}, key=_numeric)
    targets, labels = make_targets(names, every)
    x = [matrix.toarray() for matrix in loaded[::2]]
    if len(x) == 1:
        arrays = {"X": x[0], "Y": targets}
    else:
        rows = len(x[0])
        arrays = {"X_train": x[0], "Y_train": targets[:rows]}
        arrays |= {"X_test": x[1], "Y_test": targets[rows:]}
    return {**arrays, "labels": np.array(labels, dtype=str)}


def _without_counts(content: bytes) -> bytes:
    # The extreme-classification repository puts the counts N D C into a first line.
    first, _, rest = content.partition(b"\n")
    fields = first.split()
    return rest if len(fields) == 3 and all(field.isdigit() for field in fields) else content


def _label(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _numeric(name: str) -> float:
    return float(name)


def _load_lines(path: Path) -> np.ndarray:
    try:
        lines = read_text(path).rstrip("\n").split("\n")
    except Unusable as error:
        raise InputError(
            f"data.labels must be a readable text file, but {error}. Fix it."
        ) from error
    return np.array([line.strip() for line in lines], dtype=str)
