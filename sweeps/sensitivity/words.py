"""The findings of an analysis as sentences, for readers who know the paper and no statistics."""

from __future__ import annotations

import math

from sweeps.sensitivity.analysis_data import Analysis, Unavailable
from sweeps.sensitivity.optimism import Optimism
from sweeps.sensitivity.words_kept import examples_in_words, rules_in_words, training_in_words
from sweeps.sensitivity.words_names import count as _count
from sweeps.sensitivity.words_names import setting_in_words
from sweeps.sensitivity.words_variance import simple_in_words, variance_in_words

SAME_THRESHOLD = 1e-9


def in_words(analysis: Analysis) -> dict[str, str]:
    """Say what an analysis found, one entry a topic, each with its method or why there is none.

    Args:
        analysis: what :func:`~sweeps.sensitivity.analysis.analyse` returns.

    Returns:
        topic (``cells``, ``training``, ``best``, ``tied``, ``probability``, ``plateau``,
        ``variance``, ``simple``, ``threshold``, ``rules``, ``baseline``, ``optimism``, ``seeds``,
        ``examples``) to text.
    """
    return {
        "cells": _cells(analysis),
        "training": training_in_words(analysis),
        "best": _best(analysis),
        "tied": _tied(analysis),
        "probability": _probability(analysis),
        "plateau": _plateau(analysis),
        "variance": variance_in_words(analysis.anova, analysis),
        "simple": simple_in_words(analysis),
        "threshold": _threshold(analysis),
        "rules": rules_in_words(analysis),
        "baseline": _baseline(analysis),
        "optimism": _optimism(analysis),
        "seeds": _seeds(analysis),
        "examples": examples_in_words(analysis),
    }


def _cells(analysis: Analysis) -> str:
    counts, apart = analysis.counts, analysis.set_apart
    lost = ", ".join(
        f"{counts[state]} {state}"
        for state in ("diverged", "failed", "pruned", "waiting", "running", "missing")
        if counts.get(state)
    )
    text = _count(apart["n_cells"], "cell")
    text += f", {_count(counts.get('complete', 0), 'complete replicate')}"
    text += f" ({lost})." if lost else ", none lost."
    if apart["any"]:
        text += (
            f" {_count(apart['any'], 'cell')} set apart as collapsed: {apart['predicts_none']} "
            f"predict nothing, {apart['predicts_all']} everything, and {apart['stuck']} give in "
            "every seed exactly what two others give or more (a cell can be of two kinds)."
        )
    stopped = apart["stopped"]
    if stopped:
        kinds = {"raced_out": "raced out after fewer seeds", "pruned": "pruned after fewer epochs"}
        which = " and ".join(f"{n} {kinds[status]}" for status, n in stopped.items())
        text += (
            f" Of the cells, {which}: they are counted here and take no part in what follows, "
            "since their means are of something else."
        )
    if not apart["rates_known"]:
        text += " Predicted-positive rates are not known, so collapse is judged by equality only."
    return text


def _best(analysis: Analysis) -> str:
    parts = []
    if analysis.question.split != "validation":
        parts.append(
            f"These are the best on {analysis.question.split}, for description only: a choice is "
            "made on validation."
        )
    for entry in analysis.choice_values:
        if entry["reason"] is not None:
            parts.append(f"By {entry['rule']}: none, since {entry['reason']}.")
            continue
        text = f"By {entry['rule']}: {setting_in_words(entry['parameters']) or 'the only setting'}"
        text += f", mean {entry['mean']:.4f}"
        if entry["no_interval"] is None:
            text += f" [{entry['low']:.4f}, {entry['high']:.4f}] over {entry['n']} seeds"
        else:
            text += f" (no interval: {entry['no_interval']})"
        if "test" in entry and not math.isnan(entry["test"]["mean"]):
            text += f", test {entry['test']['mean']:.4f}"
            if entry["test"]["no_interval"] is None:
                text += f" [{entry['test']['low']:.4f}, {entry['test']['high']:.4f}]"
        if entry["rule"].startswith("robust"):
            text += f" (its neighbourhood: {entry['ranked_by']:.4f})"
        if entry["flags"]:
            text += f" — it {' and '.join(flag.replace('_', ' ') for flag in entry['flags'])}"
        parts.append(text + ".")
    return " ".join(parts)


