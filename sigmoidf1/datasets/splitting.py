"""Which example is in which split: official, stratified or random, with copies kept together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sigmoidf1.datasets.base import Examples
from sigmoidf1.datasets.contents import Contents
from sigmoidf1.errors import InputError
from sigmoidf1.splits import SPLITS, Units, carve_validation, make_units, seeded_split
from sigmoidf1.stratification import stratified_split

VALIDATION_FRACTION = 0.25
"""Share of train that becomes validation where data have none: 60/20 as in a seeded split."""

_CHUNK = 65536
LISTED = 20
"""How many sets of copies a summary lists; all are counted."""


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Exact copies among N examples and what became of them.

    Args:
        policy: the option `duplicates`.
        checked: whether contents were compared at all.
        sets: for each content that occurs more than once, the rows that have it.
        ids: N ids.
        n_differing: sets whose examples do not all have the same labels.
        kept: which examples stay, bool (N,).
    """

    policy: str
    checked: bool
    sets: list[np.ndarray]
    ids: list[str]
    n_differing: int
    kept: np.ndarray

    def summary(self) -> dict[str, Any]:
        """Return counts and the first sets of ids, JSON-safe."""
        return {
            "policy": self.policy,
            "checked": self.checked,
            "n_sets": len(self.sets),
            "n_examples": sum(len(rows) for rows in self.sets),
            "n_with_differing_labels": self.n_differing,
            "n_dropped": int((~self.kept).sum()),
            "ids": [[self.ids[row] for row in rows.tolist()] for rows in self.sets[:LISTED]],
        }


def find_copies(examples: Examples, contents: Contents, policy: str) -> Copies:
    """Find examples of equal content, and choose which of them stay.

    Args:
        examples: N examples.
        contents: their content hashes.
        policy: `drop` leaves the first by id of each content; `together` leaves, where an
            official split parts copies, those in the last of test, validation and train;
            `keep` leaves all.
    """
    numbers = contents.numbers()
    kept = np.ones(len(examples.ids), dtype=bool)
    sets: list[np.ndarray] = []
    if numbers is not None:
        repeated = np.flatnonzero((np.bincount(numbers) > 1)[numbers])
        order = repeated[np.argsort(numbers[repeated], kind="stable")]
        starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
        sets = np.split(order, starts[1:]) if len(order) else []
        # By id, not by hash or row: the same list whatever order the rows came in.
        sets = [np.array(sorted(rows.tolist(), key=examples.ids.__getitem__)) for rows in sets]
        sets.sort(key=lambda rows: examples.ids[int(rows[0])])
    for rows in sets:
        if policy == "drop":
            kept[rows[1:]] = False
        elif policy == "together" and examples.split is not None:
            last = max(SPLITS.index(name) for name in examples.split[rows].tolist())
            kept[rows[examples.split[rows] != SPLITS[last]]] = False
    return Copies(
        policy=policy,
        checked=numbers is not None,
        sets=sets,
        ids=examples.ids,
        n_differing=sum(bool(np.ptp(examples.targets[rows], axis=0).any()) for rows in sets),
        kept=kept,
    )


def make_split(
    examples: Examples, contents: Contents, options: Mapping[str, Any], *, stratified: bool
) -> np.ndarray:
    """Return the split of N examples.

    Args:
        examples: N examples, perhaps with an official split and groups.
        contents: their content hashes.
        options: `split`, `split_seed` and `duplicates`.
        stratified: what `auto` means where there is no official split.

    Returns:
        Array (N,) of the names in `SPLITS`, none of them unused.

    Raises:
        InputError: if there is no official split where one is asked for, groups cross it, or
            a split is empty.
    """
    kind, seed = options["split"], options["split_seed"]
    if kind == "official" and examples.split is None:
        raise InputError(
            "data.split official needs data that name their split, but these do not. "
            "Name the column of the split, or set data.split to stratified."
        )
    units = _units(examples, contents, options["duplicates"])
    split = examples.split if kind in ("auto", "official") else None
    if split is None and (kind == "stratified" or (kind == "auto" and stratified)):
        split = stratified_split(examples.targets, units, seed=seed)
    elif split is None:
        split = seeded_split(examples.ids, seed=seed, units=units)
    else:
        _check_groups(examples, split)
        if not (split == "validation").any():
            split = carve_validation(
                examples.ids, split, seed=seed, fraction=VALIDATION_FRACTION, units=units
            )
    sizes = {name: int((split == name).sum()) for name in SPLITS}
    for name, size in sizes.items():
        if size == 0:
            raise InputError(
                f"train, validation and test must each hold an example, but {name} is empty "
                f"({sizes}). Give it examples, or leave the split out for a seeded one."
            )
    return split


def count_positives(targets: np.ndarray, split: np.ndarray) -> dict[str, np.ndarray]:
    """Return the positives of each class by split, int64 (C,), without copying targets."""
    counts = {name: np.zeros(targets.shape[1], dtype=np.int64) for name in SPLITS}
    for start in range(0, len(targets), _CHUNK):
        part, names = targets[start : start + _CHUNK], split[start : start + _CHUNK]
        for name, count in counts.items():
            np.add(count, part[names == name].sum(axis=0, dtype=np.int64), out=count)
    return counts


def _units(examples: Examples, contents: Contents, policy: str) -> Units:
    shared = []
    numbers = contents.numbers() if policy == "together" else None
    if numbers is not None and len(numbers) and numbers.max() + 1 < len(numbers):
        shared.append(numbers)
    if examples.groups is not None:
        shared.append(np.unique(np.array(examples.groups, dtype=object), return_inverse=True)[1])
    return make_units(examples.ids, *shared)


def _check_groups(examples: Examples, split: np.ndarray) -> None:
    homes: dict[str, str] = {}
    for group, name in zip(examples.groups or (), split.tolist(), strict=False):
        if homes.setdefault(group, name) != name:
            raise InputError(
                f"a group must lie in one split, but group {group!r} is in {homes[group]} and "
                f"{name}. Leave data.group_column out, or set data.split to stratified."
            )
