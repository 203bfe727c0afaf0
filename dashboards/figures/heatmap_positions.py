"""From cells to the positions of a map: what is averaged, what is counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dashboards.figures.heatmap_cells import NOT_PLANNED, Aggregate, CellValues, LossPlan
from dashboards.figures.settings import IntArray


def spread_values(
    each: CellValues, aggregate: Aggregate, place: IntArray, shape: tuple[int, int]
) -> dict[str, np.ndarray]:
    """Return value, mean, sd and interval by position: averages over the cells that have one.

    Args:
        each: of k cells.
        aggregate: which of them is the value.
        place: (k,) flat position of each cell.
        shape: of the map.
    """
    arrays = {name: _mean_at(getattr(each, name), place, shape) for name in ("mean", "low", "high")}
    arrays["sd"] = np.sqrt(_mean_at(each.sd**2, place, shape))
    if aggregate == "n":
        count = _sum_at(np.nan_to_num(each.n), place, shape)
        arrays["value"] = np.where(count > 0, count, np.nan)
    elif aggregate in arrays:
        arrays["value"] = arrays[aggregate]
    else:
        arrays["value"] = _mean_at(each.value, place, shape)
    return arrays


def count_states(
    plan: LossPlan, states: np.ndarray, place: IntArray, shape: tuple[int, int]
) -> dict[str, np.ndarray]:
    """Return how many replicates of each position are planned, and how many in each state.

    Args:
        plan: of the loss.
        states: (k, s) of the cells and seeds shown.
        place: (k,) flat position of each cell.
        shape: of the map.
    """
    of_slice = plan._replace(states=states)
    counted = {
        name: _count_at(of_slice.in_state(name), place, shape)
        for name in ("diverged", "failed", "pruned", "running", "waiting")
    }
    return counted | {
        "planned": _count_at(states != NOT_PLANNED, place, shape),
        "cells": np.bincount(place, minlength=shape[0] * shape[1]).reshape(shape),
    }


def count_values(
    numbers: np.ndarray,
    collapsed: tuple[np.ndarray, np.ndarray],
    place: IntArray,
    shape: tuple[int, int],
) -> dict[str, np.ndarray]:
    """Return how many replicates of each position have a value, and how many are collapsed.

    Args:
        numbers: (k, s) values of the cells and seeds shown.
        collapsed: (k, s) which predict nothing, which everything.
        place: (k,) flat position of each cell.
        shape: of the map.
    """
    return {
        "n": _count_at(np.isfinite(numbers), place, shape),
        "nothing": _count_at(collapsed[0], place, shape),
        "everything": _count_at(collapsed[1], place, shape),
    }


def _count_at(flags: np.ndarray, place: IntArray, shape: tuple[int, int]) -> np.ndarray:
    return _sum_at(flags.sum(axis=1), place, shape).astype(int)


def _sum_at(values: np.ndarray, place: IntArray, shape: tuple[int, int]) -> np.ndarray:
    return np.bincount(place, weights=values, minlength=shape[0] * shape[1]).reshape(shape)


def _mean_at(values: np.ndarray, place: IntArray, shape: tuple[int, int]) -> np.ndarray:
    known = np.isfinite(values)
    count = _sum_at(known, place, shape)
    total = _sum_at(np.where(known, values, 0.0), place, shape)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def levels_of(
    baselines: Mapping[str, Any], split: str, metric: str, aggregate: Aggregate
) -> dict[str, float]:
    """Return the levels of constant predictions; a spread or a count has none."""
    if aggregate in ("sd", "n"):
        return {}
    return {
        name: float(level[split][metric])
        for name, level in baselines.items()
        if metric in level.get(split, {})
    }
