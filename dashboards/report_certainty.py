"""The report's section on certainty as HTML: each loss, its variance, and losses compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any

from dashboards.naming import count_text, metric_name, score_text, threshold_text
from dashboards.report_sections import words_list
from dashboards.report_sensitivity import rules_table
from sweeps.sensitivity.analysis_data import Analysis, RuleTable, Unavailable
from sweeps.sensitivity.comparison import PairedDifference
from sweeps.sensitivity.mcb import TiedSet
from sweeps.sensitivity.probability import ProbabilityBest
from sweeps.sensitivity.sweep_analysis import SweepAnalysis
from sweeps.sensitivity.words_losses import probability_in_words
from sweeps.sensitivity.words_names import setting_in_words, symbol

# Topic of `in_words` to its name here; the choice by each rule has a table of its own.
_TOPICS = {
    "cells": "What was trained",
    "training": "Saturation and gradients",
    "tied": "Tied with the best",
    "probability": "Probability of being best",
    "plateau": "Plateau",
    "variance": "Where the variance comes from",
    "simple": "With the other parameter fixed",
    "threshold": "Threshold",
    "rules": "Threshold rules",
    "baseline": "Against constant predictions",
    "optimism": "Winner’s curse",
    "seeds": "How many seeds",
    "examples": "Over examples",
}
_COMPARED = {
    "chosen": "The cells compared",
    "paired": "Paired by seed",
    "tuned": "With thresholds tuned",
    "against": "Against fixed levels",
    "budget": "At an equal budget",
    "limits": "What this cannot show",
}
_RULES = {
    "mean": "best mean",
    "lower-bound": "best 95 % lower bound",
    "robust-worst": "best worst neighbour",
    "robust-mean": "best mean of neighbours",
}
_SEEDS_ONLY = (
    "Intervals are 95 %, over seeds with the split fixed: what other initial weights and batch "
    "orders would change, not what other examples would."
)


def certainty_section(found: SweepAnalysis) -> str:
    """Return the panels that say how sure the results of a sweep are.

    Args:
        found: the statistics of the sweep at its objective.

    Returns:
        HTML: a table with a line a loss, a panel a loss, and the comparison of losses. What
        cannot be given is a sentence that says why.
    """
    at = "" if found.threshold is None else f" at t = {threshold_text(found.threshold)}"
    what = f"{metric_name(found.metric)} on {found.split}{at}"
    words = found.words()
    panels = [
        _summary(found, what),
        *(
            _loss_panel(loss, analysis, what, words[loss])
            for loss, analysis in found.losses.items()
        ),
        _comparison(found),
    ]
    return "".join(panels)


def _summary(found: SweepAnalysis, what: str) -> str:
    rows = "".join(_summary_row(loss, analysis) for loss, analysis in found.losses.items())
    return (
        "<section class='panel'><h3>How sure are we</h3>"
        f"<p class='facts-line'>{escape(what)} · chosen on validation, reported on test</p>"
        "<div class='scroll'><table><thead><tr><th class='text' scope='col'>loss</th>"
        "<th class='text' scope='col'>best cell</th><th scope='col'>validation</th>"
        "<th scope='col'>test</th><th scope='col'>probability<br>of being best</th>"
        "<th scope='col'>tied with<br>the best</th><th scope='col'>plateau</th></tr></thead>"
        f"<tbody class='lines'>{rows}</tbody></table></div><figcaption>{_SEEDS_ONLY} Tied: cells "
        "that cannot be told from the best (Hsu’s multiple comparisons with the best). Plateau: "
        "share of the grid within "
        f"{_epsilon(found)} of the best mean. Probability: posterior with shrinkage; of the best "
        "cell by mean, among the cells of its loss.</figcaption></section>"
    )


def _epsilon(found: SweepAnalysis) -> str:
    return f"{next(iter(found.losses.values())).plateau['epsilon']:g}"


def _summary_row(loss: str, analysis: Analysis) -> str:
    entry = analysis.choice_values[0]
    name = f"<td class='text'><b>{escape(loss)}</b></td>"
    if entry["reason"] is not None:
        return f"<tr>{name}<td class='text none' colspan='6'>{escape(entry['reason'])}</td></tr>"
    single = len(analysis.cells["cell_id"]) == 1
    plateau = "–" if single else f"{analysis.plateau['share']:.0%}"
    return (
        f"<tr>{name}<td class='text settings'>{_setting(entry)}{_flags(entry)}</td>"
        f"<td>{_value(entry)}</td><td>{_value(entry.get('test'))}</td>"
        f"<td>{'–' if single else _probability(analysis)}</td>"
        f"<td>{'–' if single else _tied(analysis)}</td><td>{plateau}</td></tr>"
    )


def _setting(entry: Mapping[str, Any]) -> str:
    # A line may break between settings, not within one.
    return (
        escape(
            setting_in_words(entry["parameters"]).replace(
                " = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"
            )
        )
        or "as given"
    )


def _flags(entry: Mapping[str, Any]) -> str:
    if not entry["flags"]:
        return ""
    words = " and ".join(flag.replace("_", " ") for flag in entry["flags"])
    return f" <span class='warn'>{escape(words)}</span>"


def _value(entry: Mapping[str, Any] | None) -> str:
    """A mean with its interval; the reason for none is in the hover text and in the words."""
    if entry is None or not math.isfinite(entry["mean"]):
        return "–"
    mean = score_text(entry["mean"])
    if entry["no_interval"] is not None:
        return f"{mean} <span class='sd' title='{escape(entry['no_interval'])}'>no interval</span>"
    return (
        f"{mean} <span class='sd'>[{score_text(entry['low'])}, {score_text(entry['high'])}]</span>"
    )


def _probability(analysis: Analysis) -> str:
    row = analysis.row()
    if not isinstance(analysis.probability, ProbabilityBest) or row is None:
        return "–"
    value = float(analysis.cells["probability_best"][row])
    if not math.isfinite(value):
        return "–"
    return escape("> 0.99") if value > 0.99 else f"{value:.2f}"


def _tied(analysis: Analysis) -> str:
    if not isinstance(analysis.tied, TiedSet):
        return "–"
    return f"{int(analysis.tied.tied.sum())} of {len(analysis.tied.tied)}"


def _loss_panel(loss: str, analysis: Analysis, what: str, words: Mapping[str, str]) -> str:
    n_cells = len(analysis.cells["cell_id"])
    facts = [(name, words[topic]) for topic, name in _TOPICS.items()]
    title = f"<h3>How sure: {escape(loss)}</h3>"
    if n_cells == 1:
        # One cell has no choice, no ties and no variance to divide: its words wait folded up.
        return (
            f"<details class='panel'><summary>How sure: {escape(loss)} (one cell)</summary>"
            f"{words_list(facts)}</details>"
        )
    return (
        f"<section class='panel'>{title}<p class='facts-line'>{count_text(n_cells, 'cell')} · "
        f"{escape(what)} · 95 % intervals over seeds</p>"
        f"<div class='pair'>{_rules(analysis)}{_variance(analysis)}</div>{_thresholds(analysis)}"
        f"{words_list(facts)}</section>"
    )


def _rules(analysis: Analysis) -> str:
    rows = []
    for entry in analysis.choice_values:
        name = f"<td class='text'>{escape(_RULES.get(entry['rule'], entry['rule']))}</td>"
        if entry["reason"] is not None:
            rows.append(
                f"<tr>{name}<td class='text none' colspan='3'>{escape(entry['reason'])}</td></tr>"
            )
            continue
        rows.append(
            f"<tr>{name}<td class='text settings'>{_setting(entry)}{_flags(entry)}</td>"
            f"<td>{_value(entry)}</td><td>{_value(entry.get('test'))}</td></tr>"
        )
    return (
        "<div><h4>The best cell, by rule</h4><div class='scroll'><table><thead><tr>"
        "<th class='text' scope='col'>rule</th><th class='text' scope='col'>cell</th>"
        f"<th scope='col'>{escape(analysis.question.split)}</th><th scope='col'>test</th></tr>"
        f"</thead><tbody class='lines'>{''.join(rows)}</tbody></table></div></div>"
    )


def _variance(analysis: Analysis) -> str:
    """Shares of variance as bars; why there are none is in the words below."""
    if isinstance(analysis.anova, Unavailable):
        return ""
    names = {"seed": "seed", "residual": "seed × cell (noise)"}
    rows = []
    for effect in analysis.anova.effects:
        if effect.share is None:
            continue
        interval = "–"
        if effect.share_low is not None and effect.share_high is not None:
            interval = f"{effect.share_low:.1%} to {effect.share_high:.1%}"
        rows.append(
            f"<tr><td class='text'>{escape(names.get(effect.name, symbol(effect.name)))}</td>"
            f"<td class='bar'>{_bar(effect.share)}</td>"
            f"<td>{effect.share:.1%}</td><td class='sd'>{interval}</td></tr>"
        )
    if not rows:
        return ""
    return (
        "<div><h4>Shares of the variance of single runs</h4><div class='scroll'><table><thead><tr>"
        "<th class='text' scope='col'>source</th><th scope='col'></th><th scope='col'>share</th>"
        f"<th scope='col'>95 % interval</th></tr></thead><tbody class='lines'>{''.join(rows)}"
        "</tbody></table></div></div>"
    )


def _thresholds(analysis: Analysis) -> str:
    return rules_table(analysis.rules) if isinstance(analysis.rules, RuleTable) else ""


def _bar(share: float) -> str:
    return f"<span style='width:{100 * share:.2f}%'></span>" if share > 0 else ""


def _comparison(found: SweepAnalysis) -> str:
    words = found.comparison_words()
    table = _differences(found)
    # What the tables say already is not said again in words.
    told = ("chosen", "paired") if table else ()
    facts = [(name, words[topic]) for topic, name in _COMPARED.items() if topic not in told]
    return (
        "<section class='panel'><h3>Losses compared</h3><p class='facts-line'>"
        "each by the cell that validation chose, read on test, paired by seed</p>"
        f"{table}{words_list(facts)}</section>"
    )


def _differences(found: SweepAnalysis) -> str:
    """The loss with the best validation mean less each other one, fixed and tuned threshold."""
    comparison = found.comparison
    sign = -1.0 if found.higher_is_better else 1.0
    ranked = sorted(
        comparison.chosen, key=lambda loss: sign * float(comparison.chosen[loss]["validation"])
    )
    if len(ranked) < 2:
        return ""
    first = ranked[0]
    rows = "".join(
        f"<tr><td class='text'>less {escape(other)}</td>"
        f"{_difference(comparison.paired, first, other)}"
        f"{_difference(comparison.paired_tuned, first, other)}</tr>"
        for other in ranked[1:]
    )
    return (
        "<div class='scroll'><table class='narrow'><thead><tr>"
        f"<th class='text' scope='col'>{escape(first)}</th>"
        "<th scope='col'>fixed threshold</th><th scope='col'>P(better)</th>"
        "<th scope='col'>tuned thresholds</th><th scope='col'>P(better)</th></tr></thead>"
        f"<tbody class='lines'>{rows}</tbody></table></div><figcaption>{escape(first)} has the "
        "best mean on validation. Differences on test of the same seeds, 95 % intervals and "
        "posterior probability by Student’s t; the split is one and the same.</figcaption>"
    )


def _difference(pairs: Mapping[tuple[str, str], PairedDifference], first: str, other: str) -> str:
    found = pairs.get((first, other))
    flip = 1.0
    if found is None:
        found, flip = pairs.get((other, first)), -1.0
    if found is None or found.difference is None:
        return "<td>–</td><td>–</td>"
    mean = f"{flip * found.difference:+.3f}".replace("-", "−")
    if found.low is None or found.high is None or found.p_better is None:
        reason = escape(found.reason or "")
        return f"<td>{mean} <span class='sd' title='{reason}'>no interval</span></td><td>–</td>"
    low, high = sorted((flip * found.low, flip * found.high))
    better = found.p_better if flip > 0 else 1 - found.p_better
    return (
        f"<td>{mean} <span class='sd'>[{score_text(low)}, {score_text(high)}]</span></td>"
        f"<td>{escape(probability_in_words(better))}</td>"
    )
