"""Where the variance comes from: shares, Sobol indices, or estimates of importance."""

from __future__ import annotations

from typing import Literal, NamedTuple

from dashboards.figures.captions import FigureText
from dashboards.figures.sensitivity import (
    OVER_SEEDS,
    analysis_of,
    effect_name,
    question_facts,
)
from dashboards.naming import count_text
from dashboards.source import Source
from sweeps.sensitivity.analysis_data import Analysis, Question, Unavailable
from sweeps.sensitivity.anova import Anova
from sweeps.sensitivity.importance import Importance
from sweeps.sensitivity.sobol import SobolIndices

Kind = Literal["shares", "sobol", "estimates", "none"]


class Bar(NamedTuple):
    """One bar: its value in [0, 1], its interval, and what shuffled values give (estimates)."""

    name: str
    label: str
    group: str
    value: float
    low: float | None
    high: float | None
    shuffled: float | None = None


class SharesData(NamedTuple):
    """What the bars show.

    Attributes:
        question: what is analysed.
        kind: ``shares`` (variance components of a grid), ``sobol`` (indices of a Saltelli
            design), ``estimates`` (Optuna's, for any other design) or ``none``.
        bars: the bars, in the order of the table.
        n_cells: cells they rest on.
        n_seeds: seeds of each.
        method: how, in words.
        notes: what to keep in mind.
        reason: why there are no shares of variance; None when there are.
    """

    question: Question
    kind: Kind
    bars: tuple[Bar, ...]
    n_cells: int
    n_seeds: int
    method: str
    notes: tuple[str, ...]
    reason: str | None


def shares_data(
    source: Source,
    sweep: str,
    *,
    loss: str | None = None,
    metric: str | None = None,
    split: str | None = None,
    threshold: float | None = None,
) -> SharesData:
    """Collect how the variance divides among hyperparameters, seeds and noise.

    A grid gives variance components of single runs, ``df (MS - MS_res) / N``, over their sum; a
    Saltelli design gives Sobol indices; any other design gives Optuna's estimates, each beside
    what the same evaluator says of shuffled values.

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

    Source: `sweeps.sensitivity.anova`, `sweeps.sensitivity.sobol`, `sweeps.sensitivity.importance`.
    """
    analysis = analysis_of(
        source, sweep, loss=loss, metric=metric, split=split, threshold=threshold
    )
    n_seeds = int(analysis.cells["n"].max(initial=0))
    if isinstance(analysis.sobol, SobolIndices):
        return _indices(analysis, analysis.sobol, n_seeds)
    if isinstance(analysis.anova, Anova) and analysis.anova.effects[0].share is not None:
        return _components(analysis, analysis.anova)
    if isinstance(analysis.anova, Anova):
        reason = "the values do not vary over seeds, so there is no noise to hold the effects to"
        return SharesData(analysis.question, "none", (), 0, n_seeds, "", (), reason)
    if not isinstance(analysis.importance, Unavailable):
        return _estimates(analysis, analysis.importance, analysis.anova.reason, n_seeds)
    return SharesData(
        analysis.question, "none", (), 0, n_seeds, "", (), analysis.anova.reason
    )  # fmt: skip


def _components(analysis: Analysis, table: Anova) -> SharesData:
    bars = tuple(
        Bar(effect.name, effect_name(effect.name), "share of the variance", effect.share,
            effect.share_low, effect.share_high)
        for effect in table.effects
        if effect.share is not None
    )  # fmt: skip
    notes = []
    apart = analysis.set_apart["any"]
    if apart:
        notes.append(
            f"{count_text(apart, 'collapsed cell')} (predict nothing or everything, or never "
            "moved) are set apart: they would count as an effect of the hyperparameters."
        )
    if not table.balanced:
        notes.append("The grid has holes, so each effect is adjusted for the others (type II).")
    noise = analysis.noise
    if not isinstance(noise, Unavailable) and not noise.homogeneous:
        notes.append("Cells differ in noise, so the intervals are approximate.")
    return SharesData(
        analysis.question, "shares", bars, table.n_cells, table.n_seeds,
        f"variance components of an analysis of variance with seeds as a block, {table.level:.0%} "
        "intervals by the noncentral F",
        tuple(notes), None,
    )  # fmt: skip


def _indices(analysis: Analysis, found: SobolIndices, n_seeds: int) -> SharesData:
    bars = []
    for name, (value, half) in found.first.items():
        label = effect_name(name)
        bars.append(Bar(name, label, "alone", value, value - half, value + half))
        total, spread = found.total[name]
        bars.append(Bar(name, label, "with interactions", total, total - spread, total + spread))
    for pair, (value, half) in found.second.items():
        bars.append(Bar(pair, effect_name(pair), "alone", value, value - half, value + half))
    return SharesData(
        analysis.question, "sobol", tuple(bars), len(analysis.cells["cell_id"]), n_seeds,
        found.method, ("Seed noise left in the means lowers what is due to a parameter alone and "
                       "raises what it has with interactions.",), None,
    )  # fmt: skip


def _estimates(
    analysis: Analysis, found: list[Importance], reason: str, n_seeds: int
) -> SharesData:
    bars = tuple(
        Bar(name, effect_name(name), {"ped-anova": "PED-ANOVA"}.get(one.evaluator, "fANOVA"),
            value, None, None, one.shuffled[name])
        for name in found[0].importances
        for one in found
        for value in [one.importances.get(name, 0.0)]
    )  # fmt: skip
    return SharesData(
        analysis.question, "estimates", bars, found[0].n_cells, n_seeds,
        "; ".join(one.method for one in found),
        ("Estimates by a model of the means, without an interval: a bar near its tick, which is "
         "what shuffled values give, says nothing.",),
        reason,
    )  # fmt: skip


def shares_text(data: SharesData) -> FigureText:
    """Return the words of the bars: what they are, of how many cells, and what to keep in mind."""
    titles = {
        "shares": "Where the variance comes from",
        "sobol": "Sobol indices",
        "estimates": "Estimated importance",
        "none": "Where the variance comes from",
    }
    facts = question_facts(
        data.question,
        *([f"{count_text(data.n_cells, 'cell')} × {count_text(data.n_seeds, 'seed')}"]
          if data.n_cells else []),
    )  # fmt: skip
    caption = []
    if data.kind == "shares":
        caption.append(
            "Shares of the variance of single runs: which part of the differences between two "
            "runs of this grid is due to what."
        )
    if data.kind == "estimates":
        caption.append(f"No shares of variance: {data.reason}.")
    if data.method:
        caption.append(f"{data.method[:1].upper()}{data.method[1:]}.")
    caption += data.notes
    if data.kind == "shares":
        caption.append(OVER_SEEDS)
    return FigureText(titles[data.kind], facts, " ".join(caption))
