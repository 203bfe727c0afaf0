"""Losses of one sweep against each other: each by the cell its validation chose, read on test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweeps.sensitivity.analysis_data import ThresholdCurves
from sweeps.sensitivity.comparison import PairedDifference, expected_best, paired_difference
from sweeps.sensitivity.plain import to_plain
from sweeps.sensitivity.rules import choose
from sweeps.sensitivity.seed_table import FloatArray, IntArray, SeedTable, row_means


@dataclass(frozen=True, eq=False)
class LossEntry:
    """One loss: its cells on validation and test, the same cells and seeds in both.

    Attributes:
        validation: what cells are chosen by.
        test: what they are read on.
        curves: the metric at every threshold; None to leave out tuned thresholds.
    """

    validation: SeedTable
    test: SeedTable
    curves: ThresholdCurves | None = None


@dataclass(frozen=True, eq=False)
class LossComparison:
    """What is known of the losses against each other.

    Attributes:
        chosen: loss to ``cell_id``, ``parameters``, ``n_cells``, ``validation`` and ``test`` mean
            of the cell with the best validation mean, and under ``tuned`` the best cell with its
            own threshold (``cell_id``, ``threshold``, ``validation``, ``test``).
        paired: (A, B) to A less B on test, paired by seed, both at the fixed threshold.
        paired_tuned: the same with both thresholds tuned on validation.
        against: loss to baseline to its difference on test; baselines are the constants and
            ``bce, threshold tuned``.
        expected_best: loss to the expected test value of the best (by validation) of m cells.
        warnings: what the comparison cannot show.
    """

    chosen: dict[str, dict[str, Any]]
    paired: dict[tuple[str, str], PairedDifference]
    paired_tuned: dict[tuple[str, str], PairedDifference]
    against: dict[str, dict[str, PairedDifference]]
    expected_best: dict[str, FloatArray]
    warnings: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold; a pair's key is ``A - B``."""
        plain = {f: getattr(self, f) for f in ("chosen", "against", "expected_best", "warnings")}
        for name in ("paired", "paired_tuned"):
            plain[name] = {f"{a} - {b}": d for (a, b), d in getattr(self, name).items()}
        result: dict[str, Any] = to_plain(plain)
        return result


def compare_losses(
    entries: Mapping[str, LossEntry],
    *,
    higher_is_better: bool = True,
    baselines: Mapping[str, float] | None = None,
    level: float = 0.95,
) -> LossComparison:
    """Compare losses by their chosen cells, paired by seed, and by equal budgets.

    Args:
        entries: loss to its cells.
        higher_is_better: the metric's direction.
        baselines: ``predict_all`` and ``predict_none`` to their test value.
        level: nominal coverage of the intervals (over seeds; split and examples fixed).

    Returns:
        The comparison. Losses without a finished cell that has a value are named in a warning.

    Source: pairing by seed, Bouthillier et al. (2021), MLSys; budgets, Dodge et al. (2019).
    """
    chosen: dict[str, dict[str, Any]] = {}
    fixed: dict[str, tuple[IntArray, FloatArray]] = {}
    tuned: dict[str, tuple[IntArray, FloatArray]] = {}
    curves: dict[str, FloatArray] = {}
    warnings: list[str] = []
    single: list[str] = []
    for loss, entry in entries.items():
        table = entry.validation
        eligible = table.finished & (table.n > 0) & ~table.stopped
        pick = choose("mean", table.means, eligible, table.clean, higher_is_better=higher_is_better)
        if pick.row is None:
            warnings.append(f"{loss} is left out: {pick.reason}.")
            continue
        k = pick.row
        chosen[loss] = {
            "cell_id": int(table.cell_ids[k]),
            "parameters": {name: column[k] for name, column in table.parameters.items()},
            "n_cells": len(table),
            "validation": float(table.means[k]),
            "test": float(entry.test.means[k]),
        }
        fixed[loss] = (entry.test.seeds, entry.test.values[k])
        by_validation = np.where(eligible, table.means, np.nan)
        curves[loss] = expected_best(
            by_validation, entry.test.means, higher_is_better=higher_is_better
        )
        found = _tuned(entry, eligible, higher_is_better)
        if found is not None:
            row, at, on_validation, on_test = found
            chosen[loss]["tuned"] = {
                "cell_id": int(table.cell_ids[row]), "threshold": at,
                "validation": on_validation, "test": float(row_means(on_test[None])[0]),
            }  # fmt: skip
            tuned[loss] = (table.seeds, on_test)
        if len(table) == 1 and len(entries) > 1:
            single.append(loss)
    if single:
        warnings.append(_untuned(single))
    against: dict[str, dict[str, PairedDifference]] = {loss: {} for loss in chosen}
    for loss, (seeds, values) in fixed.items():
        for name, value in (baselines or {}).items():
            constant = (seeds, np.full(len(seeds), value))
            against[loss][name] = _paired((seeds, values), constant, higher_is_better, level)
        if "bce" in tuned:
            against[loss]["bce, threshold tuned"] = _paired(
                (seeds, values), tuned["bce"], higher_is_better, level
            )
    return LossComparison(
        chosen,
        _pairs(fixed, higher_is_better, level),
        _pairs(tuned, higher_is_better, level),
        against,
        curves,
        warnings,
    )


def _untuned(losses: list[str]) -> str:
    """Say of losses with one cell what a difference from the others is also made of."""
    if len(losses) == 1:
        text = f"{losses[0]} has one cell: its"
    else:
        text = f"{', '.join(losses[:-1])} and {losses[-1]} have one cell each: their"
    return (
        f"{text} hyperparameters and lr were not tuned, so a difference from losses with many "
        "cells is one of budget as well."
    )


def _tuned(
    entry: LossEntry, eligible: np.ndarray, higher: bool
) -> tuple[int, float, float, FloatArray] | None:
    """Return row, threshold, validation mean and test values of the best (cell, threshold)."""
    if entry.curves is None or entry.curves.test is None:
        return None
    means = row_means(entry.curves.validation)
    usable = np.isfinite(means) & (eligible & entry.validation.whole)[None, :]
    if not usable.any():
        return None
    signed = np.where(usable, means if higher else -means, -np.inf)
    at, row = np.unravel_index(int(np.argmax(signed)), signed.shape)
    values = entry.curves.test[at, row]
    return int(row), float(entry.curves.thresholds[at]), float(means[at, row]), values


def _pairs(
    values: Mapping[str, tuple[IntArray, FloatArray]], higher: bool, level: float
) -> dict[tuple[str, str], PairedDifference]:
    names = list(values)
    return {
        (a, b): _paired(values[a], values[b], higher, level)
        for i, a in enumerate(names)
        for b in names[i + 1 :]
    }


def _paired(
    a: tuple[IntArray, FloatArray], b: tuple[IntArray, FloatArray], higher: bool, level: float
) -> PairedDifference:
    _, i, j = np.intersect1d(a[0], b[0], return_indices=True)
    return paired_difference(a[1][i], b[1][j], higher_is_better=higher, level=level)
