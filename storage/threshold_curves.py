"""Every kept threshold of a few cells, without reading those of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from storage import codec
from storage.engine import current_time
from storage.leases import batches, state_seen
from storage.planning import read_sweep
from storage.schema import packs, replicates, scores, slices
from storage.store import Store

SAME_THRESHOLD = 1e-9


class CellCurves(NamedTuple):
    """One metric of some cells' finished replicates at every kept threshold.

    Attributes:
        cell_ids: (R,) the cell of each replicate.
        seeds: (R,) its seed.
        states: (R,) its state.
        thresholds: (T,) increasing.
        values: split and metric to (R, T) float64, NaN where nothing is recorded.
    """

    cell_ids: npt.NDArray[np.int64]
    seeds: npt.NDArray[np.int64]
    states: tuple[str, ...]
    thresholds: npt.NDArray[np.float64]
    values: dict[tuple[str, str], npt.NDArray[np.float64]]


def load_cell_curves(
    store: Store,
    name: str,
    cell_ids: Sequence[int],
    *,
    metrics: Sequence[str],
    splits: Sequence[str] = ("validation", "test"),
) -> CellCurves:
    """Read metrics of some cells at every kept threshold; only their packs are read.

    At the objective's threshold the values are exact, elsewhere off by less than 8e-6.

    Args:
        store: the store.
        name: the sweep's name.
        cell_ids: cells of the sweep; ids that are not its own give no rows.
        metrics: metrics kept as curves; others stay NaN.
        splits: the splits to read.

    Returns:
        One row a finished replicate, by cell and by seed.

    Raises:
        SweepNotFoundError: there is no such sweep.
    """
    r = replicates.c
    with store.reading() as connection:
        sweep = read_sweep(connection, name)
        thresholds = np.asarray(sweep.thresholds, np.float64)
        seen = state_seen(current_time(connection))
        rows: list[tuple[int, int, str, int, int]] = []
        for ids in batches([int(cell_id) for cell_id in cell_ids]):
            query = sa.select(r.cell_id, r.seed, seen, r.pack_id, r.pack_index).where(
                r.sweep_id == sweep.sweep_id, r.cell_id.in_(ids), r.pack_id.is_not(None)
            )
            rows += [tuple(row) for row in connection.execute(query)]
        rows.sort(key=lambda row: row[:2])
        found = {
            (split, metric): np.full((len(rows), len(thresholds)), np.nan)
            for split in splits
            for metric in metrics
        }
        own = np.flatnonzero(np.abs(thresholds - sweep.objective["threshold"]) <= SAME_THRESHOLD)
        by_pack: dict[int, list[int]] = {}
        for place, row in enumerate(rows):
            by_pack.setdefault(row[3], []).append(place)
        for pack_id, places in by_pack.items():
            index = np.array([rows[place][4] for place in places])
            size = connection.execute(
                sa.select(packs.c.n_replicates).where(packs.c.id == pack_id)
            ).scalar_one()
            wanted = (slices.c.pack_id == pack_id, slices.c.split.in_(splits),
                      slices.c.metric.in_(metrics))  # fmt: skip
            for row in connection.execute(sa.select(slices).where(*wanted)):
                start = row.chunk * codec.CHUNK_SIZE
                height = min(codec.CHUNK_SIZE, len(thresholds) - start)
                block = codec.decode_fixed(row.data, (height, size))
                found[row.split, row.metric][places, start : start + height] = block[:, index].T
            exact = (scores.c.pack_id == pack_id, scores.c.split.in_(splits),
                     scores.c.metric.in_(metrics))  # fmt: skip
            for row in connection.execute(sa.select(scores).where(*exact)):
                values = codec.decode_float64(row.data, size)[index]
                found[row.split, row.metric][np.ix_(np.array(places), own)] = values[:, None]
    return CellCurves(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
        tuple(row[2] for row in rows),
        thresholds,
        found,
    )
