"""Reading packed values: each block is decoded once, then picked apart by index."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from storage import codec
from storage.schema import cells, diagnostics, packs, replicates, scores, slices

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]


class Selection(NamedTuple):
    """Some replicates of a sweep, by where they were recorded.

    Attributes:
        sweep_id: the sweep.
        losses: the losses to which they belong; None for all.
        pack_ids: (R,) the pack of each, -1 before it is recorded.
        pack_indices: (R,) its place in the pack.
    """

    sweep_id: int
    losses: Sequence[str] | None
    pack_ids: Int64
    pack_indices: Int64


def _blocks(table: sa.Table, selection: Selection) -> sa.Select[tuple[int, int, bytes]]:
    query = (
        sa.select(packs.c.id, packs.c.n_replicates, table.c.data)
        .join(table, table.c.pack_id == packs.c.id)
        .where(packs.c.sweep_id == selection.sweep_id)
        .order_by(packs.c.id)
    )
    if selection.losses is not None:
        holds = sa.select(replicates.c.pack_id).join(cells, cells.c.id == replicates.c.cell_id)
        holds = holds.where(
            cells.c.sweep_id == selection.sweep_id, cells.c.loss.in_(selection.losses)
        )
        query = query.where(packs.c.id.in_(holds))
    return query


def _pick(
    rows: Iterable[Any],
    decode: Callable[[bytes, int], Float64],
    selection: Selection,
) -> Float64:
    pack_ids, pack_indices = selection.pack_ids, selection.pack_indices
    values = np.full(len(pack_ids), np.nan)
    known: list[int] = []
    sizes: list[int] = []
    decoded: list[Float64] = []
    for pack_id, size, data in rows:
        known.append(pack_id)
        sizes.append(size)
        decoded.append(decode(data, size))
    if not known:
        return values
    ids = np.array(known)
    place = np.minimum(np.searchsorted(ids, pack_ids), len(ids) - 1)
    found = ids[place] == pack_ids
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    values[found] = np.concatenate(decoded)[starts[place[found]] + pack_indices[found]]
    return values


def pick_scores(
    connection: sa.Connection,
    selection: Selection,
    split: str,
    metric: str,
) -> Float64:
    """The exact scores of replicates, given by pack and place in it; NaN where none is kept."""
    query = _blocks(scores, selection)
    query = query.where(scores.c.split == split, scores.c.metric == metric)
    return _pick(connection.execute(query), codec.decode_float64, selection)


def pick_slice(
    connection: sa.Connection,
    selection: Selection,
    split: str,
    metric: str,
    *,
    threshold_index: int,
    n_thresholds: int,
) -> Float64:
    """The scores at one kept threshold; of every pack only the block that holds it is read."""
    chunk, row = codec.chunk_of(threshold_index)
    height = min(codec.CHUNK_SIZE, n_thresholds - chunk * codec.CHUNK_SIZE)
    query = _blocks(slices, selection)
    query = query.where(slices.c.split == split, slices.c.metric == metric, slices.c.chunk == chunk)
    return _pick(
        connection.execute(query),
        lambda data, size: codec.decode_fixed(data, (height, size), row),
        selection,
    )


def pick_slices(
    connection: sa.Connection,
    selection: Selection,
    split: str,
    metric: str,
    *,
    n_thresholds: int,
) -> Float64:
    """The scores at every kept threshold, (T, R); each block is read and decoded once."""
    values = np.full((n_thresholds, len(selection.pack_ids)), np.nan)
    order = np.argsort(selection.pack_ids, kind="stable")
    ordered = selection.pack_ids[order]
    query = _blocks(slices, selection).add_columns(slices.c.chunk)
    query = query.where(slices.c.split == split, slices.c.metric == metric)
    for pack_id, size, data, chunk in connection.execute(query):
        first, last = np.searchsorted(ordered, [pack_id, pack_id + 1])
        places = order[first:last]
        start = chunk * codec.CHUNK_SIZE
        height = min(codec.CHUNK_SIZE, n_thresholds - start)
        block = codec.decode_fixed(data, (height, size))
        values[start : start + height, places] = block[:, selection.pack_indices[places]]
    return values


def pick_diagnostics(
    connection: sa.Connection,
    selection: Selection,
) -> dict[str, Float64]:
    """Every diagnostic recorded in the sweep, by name; NaN where a pack has none."""
    names = connection.execute(
        sa.select(diagnostics.c.name)
        .distinct()
        .join(packs, packs.c.id == diagnostics.c.pack_id)
        .where(packs.c.sweep_id == selection.sweep_id)
        .order_by(diagnostics.c.name)
    ).scalars()
    blocks = _blocks(diagnostics, selection)
    return {
        name: _pick(
            connection.execute(blocks.where(diagnostics.c.name == name)),
            codec.decode_float64,
            selection,
        )
        for name in names.all()
    }
