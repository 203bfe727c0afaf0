"""Parameter importances of designs that are no grid, as estimates by Optuna's evaluators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sweeps.sensitivity.seed_table import FloatArray

Evaluator = Literal["ped-anova", "fanova"]

# Optuna's fANOVA takes time that grows with the square of the cells: 1 s for 150, 10 s for 500.
MAX_CELLS: dict[Evaluator, int] = {"ped-anova": 2000, "fanova": 150}
SHUFFLES: dict[Evaluator, int] = {"ped-anova": 5, "fanova": 2}
MIN_CELLS = 10


class NoImportanceError(ValueError):
    """An importance cannot be given; the text says why."""


@dataclass(frozen=True)
class Importance:
    """Estimated importances of one evaluator.

    Attributes:
        evaluator: ``ped-anova`` or ``fanova``.
        importances: parameter to importance; they sum to 1.
        shuffled: parameter to its mean importance when the values are dealt to the cells at
            random: what the same evaluator says of pure noise. An importance near it says nothing.
        n_cells: cells used.
        method: what it is, in words, with ``estimate`` in it.
    """

    evaluator: Evaluator
    importances: dict[str, float]
    shuffled: dict[str, float]
    n_cells: int
    method: str


def parameter_importance(
    parameters: Mapping[str, Sequence[Any]],
    means: FloatArray,
    *,
    evaluator: Evaluator,
    higher_is_better: bool = True,
    seed: int,
    shuffles: int | None = None,
) -> Importance:
    """Estimate how much each parameter matters, for random or adaptive designs.

    PED-ANOVA says which parameters separate the best tenth of the cells from all; fANOVA divides
    the variance of a random forest's prediction. Both are estimates by a model, without seed noise
    removed and without an interval; an adaptive sampler crowds the good region and so changes what
    they mean. Seeds are replicates, not a parameter: cells enter by their mean.

    Args:
        parameters: name to (K,) settings.
        means: (K,) mean over seeds, NaN for cells without one.
        evaluator: which.
        higher_is_better: the metric's direction.
        seed: of the forest, of the choice of cells when there are more than 2,000 (PED-ANOVA) or
            150 (fANOVA), and of the shuffles.
        shuffles: times the values are shuffled for the reference; 5 and 2 by default.

    Returns:
        The importances.

    Raises:
        NoImportanceError: fewer than 10 cells with a value, nothing varies, or all are equal.

    Source: Watanabe, Bansal & Hutter (2023), IJCAI; Hutter, Hoos & Leyton-Brown (2014), ICML;
    as in optuna.importance.
    """
    rows = np.flatnonzero(np.isfinite(means))
    rng = np.random.default_rng(seed)
    n_known = len(rows)
    if n_known > MAX_CELLS[evaluator]:
        rows = np.sort(rng.choice(rows, MAX_CELLS[evaluator], replace=False))
    varying = {
        name: [_plain(column[i]) for i in rows.tolist()]
        for name, column in parameters.items()
        if len({repr(_plain(column[i])) for i in rows.tolist()}) > 1
    }
    if len(rows) < MIN_CELLS:
        raise NoImportanceError(f"{len(rows)} cells with a value are too few; {MIN_CELLS} needed")
    if not varying:
        raise NoImportanceError("no parameter varies between the cells")
    if np.ptp(means[rows]) == 0:
        raise NoImportanceError("all values are equal: there is no variance to divide")
    values = means[rows]
    found = _evaluate(varying, values, evaluator, higher_is_better, seed)
    total = dict.fromkeys(varying, 0.0)
    repeats = SHUFFLES[evaluator] if shuffles is None else shuffles
    for _ in range(repeats):
        of_noise = _evaluate(varying, rng.permutation(values), evaluator, higher_is_better, seed)
        for name, value in of_noise.items():
            total[name] += value / repeats
    label = {"ped-anova": "PED-ANOVA", "fanova": "fANOVA (random forest)"}[evaluator]
    drawn = f" drawn from {n_known}" if n_known > len(rows) else ""
    method = f"estimate by Optuna's {label} on the means of {len(rows)} cells{drawn}"
    return Importance(evaluator, found, total, len(rows), method)


def _plain(item: Any) -> Any:
    item = item.item() if isinstance(item, np.generic) else item
    return None if isinstance(item, float) and np.isnan(item) else item


def _evaluate(
    columns: Mapping[str, list[Any]],
    values: FloatArray,
    evaluator: Evaluator,
    higher_is_better: bool,
    seed: int,
) -> dict[str, float]:
    import optuna
    from optuna.distributions import (
        BaseDistribution,
        CategoricalDistribution,
        FloatDistribution,
    )

    distributions: dict[str, BaseDistribution] = {}
    for name, column in columns.items():
        if all(isinstance(item, (int, float)) and not isinstance(item, bool) for item in column):
            distributions[name] = FloatDistribution(float(min(column)), float(max(column)))
        else:
            levels = sorted({repr(item): item for item in column}.items())
            distributions[name] = CategoricalDistribution([item for _, item in levels])
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(direction="maximize" if higher_is_better else "minimize")
        study.add_trials(
            [
                optuna.trial.create_trial(
                    params={
                        name: float(column[i])
                        if isinstance(distributions[name], FloatDistribution)
                        else column[i]
                        for name, column in columns.items()
                    },
                    distributions=distributions,
                    value=float(value),
                )
                for i, value in enumerate(values)
            ]
        )
        chosen: Any = (
            optuna.importance.PedAnovaImportanceEvaluator()
            if evaluator == "ped-anova"
            else optuna.importance.FanovaImportanceEvaluator(seed=seed)
        )
        found = optuna.importance.get_param_importances(study, evaluator=chosen)
    finally:
        optuna.logging.set_verbosity(verbosity)
    return {name: float(found.get(name, 0.0)) for name in columns}
