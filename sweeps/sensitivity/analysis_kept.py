"""The parts of an analysis that need stored probabilities."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from sweeps.sensitivity.analysis_data import (
    KeptCell,
    KeptScores,
    Question,
    RuleLine,
    RuleTable,
    ThresholdCurves,
    Unavailable,
)
from sweeps.sensitivity.example_bootstrap import (
    EXAMPLE_RESAMPLES,
    ExampleBootstrap,
    Probs,
    bootstrap_examples,
)
from sweeps.sensitivity.f_measure import mean_threshold
from sweeps.sensitivity.label_metrics import COUNT_METRICS
from sweeps.sensitivity.seed_table import FloatArray, SeedTable
from sweeps.sensitivity.threshold_rules import (
    UNTUNED,
    RuleScore,
    cuts_of,
    threshold_rules,
)

LOGIT_STEPS = 99
# Resamples cost a product of (resamples, examples) with (examples, classes) for every head.
WORK = 4e10
FEWEST_RESAMPLES = 400
NOT_KEPT = (
    "no probabilities are kept: intervals are over seeds only, and say nothing of what another "
    "sample of examples would change"
)


def why_not(kept: KeptScores | Unavailable | None, question: Question) -> Unavailable | None:
    """Return why stored probabilities say nothing of a question; None when they do."""
    if isinstance(kept, Unavailable):
        return kept
    if kept is None or not kept.validation:
        return Unavailable(
            f"{NOT_KEPT} (the command 'sigmoidf1 sweep keep {question.sweep}' keeps those of the "
            "best cells)"
        )
    if question.metric not in COUNT_METRICS or question.threshold is None:
        return Unavailable(f"{question.metric} does not follow from confusion counts")
    return None


def best_kept(kept: KeptScores, table: SeedTable, question: Question) -> int:
    """Return the kept cell with the best mean; of equal ones the first in the plan."""
    sign = 1.0 if question.higher_is_better else -1.0
    means = dict(zip(table.cell_ids.tolist(), table.means, strict=True))

    def rank(cell: int) -> tuple[float, int]:
        mean = means.get(cell, np.nan)
        return (sign * mean if np.isfinite(mean) else -np.inf, -cell)

    return max(kept.validation, key=rank)


def kept_cells(
    kept: KeptScores | Unavailable | None,
    table: SeedTable,
    question: Question,
    curves: ThresholdCurves | None,
    *,
    seed: int,
    level: float,
) -> dict[int, KeptCell] | Unavailable:
    """Return intervals over examples and threshold rules of the cells whose scores are kept."""
    reason = why_not(kept, question)
    if reason is not None or not isinstance(kept, KeptScores):
        return reason or Unavailable(NOT_KEPT)
    cut = float(question.threshold or 0.0)
    best = best_kept(kept, table, question)
    grid = candidates(curves)
    on = {"validation": (kept.validation, kept.validation_targets)}
    if kept.test_targets is not None and kept.test:
        on["test"] = (kept.test, kept.test_targets)
    resampled = {
        split: bootstrap_examples(
            probs, targets, question.metric, cut, seed=seed,
            resamples=affordable(probs),
        )
        for split, (probs, targets) in on.items()
    }  # fmt: skip
    found: dict[int, KeptCell] = {}
    for cell, probs in kept.validation.items():
        here = {split: scores for split, scores in resampled.items() if cell in scores.names}
        rules = (
            threshold_rules(
                probs, kept.validation_targets, kept.test[cell], kept.test_targets,
                metric=question.metric, thresholds=grid, fixed=cut,
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
            rules if isinstance(rules, Unavailable) else [_short(rule) for rule in rules],
        )
    return found


def _short(rule: RuleScore) -> RuleScore:
    """Leave out the thresholds of single examples: there are as many as examples."""
    if rule.rule not in ("per_instance", "f_measure"):
        return rule
    return dataclasses.replace(rule, thresholds=mean_threshold(rule.thresholds, axis=1))


def rule_table(
    kept: KeptScores | Unavailable | None,
    table: SeedTable,
    question: Question,
    curves: ThresholdCurves | None,
    *,
    seed: int,
    level: float,
) -> RuleTable | Unavailable:
    """Tune every rule on validation and on a holdout, and read it on test over examples.

    The holdout is a random half of the validation examples: twice fewer to tune on than all, but
    with no part in a choice of thresholds by the other half.

    Source: the paper's open questions (i) and (ii), per-class and per-instance thresholds.
    """
    reason = why_not(kept, question)
    if reason is not None or not isinstance(kept, KeptScores):
        return reason or Unavailable(NOT_KEPT)
    best = best_kept(kept, table, question)
    if best not in kept.test or kept.test_targets is None:
        return Unavailable("no test probabilities are kept to read the rules on")
    fixed = float(question.threshold or 0.0)
    grid = candidates(curves)
    probs, targets = kept.validation[best], kept.validation_targets
    n = len(targets)
    held = np.sort(np.random.default_rng(seed).permutation(n)[: (n + 1) // 2])
    tuned = {
        "validation": (probs, targets),
        "holdout": (probs[:, held], targets[held]),
    }
    scores = {
        name: threshold_rules(
            *part, kept.test[best], kept.test_targets, metric=question.metric, thresholds=grid,
            fixed=fixed,
        )
        for name, part in tuned.items()
    }  # fmt: skip
    rules = {
        (rule.rule, name): rule
        for name, found in scores.items()
        for rule in found
        if rule.rule not in UNTUNED or name == "validation"
    }
    usable = {key: rule for key, rule in rules.items() if not np.isnan(rule.thresholds).any()}
    on_test = _resample(kept, best, usable, question, seed)
    base = ("fixed", "validation")
    lines = [
        RuleLine(
            rule.rule,
            name,
            float(rule.tuned_on.mean()),
            on_test.interval((rule.rule, name), level=level),
            None
            if (rule.rule, name) == base
            else on_test.difference((rule.rule, name), base, level=level),
            float(mean_threshold(rule.thresholds)),
        )
        for (_, name), rule in usable.items()
    ]
    return RuleTable(best, lines, n, len(held), len(kept.test_targets))


def _resample(
    kept: KeptScores,
    cell: int,
    rules: Mapping[tuple[str, str], RuleScore],
    question: Question,
    seed: int,
) -> ExampleBootstrap:
    probs = dict.fromkeys(rules, kept.test[cell])
    return bootstrap_examples(
        probs, np.asarray(kept.test_targets), question.metric,
        {key: cuts_of(rule) for key, rule in rules.items()}, seed=seed,
        resamples=affordable(probs),
    )  # fmt: skip


def affordable(probs: Mapping[Any, Probs]) -> int:
    """Return how many resamples of these probabilities take a few seconds at most."""
    each = sum(4.0 * array.size for array in probs.values())
    return int(np.clip(WORK / max(each, 1.0), FEWEST_RESAMPLES, EXAMPLE_RESAMPLES))


def candidates(curves: ThresholdCurves | None) -> FloatArray:
    """Return the thresholds that a rule may choose: the kept ones, else even on the logit scale."""
    if curves is not None:
        return curves.thresholds
    z = np.linspace(-np.log(9999), np.log(9999), LOGIT_STEPS)
    return np.asarray(1 / (1 + np.exp(-z)))
