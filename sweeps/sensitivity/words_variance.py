"""Where the variance comes from, as sentences: shares, simple effects, indices and estimates."""

from __future__ import annotations

from sweeps.sensitivity.analysis_data import Analysis, Unavailable
from sweeps.sensitivity.anova import Anova
from sweeps.sensitivity.sobol import SobolIndices
from sweeps.sensitivity.words_names import count, symbol, value_in_words

SIGNIFICANT = 0.05
# Samplers that look at no result before they choose the next cell.
PLAIN_SAMPLERS = ("grid", "random", "qmc", "sobol", "halton", "saltelli")
_LINES = {"seed": "the seed", "residual": "seed × cell (noise)"}


def variance_in_words(result: Anova | Unavailable, analysis: Analysis | None = None) -> str:
    """Say how the variance divides among parameters, seeds and the rest.

    Args:
        result: the table, or why there is none.
        analysis: what else is known: Sobol indices of a Saltelli design, estimates for a design
            that is no grid, unequal noise, cells stopped by a race or a pruner.

    Returns:
        The sentences, each with its method.
    """
    indices = analysis.sobol if analysis is not None else None
    if isinstance(indices, SobolIndices):
        return sobol_in_words(indices)
    if isinstance(result, Unavailable):
        why = f"{_no_indices(analysis)}No analysis of variance: {result.reason}."
        return why + _estimates(analysis)
    if result.effects[0].share is None:
        return "The values vary between cells but not over seeds, so shares cannot be given."
    parts = []
    for effect in result.effects:
        if effect.share is None:
            continue
        bounds = (
            f" [{effect.share_low:.1%}, {effect.share_high:.1%}]"
            if effect.share_low is not None and effect.share_high is not None
            else ""
        )
        parts.append(f"{_LINES.get(effect.name, symbol(effect.name))} {effect.share:.1%}{bounds}")
    kind = "balanced grid" if result.balanced else "grid with holes, type II"
    return (
        f"Of the variance of single runs over {result.n_cells} cells and {result.n_seeds} seeds: "
        f"{'; '.join(parts)} (variance components, {result.level:.0%} intervals; {kind})."
        f"{_unequal(analysis)}{_survivors(analysis)}"
    )


def _no_indices(analysis: Analysis | None) -> str:
    """Why a Saltelli design has no Sobol' indices; "" for every other design."""
    if analysis is None or analysis.design.get("sampler") != "saltelli":
        return ""
    reason = analysis.sobol.reason if isinstance(analysis.sobol, Unavailable) else "none given"
    return f"No Sobol' indices of this Saltelli design: {reason}. "


def _estimates(analysis: Analysis | None) -> str:
    if analysis is None or isinstance(analysis.importance, Unavailable):
        return ""
    text = ""
    for found in analysis.importance:
        shares = ", ".join(
            f"{symbol(name)} {value:.2f} ({found.shuffled[name]:.2f} when shuffled)"
            for name, value in found.importances.items()
        )
        text += f" {found.method}: {shares}."
    sampler = analysis.design.get("sampler")
    if sampler is not None and sampler not in PLAIN_SAMPLERS:
        text += (
            f" The sampler ({sampler}) chose cells by earlier results and crowds where they were "
            "good, which changes what these estimates mean."
        )
    return text + _survivors(analysis)


def _unequal(analysis: Analysis | None) -> str:
    noise = analysis.noise if analysis is not None else None
    if noise is None or isinstance(noise, Unavailable) or noise.homogeneous:
        return ""
    return (
        f" The noise differs between cells (sd {noise.smallest_sd:.2g} to {noise.largest_sd:.2g}), "
        "so F tests and intervals are approximate."
    )


def _survivors(analysis: Analysis | None) -> str:
    stopped = sum(analysis.set_apart["stopped"].values()) if analysis is not None else 0
    if not stopped:
        return ""
    return (
        f" {count(stopped, 'cell')} stopped before the end take no part, so this speaks of the "
        "cells that were let run, which are the better ones."
    )


def sobol_in_words(found: SobolIndices) -> str:
    """Say what Sobol indices say, with the half-width of each interval."""
    parts = [
        f"{symbol(name)} alone {first:.2f} ± {half:.2f}, with its interactions "
        f"{found.total[name][0]:.2f} ± {found.total[name][1]:.2f}"
        for name, (first, half) in found.first.items()
    ]
    lost = (
        f" {count(found.n_dropped, 'block')} of {found.n_blocks + found.n_dropped} left out for a "
        "cell without a value."
        if found.n_dropped
        else ""
    )
    parts += [
        f"{symbol(pair)} {index:.2f} ± {half:.2f}" for pair, (index, half) in found.second.items()
    ]
    return (
        f"Sobol indices, first-order and total: {'; '.join(parts)} ({found.method}).{lost} Seed "
        "noise left in the means lowers the first and raises the second."
    )


def simple_in_words(analysis: Analysis) -> str:
    """Say where along each parameter, the other one fixed, cells differ beyond noise."""
    found = analysis.simple_effects
    if isinstance(found, Unavailable):
        return f"No simple effects: {found.reason}."
    if not found:
        return "No simple effects: every row and column of the grid has one cell."
    parts = []
    for factor, within in dict.fromkeys((e.factor, e.within) for e in found):
        own = [e for e in found if e.factor == factor]
        sure = [e for e in own if e.p_holm < SIGNIFICANT]
        largest = max(own, key=lambda e: e.spread)
        parts.append(
            f"{symbol(factor)} matters at {len(sure)} of {count(len(own), 'level')} of "
            f"{symbol(within)}; most at {symbol(within)} = {value_in_words(largest.at)}, where its "
            f"levels span {largest.spread:.4f} and {value_in_words(largest.best)} is best"
        )
    return (
        f"With the other parameter fixed: {'. '.join(part for part in parts)} (simple effects, F "
        "on the grid's residual, Holm's correction, 5 %)."
    )
