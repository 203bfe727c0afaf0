"""Do packs decode, and do they say of their replicates what the rows say?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from storage import codec
from storage.errors import StoreCorruptError
from storage.pack_copies import read_blobs
from storage.places import VOID, decode_places
from storage.records import FINISHED_STATES
from storage.schema import packs, places, replicates

_PACKS_AT_ONCE = 50

_SIZE = "every place of a pack is a replicate's, or given up"
_PLACES = "a pack's places name the cells, seeds and states of its replicates"
_BLOCKS = "every block decodes to the size of its pack"
_OBJECTIVE = "a complete replicate's objective equals its stored score"


def check_packs(
    connection: sa.Connection, sweep: Mapping[str, Any]
) -> tuple[int, list[tuple[str, int, str]]]:
    """Look at every block of a sweep's packs.

    Args:
        connection: a reading connection.
        sweep: the sweep's row.

    Returns:
        The number of blocks read, and of every broken rule: the rule, how often, an example.
    """
    found: dict[str, list[str]] = {_SIZE: [], _PLACES: [], _BLOCKS: [], _OBJECTIVE: []}
    query = sa.select(packs.c.id).where(packs.c.sweep_id == sweep["id"]).order_by(packs.c.id)
    pack_ids = list(connection.execute(query).scalars())
    blocks = 0
    for start in range(0, len(pack_ids), _PACKS_AT_ONCE):
        batch = pack_ids[start : start + _PACKS_AT_ONCE]
        rows = connection.execute(sa.select(packs).where(packs.c.id.in_(batch))).mappings()
        blobs = read_blobs(connection, batch)
        own = _replicates(connection, batch)
        stored = dict(
            connection.execute(
                sa.select(places.c.pack_id, places.c.data).where(places.c.pack_id.in_(batch))
            ).all()
        )
        for pack in map(dict, rows):
            pack_id = pack["id"]
            blocks += len(blobs[pack_id]) + 1
            _check_places(found, pack, own[pack_id], stored.get(pack_id))
            scores = _check_blocks(found, pack, blobs[pack_id], len(sweep["thresholds"]))
            _check_objective(found, pack_id, own[pack_id], scores, sweep["objective"])
    return blocks, [(rule, len(places), places[0]) for rule, places in found.items() if places]


def _replicates(connection: sa.Connection, pack_ids: Sequence[int]) -> dict[int, list[Any]]:
    r = replicates.c
    query = (
        sa.select(r.pack_id, r.pack_index, r.cell_id, r.seed, r.state, r.objective, r.id)
        .where(r.pack_id.in_(pack_ids))
        .order_by(r.pack_id, r.pack_index)
    )
    own: dict[int, list[Any]] = {pack_id: [] for pack_id in pack_ids}
    for row in connection.execute(query):
        own[row.pack_id].append(row)
    return own


def _check_places(
    found: dict[str, list[str]], pack: Mapping[str, Any], own: Sequence[Any], data: bytes | None
) -> None:
    where = f"pack {pack['id']}"
    size = pack["n_replicates"]
    if data is None:
        found[_PLACES].append(f"{where} has none")
        return
    try:
        known = decode_places(data)
    except StoreCorruptError as error:
        found[_PLACES].append(f"{where}: {error}")
        return
    taken = np.flatnonzero(known.states != VOID).tolist()
    if len(known.states) != size or [row.pack_index for row in own] != taken:
        found[_SIZE].append(f"{where}: {len(own)} replicates, {len(taken)} places of {size}")
        return
    seeds = known.seeds[known.seed_codes]
    for row in own:
        k = row.pack_index
        state = FINISHED_STATES[known.states[k]]
        if (int(known.cell_ids[k]), int(seeds[k]), state) != (row.cell_id, row.seed, row.state):
            found[_PLACES].append(f"{where}, place {k}")


def _check_blocks(
    found: dict[str, list[str]],
    pack: Mapping[str, Any],
    blobs: Sequence[tuple[sa.Table, dict[str, Any]]],
    n_thresholds: int,
) -> dict[tuple[str, str], Any]:
    """Decode the blocks of a pack; its scores by split and metric."""
    size, n_epochs = pack["n_replicates"], len(pack["curve_epochs"])
    scores: dict[tuple[str, str], Any] = {}
    for table, row in blobs:
        data = row["data"]
        try:
            if table.name == "sweep_slices":
                height = min(codec.CHUNK_SIZE, n_thresholds - row["chunk"] * codec.CHUNK_SIZE)
                codec.decode_fixed(data, (height, size))
            elif table.name == "sweep_curves":
                codec.decode_curve(data, (n_epochs, size))
            else:
                values = codec.decode_float64(data, size)
                if table.name == "sweep_scores":
                    scores[row["split"], row["metric"]] = values
        except (StoreCorruptError, ValueError) as error:
            found[_BLOCKS].append(f"pack {pack['id']}, {table.name}: {error}")
    return scores


def _check_objective(
    found: dict[str, list[str]],
    pack_id: int,
    own: Sequence[Any],
    scores: Mapping[tuple[str, str], Any],
    objective: Mapping[str, Any],
) -> None:
    values = scores.get((objective["split"], objective["metric"]), np.empty(0))
    for row in own:
        if row.state != "complete" or row.pack_index >= len(values):
            continue
        value = float(values[row.pack_index])
        if row.objective != (None if np.isnan(value) else value):
            found[_OBJECTIVE].append(
                f"replicate {row.id} of pack {pack_id}: {row.objective} and {value}"
            )
