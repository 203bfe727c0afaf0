"""What cells are compared by: the means of one objective or several over their seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from storage.frames import load_scores
from storage.outcomes import CellOutcome
from storage.store import Store

ObjectiveKey = tuple[str, str, float]


def directions(metrics: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[bool]:
    """Whether more is better, of each of some metrics of a stored sweep."""
    higher = {metric["name"]: bool(metric["higher_is_better"]) for metric in metrics}
    return [higher[name] for name in names]


def objectives_of(spec: Mapping[str, Any]) -> list[ObjectiveKey]:
    """(metric, split, threshold) of what a spec's sampler optimises: one, or several of nsga2."""
    sampler = spec.get("sampler", {})
    named = sampler.get("objectives") or [spec["objective"]]
    return [(one["metric"], one["split"], float(one["threshold"])) for one in named]


def cell_values(
    store: Store,
    sweep: str,
    outcomes: Sequence[CellOutcome],
    objectives: Sequence[ObjectiveKey],
) -> dict[int, tuple[float, ...]]:
    """The mean of each objective over a cell's complete seeds, or over its pruned ones.

    Args:
        store: the store.
        sweep: the sweep's name.
        outcomes: its cells.
        objectives: (metric, split, threshold) of each.

    Returns:
        Cell id to one mean an objective; cells without one, or with one that is not a number, are
        left out.
    """
    objective = store.sweep(sweep).objective
    own = (objective["metric"], objective["split"], float(objective["threshold"]))
    columns: list[dict[int, dict[int, float]]] = []
    any_pruned = any(outcome.status == "pruned" for outcome in outcomes)
    for metric, split, threshold in objectives:
        if (metric, split, threshold) == own and not any_pruned:
            columns.append({o.cell_id: _objectives(o) for o in outcomes})
            continue
        frame = load_scores(store, sweep, split=split, metric=metric, threshold=threshold)
        by_cell: dict[int, dict[int, float]] = {}
        rows = zip(frame["cell_id"], frame["seed"], frame["value"], strict=True)
        for cell_id, seed, value in rows:
            by_cell.setdefault(int(cell_id), {})[int(seed)] = float(value)
        columns.append(by_cell)
    found = {}
    for outcome in outcomes:
        state = "pruned" if outcome.status == "pruned" else "complete"
        seeds = [seed for seed, (at, _) in outcome.seeds.items() if at == state]
        means = [
            float(np.mean([column.get(outcome.cell_id, {}).get(seed, np.nan) for seed in seeds]))
            if seeds
            else float("nan")
            for column in columns
        ]
        if np.isfinite(means).all():
            found[outcome.cell_id] = tuple(means)
    return found


def _objectives(outcome: CellOutcome) -> dict[int, float]:
    return {seed: value for seed, (_, value) in outcome.seeds.items() if value is not None}
