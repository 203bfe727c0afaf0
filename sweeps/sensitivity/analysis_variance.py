"""The parts of an analysis that divide variance among parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sweeps.sensitivity.analysis_data import Unavailable
from sweeps.sensitivity.anova import Anova, NoAnovaError, anova
from sweeps.sensitivity.effects import MainEffect, main_effects
from sweeps.sensitivity.importance import (
    Evaluator,
    Importance,
    NoImportanceError,
    parameter_importance,
)
from sweeps.sensitivity.seed_table import BoolArray, FloatArray, SeedTable
from sweeps.sensitivity.simple_effects import SimpleEffect, simple_effects
from sweeps.sensitivity.sobol import NoSobolError, SobolIndices, sobol_indices


def grid_effects(
    table: SeedTable, flagged: BoolArray, result: Anova | Unavailable, *, level: float, seed: int
) -> list[MainEffect] | Unavailable:
    """Return the means at the levels of each parameter, of the cells that the ANOVA is of."""
    if isinstance(result, Unavailable):
        return result
    part = table.take(np.flatnonzero(table.whole & ~flagged & ~table.stopped))
    found = main_effects(part.parameters, part.values, level=level, seed=seed)
    return found or Unavailable("the grid has too many holes for an additive fit")


def grid_variance(
    table: SeedTable, flagged: BoolArray, *, higher_is_better: bool, level: float
) -> tuple[Anova | Unavailable, list[SimpleEffect] | Unavailable]:
    """Return ANOVA and simple effects of the cells that learnt something and have every seed."""
    rows = np.flatnonzero(table.whole & ~flagged & ~table.stopped)
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


def sobol(
    table: SeedTable,
    seed: int,
    level: float,
    design: Mapping[str, Any] | None = None,
    keys: Sequence[str] | None = None,
) -> SobolIndices | Unavailable:
    """Return Sobol indices when the cells are a Saltelli design in the plan's order.

    Args:
        table: cells × seeds.
        seed: of the bootstrap.
        level: nominal coverage.
        design: as the store keeps it. Its ``names`` give the parameters' order, and its ``rows``
            the cell of each row where two rows share one; without it the cells are looked at.
        keys: (K,) the cells' keys, for ``rows``.
    """
    if table.stopped.any():
        return Unavailable("cells of the design were stopped by a race or a pruner")
    parameters, means = table.parameters, table.means
    if design is not None and design.get("sampler") == "saltelli":
        parameters, means = _designed(table, design, keys)
    try:
        return sobol_indices(parameters, means, seed=seed, level=level)
    except NoSobolError as error:
        return Unavailable(str(error))


def _designed(
    table: SeedTable, design: Mapping[str, Any], keys: Sequence[str] | None
) -> tuple[dict[str, list[Any]], FloatArray]:
    rows = list(range(len(table)))
    place = {key: row for row, key in enumerate(keys or ())}
    planned = [key for key in design.get("rows") or () if key in place]
    if planned:
        rows = [place[key] for key in planned]
    names = [name for name in design.get("names") or () if name in table.parameters]
    ordered = names if len(names) == len(table.parameters) else list(table.parameters)
    columns = {name: [table.parameters[name][row] for row in rows] for name in ordered}
    return columns, table.means[rows]


def design_summary(design: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what chose the cells, for a reader: ``sampler`` and whether seeds were raced."""
    found = design or {}
    return {"sampler": found.get("sampler"), "racing": bool(found.get("racing"))}
