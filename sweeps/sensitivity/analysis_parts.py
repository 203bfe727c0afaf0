"""The parts of an analysis that summarise and compare cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sweeps.sensitivity.analysis_data import NoiseSummary, Question, Unavailable
from sweeps.sensitivity.collapse import Collapse
from sweeps.sensitivity.intervals import Intervals, seed_intervals
from sweeps.sensitivity.mcb import TiedSet, tied_with_best
from sweeps.sensitivity.probability import ProbabilityBest, probability_best, selection_frequency
from sweeps.sensitivity.rules import RULES, Choice, choose, neighbourhood, plateau
from sweeps.sensitivity.seed_table import BoolArray, FloatArray, IntArray, SeedTable, row_means
from sweeps.sensitivity.variances import moderate, seed_noise

DIAGNOSTICS_OF_STORE = (
    "replicate_id", "cell_id", "loss", "seed", "state", "reason", "attempts", "objective",
    "pack_id", "pack_index", "started_at", "finished_at", "worker", "predicted_positive_rate",
)  # fmt: skip


def in_unit_interval(table: SeedTable) -> bool:
    """Return whether every value lies in [0, 1], as a logit scale asks for."""
    known = table.values[np.isfinite(table.values)]
    return bool(((known >= 0) & (known <= 1)).all())


def shared_variance(
    table: SeedTable, flagged: BoolArray, *, seed: int
) -> tuple[FloatArray, FloatArray, str]:
    """Return each cell's variance with strength borrowed from the others, its df, and how.

    Pooled over the unflagged cells with every seed where their noise is alike, else moderated;
    other cells keep their own.
    """
    variances, df = table.variances.copy(), (table.n - 1).astype(np.float64)
    rows = np.flatnonzero(table.whole & ~flagged)
    if len(rows) < 2 or len(table.seeds) < 2:
        return variances, df, "each cell's own variance: fewer than two cells to pool"
    noise = seed_noise(table.values[rows], seed=seed)
    if noise.homogeneous:
        variances[rows], df[rows] = noise.within, noise.df_within
        return variances, df, f"variance pooled over {len(rows)} cells of like noise"
    own = table.variances[rows]
    variances[rows], prior = moderate(own, len(table.seeds) - 1)
    df[rows] = min(prior + len(table.seeds) - 1, noise.df_within)
    return variances, df, f"variances of {len(rows)} cells of unlike noise, moderated (Smyth 2004)"


def shared_intervals(
    table: SeedTable,
    shared: tuple[FloatArray, FloatArray, str],
    *,
    level: float,
    bounded: bool,
    one_sided: bool = False,
) -> Intervals:
    """Return intervals by the shared variance."""
    variances, df, method = shared
    return seed_intervals(
        table.means, variances, table.n, df=df, level=level, bounded=bounded, one_sided=one_sided,
        method=f"t on the logit scale, {method}",
    )  # fmt: skip


def compared_rows(
    table: SeedTable, flagged: BoolArray, *, higher_is_better: bool
) -> tuple[IntArray, dict[str, int]]:
    """Return the cells compared with the best, and how many are not, by reason.

    All need the same seeds. Flagged cells compete only if one of them has the best mean: untrained
    heads vary wildly over seeds and would drown the comparison of the rest. Cells that a race or a
    pruner stopped are out: on the evidence that stopped them, they are not the best.
    """
    ready = table.finished & (table.n > 0) & ~table.stopped
    whole = ready & table.whole
    signed = np.where(whole, table.means if higher_is_better else -table.means, -np.inf)
    healthy = whole & ~flagged
    best = signed[healthy].max() if healthy.any() else -np.inf
    rows = np.flatnonzero(healthy | (whole & flagged & (signed > best)))
    left_out = {
        "unfinished": int((~table.finished & ~table.stopped).sum()),
        "without any value": int((table.finished & (table.n == 0) & ~table.stopped).sum()),
        **{name.replace("_", " "): n for name, n in table.stopped_by().items()},
        "lacking a seed": int((ready & ~table.whole).sum()),
        "collapsed and below the best": int(whole.sum()) - len(rows),
    }
    return rows.astype(np.int64), {reason: n for reason, n in left_out.items() if n}


def against_best(
    table: SeedTable, rows: IntArray, question: Question, level: float, seed: int
) -> tuple[TiedSet | Unavailable, ProbabilityBest | Unavailable, FloatArray | None]:
    """Return tied set, probability of being best and selection frequency of the compared cells."""
    higher = question.higher_is_better
    if not len(rows):
        nothing = Unavailable("no finished cell has a value for every seed")
        return nothing, nothing, None
    values = table.values[rows]
    if len(rows) > 1 and values.shape[1] < 2:
        nothing = Unavailable(
            "one seed: seed noise is unknown, so no cell can be told from another"
        )
        return nothing, nothing, None
    tied = tied_with_best(values, higher_is_better=higher, level=level, seed=seed)
    probability = probability_best(values, higher_is_better=higher, seed=seed)
    return tied, probability, selection_frequency(values, higher_is_better=higher, seed=seed)


def spread(
    rows: IntArray,
    k: int,
    tied: TiedSet | Unavailable,
    probability: ProbabilityBest | Unavailable,
    frequency: FloatArray | None,
) -> dict[str, Any]:
    """Return the comparisons as columns over all cells; NaN and False for those not compared."""
    columns: dict[str, Any] = {}
    if isinstance(tied, TiedSet):
        member = np.zeros(k, bool)
        member[rows] = tied.tied
        columns["tied"] = member
        noisy = np.zeros(k, bool)
        noisy[rows] = tied.noisy
        columns["tied_by_noise"] = noisy
    numbers = {
        "probability_best": probability.probability
        if isinstance(probability, ProbabilityBest)
        else None,
        "selection_frequency": frequency,
    }
    for name, values in numbers.items():
        if values is not None:
            column = np.full(k, np.nan)
            column[rows] = values
            columns[name] = column
    return columns


def choices(
    table: SeedTable, bound: FloatArray, flagged: BoolArray, higher: bool
) -> tuple[list[Choice], dict[str, FloatArray]]:
    """Return the choice of each rule, and the numbers they rank by.

    A flagged cell is chosen by its mean if that is the best there is; the careful rules pass over
    flagged cells, since nothing is as certain and robust as a constant prediction.
    """
    eligible = table.finished & (table.n > 0) & ~table.stopped
    learnt = eligible & ~flagged if (eligible & ~flagged).any() else eligible
    numeric = {
        name: column for name, column in table.parameters.items() if len(set(map(repr, column))) > 1
    }
    means = np.where(eligible, table.means, np.nan)
    near: dict[str, FloatArray] = {"bound": bound}
    why: dict[str, str] = {"lower-bound": "no cell has an interval: one seed, or no spread"}
    if numeric and is_grid(numeric):
        for statistic in ("worst", "mean"):
            near[f"neighbourhood_{statistic}"] = neighbourhood(
                numeric, means, statistic=statistic, higher_is_better=higher
            )
    else:
        reason = "the cells form no grid, so they have no neighbours"
        why |= {"robust-worst": reason, "robust-mean": reason}
    numbers = {
        "mean": means,
        "lower-bound": bound if np.isfinite(bound).any() else None,
        "robust-worst": near.get("neighbourhood_worst"),
        "robust-mean": near.get("neighbourhood_mean"),
    }
    found = [
        choose(
            rule, numbers[rule], eligible if rule == "mean" else learnt, table.clean,
            higher_is_better=higher, reason=why.get(rule),
        )
        for rule in RULES
    ]  # fmt: skip
    return found, near


def is_grid(parameters: Mapping[str, list[Any]]) -> bool:
    """Return whether at least half of all combinations of levels are there, each once."""
    combinations = 1.0
    for column in parameters.values():
        combinations *= len(set(map(repr, column)))
    rows = list(zip(*(map(repr, column) for column in parameters.values()), strict=True))
    return len(set(rows)) == len(rows) >= 0.5 * combinations


def choice_values(
    found: list[Choice],
    table: SeedTable,
    shared: Intervals,
    test: SeedTable | None,
    flags: Collapse,
    level: float,
    bounded: bool,
) -> list[dict[str, Any]]:
    """Return each choice's setting, its value where chosen, and its value on test."""
    on_test = None
    if test is not None:
        on_test = seed_intervals(
            test.means, test.variances, test.n, level=level,
            bounded=bounded and in_unit_interval(test),
        )  # fmt: skip
    rows = []
    for choice in found:
        entry: dict[str, Any] = {"rule": choice.rule, "reason": choice.reason}
        if (k := choice.row) is not None:
            entry["cell_id"] = int(table.cell_ids[k])
            entry["parameters"] = {name: column[k] for name, column in table.parameters.items()}
            entry["n"], entry["ranked_by"] = int(table.n[k]), choice.value
            entry["flags"] = [
                name
                for name in ("predicts_none", "predicts_all", "stuck")
                if bool(getattr(flags, name)[k])
            ]
            entry["mean"], entry["low"] = float(table.means[k]), float(shared.low[k])
            entry["high"], entry["no_interval"] = float(shared.high[k]), shared.reasons[k]
            if test is not None and on_test is not None:
                entry["test"] = {
                    "n": int(test.n[k]), "mean": float(test.means[k]),
                    "low": float(on_test.low[k]), "high": float(on_test.high[k]),
                    "no_interval": on_test.reasons[k], "over": "seeds",
                }  # fmt: skip
        rows.append(entry)
    return rows


