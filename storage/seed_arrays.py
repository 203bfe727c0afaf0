"""Every replicate of a loss as cells × seeds: states, and one metric at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from storage import codec
from storage.cell_columns import CellColumns, read_columns
from storage.engine import current_time
from storage.leases import batches, is_open, state_seen
from storage.maps import Found, read_places, read_values
from storage.planning import read_sweep
from storage.records import FINISHED_STATES, STATES
from storage.schema import cells, packs, replicates, slices
from storage.store import Store
from storage.thresholds import threshold_index

NOT_PLANNED = -1
_FINISHED = np.array([STATES.index(state) for state in FINISHED_STATES], np.int8)


class SeedStates(NamedTuple):
    """The K cells of one loss, in the plan's order, and the state of each of their seeds.

    Attributes:
        columns: the cells with their settings.
        hyperparameters: which settings are the loss's own, in the order of the spec.
        seeds: (S,) increasing.
        states: (K, S) index into `storage.records.STATES`; `NOT_PLANNED` where a cell lacks a seed.
        status: cell id -> "pruned" or "raced_out", only for cells that are marked so.
        found: where the finished ones were recorded, for `load_seed_values`.
    """

    columns: CellColumns
    hyperparameters: tuple[str, ...]
    seeds: npt.NDArray[np.int64]
    states: npt.NDArray[np.int8]
    status: dict[int, str]
    found: Found


def load_losses(store: Store, name: str) -> list[str]:
    """The losses of a sweep, in the order of its plan.

    Raises:
        SweepNotFoundError: there is no such sweep.
    """
    c = cells.c
    with store.reading() as connection:
        sweep_id = read_sweep(connection, name).sweep_id
        query = sa.select(c.loss).where(c.sweep_id == sweep_id).group_by(c.loss)
        return list(connection.execute(query.order_by(sa.func.min(c.ordinal))).scalars())


def load_seed_states(store: Store, name: str, loss: str) -> SeedStates:
    """The state of every replicate of one loss.

    Only the columns of the cells and the places of the packs are read, and the rows that are
    still open: of a sweep of a million finished replicates, tenths of a second.

    Raises:
        SweepNotFoundError: there is no such sweep.
    """
    r = replicates.c
    with store.reading() as connection:
        sweep_id = read_sweep(connection, name).sweep_id
        columns = read_columns(connection, sweep_id, loss)
        found = read_places(connection, sweep_id, columns)
        query = sa.select(r.cell_id, r.seed, state_seen(current_time(connection)))
        rows = connection.execute(query.where(r.sweep_id == sweep_id, is_open())).all()
        marked = connection.execute(
            sa.select(cells.c.id, cells.c.status).where(
                cells.c.sweep_id == sweep_id, cells.c.loss == loss, cells.c.status.is_not(None)
            )
        )
        status = {int(cell_id): str(mark) for cell_id, mark in marked}
        first = connection.execute(
            sa.select(cells.c.hyperparameters)
            .where(cells.c.sweep_id == sweep_id, cells.c.loss == loss)
            .order_by(cells.c.ordinal)
            .limit(1)
        ).scalar()
    codes = np.array([STATES.index(row[2]) for row in rows], np.int8)
    pairs = np.array([(row[0], row[1]) for row in rows], np.int64).reshape(-1, 2)
    place = _rows_of(columns.cell_ids, pairs[:, 0])
    own = place >= 0
    seeds = np.unique(np.concatenate([found.distinct_seeds, pairs[own, 1]]))
    states = np.full((len(columns.cell_ids), len(seeds)), NOT_PLANNED, np.int8)
    states[place[own], np.searchsorted(seeds, pairs[own, 1])] = codes[own]
    states[found.rows, _columns_of(seeds, found)] = _FINISHED[found.states]
    return SeedStates(columns, tuple(first or ()), seeds, states, status, found)


def load_seed_values(
    store: Store,
    name: str,
    known: SeedStates,
    *,
    split: str,
    metric: str,
    threshold: float | None = None,
) -> npt.NDArray[np.float64]:
    """One metric of every replicate, (K, S); NaN where none is recorded.

    Args:
        store: the store.
        name: the sweep's name.
        known: from `load_seed_states`.
        split: "train", "validation" or "test".
        metric: a metric of the sweep.
        threshold: as for `storage.frames.load_scores`.

    Raises:
        SweepNotFoundError: there is no such sweep.
        RecordError: the split, the metric or the threshold is not kept.
    """
    with store.reading() as connection:
        sweep = read_sweep(connection, name)
        index = threshold_index(sweep, split, metric, threshold, nearest=False)
        numbers = read_values(
            connection, sweep.sweep_id, known.found, split, metric, index, len(sweep.thresholds)
        )
    values = np.full(known.states.shape, np.nan)
    values[known.found.rows, _columns_of(known.seeds, known.found)] = numbers
    return values


class SeedChunk(NamedTuple):
    """One metric at the neighbouring thresholds that are stored together.

    Attributes:
        first: index of the first threshold.
        codes: (thresholds, R) fixed-point codes of the finished replicates, in their order in
            `SeedStates.found`.
    """

    first: int
    codes: npt.NDArray[np.uint16]

    def values(self, known: SeedStates, index: int) -> npt.NDArray[np.float64]:
        """The metric at one kept threshold, (K, S); NaN where none is recorded."""
        codes = self.codes[index - self.first]
        numbers = codes / codec.SCALE
        numbers[codes == codec.NAN_CODE] = np.nan
        values = np.full(known.states.shape, np.nan)
        values[known.found.rows, _columns_of(known.seeds, known.found)] = numbers
        return values


def load_seed_chunk(
    store: Store, name: str, known: SeedStates, *, split: str, metric: str, index: int
) -> SeedChunk:
    """One metric of every replicate at a kept threshold and at its neighbours.

    Reading the neighbours costs next to nothing, since a block holds them all: whoever moves
    along the thresholds reads the store once in eleven steps.

    Args:
        store: the store.
        name: the sweep's name.
        known: from `load_seed_states`.
        split: "train", "validation" or "test".
        metric: a metric that is kept at every threshold.
        index: place of the threshold among the sweep's.

    Raises:
        SweepNotFoundError: there is no such sweep.
    """
    chunk, _ = codec.chunk_of(index)
    found = known.found
    with store.reading() as connection:
        sweep = read_sweep(connection, name)
        first = chunk * codec.CHUNK_SIZE
        height = min(codec.CHUNK_SIZE, len(sweep.thresholds) - first)
        query = (
            sa.select(slices.c.pack_id, slices.c.data)
            .join(packs, packs.c.id == slices.c.pack_id)
            .where(
                packs.c.sweep_id == sweep.sweep_id,
                slices.c.split == split,
                slices.c.metric == metric,
                slices.c.chunk == chunk,
            )
        )
        blocks: dict[int, bytes] = dict(connection.execute(query).all())
    parts = [np.empty((height, 0), np.uint16)]
    for pack_id, size in zip(found.pack_ids, found.sizes, strict=True):
        if pack_id in blocks:
            parts.append(codec.decompress_unshuffle(blocks[pack_id], "<u2", (height, size)))
        else:
            parts.append(np.full((height, size), codec.NAN_CODE, np.uint16))
    codes = np.concatenate(parts, axis=1)
    return SeedChunk(first, codes if found.used.all() else codes[:, found.used])


def load_keys(store: Store, cell_ids: Sequence[int]) -> dict[int, str]:
    """The keys of some cells by their ids; unknown ids are left out."""
    found: dict[int, str] = {}
    with store.reading() as connection:
        for ids in batches(cell_ids):
            query = sa.select(cells.c.id, cells.c.key).where(cells.c.id.in_(ids))
            found |= {int(cell_id): str(key) for cell_id, key in connection.execute(query)}
    return found


def load_reasons(store: Store, cell_ids: Sequence[int]) -> dict[tuple[int, int], str]:
    """Why replicates of some cells diverged, failed or were pruned, by cell id and seed."""
    r = replicates.c
    found: dict[tuple[int, int], Any] = {}
    with store.reading() as connection:
        for ids in batches(cell_ids):
            query = sa.select(r.cell_id, r.seed, r.reason)
            rows = connection.execute(query.where(r.cell_id.in_(ids), r.reason.is_not(None)))
            found |= {(int(cell), int(seed)): reason for cell, seed, reason in rows}
    return found


def _columns_of(seeds: npt.NDArray[np.int64], found: Found) -> npt.NDArray[np.int64]:
    return np.searchsorted(seeds, found.distinct_seeds)[found.seeds]


def _rows_of(
    cell_ids: npt.NDArray[np.int64], wanted: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """The row of each wanted id among the cells, -1 for those of other losses."""
    order = np.argsort(cell_ids)
    at = np.minimum(np.searchsorted(cell_ids, wanted, sorter=order), max(0, len(cell_ids) - 1))
    if not len(cell_ids):
        return np.full(len(wanted), -1, np.int64)
    rows = order[at]
    return np.where(cell_ids[rows] == wanted, rows, -1)
