"""Divides a sweep's open replicates into packs, the work of one Ray Tune trial each."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from storage.records import CellRecord, OpenReplicate
from sweeps.canonical import canonical_json
from sweeps.errors import SweepError

SHARE = 3  # a pack is this part of what is left for each worker: large first, small at the end
MAX_PACK_S = 600.0  # what a lost node costs at most, and how long a pack keeps others waiting
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
        work: what its training takes, in the units of `PackLimits.work`.
    """

    replicates: tuple[tuple[int, int, int], ...]
    cells: tuple[CellRecord, ...]
    settings: Mapping[str, Any]
    head: Mapping[str, Any]
    brackets: tuple[int, ...] = ()
    work: float = 0.0


@dataclass
class Throughput:
    """How fast packs are done; the run keeps it true while packs are cut.

    Attributes:
        workers: packs at the same time.
        work_per_s: work that one of them does in a second; None before the first has ended.
    """

    workers: int
    work_per_s: float | None = None

    def share(self, left: float) -> float:
        """The work that the next pack should take of what is left."""
        part = left / (self.workers * SHARE)
        return part if self.work_per_s is None else min(part, self.work_per_s * MAX_PACK_S)


@dataclass(frozen=True)
class PackLimits:
    """How large a pack may be, and which cells it must hold together.

    Attributes:
        tile_heads: heads that train side by side as one tile.
        max_heads: heads whose results fit into the memory of one pack.
        work: by `group_key`, what training one head of such a cell takes; one unit where it is
            not given.
        divisible: tiles may be cut smaller where there are fewer than workers: on a GPU a tile is
            hundreds of heads.
        bracket: with halving, cells that are compared with each other; None without.
        n_seeds: with halving, the planned seeds of a cell.
    """

    tile_heads: int
    max_heads: int
    work: Mapping[str, float] = field(default_factory=dict)
    divisible: bool = False
    bracket: int | None = None
    n_seeds: int = 1


def make_packs(
    replicates: Sequence[OpenReplicate],
    cells: Mapping[str, CellRecord],
    limits: PackLimits,
    throughput: Throughput,
) -> Iterator[PackTask]:
    """Cut packs off the open replicates, each when it is asked for.

    What trains longest comes first. A pack is a third of what is left for each worker, so packs
    get smaller until they are single tiles and the last ones end together. It stays below ten
    minutes, as soon as the speed is known, and below the memory.

    Only replicates that share epochs, batch size, optimiser and head can share a pack. Within
    that, a tile takes neighbouring cells of one seed, and a pack neighbouring tiles, so that
    cells finish all seeds together. With halving a pack holds whole brackets.

    Raises:
        SweepError: a bracket does not fit into a pack's memory.
    """
    key_of = {key: group_key(cell) for key, cell in cells.items()}
    groups: dict[str, list[OpenReplicate]] = {}
    for replicate in replicates:
        groups.setdefault(key_of[replicate.cell_key], []).append(replicate)
    if limits.divisible:
        part = max(1, math.ceil(len(replicates) / throughput.workers))
        limits = replace(limits, tile_heads=min(limits.tile_heads, part))
    divide = _tiles if limits.bracket is None else _brackets
    divided = [(limits.work.get(k, 1.0), divide(g, cells, limits)) for k, g in groups.items()]
    return _cut(sorted(divided, key=lambda pair: -pair[0]), cells, limits, throughput)


def _cut(
    divided: Sequence[tuple[float, Sequence[Sequence[OpenReplicate]]]],
    cells: Mapping[str, CellRecord],
    limits: PackLimits,
    throughput: Throughput,
) -> Iterator[PackTask]:
    left = sum(work * len(unit) for work, units in divided for unit in units)
    for work, units in divided:
        waiting = deque(units)
        while waiting:
            most = min(limits.max_heads, throughput.share(left) / work)
            chosen = [waiting.popleft()]
            heads = len(chosen[0])
            while waiting and heads + len(waiting[0]) <= most:
                heads += len(waiting[0])
                chosen.append(waiting.popleft())
            yield replace(_pack(chosen, cells, limits), work=work * heads)
            left -= work * heads


def group_key(cell: CellRecord) -> str:
    """What cells must have in common to share a pack."""
    return canonical_json([shared_settings(cell), cell.head])


def shared_settings(cell: CellRecord) -> dict[str, Any]:
    """The training settings of a cell that all heads of its pack share."""
    return {k: v for k, v in cell.training.items() if k not in _HEAD_SETTINGS}


def _tiles(
    replicates: Sequence[OpenReplicate], cells: Mapping[str, CellRecord], limits: PackLimits
) -> list[list[OpenReplicate]]:
    by_seed: dict[int, list[OpenReplicate]] = {}
    for replicate in sorted(replicates, key=lambda r: cells[r.cell_key].ordinal):
        by_seed.setdefault(replicate.seed, []).append(replicate)
    chunks = [
        (cells[members[start].cell_key].ordinal, seed, members[start : start + limits.tile_heads])
        for seed, members in sorted(by_seed.items())
        for start in range(0, len(members), limits.tile_heads)
    ]
    return [chunk for _, _, chunk in sorted(chunks, key=lambda c: (c[0], c[1]))]


def _brackets(
    replicates: Sequence[OpenReplicate], cells: Mapping[str, CellRecord], limits: PackLimits
) -> list[list[OpenReplicate]]:
    """Whole brackets of one loss, then single cells that are not judged."""
    by_cell: dict[str, list[OpenReplicate]] = {}
    for replicate in replicates:
        by_cell.setdefault(replicate.cell_key, []).append(replicate)
    whole: dict[str, list[str]] = {}
    single: list[list[str]] = []
    # By key, which is a hash: a bracket is a random draw of the grid, not one corner of it. What
    # is open is always whole brackets, so those that are left are the same after a restart.
    for key in sorted(by_cell):
        if len(by_cell[key]) < limits.n_seeds:  # seeds added to a cell that went to the end
            single.append([key])
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
    return [[r for key in unit for r in by_cell[key]] for unit in [*judged, *single]]


def _pack(
    units: Sequence[Sequence[OpenReplicate]],
    cells: Mapping[str, CellRecord],
    limits: PackLimits,
) -> PackTask:
    replicates = [r for unit in units for r in unit]
    keys = list(dict.fromkeys(r.cell_key for r in replicates))
    place = {key: index for index, key in enumerate(keys)}
    first = cells[keys[0]]
    numbers: tuple[int, ...] = ()
    if limits.bracket is not None:
        count = Counter(r.cell_key for r in replicates)
        number = {r.cell_key: index for index, unit in enumerate(units) for r in unit}
        numbers = tuple(number[key] if count[key] == limits.n_seeds else -1 for key in keys)
    return PackTask(
        replicates=tuple((r.replicate_id, place[r.cell_key], r.seed) for r in replicates),
        cells=tuple(cells[key] for key in keys),
        settings=shared_settings(first),
        head=dict(first.head),
        brackets=numbers,
    )


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
        work=task.work * len(chosen) / len(task.replicates),
    )
