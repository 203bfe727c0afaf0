"""Datasets of the Hugging Face hub, or saved by its library, through the package `datasets`."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sigmoidf1.cache import cache_folder
from sigmoidf1.data_root import within_data_root
from sigmoidf1.datasets.base import DatasetSource, Examples
from sigmoidf1.datasets.common_options import ROOT
from sigmoidf1.datasets.reading.images import ImageFolder
from sigmoidf1.datasets.reading.labelled_tables import read_tables
from sigmoidf1.datasets.reading.problems import Problems
from sigmoidf1.datasets.reading.table_columns import COLUMN_OPTIONS
from sigmoidf1.datasets.reading.tables import Table
from sigmoidf1.errors import InputError
from sigmoidf1.options import Option

HOW = "Run: pip install sigmoidf1-sweeps[hf]"
_NO_YES = {("no", "yes"), ("false", "true"), ("0", "1"), ("negative", "positive")}
_SPLITS = {"train": "train", "validation": "validation", "valid": "validation", "val": "validation"}
_SPLITS |= {"dev": "validation", "test": "test"}


def read(options: Mapping[str, Any]) -> Examples:
    """Read all splits of a dataset; where there is one alone, it is split here.

    Raises:
        InputError: if the package is not installed, the dataset cannot be had, or its columns
            are not those of a multilabel dataset.
    """
    problems = Problems(options["on_error"])
    loaded = _load(options)
    tables = []
    for name, part in loaded.items():
        split = _SPLITS.get(name)
        if len(loaded) > 1 and split is None:
            continue  # such as `unsupervised`
        split = split if len(loaded) > 1 else None
        tables.append((split, _make_table(part, Path(f"{options['name']}[{name}]"))))
    if not tables:
        raise InputError(
            f"a dataset's splits must be train, validation and test, but {options['name']} has "
            f"{', '.join(loaded)}. Set data.use to one of these."
        )
    images = None
    if any(_holds_images(part) for part in loaded.values()):
        images = ImageFolder(Path("/"), check_files=options["check_files"], by_name=True)
    return read_tables(tables, {**options, "images": None}, problems, images=images)


def missing() -> str | None:
    """Return how to get the package; None if it is installed."""
    if importlib.util.find_spec("datasets") is not None:
        return None
    return f"hf:NAME needs the package datasets, which is not installed. {HOW}"


def _library() -> Any:
    try:
        return importlib.import_module("datasets")
    except ImportError as error:
        raise InputError(missing() or str(error)) from error


def _load(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the dataset's splits by name."""
    datasets = _library()
    name = options["name"]
    folder = Path(options["root"] or ".", name)
    # The library takes a name for a folder of the working directory, too.
    for place in (folder, Path(name).expanduser()):
        if place.exists():
            within_data_root(place, "data.dataset")
    try:
        if (folder / "dataset_info.json").is_file() or (folder / "dataset_dict.json").is_file():
            loaded = datasets.load_from_disk(str(folder))
        else:
            loaded = datasets.load_dataset(
                str(folder) if folder.is_dir() else name,
                options["config"],
                revision=options["revision"],
            )
    except Exception as error:
        # The library raises dozens of types; each means the same for a user.
        reason = " ".join(str(error).split()).rstrip(".")[:300] or type(error).__name__
        raise InputError(
            f"hf:{name} must be on this machine or within reach of the Hugging Face hub, but is "
            f"neither ({reason}). Save it with datasets.load_dataset({name!r}).save_to_disk(DIR) "
            "where there is a connection, and name that folder: hf:./DIR."
        ) from error
    parts = dict(loaded) if isinstance(loaded, Mapping) else {"train": loaded}
    if options["use"] is not None:
        if options["use"] not in parts:
            raise InputError(
                f"data.use must be a split of hf:{name}, but is {options['use']!r}. "
                f"It has {', '.join(parts)}."
            )
        parts = {options["use"]: parts[options["use"]]}
    return parts


def _make_table(part: Any, path: Path) -> Table:
    """Return a split as a table: class numbers become names, images become files."""
    datasets = _library()
    names: dict[str, list[str]] = {}
    pictures = []
    for column, feature in part.features.items():
        inner = getattr(feature, "feature", None)
        if isinstance(feature, list) and feature:
            inner = feature[0]
        for kind in (feature, inner):
            if isinstance(kind, datasets.ClassLabel):
                names[column] = kind.names
        if isinstance(feature, datasets.Image):
            part = part.cast_column(column, datasets.Image(decode=False))
            pictures.append(column)
    rows = []
    for number, row in enumerate(_rows(part), start=1):
        for column, known in names.items():
            row[column] = _named(row[column], known)
        for column in pictures:
            row[column] = _image_path(row[column])
        rows.append((number, row))
    return Table(path, list(part.column_names), rows, "row")


def _rows(part: Any) -> Iterator[dict[str, Any]]:
    for row in part:
        yield dict(row)


def _named(value: Any, names: list[str]) -> Any:
    if isinstance(value, int):
        # A class of no and yes is a column of 0 and 1.
        return value if tuple(n.lower() for n in names) in _NO_YES else [names[value]]
    return [names[number] for number in value] if isinstance(value, list) else value


def _image_path(value: Mapping[str, Any] | None) -> str | None:
    """Return an image's file; where the dataset holds its bytes, they are kept by content."""
    if value is None:
        return None
    path, content = value.get("path"), value.get("bytes")
    if content is None:
        return None if path is None else str(Path(path).resolve())
    ending = Path(path or "").suffix or ".image"
    file = cache_folder() / "images" / f"{hashlib.sha256(content).hexdigest()}{ending}"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        draft.write_bytes(content)
        draft.replace(file)
    return str(file.resolve())


def _holds_images(part: Any) -> bool:
    datasets = _library()
    return any(isinstance(feature, datasets.Image) for feature in part.features.values())


SOURCE = DatasetSource(
    name="hf",
    modality="text or image",
    summary="hf:NAME, a dataset of the Hugging Face hub or a local folder of its library; labels "
    "as class numbers, names, or columns of 0 and 1",
    read=read,
    missing=missing,
    options=(
        Option(
            name="name",
            kind="str",
            description="the dataset's name or folder; hf:NAME sets it",
            required=True,
        ),
        Option(name="config", kind="str", description="its configuration", nullable=True),
        Option(name="revision", kind="str", description="its revision", nullable=True),
        Option(
            name="use",
            kind="str",
            description="the one split to use and split anew (default: all official ones)",
            nullable=True,
        ),
        ROOT,
        *COLUMN_OPTIONS,
    ),
)
