"""Divides a sweep's open replicates into packs, the work of one Ray Tune trial each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from storage.records import CellRecord, OpenReplicate
from sweeps.canonical import canonical_json

PACKS_PER_WORKER = 6  # enough that the last packs end together, few enough to cost nothing
_HEAD_SETTINGS = ("lr", "weight_decay")  # may differ from head to head of one pack


@dataclass(frozen=True)
class PackTask:
    """Replicates that one trial trains together.

    Attributes:
        replicates: (replicate id, index into ``cells``, seed) of each head.
        cells: the cells that occur in the pack.
        settings: the training settings that its heads share.
        head: the head's settings, shared as well.
    """

    replicates: tuple[tuple[int, int, int], ...]
    cells: tuple[CellRecord, ...]
    settings: Mapping[str, Any]
    head: Mapping[str, Any]


@dataclass(frozen=True)
class PackLimits:
    """How large a pack may be.

    Attributes:
        tile_heads: heads that train side by side as one tile.
        workers: packs that run at the same time.
        max_heads: heads whose results fit into the memory of one pack.
    """

    tile_heads: int
    workers: int
    max_heads: int


def make_packs(
    replicates: Sequence[OpenReplicate], cells: Mapping[str, CellRecord], limits: PackLimits
) -> list[PackTask]:
    """Packs of whole tiles, in the order of the plan, so that cells finish all seeds together.

    Only replicates that share epochs, batch size, optimiser and head can share a pack. Within
    that, a tile takes neighbouring cells of one seed, and a pack neighbouring tiles.
    """
    groups: dict[str, list[OpenReplicate]] = {}
    for replicate in replicates:
        cell = cells[replicate.cell_key]
        key = canonical_json([shared_settings(cell), cell.head])
        groups.setdefault(key, []).append(replicate)
    tiles_of = [_tiles(group, cells, limits.tile_heads) for group in groups.values()]
    total = sum(len(tiles) for tiles in tiles_of)
    fitting = limits.max_heads // limits.tile_heads
    size = max(1, min(fitting, total // (limits.workers * PACKS_PER_WORKER)))
    return [
        _pack([replicate for tile in tiles[start : start + size] for replicate in tile], cells)
        for tiles in tiles_of
        for start in range(0, len(tiles), size)
    ]


def shared_settings(cell: CellRecord) -> dict[str, Any]:
    """The training settings of a cell that all heads of its pack share."""
    return {k: v for k, v in cell.training.items() if k not in _HEAD_SETTINGS}


def _tiles(
    replicates: Sequence[OpenReplicate], cells: Mapping[str, CellRecord], tile_heads: int
) -> list[list[OpenReplicate]]:
    by_seed: dict[int, list[OpenReplicate]] = {}
    for replicate in sorted(replicates, key=lambda r: cells[r.cell_key].ordinal):
        by_seed.setdefault(replicate.seed, []).append(replicate)
    chunks = [
        (cells[members[start].cell_key].ordinal, seed, members[start : start + tile_heads])
        for seed, members in sorted(by_seed.items())
        for start in range(0, len(members), tile_heads)
    ]
    return [chunk for _, _, chunk in sorted(chunks, key=lambda c: (c[0], c[1]))]


def _pack(replicates: Sequence[OpenReplicate], cells: Mapping[str, CellRecord]) -> PackTask:
    keys = list(dict.fromkeys(r.cell_key for r in replicates))
    place = {key: index for index, key in enumerate(keys)}
    first = cells[keys[0]]
    return PackTask(
        replicates=tuple((r.replicate_id, place[r.cell_key], r.seed) for r in replicates),
        cells=tuple(cells[key] for key in keys),
        settings=shared_settings(first),
        head=dict(first.head),
    )