def plateaus(
    table: SeedTable, tied: TiedSet | Unavailable, epsilon: float, higher: bool
) -> dict[str, Any]:
    """Return the share of the grid within ε of the best, and within the tied set's margin."""
    means = np.where(table.finished & ~table.stopped, table.means, np.nan)
    inside, share = plateau(means, epsilon, higher_is_better=higher)
    found: dict[str, Any] = {"epsilon": epsilon, "share": share, "n_cells": int(inside.sum())}
    if isinstance(tied, TiedSet):
        found["tied_share"] = float(tied.tied.sum()) / len(table)
        found["tied_cells"] = int(tied.tied.sum())
        found["tied_by_noise"] = int(tied.noisy.sum())
    return found


def set_apart(flags: Collapse, table: SeedTable) -> dict[str, Any]:
    """Return how many cells are flagged, by kind, and whether rates were known."""
    return {
        "predicts_none": int(flags.predicts_none.sum()),
        "predicts_all": int(flags.predicts_all.sum()),
        "stuck": int(flags.stuck.sum()),
        "any": int(flags.any.sum()),
        "n_cells": len(table),
        "rates_known": flags.known,
        "stopped": table.stopped_by(),
    }


def noise_summary(table: SeedTable, rows: IntArray, *, seed: int) -> NoiseSummary | Unavailable:
    """Return the seed noise of the compared cells."""
    if len(rows) < 2 or len(table.seeds) < 2:
        return Unavailable("seed noise needs two cells with the same two seeds or more")
    noise = seed_noise(table.values[rows], seed=seed)
    own = np.sqrt(noise.cell_residual)
    return NoiseSummary(
        noise.n_cells, noise.n_seeds, float(np.sqrt(noise.residual)),
        float(np.sqrt(np.median(noise.comparison))), float(np.sqrt(noise.seed)), noise.df_residual,
        noise.homogeneity_p, noise.homogeneous, float(own.min()), float(own.max()),
    )  # fmt: skip


def mean_rate(rate: FloatArray | None, table: SeedTable) -> FloatArray:
    """Return each cell's mean predicted-positive rate over the seeds with a value."""
    if rate is None:
        return np.full(len(table), np.nan)
    return row_means(np.where(np.isfinite(table.values), rate, np.nan))


def diagnostics(
    cells: pd.DataFrame, replicates: pd.DataFrame, table: SeedTable
) -> dict[str, FloatArray]:
    """Return the mean over complete seeds of every further number the store keeps of a replicate.

    Training loss, and saturation and gradient norms where the training recorded them.
    """
    numeric = replicates.select_dtypes("number").columns
    names = [name for name in numeric if name not in DIAGNOSTICS_OF_STORE and name != "value"]
    complete = replicates[replicates["state"] == "complete"].sort_values(["cell_id", "seed"])
    by_cell = complete.groupby("cell_id")[names].mean().reindex(table.cell_ids)
    return {f"diagnostic_{name}": by_cell[name].to_numpy(np.float64) for name in names}
