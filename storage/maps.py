"""One metric of every cell of a loss, aggregated over seeds: what a heat map is drawn from."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from storage import codec
from storage.cell_columns import CellColumns, read_columns
from storage.errors import RecordError
from storage.leases import is_open
from storage.places import VOID, decode_many_places
from storage.planning import not_found, read_sweep
from storage.records import FINISHED_STATES
from storage.schema import cells, packs, places, replicates, scores, slices
from storage.store import Store
from storage.thresholds import threshold_index

AGGREGATES = ("mean", "sd", "min", "median", "max", "n")

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

_COMPLETE = FINISHED_STATES.index("complete")

_PACKS_AT_ONCE = 10_000

# A table of cells × seeds may have this many places for each one that is filled.
_LARGEST_SHARE = 4


class MapArrays(NamedTuple):
    """One metric of the cells of a loss; all arrays are (N,), in the plan's order.

    Attributes:
        cell_ids: the cells.
        ordinals: their places in the plan.
        values: setting -> its distinct values, None where a cell does not have it; settings
            of the head are called `head_<name>`.
        codes: setting -> index into its values.
        aggregated: the metric over the complete seeds that have a value; NaN without one, and
            for "sd" without two.
        n: how many seeds that were.
        counts: state -> replicates of the cell in it: the finished states, and "open" (waiting
            or running).
        status: cell id -> "pruned" or "raced_out", only for cells that are marked so.
    """

    cell_ids: Int64
    ordinals: Int64
    values: dict[str, list[Any]]
    codes: dict[str, Int64]
    aggregated: Float64
    n: Int64
    counts: dict[str, Int64]
    status: dict[int, str]


def map_arrays(
    store: Store,
    name: str,
    *,
    loss: str,
    split: str,
    metric: str,
    threshold: float | None = None,
    aggregate: str = "mean",
    nearest: bool = False,
) -> MapArrays:
    """One metric of every cell of a loss, aggregated over its seeds.

    Only what a map needs is read: the cells as columns, and of every pack whose replicates
    stand where and one block of the metric. So a sweep of a million replicates takes tenths of a
    second, where `load_scores` takes several.

    Args:
        store: the store.
        name: the sweep's name.
        loss: the loss.
        split: "train", "validation" or "test".
        metric: a metric of the sweep.
        threshold: None for the objective's threshold, where the scores are exact; else a kept
            threshold, as for `storage.frames.load_scores`.
        aggregate: over the complete seeds of a cell: "mean", "sd" (divisor n - 1), "min",
            "median", "max", or "n" (their number).
        nearest: take the kept threshold nearest to `threshold` instead of refusing.

    Returns:
        The cells with their settings, the aggregated metric, and counts.

    Raises:
        SweepNotFoundError: there is no such sweep.
        RecordError: the split, metric, threshold or aggregate is unknown.
    """
    if aggregate not in AGGREGATES:
        raise RecordError(not_found("aggregate", aggregate, AGGREGATES))
    with store.reading() as connection:
        sweep = read_sweep(connection, name)
        index = threshold_index(sweep, split, metric, threshold, nearest=nearest)
        columns = read_columns(connection, sweep.sweep_id, loss)
        found = read_places(connection, sweep.sweep_id, columns)
        values = read_values(
            connection, sweep.sweep_id, found, split, metric, index, len(sweep.thresholds)
        )
        counts = _count_states(connection, sweep.sweep_id, columns, found)
        marked = connection.execute(
            sa.select(cells.c.id, cells.c.status, cells.c.loss).where(
                cells.c.sweep_id == sweep.sweep_id, cells.c.status.is_not(None)
            )
        )
        # The loss is left to Python: with it SQLite takes another index, of all cells.
        status = {int(cell_id): str(mark) for cell_id, mark, of_loss in marked if of_loss == loss}
    used = (found.states == _COMPLETE) & ~np.isnan(values)
    rows = found.rows[used]
    n = np.bincount(rows, minlength=len(columns.cell_ids))
    aggregated = _aggregate(aggregate, rows, found.seeds[used], values[used], n)
    return MapArrays(*columns, aggregated, n, counts, status)


class Found(NamedTuple):
    """Finished replicates of the loss.

    Attributes:
        pack_ids: (P,) the packs that hold some.
        sizes: (P,) places in each.
        used: (places,) which places, pack after pack, are of these replicates.
        rows: (R,) the cell's row.
        seeds: (R,) the seed's number among ``distinct_seeds``.
        states: (R,) index into the finished states.
        distinct_seeds: (S,) increasing.
        n_packs: how many packs the sweep has, those of other losses too.
    """

    pack_ids: list[int]
    sizes: list[int]
    used: npt.NDArray[np.bool_]
    rows: Int64
    seeds: Int64
    states: npt.NDArray[np.uint8]
    distinct_seeds: Int64
    n_packs: int


def read_places(connection: sa.Connection, sweep_id: int, columns: CellColumns) -> Found:
    """The finished replicates of a loss, by pack and place in it."""
    query = (
        sa.select(places.c.pack_id, places.c.data)
        .join(packs, packs.c.id == places.c.pack_id)
        .where(packs.c.sweep_id == sweep_id)
        .order_by(places.c.pack_id)
    )
    rows = connection.execute(query).all()
    own = decode_many_places([row[1] for row in rows])
    low, table = _row_table(columns.cell_ids)
    cell_rows = table[np.clip(own.cell_ids - low, -1, len(table) - 2)]
    used = (cell_rows >= 0) & (own.states != VOID)
    starts = np.cumsum([0, *own.sizes])
    holds = np.diff(np.concatenate([[0], np.cumsum(used)])[starts]) > 0
    chosen = np.flatnonzero(holds).tolist()
    # Packs that hold other losses only are not read further.
    of_chosen = np.repeat(holds, own.sizes)
    return Found(
        [rows[k][0] for k in chosen],
        [own.sizes[k] for k in chosen],
        used[of_chosen],
        cell_rows[used],
        own.seed_codes[used],
        own.states[used],
        own.seeds,
        len(rows),
    )


def _row_table(cell_ids: Int64) -> tuple[int, Int64]:
    """The row of each cell id above the lowest; -1, also at the end, for those of other losses."""
    if not len(cell_ids):
        return 0, np.full(2, -1, np.int64)
    low = int(cell_ids.min())
    table = np.full(int(cell_ids.max()) - low + 3, -1, np.int64)
    table[cell_ids - low] = np.arange(len(cell_ids))
    return low, table


def read_values(
    connection: sa.Connection,
    sweep_id: int,
    found: Found,
    split: str,
    metric: str,
    index: int | None,
    n_thresholds: int,
) -> Float64:
    """(R,) the metric of each replicate; NaN where a pack has none."""
    table = scores if index is None else slices
    query = sa.select(table.c.pack_id, table.c.data).where(
        table.c.split == split, table.c.metric == metric
    )
    chunk, row = codec.chunk_of(index or 0)
    if index is not None:
        query = query.where(slices.c.chunk == chunk)
    blocks: dict[int, bytes] = {}
    if len(found.pack_ids) == found.n_packs:
        # Of all packs: naming thousands of them takes as long as reading them.
        query = query.join(packs, packs.c.id == table.c.pack_id)
        blocks.update(connection.execute(query.where(packs.c.sweep_id == sweep_id)).all())
    else:
        for start in range(0, len(found.pack_ids), _PACKS_AT_ONCE):
            batch = found.pack_ids[start : start + _PACKS_AT_ONCE]
            blocks.update(connection.execute(query.where(table.c.pack_id.in_(batch))).all())
    sizes = dict(zip(found.pack_ids, found.sizes, strict=True))
    if index is None:
        missing = {
            i: np.full(size, np.nan).tobytes() for i, size in sizes.items() if i not in blocks
        }
        joined = b"".join(blocks.get(i) or missing[i] for i in found.pack_ids)
        return codec.decode_float64(joined, sum(found.sizes))[found.used]
    height = min(codec.CHUNK_SIZE, n_thresholds - chunk * codec.CHUNK_SIZE)
    rows = [(blocks.get(i), size) for i, size in sizes.items()]
    return codec.decode_fixed_rows(rows, height, row)[found.used]


def _count_states(
    connection: sa.Connection, sweep_id: int, columns: CellColumns, found: Found
) -> dict[str, Int64]:
    n_cells = len(columns.cell_ids)
    counts = {
        state: np.bincount(found.rows[found.states == code], minlength=n_cells)
        for code, state in enumerate(FINISHED_STATES)
    }
    r = replicates.c
    query = (
        sa.select(r.cell_id, sa.func.count(r.seed))
        .where(r.sweep_id == sweep_id, is_open())
        .group_by(r.cell_id)
    )
    waiting = np.array(connection.execute(query).all(), np.int64).reshape(-1, 2)
    low, table = _row_table(columns.cell_ids)
    rows = table[np.clip(waiting[:, 0] - low, -1, len(table) - 2)]
    counts["open"] = np.zeros(n_cells, np.int64)
    counts["open"][rows[rows >= 0]] = waiting[rows >= 0, 1]
    return counts


def _aggregate(aggregate: str, rows: Int64, seeds: Int64, values: Float64, n: Int64) -> Float64:
    """(N,) the values of each cell's row in one number."""
    if aggregate == "n":
        return n.astype(np.float64)
    if aggregate in ("mean", "sd"):
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.bincount(rows, weights=values, minlength=len(n)) / n
            if aggregate == "mean":
                return means
            squares = np.bincount(rows, weights=(values - means[rows]) ** 2, minlength=len(n))
            return np.where(n > 1, np.sqrt(squares / (n - 1)), np.nan)
    if aggregate in ("min", "max"):
        lowest = aggregate == "min"
        result = np.full(len(n), np.inf if lowest else -np.inf)
        (np.minimum if lowest else np.maximum).at(result, rows, values)
        result[n == 0] = np.nan
        return result
    return _median(rows, seeds, values, n)


def _median(rows: Int64, seeds: Int64, values: Float64, n: Int64) -> Float64:
    if not len(rows):
        return np.full(len(n), np.nan)
    width = int(seeds.max()) + 1
    if len(n) * width <= _LARGEST_SHARE * len(rows):
        table = np.full((len(n), width), np.nan)
        table[rows, seeds] = values
        table.sort(axis=1)  # NaN last
        first = np.arange(len(n)) * width
        flat = table.ravel()
    else:
        order = np.lexsort((values, rows))
        flat = values[order]
        first = np.concatenate([[0], np.cumsum(n)[:-1]])
    known = n > 0
    result = np.full(len(n), np.nan)
    low, high = (first + (n - 1) // 2)[known], (first + n // 2)[known]
    result[known] = (flat[low] + flat[high]) / 2
    return result
