"""Leaves out examples whose inputs turned out unreadable while they were embedded."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sigmoidf1.cache_files import content_key
from sigmoidf1.datasets import Dataset, DroppedClassWarning
from sigmoidf1.encoders import BadInput
from sigmoidf1.errors import InputError
from sigmoidf1.splits import SPLITS

LISTED = 100
"""How many skipped inputs the info lists; all are counted."""


def skip_bad(dataset: Dataset, bad: Sequence[BadInput]) -> Dataset:
    """Return the dataset without the examples of bad inputs.

    Classes left without a positive training example go as well, with a warning. The fingerprint
    says what was left out, the counts of `info` are those of what is left, and `info["skipped"]`
    counts and lists the bad inputs after those that reading the dataset had skipped.

    Args:
        dataset: N examples.
        bad: by row, without repetition.

    Raises:
        InputError: if train, validation or test would be empty, or no class be left.
    """
    if not bad:
        return dataset
    rows = [entry.row for entry in bad]
    kept = np.setdiff1d(np.arange(len(dataset.ids)), rows)
    split, targets = dataset.split[kept], dataset.targets[kept]
    for name in SPLITS:
        if not (split == name).any():
            raise InputError(
                f"train, validation and test must each hold an example, but all of {name} were "
                f"skipped; the first: {bad[0].reason}"
            )
    seen = targets[split == "train"].any(axis=0)
    if not seen.any():
        raise InputError(
            "at least one class must be left, but none has a positive training example once "
            f"{len(bad)} unreadable inputs are skipped; the first: {bad[0].reason}"
        )
    unseen = [label for label, keep in zip(dataset.labels, seen, strict=True) if not keep]
    if unseen:
        warnings.warn(
            f"dropped {len(unseen)} of {len(seen)} classes, which have no positive training "
            f"example once unreadable inputs are skipped: {', '.join(map(repr, unseen))}",
            DroppedClassWarning,
            stacklevel=3,
        )
    labels = [label for label in dataset.labels if label not in unseen]
    targets = np.ascontiguousarray(targets[:, seen])
    dropped = [
        {"label": label, "reason": "no positive training example", "examples": int(count)}
        for label, count in zip(
            unseen, dataset.targets[kept][:, ~seen].sum(axis=0, dtype=np.int64), strict=True
        )
    ]
    return replace(
        dataset,
        ids=[dataset.ids[row] for row in kept],
        inputs=None,
        targets=targets,
        labels=labels,
        split=split,
        fingerprint=content_key(
            {"dataset": dataset.fingerprint, "skipped": [dataset.ids[row] for row in rows]}
        ),
        info={
            **dataset.info,
            **_counts(targets, labels, split),
            "dropped_classes": [*dataset.info.get("dropped_classes", []), *dropped],
            "skipped": _summary(dataset.info.get("skipped"), bad),
        },
    )


def _summary(before: dict[str, Any] | None, bad: Sequence[BadInput]) -> dict[str, Any]:
    before = before or {"count": 0, "problems": []}
    problems = [*before["problems"], *(entry.reason for entry in bad)]
    return {"count": before["count"] + len(bad), "problems": problems[:LISTED]}


def _counts(targets: np.ndarray, labels: list[str], split: np.ndarray) -> dict[str, Any]:
    parts = {name: targets[split == name] for name in SPLITS}
    return {
        "n_examples": len(targets),
        "n_classes": len(labels),
        **{f"n_{name}": len(part) for name, part in parts.items()},
        "labels": labels,
        "positives": {n: part.sum(axis=0, dtype=np.int64).tolist() for n, part in parts.items()},
        "labels_per_example": {
            name: float(part.sum(axis=1, dtype=np.int64).mean()) for name, part in parts.items()
        },
        "n_unlabelled": int((~targets.any(axis=1)).sum()),
    }
