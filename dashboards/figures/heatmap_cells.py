"""Every replicate of one loss as arrays, cells × seeds: what a map is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from dashboards.figures.selection import BestCell
from dashboards.figures.settings import IntArray, Settings, arrange_settings
from dashboards.source import Source
from storage import codec
from storage.records import OPEN_STATES, STATES
from storage.seed_arrays import (
    NOT_PLANNED,
    SeedStates,
    load_keys,
    load_seed_chunk,
    load_seed_states,
    load_seed_values,
)
from storage.store import Store
from sweeps.sensitivity.cell_summary import cell_moments
from sweeps.sensitivity.intervals import seed_intervals
from sweeps.sensitivity.seed_table import SeedTable, row_means, row_variances

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

Aggregate = Literal["mean", "median", "iqm", "bound", "worst", "sd", "n"]
AGGREGATES: dict[Aggregate, str] = {
    "mean": "mean",
    "median": "median",
    "iqm": "interquartile mean",
    "bound": "lower bound",
    "worst": "worst seed",
    "sd": "standard deviation",
    "n": "number of seeds",
}
LEVEL = 0.95
_CODES = {state: code for code, state in enumerate(STATES)}
# Kept curves are 16-bit fixed point; a precision of predict-all is met within this.
_STEP = 2e-5


class LossPlan(NamedTuple):
    """The K cells of one loss in the plan's order, and the state of every replicate.

    ``states`` (K, S) are places in `storage.records.STATES`, ``NOT_PLANNED`` where a cell lacks
    a seed; ``objective`` (K, S) is NaN unless complete. ``stopped`` holds the rows of the cells
    that a sampler or race gave up, and how; ``recorded`` is where the store has the rest.
    """

    cell_ids: IntArray
    settings: Settings
    seeds: tuple[int, ...]
    states: npt.NDArray[np.int8]
    objective: FloatArray
    stopped: Mapping[int, str]
    recorded: SeedStates

    def in_state(self, *names: str) -> BoolArray:
        """(K, S) whether a replicate is in one of the states."""
        # One entry a state, and a last one for NOT_PLANNED.
        wanted = np.zeros(len(STATES) + 1, bool)
        wanted[[_CODES[name] for name in names]] = True
        return wanted[self.states]


class CellValues(NamedTuple):
    """What is said of each of k cells over some of the seeds; NaN where there is no number.

    ``value`` is the aggregate that was asked for; ``low`` and ``high`` are the two-sided interval
    of the mean.
    """

    value: FloatArray
    mean: FloatArray
    sd: FloatArray
    n: FloatArray
    low: FloatArray
    high: FloatArray


def load_plan(source: Source, sweep: str, loss: str) -> LossPlan:
    """Return the cells of a loss with the state of every replicate.

    Raises:
        StoreError: the store cannot be read, or has no such sweep.
    """
    return source.ask(sweep, ("loss plan", loss), lambda store: _read_plan(store, sweep, loss))


def _read_plan(store: Store, sweep: str, loss: str) -> LossPlan:
    objective = store.sweep(sweep).objective
    known = load_seed_states(store, sweep, loss)
    numbers = load_seed_values(
        store, sweep, known, split=objective["split"], metric=objective["metric"]
    )
    columns = known.columns
    place = {int(cell_id): row for row, cell_id in enumerate(columns.cell_ids)}
    plan = LossPlan(
        columns.cell_ids,
        arrange_settings(columns.values, columns.codes, known.hyperparameters),
        tuple(map(int, known.seeds)),
        known.states,
        numbers,
        {place[cell_id]: status for cell_id, status in known.status.items()},
        known,
    )
    return plan._replace(objective=np.where(plan.in_state("complete"), numbers, np.nan))


def load_values(
    source: Source, sweep: str, loss: str, metric: str, split: str, threshold: float | None
) -> FloatArray:
    """Return one metric as (K, S), NaN where a replicate is not complete.

    Args:
        source, sweep, loss: as of `load_plan`, whose rows and columns these are.
        metric: a metric of the sweep.
        split: where it was computed.
        threshold: a kept threshold; None for the exact scores at the objective's.
    """
    plan, info = load_plan(source, sweep, loss), source.sweep(sweep)

    def read(store: Store) -> FloatArray:
        numbers = load_seed_values(
            store, sweep, plan.recorded, split=split, metric=metric, threshold=threshold
        )
        return np.where(plan.in_state("complete"), numbers, np.nan)

    is_curve = any(entry["name"] == metric and entry["curve"] for entry in info.metrics)
    if threshold is None or not is_curve:
        return source.ask(sweep, ("loss values", loss, metric, split, threshold), read)
    index = int(np.argmin(np.abs(np.asarray(info.thresholds) - threshold)))
    chunk = source.ask(
        sweep,
        ("chunk", loss, metric, split, codec.chunk_of(index)[0]),
        lambda store: load_seed_chunk(
            store, sweep, plan.recorded, split=split, metric=metric, index=index
        ),
    )
    values = chunk.values(plan.recorded, index)
    values[~plan.in_state("complete")] = np.nan
    return values


def cell_key(source: Source, sweep: str, cell_id: int) -> str:
    """Return the key of a cell."""
    return source.ask(sweep, ("key", cell_id), lambda store: load_keys(store, [cell_id]))[cell_id]


def load_collapsed(
    source: Source, sweep: str, loss: str, split: str, threshold: float | None, base_rate: float
) -> tuple[BoolArray, BoolArray]:
    """Return which replicates (K, S) predict nothing that is right, and which predict everything.

    From pooled counts: tp / predicted is the share of positives and tp / positives is 1 exactly
    when every label is predicted; tp = 0 when nothing right is. Without these metrics nothing is
    known of it, and none is marked.
    """
    kept = {entry["name"] for entry in source.sweep(sweep).metrics}
    if not {"micro_precision", "micro_recall"} <= kept:
        none = np.zeros(load_plan(source, sweep, loss).states.shape, bool)
        return none, none
    precision = load_values(source, sweep, loss, "micro_precision", split, threshold)
    recall = load_values(source, sweep, loss, "micro_recall", split, threshold)
    everything = (recall >= 1.0 - _STEP) & (np.abs(precision - base_rate) <= _STEP)
    return recall == 0.0, everything


def summarise(
    values: FloatArray, aggregate: Aggregate = "mean", *, higher_is_better: bool
) -> CellValues:
    """Return one aggregate of (k, s) values over seeds, beside mean, spread and interval.

    Intervals are Student's t on the logit scale by each cell's own variance, of level ``LEVEL``;
    ``bound`` spends all of 1 - ``LEVEL`` on the bad side. A number of seeds counts as a float.

    Source: `sweeps.sensitivity.intervals.seed_intervals`; Agarwal et al. (2021) for the
    interquartile mean.
    """
    means, variances, n = row_means(values), row_variances(values), np.isfinite(values).sum(axis=1)
    spread, count = np.sqrt(variances), np.where(n > 0, n, np.nan)
    both = seed_intervals(means, variances, n, level=LEVEL)
    if aggregate == "mean":
        value = means
    elif aggregate == "sd":
        value = spread
    elif aggregate == "n":
        value = count
    elif aggregate == "bound":
        one = seed_intervals(means, variances, n, level=LEVEL, one_sided=True)
        value = one.low if higher_is_better else one.high
    else:
        value = _moment(values, aggregate, higher_is_better)
    return CellValues(value, means, spread, count, both.low, both.high)


def _moment(values: FloatArray, aggregate: Aggregate, higher_is_better: bool) -> FloatArray:
    k, s = values.shape
    moments = cell_moments(SeedTable(np.arange(k), np.arange(s), values, counts={}, parameters={}))
    worst = "minimum" if higher_is_better else "maximum"
    return moments[worst if aggregate == "worst" else aggregate]


def best_row(
    plan: LossPlan, rows: IntArray, *, higher_is_better: bool, seeds: BoolArray | None = None
) -> int | None:
    """Return the row of the best cell among ``rows``, or None while none is finished.

    The rule is that of `sweeps.sensitivity.best.best_cells`: the best mean objective among the
    cells whose every seed is complete, else among the finished ones; the first of equals.
    """
    columns = slice(None) if seeds is None else np.flatnonzero(seeds)
    states, objective = plan.states[rows][:, columns], plan.objective[rows][:, columns]
    planned = (states != NOT_PLANNED).sum(axis=1)
    is_open = np.isin(states, [_CODES[name] for name in OPEN_STATES]).any(axis=1)
    n = np.isfinite(objective).sum(axis=1)
    able = ~is_open & (n > 0)
    clean = able & (n == planned)
    able = clean if clean.any() else able
    if not able.any():
        return None
    means = np.where(able, row_means(objective), np.nan)
    return int(rows[np.nanargmax(means if higher_is_better else -means)])


def describe_row(plan: LossPlan, loss: str, row: int) -> BestCell:
    """Return one cell with its settings and its mean objective over its complete seeds."""
    values = plan.objective[row][np.isfinite(plan.objective[row])]
    return BestCell(
        cell_id=int(plan.cell_ids[row]),
        loss=loss,
        settings=plan.settings.of_cell(row),
        mean=float(values.mean()) if len(values) else np.nan,
        sd=float(values.std(ddof=1)) if len(values) > 1 else np.nan,
        n=len(values),
        planned=int((plan.states[row] != NOT_PLANNED).sum()),
    )
