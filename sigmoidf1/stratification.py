"""Iterative stratification: splits that share out every class, rare ones first."""

from __future__ import annotations

import numpy as np

from sigmoidf1.splits import SPLIT_FRACTIONS, SPLITS, Units


def stratified_split(
    targets: np.ndarray,
    units: Units,
    *,
    seed: int,
    fractions: tuple[float, float, float] = SPLIT_FRACTIONS,
) -> np.ndarray:
    """Split examples so that each class has its share of every split.

    With D_j = f_j N the examples and D_jc = f_j N_c the positives of class c that split j still
    wants: take the class with the fewest positives not yet handed out; hand out its units, in
    an order that is a function of ids and seed alone, each to the split with the largest D_jc,
    at a tie the largest D_j, then the first; lower D_j and D_jc by what it was given; repeat
    until no positive is left, and hand out units without labels by D_j.

    Units are single examples, or groups and copies that must stay together. Neither the order
    of rows nor installed libraries change the result.

    Args:
        targets: uint8 (N, C) of 0 and 1.
        units: what stays together, for the N examples.
        seed: the split seed.
        fractions: shares of train, validation and test; they sum to 1.

    Returns:
        Array (N,) of the names in `SPLITS`.

    Source: Sechidis, Tsoumakas & Vlahavas, "On the Stratification of Multi-label Data",
        ECML PKDD 2011, Algorithm 1. There ties are broken at random, and there are no groups.
    """
    # Only where the positives are: rows of targets would be copied for every class otherwise.
    positive_rows, positive_labels = np.nonzero(targets)
    order = units.order(seed=seed, purpose="stratified")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    # From here on a unit is its place in the order of handing out.
    of_row = rank[units.number]
    positive_units = of_row[positive_rows]
    sizes = np.bincount(of_row, minlength=len(order))
    shares = np.asarray(fractions)
    wanted = [share * len(targets) for share in fractions]
    wanted_of_class = shares[:, None] * targets.sum(axis=0, dtype=np.int64)
    remaining = targets.sum(axis=0, dtype=np.int64)
    chosen = np.full(len(order), -1, dtype=np.int64)

    while remaining.any():
        label = int(np.where(remaining > 0, remaining, np.iinfo(np.int64).max).argmin())
        counts = np.bincount(positive_units[positive_labels == label], minlength=len(order))
        pending = np.flatnonzero((counts > 0) & (chosen < 0))
        of_label = wanted_of_class[:, label].tolist()
        for unit, count, size in zip(
            pending.tolist(), counts[pending].tolist(), sizes[pending].tolist(), strict=True
        ):
            split = max(range(len(wanted)), key=lambda j: (of_label[j], wanted[j], -j))
            of_label[split] -= count
            wanted[split] -= size
            chosen[unit] = split
        newly = np.zeros(len(order), dtype=bool)
        newly[pending] = True
        given = newly[positive_units]
        to_split, of_class = chosen[positive_units[given]], positive_labels[given]
        for split in range(len(wanted)):
            wanted_of_class[split] -= np.bincount(
                of_class[to_split == split], minlength=len(remaining)
            )
        remaining -= np.bincount(of_class, minlength=len(remaining))
    for unit in np.flatnonzero(chosen < 0).tolist():
        split = max(range(len(wanted)), key=lambda j: (wanted[j], -j))
        wanted[split] -= int(sizes[unit])
        chosen[unit] = split
    return np.array(SPLITS, dtype="<U10")[chosen[of_row]]
