"""The report's figures of the statistics, its threshold rules, and its section on datasets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from html import escape

from dashboards.facts import Fact
from dashboards.figures.sensitivity_budget import budget_data, budget_text, plot_budget
from dashboards.figures.sensitivity_effects import (
    effects_data,
    effects_text,
    interaction_data,
    interaction_text,
)
from dashboards.figures.sensitivity_effects_plot import plot_effects, plot_interaction
from dashboards.figures.sensitivity_transfer import (
    plot_transfer,
    transfer_of,
    transfer_text,
)
from dashboards.naming import metric_name, score_text, threshold_text
from dashboards.report_sections import figure_panel, words_list
from dashboards.source import Source
from storage.errors import StoreError
from sweeps.errors import SweepError
from sweeps.sensitivity.analysis_data import RuleTable
from sweeps.sensitivity.dataset_comparison import DatasetComparison, compare_datasets
from sweeps.sensitivity.example_bootstrap import ExampleInterval
from sweeps.sensitivity.threshold_rules import UNTUNED
from sweeps.sensitivity.words_datasets import ranks_in_words, transfer_in_words
from sweeps.sensitivity.words_kept import RULES

_WIDTH = 1150


def effects_panels(source: Source, sweep: str) -> list[str]:
    """Return main effects and interaction of every loss whose cells form a grid, and budgets."""
    panels = []
    for loss in source.losses(sweep):
        effects = effects_data(source, sweep, loss=loss)
        if effects.effects:
            panels.append(
                figure_panel(
                    plot_effects(effects, standalone=False, width=_WIDTH),
                    effects_text(effects),
                    f"{sweep}-{loss}-effects",
                )
            )
        lines = interaction_data(source, sweep, loss=loss)
        if lines.lines:
            panels.append(
                figure_panel(
                    plot_interaction(lines, standalone=False, width=_WIDTH),
                    interaction_text(lines),
                    f"{sweep}-{loss}-interaction",
                )
            )
    budgets = budget_data(source, sweep)
    if any(len(curve) > 1 for curve in budgets.curves.values()):
        panels.append(
            figure_panel(
                plot_budget(budgets, standalone=False, width=_WIDTH),
                budget_text(budgets),
                f"{sweep}-budgets",
            )
        )
    return panels


def rules_table(found: RuleTable) -> str:
    """Return the threshold rules of a kept cell on test, with intervals over examples."""
    rows = "".join(
        f"<tr><td class='text'>{escape(RULES.get(line.rule, line.rule))}</td>"
        f"<td class='text'>{'not tuned' if line.rule in UNTUNED else escape(line.tuned_on)}</td>"
        f"<td>{threshold_text(line.threshold)}</td><td>{_interval(line.test)}</td>"
        f"<td>{_interval(line.gain, signed=True) if line.gain else '–'}</td></tr>"
        for line in found.lines
    )
    return (
        "<h4>Threshold rules of the best kept cell</h4><div class='scroll'><table class='narrow'>"
        "<thead><tr><th class='text' scope='col'>rule</th>"
        "<th class='text' scope='col'>tuned on</th><th scope='col'>mean threshold</th>"
        "<th scope='col'>test</th><th scope='col'>gain over fixed</th></tr></thead>"
        f"<tbody class='lines'>{rows}</tbody></table></div><figcaption>Intervals are 95 %, over "
        f"{found.n_test:,} test examples with the seeds fixed. Tuned on all "
        f"{found.n_validation:,} validation examples, or on a random half of them (holdout)."
        "</figcaption>"
    )


def _interval(found: ExampleInterval, *, signed: bool = False) -> str:
    value = f"{found.estimate:+.3f}".replace("-", "−") if signed else score_text(found.estimate)
    return f"{value} <span class='sd'>[{score_text(found.low)}, {score_text(found.high)}]</span>"


def datasets_section(source: Source, sweeps: Sequence[str]) -> str:
    """Return what holds across datasets; nothing where the sweeps are of one dataset.

    Args:
        source: where the numbers are read.
        sweeps: the report's sweeps, the latest first; of each dataset the first counts.

    Returns:
        HTML: mean ranks, the losses on each dataset, and what carries over; or a sentence that
        says why not.
    """
    by_dataset: dict[str, str] = {}
    for sweep in sweeps:
        counts = source.sweeps()
        if int(counts[counts["name"] == sweep]["complete"].iloc[0]):
            by_dataset.setdefault(source.sweep(sweep).dataset, sweep)
    names = list(by_dataset.values())
    if len(names) < 2:
        return ""
    head = "<section class='sweep' aria-label='Across datasets'><h2>Across datasets</h2>"
    try:
        found = source.compute(
            names[0],
            ("datasets", tuple(source.token(name) for name in names)),
            partial(compare_datasets, sweeps=names),
            beside=names,
        )
    except (SweepError, StoreError) as error:
        return f"{head}<p class='panel'>No comparison: {escape(str(error))}</p></section>"
    lead = (
        f"<p class='lead'>{escape(metric_name(found.metric))} on test, one sweep a dataset: "
        f"{escape(', '.join(found.sweeps.values()))}. Each loss by the cell that validation chose."
        "</p>"
    )
    return f"{head}{lead}{_ranks(found)}{''.join(_transfers(found))}</section>"


def _ranks(found: DatasetComparison) -> str:
    datasets = list(found.by_dataset)
    heads = "".join(f"<th scope='col'>{escape(name)}</th>" for name in datasets)
    rows = "".join(
        f"<tr><td class='text'><b>{escape(loss)}</b></td>"
        f"{''.join(_score(found, name, loss) for name in datasets)}"
        f"<td>{_rank(found, loss)}</td></tr>"
        for loss in found.losses
    )
    facts: list[Fact] = [("Mean ranks", ranks_in_words(found.ranks, "at the fixed thresholds"))]
    if found.ranks_tuned is not None:
        facts.append(
            ("Mean ranks, tuned", ranks_in_words(found.ranks_tuned, "with every threshold tuned"))
        )
    return (
        "<section class='panel'><h3>Losses on every dataset</h3><p class='facts-line'>"
        f"{escape(metric_name(found.metric))} on test, difference from the dataset’s best loss "
        "below it</p><div class='scroll'><table><thead><tr><th class='text' scope='col'>loss</th>"
        f"{heads}<th scope='col'>mean rank</th></tr></thead><tbody class='lines'>{rows}</tbody>"
        "</table></div><figcaption>Differences are paired by seed, with 95 % intervals by "
        "Student’s t: each dataset’s split is fixed. Ranks know neither the size of a difference "
        f"nor its uncertainty.</figcaption>{words_list(facts)}</section>"
    )


def _rank(found: DatasetComparison, loss: str) -> str:
    rank = found.ranks.mean_rank.get(loss)
    return "–" if rank is None else f"{rank:.2f}"


def _score(found: DatasetComparison, dataset: str, loss: str) -> str:
    own = found.by_dataset[dataset]
    entry = own.chosen.get(loss)
    if entry is None or not math.isfinite(entry["test"]):
        return "<td>–</td>"
    sign = 1.0 if found.higher_is_better else -1.0
    best = max(own.chosen, key=lambda name: sign * float(own.chosen[name]["test"]))
    value = score_text(entry["test"])
    if loss == best:
        return f"<td class='top'>{value}</td>"
    pair = own.paired.get((loss, best))
    flip = 1.0
    if pair is None:
        pair, flip = own.paired.get((best, loss)), -1.0
    if pair is None or pair.difference is None:
        return f"<td>{value}</td>"
    text = f"{flip * pair.difference:+.3f}".replace("-", "−")
    if pair.low is not None and pair.high is not None:
        low, high = sorted((flip * pair.low, flip * pair.high))
        text += f" [{score_text(low)}, {score_text(high)}]"
    return f"<td>{value}<br><span class='sd'>{text}</span></td>"


def _transfers(found: DatasetComparison) -> list[str]:
    panels = []
    for loss, transfer in found.transfer.items():
        data = transfer_of(loss, found.metric, list(found.sweeps.values()), transfer)
        if data.reason is None:
            text = transfer_text(data)
            panels.append(
                figure_panel(
                    plot_transfer(data, standalone=False, width=_WIDTH),
                    text._replace(title=f"{text.title}: {loss}"),
                    f"transfer-{loss}",
                )
            )
        else:
            panels.append(
                f"<p class='panel'>{escape(loss)}: {escape(transfer_in_words(transfer))}</p>"
            )
    return panels
