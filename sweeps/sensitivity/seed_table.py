"""Cells × seeds as one array: the form in which every statistic over seeds is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from storage.records import OPEN_STATES, STATES
from sweeps.errors import SweepError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

STOPPED = ("raced_out", "pruned")


@dataclass(frozen=True, eq=False)
class SeedTable:
    """One number of every replicate, cells by rows in the plan's order, seeds by columns.

    Attributes:
        cell_ids: (K,) the cells.
        seeds: (S,) the seeds, increasing.
        values: (K, S) float64; NaN where a replicate is not complete, is missing, or has no value.
        counts: state to (K,) how many replicates are in it, and ``missing``: seeds that other
            cells have and this one was never planned for, unless it was stopped on purpose.
        parameters: name to (K,) settings, of the parameters that vary between these cells.
        status: (K,) why a cell was stopped on purpose, ``raced_out`` or ``pruned``; None for a
            cell that runs to its end. Empty when no cell was stopped.
    """

    cell_ids: IntArray
    seeds: IntArray
    values: FloatArray
    counts: dict[str, IntArray]
    parameters: dict[str, list[Any]]
    status: tuple[str | None, ...] = field(default=())

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.cell_ids)

    @cached_property
    def n(self) -> IntArray:
        """(K,) seeds with a value."""
        return np.isfinite(self.values).sum(axis=1, dtype=np.int64)

    @cached_property
    def means(self) -> FloatArray:
        """(K,) mean over the seeds with a value; NaN without one."""
        return row_means(self.values)

    @cached_property
    def variances(self) -> FloatArray:
        """(K,) sample variance over seeds, divisor n - 1; NaN below two."""
        return row_variances(self.values)

    @cached_property
    def whole(self) -> BoolArray:
        """(K,) whether every seed has a value."""
        return self.n == len(self.seeds) if len(self.seeds) else np.zeros(len(self), bool)

    @cached_property
    def finished(self) -> BoolArray:
        """(K,) whether nothing waits or runs."""
        waiting = np.sum([self.counts[state] for state in OPEN_STATES], axis=0, dtype=np.int64)
        return np.asarray(waiting == 0)

    @cached_property
    def clean(self) -> BoolArray:
        """(K,) finished, planned at least once, and every planned replicate has a value."""
        states = [count for state, count in self.counts.items() if state != "missing"]
        planned = np.sum(states, axis=0, dtype=np.int64)
        return self.finished & (self.n == planned) & (planned > 0)

    @cached_property
    def stopped(self) -> BoolArray:
        """(K,) raced out or pruned: fewer seeds or epochs than the others, never mixed with them.

        A cell that a race dropped has the mean of its first seeds, and a pruned one that of fewer
        epochs; neither is an estimate of what the rest are compared by.
        """
        if not self.status:
            return np.zeros(len(self), bool)
        return np.array([status is not None for status in self.status], bool)

    def stopped_by(self) -> dict[str, int]:
        """Return how many cells were stopped on purpose, by status."""
        return {name: self.status.count(name) for name in STOPPED if name in self.status}

    def take(self, rows: BoolArray | IntArray) -> SeedTable:
        """Return the table of some of the cells."""
        index = np.flatnonzero(rows) if rows.dtype == bool else rows
        return SeedTable(
            self.cell_ids[index],
            self.seeds,
            self.values[index],
            {name: counts[index] for name, counts in self.counts.items()},
            {name: [column[i] for i in index] for name, column in self.parameters.items()},
            tuple(self.status[i] for i in index) if self.status else (),
        )


def row_means(values: FloatArray) -> FloatArray:
    """Return the mean of each row over its numbers, NaN for a row without any."""
    known = np.isfinite(values)
    n = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def row_variances(values: FloatArray) -> FloatArray:
    """Return the sample variance of each row over its numbers, NaN below two.

    A row of equal numbers has variance 0 exactly, whatever the rounding of its mean.
    """
    known = np.isfinite(values)
    n = known.sum(axis=-1)
    if not values.shape[-1]:
        return np.full(values.shape[:-1], np.nan)
    # Deviations from the first known value keep equal numbers at exactly 0.
    first = np.take_along_axis(values, np.argmax(known, axis=-1)[..., None], axis=-1)
    shifted = np.where(known, values - first, 0.0)
    centre = shifted.sum(axis=-1) / np.maximum(n, 1)
    squares = np.where(known, (shifted - centre[..., None]) ** 2, 0.0).sum(axis=-1)
    return np.where(n > 1, squares / np.maximum(n - 1, 1), np.nan)


def seed_table(
    cells: pd.DataFrame, replicates: pd.DataFrame, *, value: str = "objective"
) -> SeedTable:
    """Arrange one column of a replicates frame as cells × seeds; the order of rows is immaterial.

    Args:
        cells: one row a cell: ``cell_id``, ``ordinal``, where there is one ``status``, and any
            ``param_<name>`` columns, as of :func:`storage.frames.load_cells`. Cells without a
            replicate stay, with no value.
        replicates: one row a replicate: ``cell_id``, ``seed``, ``state`` and ``value``, as of
            :func:`storage.frames.load_replicates` or ``load_scores``. Rows of other cells are
            ignored.
        value: the column of numbers; used where the state is complete.

    Returns:
        The table. A parameter that has one value in all these cells is left out.

    Raises:
        SweepError: a column is missing, or a cell has a seed twice.
    """
    _require("cells", cells, ("cell_id", "ordinal"))
    _require("replicates", replicates, ("cell_id", "seed", "state", value))
    ordered = cells.sort_values(["ordinal", "cell_id"], kind="stable")
    cell_ids = ordered["cell_id"].to_numpy(np.int64)
    place = pd.Index(cell_ids).get_indexer(pd.Index(replicates["cell_id"]))
    rows = replicates[place >= 0]
    place = place[place >= 0]
    seeds, column = np.unique(rows["seed"].to_numpy(np.int64), return_inverse=True)
    flat = place * max(len(seeds), 1) + column
    if len(np.unique(flat)) != len(flat):
        raise SweepError(
            "a cell has each seed once, but a (cell_id, seed) occurs twice in replicates. "
            "Drop the duplicates."
        )
    shape = (len(cell_ids), len(seeds))
    state = rows["state"].astype(str).to_numpy(object)
    numbers = rows[value].to_numpy(np.float64, na_value=np.nan)
    values = np.full(shape, np.nan)
    values.reshape(-1)[flat] = np.where(
        (state == "complete") & np.isfinite(numbers), numbers, np.nan
    )
    counts = {
        name: np.bincount(place[state == name], minlength=len(cell_ids)).astype(np.int64)
        for name in STATES
    }
    planned = np.bincount(place, minlength=len(cell_ids)).astype(np.int64)
    status = _status(ordered)
    stopped = np.array([item is not None for item in status] or [False] * len(cell_ids), bool)
    counts["missing"] = np.where(stopped, 0, len(seeds) - planned)
    return SeedTable(cell_ids, seeds, values, counts, _varying(ordered), status)


def _status(cells: pd.DataFrame) -> tuple[str | None, ...]:
    if "status" not in cells.columns or not cells["status"].notna().any():
        return ()
    return tuple(None if pd.isna(item) else str(item) for item in cells["status"])


def _varying(cells: pd.DataFrame) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for name in cells.columns:
        if not name.startswith("param_"):
            continue
        column = [None if _absent(item) else item for item in cells[name].tolist()]
        if len(set(map(repr, column))) > 1:
            found[name.removeprefix("param_")] = column
    return found


def _absent(item: Any) -> bool:
    return item is None or (isinstance(item, float) and np.isnan(item))


def levels_of(column: Sequence[Any]) -> tuple[list[Any], IntArray]:
    """Return the levels of a factor in order (numbers, then texts, then none) and each row's.

    Example:
        >>> levels_of([2.0, 0.0, 2.0])
        ([0.0, 2.0], array([1, 0, 1]))
    """
    plain = [item.item() if isinstance(item, np.generic) else item for item in column]

    def key(item: Any) -> tuple[int, float, str]:
        if isinstance(item, (bool, int, float)):
            return 0, float(item), ""
        return (1, 0.0, str(item)) if item is not None else (2, 0.0, "")

    distinct = {key(item): item for item in plain}
    ordered = sorted(distinct)
    place = {item: index for index, item in enumerate(ordered)}
    return [distinct[item] for item in ordered], np.array(
        [place[key(item)] for item in plain], dtype=np.int64
    )


def _require(what: str, frame: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise SweepError(
            f"{what} must have the columns {', '.join(columns)}, but lack {', '.join(missing)}. "
            "Load them with storage.frames."
        )
