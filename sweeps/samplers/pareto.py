"""The cells of a sweep that no other beats in every objective."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from storage.outcomes import load_outcomes
from storage.store import Store
from sweeps.imported import is_imported
from sweeps.samplers.values import cell_values, directions, objectives_of


def pareto_cells(store: Store, sweep: str) -> list[dict[str, Any]]:
    """Return each loss's Pareto set of a sweep with several objectives (``nsga2``).

    A cell is in the set when no other of its loss is at least as good in every objective and
    better in one, by the means over complete seeds. Means carry seed noise: a cell just outside
    may well be as good.

    Args:
        store: the store.
        sweep: the sweep's name.

    Returns:
        One row a cell, by loss and then by the first objective, the best first: loss, cell_key,
        hyperparameters, parameters (the axes' values), n_seeds, and objectives, a list of
        {metric, split, threshold, mean}. Empty for a sweep with one objective.

    Raises:
        SweepNotFoundError: there is no such sweep.
    """
    info = store.sweep(sweep)
    if is_imported(info.spec):
        return []
    objectives = objectives_of(info.spec)
    if len(objectives) < 2:
        return []
    outcomes = [o for o in load_outcomes(store, info.sweep_id) if o.status is None]
    values = cell_values(store, sweep, outcomes, objectives)
    signs = np.where(directions(info.metrics, [metric for metric, _, _ in objectives]), 1.0, -1.0)
    rows = []
    for loss in dict.fromkeys(outcome.loss for outcome in outcomes):
        own = [o for o in outcomes if o.loss == loss and o.cell_id in values]
        points = np.array([values[o.cell_id] for o in own]).reshape(-1, len(objectives)) * signs
        chosen = [own[k] for k in np.flatnonzero(pareto_front(points))]
        rows += sorted(chosen, key=lambda o: -values[o.cell_id][0] * signs[0])
    cells = {cell.key: cell for cell in store.cells(info.sweep_id, [o.key for o in rows])}
    return [
        {
            "loss": outcome.loss,
            "cell_key": outcome.key,
            "hyperparameters": dict(cells[outcome.key].hyperparameters),
            "parameters": dict(cells[outcome.key].parameters),
            "n_seeds": sum(state == "complete" for state, _ in outcome.seeds.values()),
            "objectives": [
                {"metric": metric, "split": split, "threshold": threshold, "mean": mean}
                for (metric, split, threshold), mean in zip(
                    objectives, values[outcome.cell_id], strict=True
                )
            ],
        }
        for outcome in rows
    ]


def pareto_front(points: np.ndarray | Sequence[Sequence[float]]) -> np.ndarray:
    """Return which points no other dominates; larger is better on every axis.

    Args:
        points: (K, M).

    Returns:
        (K,) booleans; equal points are all in or all out.

    Example:
        >>> pareto_front([[1, 3], [2, 2], [1, 2]]).tolist()
        [True, True, False]
    """
    array = np.asarray(points, np.float64)
    if not len(array):
        return np.zeros(0, bool)
    front = np.ones(len(array), bool)
    for k, point in enumerate(array):
        front[k] = not ((array >= point).all(axis=1) & (array > point).any(axis=1)).any()
    return front