def _tied(analysis: Analysis) -> str:
    tied = analysis.tied
    if isinstance(tied, Unavailable):
        return f"No tied set: {tied.reason}."
    if len(tied.tied) == 1:
        return "No tied set: a single cell can be compared."
    noisy = int(tied.noisy.sum())
    text = (
        f"{int(tied.tied.sum())} of {len(tied.tied)} compared cells cannot be told from the best; "
        f"the truly best one is among them with probability {tied.level:.0%} at least "
        f"({tied.method})."
    )
    if tied.margin is not None:
        text += f" Means must differ from the best by {tied.margin:.4f} to count."
    if noisy:
        text += (
            f" {noisy} of them lie far below and stay only because they vary too much over seeds "
            "to be excluded."
        )
    return text


def _probability(analysis: Analysis) -> str:
    found = analysis.probability
    if isinstance(found, Unavailable):
        return f"No probability of being best: {found.reason}."
    if len(found.probability) == 1:
        return "No probability of being best: a single cell can be compared."
    return (
        f"The most probable cell is the best with probability {found.probability.max():.2f} "
        f"(± {found.monte_carlo_error:.3f} by simulation), among "
        f"{_count(found.n_contenders, 'contender')}; "
        f"{found.method}."
    )


def _plateau(analysis: Analysis) -> str:
    found = analysis.plateau
    return (
        f"Within {found['epsilon']:g} of the best mean: {_count(found['n_cells'], 'cell')}, "
        f"{found['share']:.0%} of the grid."
    )


def _threshold(analysis: Analysis) -> str:
    found = analysis.threshold
    if isinstance(found, Unavailable):
        return f"No threshold regret: {found.reason}."
    if found.best_fixed is None or found.best_tuned is None:
        return "No threshold regret: no finished cell has every seed."
    fixed, tuned = found.best_fixed, found.best_tuned
    if abs(found.tuned[fixed] - found.fixed) < SAME_THRESHOLD:
        text = f"For the best cell at {found.fixed:g}, that is the best threshold on validation"
    else:
        text = (
            f"Tuning the threshold of the best cell at {found.fixed:g} moves it to "
            f"{found.tuned[fixed]:.3g} and gains {found.regret_validation[fixed]:.4f} on validation"
        )
        if found.regret_test[fixed] == found.regret_test[fixed]:
            text += f", {found.regret_test[fixed]:+.4f} on test"
    text += (
        f". The best cell with its own threshold has {found.validation_tuned[tuned]:.4f} on "
        f"validation at t = {found.tuned[tuned]:.3g}"
    )
    if found.test_tuned[tuned] == found.test_tuned[tuned]:
        text += f" and {found.test_tuned[tuned]:.4f} on test"
    text += "."
    if not isinstance(analysis.trade_off, Unavailable):
        slope, correlation = analysis.trade_off
        text += (
            f" Among cells near the best, the tuned logit(t) changes by {slope:.2f} for each 1 of "
            f"η (correlation {correlation:.2f}; −1 and −1 would mean that η only moves the "
            "threshold)."
        )
    return text


def _baseline(analysis: Analysis) -> str:
    found = analysis.baseline
    if isinstance(found, Unavailable):
        return f"No comparison with constant predictions: {found.reason}."
    return " ".join(
        f"Against {name.replace('_', ' ')} ({entry['value']:.4f}): "
        f"{_count(entry['better'], 'cell')} better, "
        f"{entry['worse']} worse, {entry['not_told_apart']} not told apart, "
        f"{entry['no_interval']} without an interval."
        for name, entry in found.items()
    )


def _optimism(analysis: Analysis) -> str:
    found, tuned = analysis.optimism, analysis.optimism_tuned
    if isinstance(found, Unavailable):
        return f"No estimate of the winner's curse: {found.reason}."
    text = (
        f"The chosen cell looks better by {_size(found)} where it is chosen than where it is read "
        f"anew ({found.method})."
    )
    if isinstance(tuned, Optimism):
        text += f" Chosen together with its threshold: by {_size(tuned)} ({tuned.method})."
    return text


def _size(found: Optimism) -> str:
    return f"{round(found.optimism, 4) + 0.0:.4f}"  # no −0.0000


def _seeds(analysis: Analysis) -> str:
    found = analysis.seeds
    if isinstance(found, Unavailable):
        return f"No statement on the number of seeds: {found.reason}."
    wanted = ", ".join(
        f"{difference} takes {'over 10,000' if n is None else n}"
        for difference, n in found.needed.items()
    )
    return (
        f"{found.n} seeds show differences of {found.detectable:.4f} between two cells; seeds "
        f"needed for a difference: {wanted} ({found.method})."
    )
