"""Box plots over seeds, one row a loss and one panel a metric, like the paper's Figures 4-7."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from dashboards.figures.captions import CONVENTIONS, FigureText, objective_text, threshold_fact
from dashboards.figures.cell_reads import read_cells
from dashboards.figures.cells import best_cells, describe_cells
from dashboards.figures.grid import FigureError
from dashboards.figures.heatmap_cells import load_plan
from dashboards.figures.kept_rules import KEPT_RULE_WORDS, KEPT_RULES, RuleCells, rule_cells
from dashboards.figures.selection import (
    PAPER_METRICS,
    RULE,
    BestCell,
    describe_metric,
    known_threshold,
)
from dashboards.figures.tuned import TUNED_RULE, tuned_cells
from dashboards.naming import metric_name, paper_name
from dashboards.paper_numbers import paper_tables
from dashboards.source import Source
from storage.records import STATES

RULE_FACTS = {"tuned": "thresholds tuned on validation"} | KEPT_RULES
THRESHOLD_RULES = ("fixed", *RULE_FACTS)


class BoxRow(NamedTuple):
    """One loss: its chosen cell, or None, the states of its replicates, and its threshold.

    ``chosen_by`` is the mean on validation, at ``threshold``, by which the cell was chosen;
    ``missing`` says why there is none.
    """

    loss: str
    best: BestCell | None
    states: Mapping[str, int]
    threshold: float
    chosen_by: float
    missing: str = "no finished cell"


class BoxPanel(NamedTuple):
    """One metric: per loss the seeds of its chosen cell (``seed``, ``value``), and the levels.

    ``threshold`` is None for a metric that takes none, and where each loss has its own.
    ``printed`` is the paper's name of the metric, if it has one.
    """

    metric: str
    threshold: float | None
    seeds: Mapping[str, pd.DataFrame]
    levels: Mapping[str, float]
    printed: str | None
    higher_is_better: bool


class BoxplotData(NamedTuple):
    """What the box plots show: rows are losses in the order of the plan, panels are metrics.

    With a ``rule`` other than ``fixed`` each row has a threshold of its own, and ``threshold`` is
    the objective's, which no row need have. ``leader`` is the loss whose chosen cell is best by
    what it was chosen by. ``notes`` say which losses the rule has no scores for.
    """

    sweep: str
    dataset: str
    encoder: str
    split: str
    threshold: float
    objective: Mapping[str, Any]
    rows: tuple[BoxRow, ...]
    panels: tuple[BoxPanel, ...]
    rule: str
    leader: str | None
    notes: tuple[str, ...] = ()

    @property
    def own_thresholds(self) -> bool:
        """Whether each loss has a threshold of its own."""
        return self.rule != "fixed"

    @property
    def threshold_words(self) -> str:
        """Where labels begin: the fixed threshold, or the rule that moves it."""
        return RULE_FACTS.get(self.rule) or threshold_fact(self.threshold)


def boxplot_data(
    source: Source,
    sweep: str,
    *,
    metrics: Sequence[str] | None = None,
    split: str = "test",
    threshold: float | None = None,
    rule: str = "fixed",
) -> BoxplotData:
    """Collect, for the chosen cell of each loss, the value of each metric at every seed.

    The cell is chosen by the sweep's objective (on validation) and shown on ``split``.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.
        metrics: one panel each; by default those of the paper that the sweep kept.
        split: the split to show.
        threshold: a kept threshold in (0, 1), for the metrics kept as curves; the others stay at
            the objective's. Ignored by the other rules.
        rule: ``fixed``; ``tuned`` gives each loss the cell and threshold that are best on
            validation together (`dashboards.figures.tuned`); ``threshold_averaging`` and
            ``f_measure`` decide by the scores of its kept cells
            (`dashboards.figures.kept_rules`).

    Returns:
        The data of the figure; only complete replicates have a value, the rest are counted.

    Raises:
        FigureError: unknown metric, threshold or rule, or nothing to tune.
        StoreError: the store cannot be read, or has no such sweep.

    Source: Bénédict et al. (2022), Figures 4 to 7 (five seeds a loss) and 8 (moved thresholds).

    Example:
        >>> data = boxplot_data(Source("sqlite:///sweeps.db"), "films", rule="tuned")
        ... # doctest: +SKIP
        >>> [(row.loss, row.threshold) for row in data.rows]  # doctest: +SKIP
        [('sigmoid_f1', 0.43), ('focal', 0.21)]
    """
    info = source.sweep(sweep)
    kept = {described["name"] for described in info.metrics}
    wanted = [name for name in PAPER_METRICS if name in kept] if metrics is None else metrics
    if rule not in THRESHOLD_RULES:
        raise FigureError(
            f"A rule of decision must be one of {', '.join(THRESHOLD_RULES)}, but got '{rule}'."
        )
    ruled = rule_cells(source, sweep, rule, split) if rule in KEPT_RULES else RuleCells({}, ())
    rows = _rows(source, sweep, threshold, rule, ruled)
    printed = next((table.columns for table in paper_tables(info.dataset)), None)
    reads = read_cells(source, sweep, [row.best.cell_id for row in rows if row.best])
    panels = []
    for metric in wanted:
        described = describe_metric(info, metric)
        seeds = {}
        for row in rows:
            if row.best is None:
                continue
            if row.loss in ruled.cells and metric in ruled.cells[row.loss].seeds:
                seeds[row.loss] = ruled.cells[row.loss].seeds[metric]
                continue
            at = None if ruled.cells else known_threshold(info, described, row.threshold)
            seeds[row.loss] = reads.seeds(row.best.cell_id, metric, split, at)
        at = known_threshold(info, described, threshold)
        shown = float(info.objective["threshold"]) if at is None else at
        own_each = rule != "fixed" and described["curve"]
        levels = {
            name: float(level[split][metric])
            for name, level in info.baselines.items()
            if metric in level.get(split, {})
        }
        panels.append(
            BoxPanel(
                metric=metric,
                threshold=shown if described["thresholded"] and not own_each else None,
                seeds=seeds,
                levels=levels,
                printed=paper_name(metric) if printed is None else printed.get(metric),
                higher_is_better=described["higher_is_better"],
            )
        )
    cuts = [panel.threshold for panel in panels if panel.threshold is not None]
    return BoxplotData(
        sweep=sweep,
        dataset=info.dataset,
        encoder=info.encoder,
        split=split,
        threshold=cuts[0] if cuts and rule == "fixed" else info.objective["threshold"],
        objective=info.objective,
        rows=rows,
        panels=tuple(panels),
        rule=rule,
        leader=_leader(rows, describe_metric(info, info.objective["metric"])["higher_is_better"]),
        notes=ruled.notes,
    )


def _leader(rows: Sequence[BoxRow], higher_is_better: bool) -> str | None:
    known = [(row.chosen_by, row.loss) for row in rows if math.isfinite(row.chosen_by)]
    pick = max if higher_is_better else min
    return pick(known, key=lambda item: item[0])[1] if known else None


def _rows(
    source: Source, sweep: str, threshold: float | None, rule: str, ruled: RuleCells
) -> tuple[BoxRow, ...]:
    info = source.sweep(sweep)
    at = known_threshold(info, {"curve": True}, threshold)
    shown = float(info.objective["threshold"]) if at is None else at
    choice = tuned_cells(source, sweep) if rule == "tuned" else ruled.cells
    if rule != "fixed":
        described = describe_cells(source, sweep, [cell.cell_id for cell in choice.values()])
        best = dict(zip(choice, described, strict=True))
        means = {loss: cell.mean for loss, cell in choice.items()}
    else:
        best = best_cells(source, sweep)
        means = {loss: cell.mean for loss, cell in best.items()}
    rows = []
    for loss in source.losses(sweep):
        plan = load_plan(source, sweep, loss)
        states = Counter({state: int(plan.in_state(state).sum()) for state in STATES})
        rows.append(
            BoxRow(
                loss,
                best.get(loss),
                +states,
                choice[loss].threshold if loss in choice else shown,
                means.get(loss, math.nan),
                "scores not kept" if rule in KEPT_RULES else "no finished cell",
            )
        )
    return tuple(rows)


def boxplot_text(data: BoxplotData) -> FigureText:
    """Return the words of the box plots: what is shown, how cells were chosen, the names."""
    names = [
        f"{metric_name(panel.metric)} is the paper's {panel.printed}"
        for panel in data.panels
        if panel.printed
    ]
    metric = metric_name(data.objective["metric"])
    if data.rule in KEPT_RULES:
        chosen = (
            f"Each row is one loss, decided by {KEPT_RULES[data.rule]}: "
            f"{KEPT_RULE_WORDS[data.rule]}. Its cell is the best of its kept cells by mean "
            f"{metric} on validation under this rule."
        )
    elif data.rule == "tuned":
        chosen = (
            f"Each row is one loss: {TUNED_RULE}, by mean {metric}; every metric that a threshold "
            "enters is then read at it."
        )
    else:
        by = objective_text(data.objective)
        chosen = f"Each row is the best cell of one loss by {by} ({RULE})."
    caption = [
        *data.notes,
        chosen,
        "A point is a seed; the box spans the quartiles (linear interpolation), the line in it "
        "is the median. The dashed line is predicting every label for every example, the dotted "
        "one predicting none.",
        CONVENTIONS,
    ]
    if names:
        table = next((t for t in paper_tables(data.dataset)), None)
        where = "the paper's Table 3" if table is None else f"its {table.table}"
        caption.append(f"Names as in {where}: {'; '.join(names)}.")
    return FigureText(
        title="The best cell of each loss, seed by seed",
        subtitle=" · ".join(
            [data.sweep, f"{data.split} split", data.threshold_words, "every seed drawn"]
        ),
        caption=" ".join(caption),
    )
