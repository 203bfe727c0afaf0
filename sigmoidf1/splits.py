"""Seeded splits that depend on nothing but the examples' ids and the split seed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

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
    # Digests in one array: a million of them as objects would take twice the memory.
    digests = np.fromiter(
        (hashlib.sha256(start + i.encode("utf-8", "surrogatepass")).digest() for i in ids),
        dtype="S32",
        count=len(ids),
    )
    return np.argsort(digests, kind="stable").astype(np.int64, copy=False)


@dataclass(frozen=True)
class Units:
    """Which examples a split must keep together.

    Args:
        number: int64 (N,): the unit of each example, 0 to U - 1.
        names: U distinct names, a function of the examples' ids alone.
    """

    number: np.ndarray
    names: Sequence[str]

    def order(self, *, seed: int, purpose: str) -> np.ndarray:
        """Return the units in `hash_order` of their names, int64 (U,)."""
        return hash_order(self.names, seed=seed, purpose=purpose)

    def take(self, rows: np.ndarray) -> Units:
        """Return the units of these rows alone."""
        kept, number = np.unique(self.number[rows], return_inverse=True)
        return Units(number, [self.names[unit] for unit in kept.tolist()])


def make_units(ids: Sequence[str], *shared: np.ndarray) -> Units:
    """Join examples that share a number in any of several numberings, directly or by others.

    Args:
        ids: N distinct ids; a unit is named by the first of its own in sorted order.
        shared: integer arrays (N,); examples with equal numbers stay together.

    Example:
        >>> make_units(["a", "b", "c"], np.array([0, 1, 0])).number.tolist()
        [0, 1, 0]
    """
    count = len(ids)
    joined = np.arange(count, dtype=np.int64)
    changed = True
    while changed and shared:
        before = joined.copy()
        for numbers in shared:
            least = np.full(int(numbers.max(initial=0)) + 1, count, dtype=np.int64)
            np.minimum.at(least, numbers, joined)
            joined = least[numbers]
        changed = bool((joined != before).any())
    first, number = np.unique(joined, return_inverse=True)
    if len(first) == count:
        return Units(np.arange(count, dtype=np.int64), ids)
    names = [ids[row] for row in first.tolist()]
    for row, unit in enumerate(number.tolist()):
        names[unit] = min(names[unit], ids[row])
    return Units(number, names)


def seeded_split(
    ids: Sequence[str],
    *,
    seed: int,
    fractions: tuple[float, float, float] = SPLIT_FRACTIONS,
    units: Units | None = None,
) -> np.ndarray:
    """Split examples at random into train, validation and test.

    With r the rank of an example in `hash_order` and N examples, it is in train when
    r < round(N f_train), in validation when r < round(N (f_train + f_validation)), else in test.
    With units, r is the number of examples in all units before its own.

    Args:
        ids: N distinct ids.
        seed: the split seed.
        fractions: shares of train, validation and test; they sum to 1.
        units: examples that stay together; None for none.

    Returns:
        Array (N,) of the names in `SPLITS`.
    """
    count = len(ids)
    ranks = _ranks(units or make_units(ids), seed=seed, purpose="split")
    split = np.full(count, "test", dtype="<U10")
    split[ranks < round(count * (fractions[0] + fractions[1]))] = "validation"
    split[ranks < round(count * fractions[0])] = "train"
    return split


def carve_validation(
    ids: Sequence[str],
    split: np.ndarray,
    *,
    seed: int,
    fraction: float,
    units: Units | None = None,
) -> np.ndarray:
    """Move a seeded part of train to validation, for data published with train and test only.

    Args:
        ids: N distinct ids.
        split: array (N,) of `train` and `test`.
        seed: the split seed.
        fraction: share of train that is moved, in (0, 1).
        units: examples that stay together; None for none.

    Returns:
        A new array (N,) of the names in `SPLITS`.
    """
    train_rows = np.flatnonzero(split == "train")
    of_train = (units or make_units(ids)).take(train_rows)
    ranks = _ranks(of_train, seed=seed, purpose="validation")
    carved = split.astype("<U10")
    carved[train_rows[ranks < round(len(train_rows) * fraction)]] = "validation"
    return carved


def _ranks(units: Units, *, seed: int, purpose: str) -> np.ndarray:
    """Return for each example how many examples are in the units before its own."""
    order = units.order(seed=seed, purpose=purpose)
    sizes = np.bincount(units.number, minlength=len(order))
    before = np.empty(len(order), dtype=np.int64)
    before[order] = np.cumsum(sizes[order]) - sizes[order]
    return before[units.number]
