"""One entry point: all that can be said of one metric of one loss, and why the rest cannot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sweeps.errors import SweepError
from sweeps.sensitivity import analysis_context as context
from sweeps.sensitivity import analysis_parts as parts
from sweeps.sensitivity import analysis_variance as variance
from sweeps.sensitivity.analysis_data import (
    Analysis,
    KeptScores,
    Question,
    ThresholdCurves,
    Unavailable,
)
from sweeps.sensitivity.analysis_kept import kept_cells, rule_table
from sweeps.sensitivity.analysis_optimism import optimism, optimism_tuned
from sweeps.sensitivity.cell_summary import cell_moments
from sweeps.sensitivity.collapse import collapse_flags
from sweeps.sensitivity.intervals import seed_intervals
from sweeps.sensitivity.seed_table import FloatArray, seed_table

EPSILON = 0.01


def analyse(
    cells: pd.DataFrame,
    replicates: pd.DataFrame,
    scores: pd.DataFrame | None = None,
    *,
    question: Question,
    test_scores: pd.DataFrame | None = None,
    curves: ThresholdCurves | Unavailable | None = None,
    kept: KeptScores | Unavailable | None = None,
    predicted_rate: FloatArray | None = None,
    positive_rate: float | None = None,
    baselines: Mapping[str, float] | None = None,
    epsilon: float = EPSILON,
    level: float = 0.95,
    seed: int = 0,
    importances: bool | None = None,
    design: Mapping[str, Any] | None = None,
) -> Analysis:
    """Compute every statistic of one question.

    Args:
        cells: as of :func:`storage.frames.load_cells`; only those of the question's loss are used.
        replicates: as of :func:`storage.frames.load_replicates`; states and diagnostics.
        scores: as of :func:`storage.frames.load_scores` for the question's split, metric and
            threshold; None for the ``objective`` of ``replicates``.
        test_scores: the same on test: what the choices are reported on. Never chosen by.
        curves: the metric at every threshold, rows and columns as :func:`seed_table` gives them;
            or why they are left out.
        kept: stored probabilities, or why they cannot be read; None where there are none.
        predicted_rate: (K, S) predicted-positive rate at the question's threshold on its split;
            None takes ``predicted_positive_rate`` of ``replicates``, which is right for the
            objective's own threshold on validation only.
        positive_rate: share of positive labels, for the collapse flags.
        baselines: ``predict_all`` and ``predict_none`` to their value on this split.
        epsilon: width of the plateau, in the metric's unit.
        level: nominal coverage of every interval.
        seed: of every random draw; equal seeds give equal results.
        importances: give Optuna's estimates; None gives them when there is no ANOVA.
        design: what chose the cells, as the store keeps it; None for a plain grid.

    Returns:
        The analysis. What cannot be given is an
        :class:`~sweeps.sensitivity.analysis_data.Unavailable` with the reason.

    Raises:
        SweepError: a column is missing, the loss has no cell, or arrays do not fit.
    """
    own = cells[cells["loss"] == question.loss] if "loss" in cells.columns else cells
    if own.empty:
        raise SweepError(
            f"The analysis needs cells of {question.loss!r}, but the sweep has none. "
            f"Known losses: {', '.join(sorted(set(cells['loss']))) or 'none'}."
        )
    value = "objective" if scores is None else "value"
    table = seed_table(own, replicates if scores is None else scores, value=value)
    shape = table.values.shape
    layers = None if isinstance(curves, Unavailable) else curves
    first = None if layers is None else layers.validation[0]
    for name, array in (("predicted_rate", predicted_rate), ("curves", first)):
        if array is not None and array.shape != shape:
            raise SweepError(
                f"{name} must have one row a cell and one column a seed, {shape}, "
                f"but got {array.shape}. Align it with seed_table."
            )
    higher = question.higher_is_better
    rate = predicted_rate
    if rate is None and "predicted_positive_rate" in replicates.columns:
        rates = seed_table(own, replicates, value="predicted_positive_rate").values
        rate = rates if rates.shape == shape else None
    flags = collapse_flags(table, rate, positive_rate=positive_rate)
    bounded = question.bounded and parts.in_unit_interval(table)
    intervals = seed_intervals(table.means, table.variances, table.n, level=level, bounded=bounded)
    shared = parts.shared_variance(table, flags.any, seed=seed)
    common = parts.shared_intervals(table, shared, level=level, bounded=bounded)
    bound = parts.shared_intervals(table, shared, level=level, bounded=bounded, one_sided=True)
    compared, why_not = parts.compared_rows(table, flags.any, higher_is_better=higher)
    tied, probability, frequency = parts.against_best(table, compared, question, level, seed)
    test = None if test_scores is None else seed_table(own, test_scores, value="value")
    choices, near = parts.choices(table, bound.low if higher else bound.high, flags.any, higher)
    anova, simple = variance.grid_variance(table, flags.any, higher_is_better=higher, level=level)
    keys = own.set_index("cell_id")["key"].reindex(table.cell_ids) if "key" in own else None
    indices = variance.sobol(table, seed, level, design, None if keys is None else list(keys))
    no_shares = isinstance(anova, Unavailable) and isinstance(indices, Unavailable)
    without = no_shares if importances is None else importances
    columns: dict[str, Any] = {
        "cell_id": table.cell_ids,
        "parameters": table.parameters,
        **cell_moments(table),
        "low": intervals.low,
        "high": intervals.high,
        "no_interval": intervals.reasons,
        "shared_low": common.low,
        "shared_high": common.high,
        **{f"n_{state}": count for state, count in table.counts.items()},
        "clean": table.clean,
        "status": list(table.status) or [None] * len(table),
        "predicted_positive_rate": parts.mean_rate(rate, table),
        "predicts_none": flags.predicts_none,
        "predicts_all": flags.predicts_all,
        "stuck": flags.stuck,
        **near,
        **parts.spread(compared, len(table), tied, probability, frequency),
        **({} if test is None else {"test_mean": test.means, "test_sd": np.sqrt(test.variances)}),
        **parts.diagnostics(own, replicates, table),
    }
    threshold, trade_off = context.threshold_parts(curves, table, question)
    return Analysis(
        question=question,
        counts={state: int(count.sum()) for state, count in table.counts.items()},
        cells=columns,
        intervals={"own": intervals.method, "shared": common.method, "over": "seeds"},
        set_apart=parts.set_apart(flags, table),
        noise=parts.noise_summary(table, compared, seed=seed),
        compared={"rows": compared, "left_out": why_not},
        anova=anova,
        simple_effects=simple,
        main_effects=variance.grid_effects(table, flags.any, anova, level=level, seed=seed),
        importance=variance.importances(table, higher, seed)
        if without
        else Unavailable("the design gives shares of variance: see those"),
        sobol=indices,
        choices=choices,
        choice_values=parts.choice_values(choices, table, common, test, flags, level, bounded),
        probability=probability,
        tied=tied,
        plateau=parts.plateaus(table, tied, epsilon, higher),
        optimism=optimism(table, compared, kept, question, seed),
        optimism_tuned=optimism_tuned(table, compared, kept, curves, question, seed),
        threshold=threshold,
        trade_off=trade_off,
        baseline=context.baseline(table, common, baselines, higher),
        expected_best=context.expected(table, test, higher),
        kept=kept_cells(kept, table, question, layers, seed=seed, level=level),
        rules=rule_table(kept, table, question, layers, seed=seed, level=level),
        seeds=context.seeds(table, compared, seed=seed),
        design=variance.design_summary(design),
    )
