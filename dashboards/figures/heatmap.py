"""The map of a metric over two hyperparameters, like the paper's Figure 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from dashboards.figures.axes import Axis, Spacing
from dashboards.figures.grid import FigureError
from dashboards.figures.heatmap_cells import (
    AGGREGATES,
    Aggregate,
    CellValues,
    LossPlan,
    describe_row,
    load_collapsed,
    load_plan,
    load_values,
    summarise,
)
from dashboards.figures.heatmap_frame import map_frame
from dashboards.figures.heatmap_positions import (
    count_values,
    levels_of,
    spread_values,
)
from dashboards.figures.selection import BestCell, describe_metric, known_threshold
from dashboards.figures.settings import IntArray
from dashboards.naming import AVERAGE
from dashboards.source import Source
from storage.seed_arrays import load_reasons

# Words for every position are made up to so many; beyond, numbers and one template.
MOST_TEXTS = 1200


class HeatmapData(NamedTuple):
    """What a map shows, as plain arrays of shape (len(y.values), len(x.values)).

    ``value`` is what is coloured: ``aggregate`` over the complete seeds among ``seeds``, NaN where
    there is none. ``mean``, ``sd`` (sample standard deviation), ``low`` and ``high`` (interval of
    the mean) are there whatever is coloured. With averaged settings or bins a position holds
    several cells: each number is then the mean of the cells' own (``sd`` the root mean square, so
    that it still speaks of seeds alone; ``n`` the sum). ``nothing`` and ``everything`` count the
    seeds that predict no label that is right, or every label, at the threshold.

    ``plan`` holds the loss's cells, ``rows`` those shown and ``place`` (len(rows),) their flat
    positions; ``numbers`` (len(rows), S) are the values of their seeds, ``each`` their aggregates.
    ``reasons`` say by cell id and seed why a replicate has no value, on maps small enough to tell.
    ``tied``, ``plateau`` and ``picked`` mark positions once `heatmap_outlines` or `mark_picked` was
    asked for them.
    """

    sweep: str
    dataset: str
    encoder: str
    loss: str
    metric: str
    higher_is_better: bool
    split: str
    threshold: float | None
    objective: Mapping[str, Any]
    x: Axis
    y: Axis
    held: Mapping[str, Any]
    aggregate: Aggregate
    seeds: tuple[int, ...]
    every_seed: bool
    value: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray
    planned: np.ndarray
    cells: np.ndarray
    diverged: np.ndarray
    failed: np.ndarray
    pruned: np.ndarray
    running: np.ndarray
    waiting: np.ndarray
    nothing: np.ndarray
    everything: np.ndarray
    plan: LossPlan
    rows: IntArray
    place: IntArray
    numbers: np.ndarray
    each: CellValues
    best: BestCell | None
    best_position: tuple[int, int] | None
    best_is_of_loss: bool
    levels: Mapping[str, float]
    reasons: Mapping[tuple[int, int], str] = MappingProxyType({})
    span: tuple[float, float] | None = None
    tied: np.ndarray | None = None
    plateau: np.ndarray | None = None
    outline_note: str = ""
    picked: np.ndarray | None = None
    picked_note: str = ""

    @property
    def missing(self) -> np.ndarray:
        """Positions at which no cell was planned."""
        return self.cells == 0

    @property
    def collapsed(self) -> np.ndarray:
        """Positions at which every seed with a value predicts nothing or everything."""
        return (self.n > 0) & (self.nothing + self.everything == self.n)

    @property
    def brighter_is_higher(self) -> bool:
        """Whether the bright end of the scale is the high one: a small spread is the good one."""
        if self.aggregate == "sd":
            return False
        return True if self.aggregate == "n" else self.higher_is_better

    @property
    def is_binned(self) -> bool:
        """Whether an axis is cut into bins."""
        return self.x.bounds is not None or self.y.bounds is not None

    def cell_at(self, row: int, column: int) -> int | None:
        """Return the id of the only cell at a position, or None."""
        found = self.rows[self.place == row * len(self.x.values) + column]
        return int(self.plan.cell_ids[found[0]]) if len(found) == 1 else None


def heatmap_data(
    source: Source,
    sweep: str,
    *,
    loss: str,
    metric: str | None = None,
    split: str = "validation",
    threshold: float | None = None,
    x: str | None = None,
    y: str | None = None,
    held: Mapping[str, Any] | None = None,
    aggregate: Aggregate = "mean",
    seeds: Sequence[int] | None = None,
    spacing: tuple[Spacing, Spacing] = ("even", "even"),
    span: tuple[float, float] | None = None,
) -> HeatmapData:
    """Collect the map of ``metric`` over two hyperparameters of one loss.

    The colour of a position is an aggregate over seeds, by default the mean (1/n) Σ_s v_s, over
    the complete replicates of its cell; diverged, failed, pruned, running and waiting replicates
    are counted apart and never averaged.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.
        loss: name of the loss.
        metric: a metric of the sweep; its objective's by default.
        split: ``validation`` or ``test`` (``train`` where it was kept).
        threshold: a kept threshold in (0, 1); the objective's by default. Metrics that no
            threshold enters, and those kept at the objective's alone, ignore it.
        x: hyperparameter across; y: hyperparameter upwards. By default β over η, else the first
            two that vary.
        held: value of each other varying setting, or ``"average"``; by default the slice goes
            through the best cell of the loss.
        aggregate: over seeds: mean, median, iqm, bound (of a one-sided 95 % interval, on the bad
            side), worst, sd or n.
        seeds: only these seeds; None for all.
        spacing: of x and y: ``even``, ``true`` positions, or ``log``.
        span: lowest and highest value of the colour scale; None fits it to the map.

    Returns:
        The data of the figure; no aggregation in it is silent.

    Raises:
        FigureError: unknown loss, metric, axis, slice, threshold, aggregate or seed.
        StoreError: the store cannot be read, or has no such sweep.

    Source: Bénédict et al. (2022), Figure 3, which shows one run a position and no spread.
    """
    info = source.sweep(sweep)
    if loss not in source.losses(sweep):
        known = ", ".join(source.losses(sweep))
        raise FigureError(f"The sweep must hold the loss, but got '{loss}'. Known: {known}.")
    described = describe_metric(info, metric or info.objective["metric"])
    higher = bool(described["higher_is_better"])
    threshold = known_threshold(info, described, threshold)
    _check(aggregate, span)
    plan = load_plan(source, sweep, loss)
    frame = map_frame(source, sweep, plan, loss, (x, y), held, spacing, seeds)
    rows, chosen_seeds, place, shape = frame.rows, frame.seeds, frame.place, frame.shape
    numbers = load_values(source, sweep, loss, described["name"], split, threshold)
    numbers = numbers[rows][:, chosen_seeds]
    at, nothing, everything = None, np.zeros(numbers.shape, bool), np.zeros(numbers.shape, bool)
    if described["thresholded"]:
        at = info.objective["threshold"] if threshold is None else threshold
        base = info.baselines.get("predict_all", {}).get(split, {})
        rate = base.get("micro_precision", np.nan)
        both = load_collapsed(source, sweep, loss, split, threshold, rate)
        nothing, everything = (flags[rows][:, chosen_seeds] for flags in both)
    each = summarise(numbers, aggregate, higher_is_better=higher)
    arrays: dict[str, Any] = {
        **spread_values(each, aggregate, place, shape),
        **count_values(numbers, (nothing, everything), place, shape),
        **frame.counts,
    }
    best, position = frame.best, None
    if best is not None:
        position = divmod(int(place[np.flatnonzero(rows == best)[0]]), shape[1])
    return HeatmapData(
        sweep=sweep,
        dataset=info.dataset,
        encoder=info.encoder,
        loss=loss,
        metric=described["name"],
        higher_is_better=higher,
        split=split,
        threshold=at,
        objective=info.objective,
        x=frame.x,
        y=frame.y,
        held=frame.held,
        aggregate=aggregate,
        seeds=tuple(seed for seed, used in zip(plan.seeds, chosen_seeds, strict=True) if used),
        every_seed=bool(chosen_seeds.all()),
        **arrays,
        plan=plan,
        rows=rows,
        place=place,
        numbers=numbers,
        each=each,
        best=None if best is None else describe_row(plan, loss, best),
        best_position=position,
        best_is_of_loss=best is not None and best == frame.overall,
        levels=levels_of(info.baselines, split, described["name"], aggregate),
        reasons=_reasons(source, sweep, loss, plan, rows),
        span=span,
    )


def _reasons(
    source: Source, sweep: str, loss: str, plan: LossPlan, rows: IntArray
) -> dict[tuple[int, int], str]:
    """Return why replicates of the cells shown have no value, by cell id and seed."""
    bad = np.flatnonzero(plan.in_state("diverged", "failed", "pruned").any(axis=1))
    if len(rows) > MOST_TEXTS or not np.isin(bad, rows).any():
        return {}
    cell_ids = plan.cell_ids[bad[:MOST_TEXTS]].tolist()
    return source.ask(sweep, ("reasons", loss), lambda store: load_reasons(store, cell_ids))


def averaged_settings(data: HeatmapData) -> list[str]:
    """Return the settings over which a position averages."""
    return [name for name, value in data.held.items() if value == AVERAGE]


def _check(aggregate: str, span: tuple[float, float] | None) -> None:
    if aggregate not in AGGREGATES:
        raise FigureError(
            f"Seeds are aggregated by one of {', '.join(AGGREGATES)}, but got '{aggregate}'."
        )
    if span is not None and not span[0] < span[1]:
        raise FigureError(
            f"A colour scale must run from a lower to a higher value, but got {span[0]:g} to "
            f"{span[1]:g}. Exchange them, or leave them out to fit the scale to the map."
        )
