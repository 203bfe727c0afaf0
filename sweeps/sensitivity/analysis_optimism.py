"""The winner's curse of an analysis: of choosing a cell, and a cell with its threshold."""

from __future__ import annotations

import dataclasses

import numpy as np

from sweeps.sensitivity.analysis_data import (
    KeptScores,
    Question,
    ThresholdCurves,
    Unavailable,
)
from sweeps.sensitivity.analysis_kept import candidates
from sweeps.sensitivity.label_metrics import COUNT_METRICS
from sweeps.sensitivity.optimism import Optimism, optimism_over_examples, optimism_over_seeds
from sweeps.sensitivity.seed_table import IntArray, SeedTable

# Pairs of cell and threshold that can win on half of the data; the rest is far below.
MOST_PAIRS = 2000


def optimism(
    table: SeedTable,
    rows: IntArray,
    kept: KeptScores | Unavailable | None,
    question: Question,
    seed: int,
) -> Optimism | Unavailable:
    """Return the optimism of choosing a cell: over examples when kept, else over seeds."""
    if _serves(kept, question) and isinstance(kept, KeptScores) and len(kept.validation) > 1:
        cut = np.array([question.threshold])
        return optimism_over_examples(
            kept.validation, kept.validation_targets, question.metric, cut, seed=seed
        )
    if len(rows) < 2:
        return Unavailable("fewer than two cells to choose from")
    if len(table.seeds) < 2:
        return Unavailable("one seed, and no probabilities are kept: nothing to split")
    return optimism_over_seeds(
        table.values[rows], higher_is_better=question.higher_is_better, seed=seed
    )


def optimism_tuned(
    table: SeedTable,
    rows: IntArray,
    kept: KeptScores | Unavailable | None,
    curves: ThresholdCurves | Unavailable | None,
    question: Question,
    seed: int,
) -> Optimism | Unavailable:
    """Return the optimism of choosing a cell and its threshold together.

    The half that is read takes part in neither choice.
    """
    if question.threshold is None:
        return Unavailable("the metric takes no threshold")
    if _serves(kept, question) and isinstance(kept, KeptScores):
        return optimism_over_examples(
            kept.validation, kept.validation_targets, question.metric,
            candidates(None if isinstance(curves, Unavailable) else curves), seed=seed,
        )  # fmt: skip
    if isinstance(curves, Unavailable):
        return curves
    if curves is None:
        return Unavailable("the metric is kept at one threshold only")
    if not len(rows):
        return Unavailable("no finished cell has a value for every seed")
    if len(table.seeds) < 2:
        return Unavailable("one seed, and no probabilities are kept: nothing to split")
    pairs = curves.validation[:, rows].reshape(-1, len(table.seeds))
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    means = pairs.mean(axis=1) * (1.0 if question.higher_is_better else -1.0)
    best = np.sort(np.argsort(-means, kind="stable")[:MOST_PAIRS])
    if len(best) < 2:
        return Unavailable("fewer than two thresholds to choose from")
    found = optimism_over_seeds(pairs[best], higher_is_better=question.higher_is_better, seed=seed)
    return dataclasses.replace(found, method=f"cell and threshold {found.method}")


def _serves(kept: KeptScores | Unavailable | None, question: Question) -> bool:
    return (
        isinstance(kept, KeptScores)
        and bool(kept.validation)
        and question.metric in COUNT_METRICS
        and question.threshold is not None
    )
