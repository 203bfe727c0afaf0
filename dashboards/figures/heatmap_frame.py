"""What of a map no metric and no threshold changes: axes, slice, places, counts of states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dashboards.figures.axes import Axis, Spacing, make_axis, needs_bins
from dashboards.figures.grid import FigureError, choose_axes, choose_slice, rows_of_slice
from dashboards.figures.heatmap_cells import LossPlan, best_row
from dashboards.figures.heatmap_positions import count_states
from dashboards.figures.selection import describe_metric
from dashboards.figures.settings import IntArray
from dashboards.source import Source

MAX_SEEDS_NAMED = 12


class MapFrame(NamedTuple):
    """What of a map no metric and no threshold changes.

    Attributes:
        x, y: the axes.
        held: value of each other varying setting.
        rows: (k,) the cells shown, among those of the loss.
        place: (k,) their flat positions.
        seeds: (S,) which seeds of the sweep are used.
        counts: from `count_states`.
        best: row of the best cell shown; overall: of the best of all cells of the loss.
    """

    x: Axis
    y: Axis
    held: dict[str, Any]
    rows: IntArray
    place: IntArray
    seeds: np.ndarray
    counts: dict[str, np.ndarray]
    best: int | None
    overall: int | None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the map."""
        return len(self.y.values), len(self.x.values)


def map_frame(
    source: Source,
    sweep: str,
    plan: LossPlan,
    loss: str,
    names: tuple[str | None, str | None],
    held: Mapping[str, Any] | None,
    spacing: tuple[Spacing, Spacing],
    seeds: Sequence[int] | None,
) -> MapFrame:
    """Return the frame of a map; kept until the sweep's rows change.

    Args:
        source: where it is kept.
        sweep: name of the sweep.
        plan: of the loss.
        loss: its name.
        names: setting across and upwards; None for those that `choose_axes` takes.
        held: value of each other varying setting, or ``"average"``.
        spacing: of the axes.
        seeds: only these; None for all.

    Raises:
        FigureError: unknown axis, slice or seed.
    """
    info = source.sweep(sweep)
    better = bool(describe_metric(info, info.objective["metric"])["higher_is_better"])
    held = dict(held or {})

    def make() -> MapFrame:
        return _frame(plan, better, names, held, spacing, seeds)

    wished = tuple(sorted((name, repr(value)) for name, value in held.items()))
    used = None if seeds is None else tuple(seeds)
    return source.keep(sweep, ("map frame", loss, names, wished, spacing, used), make)


def _frame(
    plan: LossPlan,
    higher_is_better: bool,
    names: tuple[str | None, str | None],
    held: Mapping[str, Any],
    spacing: tuple[Spacing, Spacing],
    seeds: Sequence[int] | None,
) -> MapFrame:
    used = _choose_seeds(plan, seeds)
    every = np.arange(len(plan.cell_ids))
    overall = best_row(plan, every, higher_is_better=higher_is_better)
    names = choose_axes(plan.settings, *names)
    centre = None if overall is None else plan.settings.of_cell(overall)
    chosen = choose_slice(plan.settings, names, held, centre)
    # An axis with one value alone is legal, but it must not hide another: what is left is held.
    rows = rows_of_slice(plan.settings, len(plan.cell_ids), chosen)
    best = best_row(plan, rows, higher_is_better=higher_is_better)
    x, y, place = _axes(plan, rows, names, spacing)
    shape = len(y.values), len(x.values)
    counts = count_states(plan, plan.states[rows][:, used], place, shape)
    return MapFrame(x, y, chosen, rows, place, used, counts, best, overall)


def _choose_seeds(plan: LossPlan, wishes: Sequence[int] | None) -> np.ndarray:
    if wishes is None:
        return np.ones(len(plan.seeds), bool)
    unknown = [seed for seed in wishes if seed not in plan.seeds]
    if unknown or not wishes:
        known = ", ".join(map(str, plan.seeds[:MAX_SEEDS_NAMED]))
        more = ", …" if len(plan.seeds) > MAX_SEEDS_NAMED else ""
        got = f"seed {unknown[0]}" if unknown else "no seed"
        raise FigureError(f"A map needs seeds of the sweep, but got {got}. Known: {known}{more}.")
    return np.isin(plan.seeds, list(wishes))


def _axes(
    plan: LossPlan,
    rows: IntArray,
    names: tuple[str | None, str | None],
    spacing: tuple[Spacing, Spacing],
) -> tuple[Axis, Axis, IntArray]:
    none = np.zeros(len(rows), np.int64)
    codes = [none if name is None else plan.settings.codes[name][rows] for name in names]
    counts = [len(np.unique(code)) for code in codes]
    binned = needs_bins(len(rows), *counts)
    (x, columns), (y, lines) = (
        make_axis(
            name,
            () if name is None else plan.settings.values[name],
            code,
            spacing=wish,
            binned=binned,
        )
        for name, code, wish in zip(names, codes, spacing, strict=True)
    )
    return x, y, lines * len(x.values) + columns
