"""Packs of another store, whole or some of their places, without a change to a stored bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from storage import codec
from storage.schema import curves, diagnostics, packs, scores, slices

_KINDS = {"sweep_slices": "<u2", "sweep_curves": "<f4", "sweep_scores": "", "sweep_diagnostics": ""}
BLOB_TABLES = (scores, slices, curves, diagnostics)


def read_blobs(
    connection: sa.Connection, pack_ids: Sequence[int]
) -> dict[int, list[tuple[sa.Table, dict[str, Any]]]]:
    """All blobs of some packs: pack -> table and row, without the pack's id."""
    found: dict[int, list[tuple[sa.Table, dict[str, Any]]]] = {i: [] for i in pack_ids}
    for table in BLOB_TABLES:
        query = sa.select(table).where(table.c.pack_id.in_(pack_ids))
        for row in connection.execute(query).mappings():
            values = dict(row)
            found[values.pop("pack_id")].append((table, values))
    return found


def select_places(table: sa.Table, data: bytes, size: int, chosen: Sequence[int]) -> bytes:
    """The block of some of a pack's places.

    Args:
        table: the blob's table.
        data: a block of `size` places.
        size: places in the pack.
        chosen: those that are wanted, in the new order.

    Returns:
        The block of `len(chosen)` places; every value is the same to the bit.

    Raises:
        StoreCorruptError: the block is damaged.
    """
    if list(chosen) == list(range(size)):
        return data
    kind = _KINDS[table.name]
    if not kind:
        return codec.encode_float64(codec.decode_float64(data, size)[list(chosen)])
    values = codec.decompress_unshuffle(data, kind, (-1, size))
    return codec.shuffle_compress(np.ascontiguousarray(values[:, list(chosen)]))


def insert_copy(
    connection: sa.Connection,
    sweep_id: int,
    pack: Mapping[str, Any],
    blobs: Sequence[tuple[sa.Table, dict[str, Any]]],
    chosen: Sequence[int],
) -> int:
    """Write some places of another store's pack as a pack of this one; its id.

    Args:
        connection: a writing connection.
        sweep_id: the sweep here.
        pack: the pack's row there.
        blobs: its blobs, from `read_blobs`.
        chosen: the places wanted.
    """
    size = pack["n_replicates"]
    values = {key: pack[key] for key in pack if key not in ("id", "token")}
    values |= {"sweep_id": sweep_id, "n_replicates": len(chosen)}
    # A copy's share of the work, so that a sum over packs stays the time that was spent.
    if pack["duration_s"] is not None:
        values["duration_s"] = pack["duration_s"] * len(chosen) / size
    pack_id = connection.execute(packs.insert().returning(packs.c.id), values).scalar_one()
    rows: dict[sa.Table, list[dict[str, Any]]] = {}
    for table, row in blobs:
        data = select_places(table, row["data"], size, chosen)
        rows.setdefault(table, []).append({**row, "data": data, "pack_id": pack_id})
    for table, own in rows.items():
        connection.execute(table.insert(), own)
    return pack_id
