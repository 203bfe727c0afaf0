"""What the kept probabilities of an exported cell say: intervals over examples, and other rules."""

from __future__ import annotations

from typing import Any

import numpy as np

from storage.kept_files import KeptFileError, load_kept_scores
from storage.store import Store
from sweeps.sensitivity.analysis_kept import candidates
from sweeps.sensitivity.example_bootstrap import EXAMPLE_RESAMPLES, bootstrap_examples
from sweeps.sensitivity.f_measure import mean_threshold
from sweeps.sensitivity.label_metrics import COUNT_METRICS
from sweeps.sensitivity.threshold_rules import threshold_rules

LEVEL = 0.95


def example_intervals(
    store: Store,
    sweep: str,
    cell_key: str,
    *,
    metric: str,
    threshold: float,
    seed: int = 0,
) -> dict[str, Any]:
    """Return what another sample of examples would change of a cell's mean over seeds.

    The examples of each split are resampled, the same draws for every seed, the seeds and the
    training data fixed: :func:`sweeps.sensitivity.example_bootstrap.bootstrap_examples`.

    Args:
        store: an open store.
        sweep: the sweep's name.
        cell_key: the exported cell.
        metric: what it was chosen by.
        threshold: what it is read at.
        seed: of the resamples.

    Returns:
        ``level``, ``over`` (``examples``), ``method``, ``metric``, ``reason``, and split to
        ``low``, ``high``, ``n`` (examples) and ``seeds``; without the splits, and with a sentence
        as ``reason``, where there is no answer.
    """
    found: dict[str, Any] = {
        "level": LEVEL,
        "over": "examples",
        "method": f"percentile bootstrap over examples, {EXAMPLE_RESAMPLES} resamples, seeds fixed",
        "metric": metric,
    }
    if metric not in COUNT_METRICS:
        return found | {"reason": f"{metric} does not follow from confusion counts"}
    by_split = {}
    try:
        for split in ("validation", "test"):
            kept = load_kept_scores(store, sweep, cell_key, split)
            interval = bootstrap_examples(
                {cell_key: kept.probs}, kept.targets, metric, threshold, seed=seed
            ).interval(cell_key, level=LEVEL)
            by_split[split] = {
                "low": interval.low,
                "high": interval.high,
                "n": interval.n_examples,
                "seeds": interval.n_seeds,
            }
    except KeptFileError as error:
        return found | {"reason": str(error)}
    return found | by_split | {"reason": None}


def rule_scores(
    store: Store, sweep: str, cell_key: str, *, metric: str, threshold: float
) -> dict[str, Any]:
    """Return what other rules of decision make of a cell, tuned on validation, read on test.

    Args:
        store: an open store.
        sweep: the sweep's name.
        cell_key: the exported cell.
        metric: what it was chosen by, and the rules are tuned for.
        threshold: of the rule ``fixed``.

    Returns:
        ``metric``, ``reason``, and each rule of
        :func:`sweeps.sensitivity.threshold_rules.threshold_rules` (``f_measure`` among them) to
        ``test``, its mean over seeds, and ``threshold``, the mean over seeds, classes and
        examples, of ``f_measure`` those that get a label (None if none does); without the rules,
        and with a sentence as ``reason``, where there is no answer.
    """
    found: dict[str, Any] = {"metric": metric}
    if metric not in COUNT_METRICS:
        return found | {"reason": f"{metric} does not follow from confusion counts"}
    try:
        tune, read = (
            load_kept_scores(store, sweep, cell_key, split) for split in ("validation", "test")
        )
    except KeptFileError as error:
        return found | {"reason": str(error)}
    rules = threshold_rules(
        tune.probs, tune.targets, read.probs, read.targets, metric=metric,
        thresholds=candidates(None), fixed=threshold,
    )  # fmt: skip
    by_rule: dict[str, Any] = {}
    for rule in rules:
        cut = float(mean_threshold(rule.thresholds))
        by_rule[rule.rule] = {
            "test": float(rule.read_on.mean()),
            "threshold": None if np.isnan(cut) else cut,
        }
    return found | by_rule | {"reason": None}
