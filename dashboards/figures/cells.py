"""Cells by their keys: how an address names them, and what is said of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from dashboards.figures.grid import FigureError
from dashboards.figures.heatmap_cells import best_row, describe_row, load_plan
from dashboards.figures.selection import BestCell, describe_metric
from dashboards.naming import settings_text
from dashboards.source import Source
from storage.cell_keys import CellKey, find_keys
from storage.seed_arrays import load_keys

# Hexadecimal digits of a key that addresses and commands show; unique among a billion cells.
KEY_LENGTH = 16
MOST_CELLS = 12


def cell_keys(text: str | None) -> list[str]:
    """Return the keys of cells in the text of an address: ``0ebe95a3,4ece674c``."""
    return [key for key in (text or "").split(",") if key]


def find_cells(source: Source, sweep: str, keys: Sequence[str]) -> list[int]:
    """Return the ids of the cells that keys, or unambiguous beginnings of keys, name.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.
        keys: whole keys or their first digits, as addresses give them.

    Raises:
        FigureError: a key names no cell of the sweep, or more than one.
        StoreError: the store cannot be read, or has no such sweep.
    """
    found: list[int] = []
    for key in keys:
        rows = _find(source, sweep, key) if key else []
        if len(rows) != 1:
            problem = "several of its cells begin so" if rows else "none of its cells has it"
            raise FigureError(
                f"A cell is named by the beginning of its key, but got '{key}': {problem}. "
                f"Copy the key from the table of cells of '{sweep}'."
            )
        found.append(rows[0].cell_id)
    return list(dict.fromkeys(found))


def _find(source: Source, sweep: str, key: str) -> list[CellKey]:
    return source.ask(sweep, ("find", key), lambda store: find_keys(store, sweep, key))


def keys_of(source: Source, sweep: str, cell_ids: Iterable[int]) -> dict[int, str]:
    """Return the whole key of each of a few cells."""
    ids = tuple(int(cell_id) for cell_id in cell_ids)
    return source.ask(sweep, ("keys", ids), lambda store: load_keys(store, ids))


def describe_cells(source: Source, sweep: str, cell_ids: Iterable[int]) -> list[BestCell]:
    """Return settings, seeds and objective of some cells, in the order given.

    ``settings`` holds what differs among all cells of the cell's loss; mean and sd are NaN where
    no seed, or one seed alone, is complete.
    """
    wanted = list(cell_ids)
    found: dict[int, BestCell] = {}
    for loss in source.losses(sweep):
        plan = load_plan(source, sweep, loss)
        for row in np.flatnonzero(np.isin(plan.cell_ids, wanted)):
            cell = describe_row(plan, loss, int(row))
            found[cell.cell_id] = cell
    return [found[cell_id] for cell_id in wanted if cell_id in found]


def best_cells(source: Source, sweep: str) -> dict[str, BestCell]:
    """Return the best cell of each loss that has a finished one, in the order of the plan.

    The rule is `dashboards.figures.selection.RULE`, by the sweep's objective.
    """
    info = source.sweep(sweep)
    higher = bool(describe_metric(info, info.objective["metric"])["higher_is_better"])
    found = {}
    for loss in source.losses(sweep):
        plan = load_plan(source, sweep, loss)
        row = best_row(plan, np.arange(len(plan.cell_ids)), higher_is_better=higher)
        if row is not None:
            found[loss] = describe_row(plan, loss, row)
    return found


def chosen_cells(source: Source, sweep: str, keys: Sequence[str] = ()) -> list[BestCell]:
    """Return the cells that ``keys`` name, or the best cell of each loss where there are none.

    Raises:
        FigureError: a key names no cell, or there are more than ``MOST_CELLS``.
        StoreError: the store cannot be read, or has no such sweep.
    """
    if len(keys) > MOST_CELLS:
        raise FigureError(
            f"At most {MOST_CELLS} cells are drawn together, but got {len(keys)}. Choose fewer."
        )
    if keys:
        return describe_cells(source, sweep, find_cells(source, sweep, keys))
    return list(best_cells(source, sweep).values())


def cell_names(cells: Sequence[BestCell]) -> list[str]:
    """Return a name for each cell: its loss and what differs among the cells of that loss."""
    return [f"{cell.loss} {settings_text(cell.settings)}".strip() for cell in cells]
