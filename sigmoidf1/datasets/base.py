"""What a dataset is, and what a file of this folder must provide to become one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from sigmoidf1.datasets.common_options import common_options
from sigmoidf1.datasets.reading.problems import Problems
from sigmoidf1.errors import InputError
from sigmoidf1.options import Option

Modality = Literal["text", "image", "features"]
SourceModality = Literal["text", "image", "features", "text or image"]


class DroppedClassWarning(UserWarning):
    """Classes were dropped because no training example has them."""


class StoredTexts(Sequence[str]):
    """Texts that stay in their file until they are asked for, so that memory stays bounded."""

    @abstractmethod
    def take(self, rows: np.ndarray) -> StoredTexts:
        """Return the texts of these rows, in their order."""


@dataclass(frozen=True, kw_only=True)
class Examples:
    """What a dataset's file reads, before limits, rare classes, splits and checks.

    Args:
        ids: N distinct ids.
        modality: what `inputs` are, for a source that reads both texts and images; else None.
        inputs: N texts or image paths; None when the data are ready features.
        embeddings: float32 (N, D) ready features; None otherwise.
        targets: uint8 (N, C) of 0 and 1.
        labels: C class names.
        groups: N group names, whose examples stay together in a split; None for no groups.
        problems: what was wrong and left out while reading.
        split: official split, array (N,) of `train`, `test` and perhaps `validation`; None
            when there is none.
        notes: JSON-safe facts worth keeping with the results.
    """

    ids: list[str]
    modality: Modality | None = None
    inputs: Sequence[str] | None = None
    embeddings: np.ndarray | None = None
    targets: np.ndarray
    labels: list[str]
    groups: list[str] | None = None
    problems: Problems | None = None
    split: np.ndarray | None = None
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DatasetSource:
    """How one dataset is read; each file of this folder holds one as `SOURCE`.

    Args:
        name: its name in a spec; also the file's name.
        modality: what an encoder gets: texts, image paths, or nothing (ready features).
        summary: one line for listings.
        options: its own options, beside those that every dataset has.
        read: from the checked options to the examples.
        missing: None when the data are at hand, else one line on how to get them.
        get: what to download, from where, and how `data.root` must look; None where nothing is.
        min_examples: default of the rarity threshold b.
        drop_unlabelled: whether examples left without any class are dropped by default.
        stratified: whether splits that are not official are stratified by default.
    """

    name: str
    modality: SourceModality
    summary: str
    read: Callable[[Mapping[str, Any]], Examples]
    options: tuple[Option, ...] = ()
    missing: Callable[[], str | None] = lambda: None
    get: str | None = None
    min_examples: int = 1
    drop_unlabelled: bool = False
    stratified: bool = True

    def all_options(self) -> tuple[Option, ...]:
        """Return its own options, then those that every dataset has."""
        common = common_options(
            modality=self.modality,
            min_examples=self.min_examples,
            drop_unlabelled=self.drop_unlabelled,
            stratified=self.stratified,
        )
        return (*self.options, *common)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A multilabel dataset, checked, limited and split.

    Args:
        name: the dataset's name.
        modality: `text`, `image` or `features`.
        ids: N distinct ids.
        inputs: N texts or image paths; None for ready features. Perhaps `StoredTexts`.
        embeddings: float32 (N, D) ready features; None otherwise.
        targets: uint8 (N, C) of 0 and 1.
        labels: C class names; each has a positive training example.
        split: array (N,) of `train`, `validation` and `test`, none of them empty.
        inputs_fingerprint: SHA-256 (hex) of the inputs or embeddings alone, in their order.
        fingerprint: SHA-256 (hex) of ids, inputs or embeddings, targets, labels and split.
        info: JSON-safe facts: options, counts, what was dropped, copies and skipped problems.
    """

    name: str
    modality: Modality
    ids: list[str]
    inputs: Sequence[str] | None
    embeddings: np.ndarray | None
    targets: np.ndarray
    labels: list[str]
    split: np.ndarray
    inputs_fingerprint: str
    fingerprint: str
    info: dict[str, Any]


def check_embeddings(values: np.ndarray, name: str) -> np.ndarray:
    """Return ready features as float32 (N, D).

    Raises:
        InputError: unless they are finite real numbers of shape (N, D) with D >= 1.
    """
    if values.ndim != 2 or values.shape[1] == 0:
        raise InputError(
            f"features must have shape (N, D), but {name} has shape {values.shape}. "
            "Store one row an example."
        )
    if values.dtype.kind not in "fiub":
        raise InputError(
            f"features must be real numbers, but {name} has dtype {values.dtype}. "
            "Store them as float32."
        )
    with np.errstate(over="ignore"):
        embeddings = np.ascontiguousarray(values, dtype=np.float32)
    bad = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    if len(bad):
        raise InputError(
            f"features must be finite float32 numbers, but {name} has NaN or inf in "
            f"{len(bad)} of {len(embeddings)} rows, the first of them row {bad[0]}. "
            "Remove or repair these rows."
        )
    return embeddings


def check_targets(values: np.ndarray, name: str) -> np.ndarray:
    """Return targets as uint8 (N, C).

    Raises:
        InputError: unless they are 0 and 1 alone, of shape (N, C).
    """
    if values.ndim != 2:
        raise InputError(
            f"targets must have shape (N, C), but {name} has shape {values.shape}. "
            "Store one column a class, 1 where the example has it."
        )
    if values.dtype.kind not in "fiub":
        raise InputError(
            f"targets must be 0 or 1, but {name} has dtype {values.dtype}. Store them as uint8."
        )
    wrong = (values != 0) & (values != 1)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise InputError(
            f"targets must be 0 or 1, but {name} holds {values[row, column].item()} "
            f"in row {row}, column {column}. Store 1 where the example has the class, else 0."
        )
    return np.ascontiguousarray(values, dtype=np.uint8)
