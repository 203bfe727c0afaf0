"""Seeded splits that depend on nothing but the examples' ids and the split seed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

SPLITS = ("train", "validation", "test")
"""The three splits, in the order in which a seeded split hands out examples."""

SPLIT_FRACTIONS = (0.6, 0.2, 0.2)
"""Shares of train, validation and test (the paper's own split)."""


def hash_order(ids: Sequence[str], *, seed: int, purpose: str) -> np.ndarray:
    """Return the rows in a random order that is a function of the ids and the seed alone.

    Rows are sorted by SHA-256 of purpose, seed and id, so the order is the same on every
    machine, whatever order the rows came in and whatever libraries are installed.

    Args:
        ids: N distinct ids.
        seed: any whole number.
        purpose: names the draw; draws with different purposes are independent.

    Returns:
        Integer array (N,): row numbers, first drawn first.

    Example:
        >>> rows = hash_order(["a", "b", "c"], seed=0, purpose="split")
        >>> back = hash_order(["c", "b", "a"], seed=0, purpose="split")
        >>> [["a", "b", "c"][row] for row in rows] == [["c", "b", "a"][row] for row in back]
        True
    """
    start = f"{purpose}\0{seed}\0".encode()
    digests = [
        hashlib.sha256(start + example.encode("utf-8", "surrogatepass")).digest() for example in ids
    ]
    return np.array(sorted(range(len(ids)), key=digests.__getitem__), dtype=np.int64)


def seeded_split(
    ids: Sequence[str], *, seed: int, fractions: tuple[float, float, float] = SPLIT_FRACTIONS
) -> np.ndarray:
    """Split examples at random into train, validation and test.

    With r the rank of an example in `hash_order` and N examples, it is in train when
    r < round(N f_train), in validation when r < round(N (f_train + f_validation)), else in test.

    Args:
        ids: N distinct ids.
        seed: the split seed.
        fractions: shares of train, validation and test; they sum to 1.

    Returns:
        Array (N,) of the names in `SPLITS`.
    """
    count = len(ids)
    order = hash_order(ids, seed=seed, purpose="split")
    train_end = round(count * fractions[0])
    validation_end = round(count * (fractions[0] + fractions[1]))
    split = np.full(count, "test", dtype="<U10")
    split[order[:train_end]] = "train"
    split[order[train_end:validation_end]] = "validation"
    return split


def carve_validation(
    ids: Sequence[str], split: np.ndarray, *, seed: int, fraction: float
) -> np.ndarray:
    """Move a seeded part of train to validation, for data published with train and test only.

    Args:
        ids: N distinct ids.
        split: array (N,) of `train` and `test`.
        seed: the split seed.
        fraction: share of train that is moved, in (0, 1).

    Returns:
        A new array (N,) of the names in `SPLITS`.
    """
    train_rows = np.flatnonzero(split == "train")
    order = hash_order([ids[row] for row in train_rows.tolist()], seed=seed, purpose="validation")
    carved = split.astype("<U10")
    carved[train_rows[order[: round(len(train_rows) * fraction)]]] = "validation"
    return carved
