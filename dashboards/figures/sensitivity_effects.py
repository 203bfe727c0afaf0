"""Main effects of every hyperparameter, and the interaction of two, with intervals."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dashboards.figures.captions import FigureText
from dashboards.figures.grid import FigureError
from dashboards.figures.sensitivity import OVER_SEEDS, analysis_of, question_facts
from dashboards.naming import axis_name, count_text, setting_text, short_name
from dashboards.source import Source
from sweeps.sensitivity.analysis_data import Analysis, Question, Unavailable
from sweeps.sensitivity.anova import Anova
from sweeps.sensitivity.effects import MainEffect
from sweeps.sensitivity.seed_table import levels_of

MOST_LINES = 9
MOST_PANELS = 6


class EffectsData(NamedTuple):
    """Main effects: one entry a parameter, or why there is none."""

    question: Question
    effects: tuple[MainEffect, ...]
    left_out: tuple[str, ...]
    n_cells: int
    n_seeds: int
    reason: str | None


class Line(NamedTuple):
    """One line of an interaction plot, at one level of a parameter.

    ``mean``, ``low`` and ``high`` are (L,) by the levels across, NaN where no cell learnt
    anything; ``collapsed`` are the means of the cells that did not; ``n_cells`` counts.
    """

    name: str
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    collapsed: np.ndarray
    n_cells: np.ndarray


class InteractionData(NamedTuple):
    """An interaction plot: ``x`` across, one line a level of ``by``.

    Attributes:
        question: what is analysed.
        x: parameter across, with its levels.
        levels: levels of ``x``.
        by: parameter of the lines.
        lines: the lines; of many levels some, evenly spaced.
        n_levels: levels of ``by`` in all.
        averaged: other varying parameters, over whose cells a point averages.
        share: share of the variance of the interaction, where it is known.
        reason: why there is no plot.
    """

    question: Question
    x: str | None
    levels: tuple[Any, ...]
    by: str | None
    lines: tuple[Line, ...]
    n_levels: int
    averaged: tuple[str, ...]
    share: float | None
    reason: str | None


def effects_data(
    source: Source,
    sweep: str,
    *,
    loss: str | None = None,
    metric: str | None = None,
    split: str | None = None,
    threshold: float | None = None,
) -> EffectsData:
    """Collect the mean at each level of every hyperparameter, with intervals.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.
        loss: name of the loss; the first of the plan by default.
        metric: a metric of the sweep; its objective's by default.
        split: ``validation`` or ``test``.
        threshold: a kept threshold in (0, 1).

    Raises:
        FigureError: unknown loss, metric or threshold.
        StoreError: the store cannot be read, or has no such sweep.

    Source: `sweeps.sensitivity.effects`.
    """
    analysis = analysis_of(
        source, sweep, loss=loss, metric=metric, split=split, threshold=threshold
    )
    found = analysis.main_effects
    if isinstance(found, Unavailable) or not isinstance(analysis.anova, Anova):
        reason = found.reason if isinstance(found, Unavailable) else "the cells form no grid"
        return EffectsData(analysis.question, (), (), 0, 0, reason)
    ordered = found
    if len(found) > MOST_PANELS:
        shares = {effect.name: effect.share or 0.0 for effect in analysis.anova.effects}
        ordered = sorted(found, key=lambda effect: -shares.get(effect.parameter, 0.0))
    return EffectsData(
        analysis.question,
        tuple(ordered[:MOST_PANELS]),
        tuple(effect.parameter for effect in ordered[MOST_PANELS:]),
        analysis.anova.n_cells,
        analysis.anova.n_seeds,
        None,
    )


def effects_text(data: EffectsData) -> FigureText:
    """Return the words of the main effects."""
    if data.reason is not None:
        text = "With a grid, this shows the mean at each level of every hyperparameter."
        return FigureText("Main effects", question_facts(data.question), text)
    facts = question_facts(
        data.question, f"{count_text(data.n_cells, 'cell')} × {count_text(data.n_seeds, 'seed')}"
    )
    how = (
        "The grid has holes, so the other hyperparameters are adjusted for by an additive fit: a "
        "plain mean would compare different cells."
        if data.effects and data.effects[0].adjusted
        else "The others are averaged over."
    )
    caption = [
        f"The mean at each level of one hyperparameter. {how}",
        "Bars are 95 % intervals for comparing levels: the seeds' common part is removed. "
        "Collapsed cells are left out.",
        OVER_SEEDS if data.n_seeds > 1 else "One seed, so there are no intervals.",
    ]
    if data.left_out:
        caption.append(f"Not drawn, with less variance: {', '.join(data.left_out)}.")
    return FigureText("Main effects", facts, " ".join(caption))


def interaction_data(
    source: Source,
    sweep: str,
    *,
    loss: str | None = None,
    metric: str | None = None,
    split: str | None = None,
    threshold: float | None = None,
    x: str | None = None,
    by: str | None = None,
) -> InteractionData:
    """Collect the means along one hyperparameter, one line a level of another.

    Parallel lines mean that the two do not interact. By default the pair that takes the largest
    share of the variance, the one with more levels across.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.
        loss: name of the loss; the first of the plan by default.
        metric: a metric of the sweep; its objective's by default.
        split: ``validation`` or ``test``.
        threshold: a kept threshold in (0, 1).
        x: hyperparameter across.
        by: hyperparameter of the lines.

    Raises:
        FigureError: unknown loss, metric, threshold or hyperparameter.
        StoreError: the store cannot be read, or has no such sweep.
    """
    analysis = analysis_of(
        source, sweep, loss=loss, metric=metric, split=split, threshold=threshold
    )
    columns: dict[str, list[Any]] = analysis.cells["parameters"]
    for name in (x, by):
        if name is not None and name not in columns:
            raise FigureError(
                f"A line plot's hyperparameters must vary, but got '{name}'. Known: "
                f"{', '.join(columns) or 'none'}."
            )
    if len(columns) < 2:
        reason = "an interaction takes two hyperparameters that vary"
        return InteractionData(analysis.question, None, (), None, (), 0, (), None, reason)
    pair = _pair(analysis, columns, x, by)
    levels, across = levels_of(columns[pair[0]])
    rows, along = levels_of(columns[pair[1]])
    scattered = len(levels) * len(rows) > 2 * len(across)
    if scattered:
        reason = "the cells form no grid, so there are no lines through them"
        return InteractionData(analysis.question, None, (), None, (), 0, (), None, reason)
    chosen = np.unique(
        np.linspace(0, len(rows) - 1, min(len(rows), MOST_LINES)).round().astype(int)
    )
    lines = tuple(
        _line(analysis, f"{short_name(pair[1])} {setting_text(rows[place])}", across, len(levels),
              along == place)
        for place in chosen
    )  # fmt: skip
    names = ("×".join(pair), "×".join(reversed(pair)))
    shares = (
        {effect.name: effect.share for effect in analysis.anova.effects}
        if isinstance(analysis.anova, Anova)
        else {}
    )
    return InteractionData(
        analysis.question, pair[0], tuple(levels), pair[1], lines, len(rows),
        tuple(name for name in columns if name not in pair),
        next((shares[name] for name in names if shares.get(name) is not None), None), None,
    )  # fmt: skip


def _pair(
    analysis: Analysis, columns: dict[str, list[Any]], x: str | None, by: str | None
) -> tuple[str, str]:
    if x is not None and by is not None and x != by:
        return x, by
    weight = dict.fromkeys(columns, 0.0)
    if isinstance(analysis.anova, Anova):
        for effect in analysis.anova.effects:
            for name in effect.name.split("×"):
                if name in weight:
                    weight[name] += max(effect.share or 0.0, 0.0)
    ranked = sorted(columns, key=lambda name: -weight[name])
    given = x or by
    first = given or ranked[0]
    second = next(name for name in ranked if name != first)
    if given is not None:
        return (first, second) if x is not None else (second, first)
    most = len(levels_of(columns[first])[0]) >= len(levels_of(columns[second])[0])
    return (first, second) if most else (second, first)


def _line(
    analysis: Analysis, name: str, across: np.ndarray, n_levels: int, here: np.ndarray
) -> Line:
    """Return the means along a line; of several cells at a level the mean of their means."""
    cells = analysis.cells
    flagged = cells["predicts_none"] | cells["predicts_all"] | cells["stuck"]
    stopped = np.array([status is not None for status in cells["status"]], bool)
    known = here & np.isfinite(cells["mean"]) & ~stopped

    def by_level(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        n = np.bincount(across[rows], minlength=n_levels)
        total = np.bincount(across[rows], values[rows], n_levels)
        return np.where(n > 0, total / np.maximum(n, 1), np.nan)

    learnt = known & ~flagged
    single = bool((np.bincount(across[learnt], minlength=n_levels) <= 1).all())
    none = np.full(n_levels, np.nan)
    return Line(
        name,
        by_level(cells["mean"], learnt),
        by_level(cells["shared_low"], learnt) if single else none,
        by_level(cells["shared_high"], learnt) if single else none,
        by_level(cells["mean"], known & flagged),
        np.bincount(across[learnt], minlength=n_levels),
    )


def interaction_text(data: InteractionData) -> FigureText:
    """Return the words of the interaction plot."""
    if data.reason is not None or data.x is None or data.by is None:
        text = "With a grid of two hyperparameters, this shows whether they interact."
        return FigureText("Interaction", question_facts(data.question), text)
    title = f"Interaction of {axis_name(data.x)} and {axis_name(data.by)}"
    more = [] if data.share is None else [f"{data.share:.1%} of the variance"]
    caption = ["A point is the mean of a cell over its seeds; parallel lines mean no interaction."]
    if data.averaged:
        names = ", ".join(map(axis_name, data.averaged))
        caption.append(f"Averaged over {names}, so no intervals are drawn.")
    else:
        caption.append("Bars are 95 % intervals by a variance shared between cells.")
    if any(np.isfinite(line.collapsed).any() for line in data.lines):
        caption.append("Crosses are collapsed cells, which no line goes through.")
    if len(data.lines) < data.n_levels:
        caption.append(f"{len(data.lines)} of {data.n_levels} levels of {axis_name(data.by)}.")
    return FigureText(title, question_facts(data.question, *more), " ".join([*caption, OVER_SEEDS]))
