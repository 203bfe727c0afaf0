"""The parts of an analysis that divide variance among parameters."""

from __future__ import annotations

import numpy as np

from sweeps.sensitivity.analysis_data import Unavailable
from sweeps.sensitivity.anova import Anova, NoAnovaError, anova
from sweeps.sensitivity.importance import (
    Evaluator,
    Importance,
    NoImportanceError,
    parameter_importance,
)
from sweeps.sensitivity.seed_table import BoolArray, SeedTable
from sweeps.sensitivity.simple_effects import SimpleEffect, simple_effects
from sweeps.sensitivity.sobol import NoSobolError, SobolIndices, sobol_indices


def grid_variance(
    table: SeedTable, flagged: BoolArray, *, higher_is_better: bool, level: float
) -> tuple[Anova | Unavailable, list[SimpleEffect] | Unavailable]:
    """Return ANOVA and simple effects of the cells that learnt something and have every seed."""
    rows = np.flatnonzero(table.whole & ~flagged)
    if not len(rows):
        known = table.values[np.isfinite(table.values)]
        equal = len(known) > 1 and np.ptp(known) == 0
        nothing = Unavailable(
            "all values are equal: there is no variance to divide"
            if equal
            else "every cell is collapsed or lacks a seed"
        )
        return nothing, nothing
    part = table.take(rows)
    try:
        result = anova(part.parameters, part.values, level=level)
    except NoAnovaError as error:
        nothing = Unavailable(_where(str(error), len(rows), len(table)))
        return nothing, nothing
    if len(result.levels) != 2:
        return result, Unavailable("simple effects are given for two parameters that vary")
    residual = result.effects[-1]
    if residual.component is None:
        return result, Unavailable("there is no residual over seeds to test against")
    a, b = result.levels
    effects: list[SimpleEffect] = []
    for factor, within in ((a, b), (b, a)):
        effects += simple_effects(
            (factor, part.parameters[factor]),
            (within, part.parameters[within]),
            part.values,
            residual=residual.ms,
            df_residual=residual.df,
            higher_is_better=higher_is_better,
        )
    return result, effects


def _where(reason: str, used: int, of: int) -> str:
    return reason if used == of else f"{reason} (of {of} cells, {of - used} are set apart)"


def importances(
    table: SeedTable, higher_is_better: bool, seed: int
) -> list[Importance] | Unavailable:
    """Return Optuna's two estimates."""
    evaluators: tuple[Evaluator, ...] = ("ped-anova", "fanova")
    try:
        return [
            parameter_importance(
                table.parameters, table.means, evaluator=evaluator,
                higher_is_better=higher_is_better, seed=seed,
            )
            for evaluator in evaluators
        ]  # fmt: skip
    except NoImportanceError as error:
        return Unavailable(str(error))


def sobol(table: SeedTable, seed: int, level: float) -> SobolIndices | Unavailable:
    """Return Sobol indices when the cells are a Saltelli design in the plan's order."""
    try:
        return sobol_indices(table.parameters, table.means, seed=seed, level=level)
    except NoSobolError as error:
        return Unavailable(str(error))
