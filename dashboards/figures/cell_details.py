"""One cell: its seeds with every number kept of them, its rank, its neighbours, its exact spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dashboards.figures.cells import find_cells
from dashboards.figures.grid import FigureError
from dashboards.figures.heatmap_cells import (
    LEVEL,
    LossPlan,
    best_row,
    cell_key,
    describe_row,
    load_plan,
)
from dashboards.figures.selection import PAPER_METRICS, BestCell, describe_metric
from dashboards.source import Source
from storage.cell_scores import load_cell_scores
from storage.records import OPEN_STATES, STATES
from sweeps.export_spec import cell_spec, format_spec
from sweeps.sensitivity.intervals import seed_intervals
from sweeps.sensitivity.seed_table import row_means

KEY_DIGITS = 16
# Columns of the replicates that are no diagnostics.
_KNOWN = {
    "replicate_id", "cell_id", "loss", "seed", "state", "reason", "attempts", "objective",
    "pack_id", "pack_index", "started_at", "finished_at", "worker",
}  # fmt: skip


class Neighbour(NamedTuple):
    """A cell one step away: which setting differs, the cell, and how far its mean is.

    ``paired`` is the mean over common seeds of this neighbour less the cell, ``n`` how many.
    """

    parameter: str
    value: Any
    key: str
    cell: BestCell
    paired: float
    n: int


class CellDetails(NamedTuple):
    """What is known of one cell.

    Attributes:
        sweep: name of the sweep.
        key: the cell's whole key.
        cell: settings that vary, mean objective, seeds.
        higher_is_better: direction of the objective.
        rank: place among the finished cells of the loss by mean objective, and how many they are.
        interval: of the mean objective over seeds, or None.
        settings: every setting of the cell: hyperparameters, training, head.
        states: state to how many seeds are in it.
        status: how a sampler or race gave it up, or None.
        metrics: metrics of ``seeds``.
        seeds: one row a seed: seed, state, reason, objective, ``SPLIT METRIC`` scores, diagnostics.
        diagnostics: names of the diagnostics among the columns.
        neighbours: cells that differ by one step of one setting.
        spec: YAML that trains this cell alone.
    """

    sweep: str
    key: str
    cell: BestCell
    higher_is_better: bool
    rank: tuple[int, int] | None
    interval: tuple[float, float] | None
    settings: Mapping[str, Mapping[str, Any]]
    states: Mapping[str, int]
    status: str | None
    metrics: tuple[str, ...]
    seeds: pd.DataFrame
    diagnostics: tuple[str, ...]
    neighbours: tuple[Neighbour, ...]
    spec: str


def cell_details(source: Source, sweep: str, key: str) -> CellDetails:
    """Collect what is known of one cell.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.
        key: the cell's key, or an unambiguous beginning of it.

    Raises:
        FigureError: no cell, or more than one, has such a key.
        StoreError: the store cannot be read, or has no such sweep.
    """
    cell_id = find_cells(source, sweep, [key])[0]
    info = source.sweep(sweep)
    cells = source.cells(sweep)
    row = cells[cells["cell_id"] == cell_id].iloc[0]
    loss = str(row["loss"])
    plan = load_plan(source, sweep, loss)
    place = int(np.flatnonzero(plan.cell_ids == cell_id)[0])
    better = bool(describe_metric(info, info.objective["metric"])["higher_is_better"])
    kept = {entry["name"] for entry in info.metrics}
    names = (info.objective["metric"], *PAPER_METRICS)
    metrics = tuple(dict.fromkeys(name for name in names if name in kept))
    seeds, diagnostics = _seed_rows(source, sweep, loss, cell_id, metrics)
    settings = {
        "hyperparameters": dict(row["hyperparameters"]),
        "training": dict(row["training"]),
        "head": dict(row["head"]),
    }
    states = [STATES[code] for code in plan.states[place] if code >= 0]
    own = cell_spec(info.spec, sweep=sweep, loss=loss, **settings)
    own |= {
        "sweep": f"{sweep[:60]}-{loss}-{row['key'][:8]}",
        "description": f"The cell {row['key'][:KEY_DIGITS]} of {sweep}.",
        "seeds": [seed for seed, code in zip(plan.seeds, plan.states[place], strict=True)
                  if code >= 0],
    }  # fmt: skip
    return CellDetails(
        sweep=sweep,
        key=str(row["key"]),
        cell=describe_row(plan, loss, place),
        higher_is_better=better,
        rank=_rank(plan, place, higher_is_better=better),
        interval=_interval(plan, place),
        settings=settings,
        states={state: states.count(state) for state in STATES if state in states},
        status=plan.stopped.get(place),
        metrics=metrics,
        seeds=seeds,
        diagnostics=diagnostics,
        neighbours=_neighbours(source, sweep, plan, loss, place),
        spec=format_spec(own),
    )


def best_key(source: Source, sweep: str) -> str:
    """Return the key of the best cell of the sweep's first loss that has one.

    Raises:
        FigureError: no cell is finished yet.
    """
    info = source.sweep(sweep)
    better = bool(describe_metric(info, info.objective["metric"])["higher_is_better"])
    for loss in source.losses(sweep):
        plan = load_plan(source, sweep, loss)
        row = best_row(plan, np.arange(len(plan.cell_ids)), higher_is_better=better)
        if row is not None:
            return cell_key(source, sweep, int(plan.cell_ids[row]))
    raise FigureError(
        f"The page of a cell needs one, but no cell of '{sweep}' is finished yet. "
        "Open a cell from the map, or give its key as cell.key in the address."
    )


def _seed_rows(
    source: Source, sweep: str, loss: str, cell_id: int, metrics: tuple[str, ...]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    replicates = source.replicates(sweep, loss)
    rows = replicates[replicates["cell_id"] == cell_id].sort_values("seed", ignore_index=True)
    diagnostics = tuple(
        name for name in rows.columns if name not in _KNOWN and rows[name].notna().any()
    )
    table = rows[["seed", "state", "reason", "objective", "attempts", "worker", *diagnostics]]
    scores = source.ask(
        sweep, ("cell scores", cell_id), lambda store: load_cell_scores(store, [cell_id])
    )
    scores = scores[scores["metric"].isin(metrics)]
    for (split, metric), part in scores.groupby(["split", "metric"], sort=False):
        values = part.set_index("seed")["value"]
        table = table.assign(**{f"{split} {metric}": rows["seed"].map(values)})
    return table, diagnostics


def _rank(plan: LossPlan, place: int, *, higher_is_better: bool) -> tuple[int, int] | None:
    means = np.where(plan.in_state(*OPEN_STATES).any(axis=1), np.nan, row_means(plan.objective))
    if not np.isfinite(means[place]):
        return None
    signed = means if higher_is_better else -means
    return int((signed > signed[place]).sum()) + 1, int(np.isfinite(means).sum())


def _interval(plan: LossPlan, place: int) -> tuple[float, float] | None:
    values = plan.objective[place][np.isfinite(plan.objective[place])]
    if len(values) < 2:
        return None
    found = seed_intervals(
        np.array([values.mean()]),
        np.array([values.var(ddof=1)]),
        np.array([len(values)]),
        level=LEVEL,
    )
    low, high = float(found.low[0]), float(found.high[0])
    return (low, high) if np.isfinite(low) else None


def _neighbours(
    source: Source, sweep: str, plan: LossPlan, loss: str, place: int
) -> tuple[Neighbour, ...]:
    """Return the cells that differ in one setting, by the nearest value that was run."""
    settings = plan.settings
    same = {name: codes == codes[place] for name, codes in settings.codes.items()}
    found = []
    for name in settings.varying:
        others = np.ones(len(plan.cell_ids), bool)
        for other in settings.varying:
            if other != name:
                others &= same[other]
        codes = settings.codes[name]
        for rows in (
            np.flatnonzero(others & (codes < codes[place])),
            np.flatnonzero(others & (codes > codes[place])),
        ):
            if not len(rows):
                continue
            row = int(rows[np.argmin(np.abs(codes[rows] - codes[place]))])
            difference = plan.objective[row] - plan.objective[place]
            known = np.isfinite(difference)
            found.append(
                Neighbour(
                    name,
                    settings.values[name][codes[row]],
                    cell_key(source, sweep, int(plan.cell_ids[row])),
                    describe_row(plan, loss, row),
                    float(difference[known].mean()) if known.any() else np.nan,
                    int(known.sum()),
                )
            )
    return tuple(found)
