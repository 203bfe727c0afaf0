"""Your own ready features: npz, safetensors, a pair of npy files, or svmlight."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sigmoidf1.datasets.base import DatasetSource, Examples, check_embeddings, check_targets
from sigmoidf1.datasets.common_options import ROOT
from sigmoidf1.datasets.reading.arrays import FORMATS, load_arrays
from sigmoidf1.datasets.reading.files import locate
from sigmoidf1.errors import InputError
from sigmoidf1.options import Option, unknown_name
from sigmoidf1.splits import SPLITS

_WHOLE = ("X", "Y", "ids", "split", "groups")
_BY_SPLIT = tuple(f"{array}_{name}" for name in SPLITS for array in ("X", "Y", "ids"))
_KNOWN = (*_WHOLE, *_BY_SPLIT, "labels")
_LAYOUTS = (
    "Store X (N, D) and Y (N, C), with labels, ids and split if you like; "
    "or X_train, Y_train, X_test, Y_test, with X_validation, Y_validation and labels if you like."
)


def read(options: Mapping[str, Any]) -> Examples:
    """Read a file of arrays in either of two layouts: whole, or by split.

    Raises:
        InputError: if the file is missing, broken, or holds what breaks a rule.
    """
    path = locate(options["path"], options["root"], option="path")
    arrays = load_arrays(path, options)
    ignored = _check_names(arrays, path)
    groups: list[str] | None = None
    if "X" in arrays or "Y" in arrays:
        embeddings, targets, ids, split = _read_whole(arrays, path)
        if "groups" in arrays:
            groups = _read_names(arrays["groups"], "groups", len(ids), "rows of X")
    else:
        embeddings, targets, ids, split = _read_by_split(arrays, path)
    return Examples(
        ids=ids,
        embeddings=embeddings,
        targets=targets,
        labels=_read_labels(arrays, targets.shape[1]),
        groups=groups,
        split=split,
        notes={"source": str(path.resolve()), "ignored_arrays": ignored},
    )


def _check_names(arrays: Mapping[str, np.ndarray], path: Path) -> list[str]:
    """Refuse arrays that look like misspelt ones; return those that are none of ours."""
    others = sorted(name for name in arrays if name not in _KNOWN)
    for name in others:
        # X_val or Xtrain ignored in silence would change what is trained on.
        if name.lower().startswith(("x_", "y_", "ids_")) or name.lower() in (
            *("x", "y", "id", "label", "splits", "xtrain", "ytrain", "xtest", "ytest"),
        ):
            raise InputError(unknown_name(f"array in {path}:", name, _KNOWN))
    return others


def _read_whole(
    arrays: Mapping[str, np.ndarray], path: Path
) -> tuple[np.ndarray, np.ndarray, list[str], np.ndarray | None]:
    mixed = sorted(name for name in arrays if name in _BY_SPLIT)
    if mixed:
        raise InputError(
            f"a features file must keep to one layout, but {path} holds X or Y and also "
            f"{', '.join(mixed)}. {_LAYOUTS}"
        )
    embeddings, targets = _read_pair(arrays, "X", "Y", path)
    count = len(embeddings)
    ids = [str(row) for row in range(count)]
    if "ids" in arrays:
        ids = _read_names(arrays["ids"], "ids", count, "rows of X")
    split = None
    if "split" in arrays:
        names = _read_names(arrays["split"], "split", count, "rows of X")
        unknown = sorted(set(names) - set(SPLITS))
        if unknown:
            raise InputError(
                f"split must hold {', '.join(SPLITS)} alone, but got {unknown[0]!r}. "
                "Rename it in the file."
            )
        split = np.array(names, dtype="<U10")
    return embeddings, targets, ids, split


def _read_by_split(
    arrays: Mapping[str, np.ndarray], path: Path
) -> tuple[np.ndarray, np.ndarray, list[str], np.ndarray]:
    stray = sorted(name for name in ("ids", "split", "groups") if name in arrays)
    if stray:
        raise InputError(
            f"a features file of separate splits must not hold {stray[0]}, but {path} does. "
            "Name ids by split (ids_train, ids_test), and leave split out."
        )
    embeddings: list[np.ndarray] = []
    targets: list[np.ndarray] = []
    ids: list[str] = []
    split: list[str] = []
    for name in SPLITS:
        wanted = {f"X_{name}", f"Y_{name}"}
        if name == "validation" and not wanted & set(arrays):
            continue
        x, y = _read_pair(arrays, f"X_{name}", f"Y_{name}", path)
        if embeddings and (x.shape[1], y.shape[1]) != (embeddings[0].shape[1], targets[0].shape[1]):
            raise InputError(
                f"all splits must share D and C, but X_train and Y_train have "
                f"{embeddings[0].shape[1]} and {targets[0].shape[1]} columns, X_{name} and "
                f"Y_{name} {x.shape[1]} and {y.shape[1]}. Make them equal."
            )
        embeddings.append(x)
        targets.append(y)
        if f"ids_{name}" in arrays:
            ids += _read_names(arrays[f"ids_{name}"], f"ids_{name}", len(x), f"rows of X_{name}")
        else:
            ids += [f"{name}:{row}" for row in range(len(x))]
        split += [name] * len(x)
    return (
        np.concatenate(embeddings),
        np.concatenate(targets),
        ids,
        np.array(split, dtype="<U10"),
    )


def _read_pair(
    arrays: Mapping[str, np.ndarray], x_name: str, y_name: str, path: Path
) -> tuple[np.ndarray, np.ndarray]:
    for name in (x_name, y_name):
        if name not in arrays:
            raise InputError(f"a features file must hold {name}, but {path} does not. {_LAYOUTS}")
    embeddings = check_embeddings(arrays[x_name], x_name)
    targets = check_targets(arrays[y_name], y_name)
    if len(embeddings) != len(targets):
        raise InputError(
            f"{x_name} and {y_name} must have one row an example each, but got "
            f"{len(embeddings)} and {len(targets)} rows. Make them equal."
        )
    return embeddings, targets


def _read_labels(arrays: Mapping[str, np.ndarray], count: int) -> list[str]:
    if "labels" not in arrays:
        return [f"class_{column}" for column in range(count)]
    return _read_names(arrays["labels"], "labels", count, "columns of Y")


def _read_names(values: np.ndarray, name: str, count: int, of_what: str) -> list[str]:
    if values.ndim != 1 or values.dtype.kind not in "USiu":
        raise InputError(
            f"{name} must be a one-dimensional array of texts or whole numbers, but has shape "
            f"{values.shape} and dtype {values.dtype}. Store one name each."
        )
    if len(values) != count:
        raise InputError(
            f"{name} must name all {of_what}, but got {len(values)} for {count}. "
            "Store one name each."
        )
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    return [str(value) for value in values.tolist()]


SOURCE = DatasetSource(
    name="features",
    modality="features",
    summary="Your own ready features: X (N, D) and Y (N, C) in {0,1}, or X_train, Y_train, X_test, "
    "Y_test, as .npz, .safetensors, a pair of .npy, or svmlight",
    read=read,
    options=(
        Option(
            name="path",
            kind="path",
            description="the .npz, .safetensors, .npy (X) or svmlight file",
            required=True,
        ),
        ROOT,
        Option(
            name="format",
            kind="str",
            description="the file's format (default: by its ending)",
            default="auto",
            choices=("auto", *FORMATS),
        ),
        Option(
            name="targets",
            kind="path",
            description="for npy: the .npy file of Y",
            nullable=True,
        ),
        Option(
            name="labels",
            kind="path",
            description="for npy and svmlight: a text file of class names, one a line",
            nullable=True,
        ),
        Option(
            name="test",
            kind="path",
            description="for svmlight: the file of the test split",
            nullable=True,
        ),
    ),
    stratified=False,
)
