"""The parts of an analysis that need stored probabilities."""

from __future__ import annotations

import numpy as np

from sweeps.sensitivity.analysis_data import (
    KeptCell,
    KeptScores,
    Question,
    ThresholdCurves,
    Unavailable,
)
from sweeps.sensitivity.example_bootstrap import bootstrap_examples
from sweeps.sensitivity.label_metrics import COUNT_METRICS
from sweeps.sensitivity.optimism import Optimism, optimism_over_examples, optimism_over_seeds
from sweeps.sensitivity.seed_table import FloatArray, IntArray, SeedTable
from sweeps.sensitivity.threshold_rules import threshold_rules

LOGIT_STEPS = 99


def optimism(
    table: SeedTable, rows: IntArray, kept: KeptScores | None, question: Question, seed: int
) -> Optimism | Unavailable:
    """Return the optimism of the choice: over examples when kept, else over seeds."""
    if kept is not None and len(kept.validation) > 1 and question.metric in COUNT_METRICS:
        cut = np.array([0.5 if question.threshold is None else question.threshold])
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


def kept_cells(
    kept: KeptScores | None,
    table: SeedTable,
    question: Question,
    curves: ThresholdCurves | None,
    *,
    seed: int,
    level: float,
) -> dict[int, KeptCell] | Unavailable:
    """Return intervals over examples and threshold rules of the cells whose scores are kept."""
    if kept is None or not kept.validation:
        return Unavailable(
            "no probabilities are kept: intervals are over seeds only, and say nothing of what "
            "another sample of examples would change"
        )
    if question.metric not in COUNT_METRICS or question.threshold is None:
        return Unavailable(f"{question.metric} does not follow from confusion counts")
    means = dict(zip(table.cell_ids.tolist(), table.means, strict=True))
    sign = 1.0 if question.higher_is_better else -1.0
    best = max(kept.validation, key=lambda cell: (sign * means.get(cell, -np.inf), -cell))
    grid = _candidates(curves)
    on = {"validation": (kept.validation, kept.validation_targets)}
    if kept.test_targets is not None and kept.test:
        on["test"] = (kept.test, kept.test_targets)
    resampled = {
        split: bootstrap_examples(probs, targets, question.metric, question.threshold, seed=seed)
        for split, (probs, targets) in on.items()
    }
    found: dict[int, KeptCell] = {}
    for cell, probs in kept.validation.items():
        here = {split: scores for split, scores in resampled.items() if cell in scores.names}
        rules = (
            threshold_rules(
                probs, kept.validation_targets, kept.test[cell], kept.test_targets,
                metric=question.metric, thresholds=grid, fixed=question.threshold,
            )
            if cell in kept.test and kept.test_targets is not None
            else Unavailable("no test probabilities are kept to read the rules on")
        )  # fmt: skip
        found[cell] = KeptCell(
            {split: scores.interval(cell, level=level) for split, scores in here.items()},
            {
                split: scores.difference(cell, best, level=level)
                for split, scores in here.items()
                if cell != best and best in scores.names
            },
            rules,
        )
    return found


def _candidates(curves: ThresholdCurves | None) -> FloatArray:
    if curves is not None:
        return curves.thresholds
    z = np.linspace(-np.log(9999), np.log(9999), LOGIT_STEPS)
    return 1 / (1 + np.exp(-z))
