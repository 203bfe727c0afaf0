"""The parts of an analysis beyond the cells: threshold, baselines, budget, seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sweeps.sensitivity.analysis_data import Question, SeedsNeeded, ThresholdCurves, Unavailable
from sweeps.sensitivity.comparison import expected_best
from sweeps.sensitivity.intervals import Intervals
from sweeps.sensitivity.rules import plateau
from sweeps.sensitivity.seed_table import IntArray, SeedTable, row_means
from sweeps.sensitivity.seeds_needed import detectable_difference, seeds_needed
from sweeps.sensitivity.thresholds import (
    ThresholdRegret,
    offset_threshold_trade_off,
    threshold_regret,
)
from sweeps.sensitivity.variances import seed_noise

WANTED_DIFFERENCES = (0.001, 0.002, 0.005, 0.01, 0.02)
NEAR_BEST = 0.02


def threshold_parts(
    curves: ThresholdCurves | Unavailable | None, table: SeedTable, question: Question
) -> tuple[ThresholdRegret | Unavailable, tuple[float, float] | Unavailable]:
    """Return the regret of the fixed threshold, and the trade-off of η with logit(t)."""
    if isinstance(curves, Unavailable):
        return curves, curves
    if curves is None or question.threshold is None:
        why = Unavailable(
            "the metric takes no threshold"
            if question.threshold is None
            else "the metric is kept at one threshold only"
        )
        return why, why
    regret = threshold_regret(
        row_means(curves.validation), curves.thresholds, fixed=question.threshold,
        test=None if curves.test is None else row_means(curves.test),
        eligible=table.finished & table.whole & ~table.stopped,
        higher_is_better=question.higher_is_better,
    )  # fmt: skip
    eta = table.parameters.get("eta")
    if eta is None:
        return regret, Unavailable("η does not vary, or the loss has none")
    # Along the ridge only: far from it a tuned threshold rescues heads that learnt nothing.
    good, _ = plateau(
        regret.validation_tuned, NEAR_BEST, higher_is_better=question.higher_is_better
    )
    offsets = np.where(good, np.array([np.nan if e is None else e for e in eta], float), np.nan)
    slope = offset_threshold_trade_off(offsets, regret.tuned)
    return regret, slope or Unavailable("fewer than three cells near the best, or one η among them")


def baseline(
    table: SeedTable, shared: Intervals, values: Mapping[str, float] | None, higher: bool
) -> dict[str, Any] | Unavailable:
    """Count the cells whose interval over seeds lies above, around or below each constant."""
    if not values:
        return Unavailable("no baseline is known for this split and metric")
    found: dict[str, Any] = {}
    sign = 1.0 if higher else -1.0
    low, high = (shared.low, shared.high) if higher else (-shared.high, -shared.low)
    known = np.isfinite(low) & ~table.stopped
    for name, value in values.items():
        better = known & (low > sign * value)
        worse = known & (high < sign * value)
        found[name] = {
            "value": float(value),
            "better": int(better.sum()),
            "worse": int(worse.sum()),
            "not_told_apart": int((known & ~better & ~worse).sum()),
            "no_interval": int((~known & ~table.stopped).sum()),
            "better_by_mean": int((~table.stopped & (sign * (table.means - value) > 0)).sum()),
        }
    return found


def expected(
    table: SeedTable, test: SeedTable | None, higher: bool
) -> dict[str, Any] | Unavailable:
    """Return the expected best of m cells on the choosing split, and read on test."""
    means = np.where(table.finished & ~table.stopped, table.means, np.nan)
    curve = expected_best(means, higher_is_better=higher)
    if not len(curve):
        return Unavailable("no finished cell has a value")
    found: dict[str, Any] = {"m": np.arange(1, len(curve) + 1), "chosen": curve}
    if test is not None:
        found["test"] = expected_best(means, test.means, higher_is_better=higher)
    found["without_value"] = int((~np.isfinite(means)).sum())
    return found


def seeds(table: SeedTable, rows: IntArray, *, seed: int) -> SeedsNeeded | Unavailable:
    """Return what the current seeds can show between two of the better cells."""
    if len(rows) < 2 or len(table.seeds) < 2:
        return Unavailable("seed noise needs two cells with the same two seeds or more")
    noise = seed_noise(table.values[rows], seed=seed)
    # A heavy-noise cell somewhere in the grid is not what a comparison near the best suffers from.
    sd = float(np.sqrt(2 * np.median(noise.comparison)))
    n = len(table.seeds)
    needed = {f"{wanted:g}": seeds_needed(sd, wanted) for wanted in WANTED_DIFFERENCES}
    kind = "pooled residual variance" if noise.homogeneous else "median moderated variance"
    method = f"paired t test of two cells, 5 %, power 80 %, {kind} over seeds"
    return SeedsNeeded(n, sd, detectable_difference(sd, n), needed, method)
