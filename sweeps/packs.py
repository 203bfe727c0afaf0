"""Divides a sweep's open replicates into packs, the work of one Ray Tune trial each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from storage.records import CellRecord, OpenReplicate
from sweeps.canonical import canonical_json
from sweeps.errors import SweepError

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
        brackets: with halving, the bracket of each cell, negative for one that is not judged; a
            bracket is never divided. Empty without.
    """

    replicates: tuple[tuple[int, int, int], ...]
    cells: tuple[CellRecord, ...]
    settings: Mapping[str, Any]
    head: Mapping[str, Any]
    brackets: tuple[int, ...] = ()


@dataclass(frozen=True)
class PackLimits:
    """How large a pack may be, and which cells it must hold together.

    Attributes:
        tile_heads: heads that train side by side as one tile.
        workers: packs that run at the same time.
        max_heads: heads whose results fit into the memory of one pack.
        bracket: with halving, cells that are compared with each other; None without.
        n_seeds: with halving, the planned seeds of a cell.
    """

    tile_heads: int
    workers: int
    max_heads: int
    bracket: int | None = None
    n_seeds: int = 1


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
    if limits.bracket is not None:
        return [pack for group in groups.values() for pack in _bracket_packs(group, cells, limits)]
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


def _bracket_packs(
    replicates: Sequence[OpenReplicate], cells: Mapping[str, CellRecord], limits: PackLimits
) -> list[PackTask]:
    """Packs of whole brackets of one loss, and of single cells that are not judged."""
    by_cell: dict[str, list[OpenReplicate]] = {}
    for replicate in replicates:
        by_cell.setdefault(replicate.cell_key, []).append(replicate)
    whole: dict[str, list[str]] = {}
    units: list[list[str]] = []
    # By key, which is a hash: a bracket is a random draw of the grid, not one corner of it. What
    # is open is always whole brackets, so those that are left are the same after a restart.
    for key in sorted(by_cell):
        if len(by_cell[key]) < limits.n_seeds:  # seeds added to a cell that went to the end
            units.append([key])
        else:
            whole.setdefault(cells[key].loss, []).append(key)
    size = limits.bracket or 1
    judged = [keys[k : k + size] for keys in whole.values() for k in range(0, len(keys), size)]
    largest = max((len(unit) * limits.n_seeds for unit in judged), default=0)
    if largest > limits.max_heads:
        raise SweepError(
            f"a bracket's heads must fit into a pack's memory ({limits.max_heads}), but it has "
            f"{largest}. Lower halving.bracket, use fewer seeds or fewer workers."
        )
    heads = min(limits.max_heads, len(replicates) // (limits.workers * PACKS_PER_WORKER))
    packs: list[PackTask] = []
    chosen: list[list[str]] = []
    for unit in [*judged, *units]:
        filled = sum(len(by_cell[key]) for one in chosen for key in one)
        if chosen and filled + sum(len(by_cell[key]) for key in unit) > heads:
            packs.append(_bracket_pack(chosen, by_cell, cells, limits.n_seeds))
            chosen = []
        chosen.append(unit)
    return [*packs, *([_bracket_pack(chosen, by_cell, cells, limits.n_seeds)] if chosen else [])]


def _bracket_pack(
    units: Sequence[Sequence[str]],
    by_cell: Mapping[str, Sequence[OpenReplicate]],
    cells: Mapping[str, CellRecord],
    n_seeds: int,
) -> PackTask:
    numbers = {
        key: number if len(by_cell[key]) == n_seeds else -1
        for number, unit in enumerate(units)
        for key in unit
    }
    task = _pack([r for key in numbers for r in by_cell[key]], cells)
    return replace(task, brackets=tuple(numbers[cell.key] for cell in task.cells))


def halve(task: PackTask) -> list[PackTask]:
    """A pack in two, for less memory; one of a single replicate or bracket as it is.

    What is trained is the same to the bit: a head does not depend on its pack.
    """
    middle = (len(task.replicates) + 1) // 2
    if task.brackets:
        bracket = [task.brackets[cell] for _, cell, _ in task.replicates]
        cuts = [
            k
            for k in range(1, len(bracket))
            if bracket[k] != bracket[k - 1] or (bracket[k] < 0 and _other_cell(task, k))
        ]
        middle = min(cuts, key=lambda cut: abs(cut - middle), default=len(bracket))
    parts = (task.replicates[:middle], task.replicates[middle:])
    return [_part(task, part) for part in parts if part]


def _other_cell(task: PackTask, place: int) -> bool:
    return task.replicates[place][1] != task.replicates[place - 1][1]


def _part(task: PackTask, chosen: Sequence[tuple[int, int, int]]) -> PackTask:
    used = sorted({cell for _, cell, _ in chosen})
    place = {cell: index for index, cell in enumerate(used)}
    return replace(
        task,
        replicates=tuple((replicate, place[cell], seed) for replicate, cell, seed in chosen),
        cells=tuple(task.cells[cell] for cell in used),
        brackets=tuple(task.brackets[cell] for cell in used) if task.brackets else (),
    )
