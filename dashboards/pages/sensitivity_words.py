"""The numbers and sentences of the sensitivity page: tiles, tables, words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from dash import html

from dashboards.figures.sensitivity import cell_name
from dashboards.naming import count_text, score_text
from dashboards.pages import parts
from dashboards.pages.sensitivity_help import help_of
from sweeps.sensitivity.analysis_data import Analysis, RuleLine, Unavailable
from sweeps.sensitivity.example_bootstrap import ExampleInterval
from sweeps.sensitivity.probability import ProbabilityBest
from sweeps.sensitivity.threshold_rules import UNTUNED
from sweeps.sensitivity.words import in_words
from sweeps.sensitivity.words_kept import RULES as THRESHOLD_RULES
from sweeps.sensitivity.words_names import setting_in_words

TOPICS = {
    "cells": "What was trained",
    "training": "Saturation and gradients",
    "variance": "Where the variance comes from",
    "simple": "With the other parameter fixed",
    "tied": "Tied with the best",
    "probability": "Probability of being best",
    "plateau": "Plateau",
    "optimism": "Winner’s curse",
    "threshold": "Threshold",
    "rules": "Threshold rules",
    "baseline": "Against constant predictions",
    "seeds": "How many seeds",
    "examples": "Over examples",
}
RULES = {
    "mean": "best mean",
    "lower-bound": "best 95 % lower bound",
    "robust-worst": "best worst neighbour",
    "robust-mean": "best mean of neighbours",
}


def tiles(analysis: Analysis) -> html.Div:
    """Return the six numbers that say most of a loss; a dash says that there is none, and why."""
    made = [
        _best_tile(analysis),
        _tied_tile(analysis),
        _probability_tile(analysis),
        _plateau_tile(analysis),
        _optimism_tile(analysis),
        _seeds_tile(analysis),
    ]
    return html.Div(made, className="tiles")


def _tile(topic: str, label: str, value: str, note: Any) -> html.Div:
    head = html.Div([html.Span(label), help_of(topic)], className="tile-label")
    return html.Div(
        [head, html.Div(value, className="tile-value"), html.Div(note, className="tile-note")],
        className="tile",
    )


def _best_tile(analysis: Analysis) -> html.Div:
    entry = analysis.choice_values[0]
    row = analysis.row()
    if entry["reason"] is not None or row is None:
        return _tile("best", "best cell", "–", entry["reason"])
    name = cell_name(analysis.cells["parameters"], row)
    note = f"{_value(entry)} on {analysis.question.split}"
    if "test" in entry:
        note += f", {score_text(entry['test']['mean'])} on test"
    if entry["flags"]:
        note += f"; it {' and '.join(flag.replace('_', ' ') for flag in entry['flags'])}"
    return _tile("best", "best cell by mean", name, note)


def _tied_tile(analysis: Analysis) -> html.Div:
    found = analysis.tied
    if isinstance(found, Unavailable):
        return _tile("tied", "tied with the best", "–", found.reason)
    if len(found.tied) < 2:
        return _tile("tied", "tied with the best", "–", "a single cell can be compared")
    text = f"{int(found.tied.sum())} of {len(found.tied):,}"
    return _tile("tied", "tied with the best", text, "compared cells, the best one included")


def _probability_tile(analysis: Analysis) -> html.Div:
    found, row = analysis.probability, analysis.row()
    label = "probability of being best"
    if not isinstance(found, ProbabilityBest) or row is None:
        reason = found.reason if isinstance(found, Unavailable) else "no cell is chosen"
        return _tile("probability", label, "–", reason)
    if len(found.probability) < 2:
        return _tile("probability", label, "–", "a single cell can be compared")
    value = float(analysis.cells["probability_best"][row])
    if not math.isfinite(value):
        return _tile("probability", label, "–", "the best mean is of a cell that is not compared")
    text = "> 0.99" if value > 0.995 else "< 0.01" if value < 0.005 else f"{value:.2f}"
    return _tile("probability", label, text, "of the best mean, among the cells of its loss")


def _plateau_tile(analysis: Analysis) -> html.Div:
    found = analysis.plateau
    cells = count_text(found["n_cells"], "cell")
    note = f"of the grid within {found['epsilon']:g} of the best mean: {cells}"
    return _tile("plateau", "plateau", f"{found['share']:.0%}".replace("%", " %"), note)


def _optimism_tile(analysis: Analysis) -> html.Div:
    found = analysis.optimism
    if isinstance(found, Unavailable):
        return _tile("optimism", "winner’s curse", "–", found.reason)
    value = f"{round(found.optimism, 4) + 0.0:.4f}".replace("-", "−")
    return _tile("optimism", "winner’s curse", value, f"too good where chosen, over {found.over}")


def _seeds_tile(analysis: Analysis) -> html.Div:
    found = analysis.seeds
    if isinstance(found, Unavailable):
        return _tile("seeds", "shown by these seeds", "–", found.reason)
    note = f"smallest difference of two cells that {count_text(found.n, 'seed')} show"
    return _tile("seeds", "detectable difference", f"{found.detectable:.4f}", note)


def _value(entry: Mapping[str, Any]) -> str:
    text = score_text(entry["mean"])
    if entry["no_interval"] is None:
        text += f" [{score_text(entry['low'])}, {score_text(entry['high'])}]"
    return text


def choice_table(analysis: Analysis) -> html.Div:
    """Return the cell of each rule, with intervals over seeds on both splits."""
    rows = []
    for entry in analysis.choice_values:
        name = html.Th(RULES.get(entry["rule"], entry["rule"]), scope="row")
        if entry["reason"] is not None:
            rows.append(html.Tr([name, html.Td(entry["reason"], colSpan=3, className="none")]))
            continue
        setting = setting_in_words(entry["parameters"]) or "its only setting"
        if entry["flags"]:
            setting += f" ({' and '.join(flag.replace('_', ' ') for flag in entry['flags'])})"
        test = entry.get("test")
        rows.append(
            html.Tr(
                [
                    name,
                    html.Td(setting, className="text"),
                    html.Td(_value(entry)),
                    html.Td(_value(test) if test and math.isfinite(test["mean"]) else "–"),
                ]
            )
        )
    return _table(["rule", "cell", analysis.question.split, "test"], rows)


def rules_table(analysis: Analysis) -> Any:
    """Return the threshold rules on test with intervals over examples, or why there are none."""
    found = analysis.rules
    if isinstance(found, Unavailable):
        return html.P(f"{found.reason[:1].upper()}{found.reason[1:]}.", className="none")
    rows = [
        html.Tr(
            [
                html.Th(THRESHOLD_RULES.get(line.rule, line.rule), scope="row"),
                html.Td("not tuned" if line.rule in UNTUNED else line.tuned_on, className="text"),
                html.Td(f"{line.threshold:.3f}"),
                html.Td(_example_interval(line.test)),
                html.Td(_gain(line)),
            ]
        )
        for line in found.lines
    ]
    return _table(["rule", "tuned on", "mean threshold", "test", "gain"], rows)


def _example_interval(interval: ExampleInterval) -> str:
    return (
        f"{score_text(interval.estimate)} [{score_text(interval.low)}, {score_text(interval.high)}]"
    )


def _gain(line: RuleLine) -> str:
    if line.gain is None:
        return "–"
    sign = "+" if line.gain.estimate >= 0 else ""
    return sign + _example_interval(line.gain)


def _table(heads: Sequence[str], rows: Sequence[html.Tr]) -> html.Div:
    words = ("rule", "cell", "tuned on")
    head = html.Tr(
        [html.Th(name, scope="col", className="text" if name in words else "") for name in heads]
    )
    table = html.Table([html.Thead(head), html.Tbody(list(rows))], className="figures")
    # A table that scrolls must be reachable by keyboard.
    return html.Div(table, className="figures-scroll", tabIndex="0", role="group",
                    **parts.aria(label=f"Table: {', '.join(heads)}"))  # fmt: skip


def words_list(analysis: Analysis) -> html.Dl:
    """Return every finding as sentences, each with its help."""
    found = in_words(analysis)
    return html.Dl(
        [
            html.Div([html.Dt([html.Span(name), help_of(topic)]), html.Dd(found[topic])])
            for topic, name in TOPICS.items()
        ],
        className="words",
    )
