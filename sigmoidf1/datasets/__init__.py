"""Datasets by name: one file of this folder each, found by its name. Imports no torch."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from sigmoidf1.datasets.assembly import assemble
from sigmoidf1.datasets.base import Dataset, DatasetSource, DroppedClassWarning, Examples
from sigmoidf1.errors import InputError
from sigmoidf1.options import check_options, unknown_name

__all__ = [
    "Dataset",
    "DatasetSource",
    "DroppedClassWarning",
    "Examples",
    "dataset_names",
    "dataset_summary",
    "get_source",
    "list_datasets",
    "load_dataset",
    "option_names",
    "register_dataset",
]

_NOT_DATASETS = {
    "assembly",
    "base",
    "common_options",
    "contents",
    "fingerprints",
    "reading",
    "splitting",
    "statistics",
}
_HUB = "hf:"
_sources: dict[str, DatasetSource] = {}


def register_dataset(source: DatasetSource) -> None:
    """Make a dataset known under its name, for data that no file of this folder reads.

    Raises:
        InputError: if another dataset has that name.
    """
    _discover()
    if source.name in _sources:
        raise InputError(
            f"a dataset's name must be new, but {source.name!r} is taken. Choose another name."
        )
    _sources[source.name] = source


def dataset_names() -> list[str]:
    """Return the names of all known datasets, sorted."""
    _discover()
    return sorted(_sources)


def get_source(name: object) -> DatasetSource:
    """Return how the named dataset is read.

    Raises:
        InputError: for an unknown name; the nearest known one is named.
    """
    _discover()
    if not isinstance(name, str) or name not in _sources:
        raise InputError(unknown_name("dataset", name, _sources))
    return _sources[name]


def dataset_summary(name: str) -> dict[str, Any]:
    """Return one dataset's entry of a listing, JSON-safe.

    Returns:
        `name`, `modality`, `description`, `options` (name, rule, required, default and
        description of each), `get`: what to download and how to lay it out, or None where
        nothing is needed, `available`, and `how`: None, or what to install first.
    """
    source = get_source(name)
    how = source.missing()
    return {
        "name": source.name,
        "modality": source.modality,
        "description": source.summary,
        "options": [option.describe() for option in source.all_options()],
        "get": source.get,
        "available": how is None,
        "how": how,
    }


def list_datasets() -> list[dict[str, Any]]:
    """Return the entries of all known datasets, sorted by name."""
    return [dataset_summary(name) for name in dataset_names()]


def load_dataset(options: Mapping[str, Any]) -> Dataset:
    """Load a dataset as the `data` mapping of a spec describes it.

    Args:
        options: `dataset`, the name, and that dataset's options (`dataset_summary` lists
            them). `hf:NAME` is the dataset `hf` with the option `name`.

    Returns:
        The checked and split dataset.

    Raises:
        InputError: for an unknown dataset or option, a value that breaks its rule, or data
            that are missing or broken.

    Example:
        >>> dataset = load_dataset({"dataset": "movie_genres", "limit": 1000})
        >>> dataset.split.shape
        (849,)
    """
    if not isinstance(options, Mapping) or "dataset" not in options:
        raise InputError(
            f"data must be a mapping that names its dataset, but got {options!r}. "
            f"Set data.dataset to one of: {', '.join(dataset_names())}."
        )
    name, given = _resolve(options)
    source = get_source(name)
    checked = check_options(
        given, source.all_options(), prefix="data", owner=f"dataset {source.name!r}"
    )
    return assemble(source, checked)


def option_names(name: object) -> list[str]:
    """Return the names of the options of a dataset, `hf:NAME` included.

    Raises:
        InputError: for an unknown name.
    """
    source = get_source(_resolve({"dataset": name})[0])
    return [option.name for option in source.all_options()]


def _resolve(options: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return a dataset's own name and its options; `hf:NAME` is `hf` with the option `name`."""
    name, given = options["dataset"], {k: v for k, v in options.items() if k != "dataset"}
    if isinstance(name, str) and name.startswith(_HUB):
        return _HUB.removesuffix(":"), {"name": name.removeprefix(_HUB), **given}
    return name, given


def _discover() -> None:
    for module in pkgutil.iter_modules(__path__):
        if module.name not in _NOT_DATASETS and module.name not in _sources:
            found = importlib.import_module(f"{__name__}.{module.name}").SOURCE
            _sources[found.name] = found
