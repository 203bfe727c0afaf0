"""Tiles: heads of one seed, side by side as the columns of one matrix of a fixed width.

A tile is the unit of exactness. Every tile of a data set has the same width, padded where heads
are missing, or a narrower one at which the machine's products give the same bits, and is computed
on one thread by operations that treat each column alone; so a head's bits do not depend on its
pack, its place in it, its mates, or the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sigmoidf1.losses.base import Loss
from sigmoidf1.training.columns import ALIGNMENT, ColumnBlock, aligned
from sigmoidf1.training.settings import TrainingSettings

CPU_WIDTH = 1024  # columns; wider tiles are no faster
CPU_STATE_BYTES = 12 * 2**20  # of weights, gradient and moments: what stays in a core's cache share
GPU_WIDTH = 16_384  # columns; enough work for one launch per operation
_STATE_BYTES_PER_WEIGHT = 16


@dataclass(frozen=True)
class ResolvedHead:
    """One head: its loss with every hyperparameter filled in, and what it is trained with."""

    loss: Loss
    values: Mapping[str, Any]
    lr: float
    weight_decay: float

    @property
    def choices(self) -> tuple[tuple[str, str], ...]:
        """The hyperparameters that are a choice of words, as a sortable key."""
        names = [n for n, h in self.loss.hyperparameters.items() if h.choices is not None]
        return tuple((name, str(self.values[name])) for name in sorted(names))

    def numbers(self, name: str, num_classes: int) -> list[float]:
        """The C values of a numeric hyperparameter; ``None`` is NaN."""
        value = self.values[name]
        if isinstance(value, tuple):
            return list(value)
        return [float("nan") if value is None else float(value)] * num_classes


@dataclass(frozen=True)
class LossGroup:
    """The heads of a tile that share a loss and its choices: slots ``start`` to ``stop``."""

    loss: Loss
    choices: dict[str, str]
    hyperparameters: dict[str, Tensor]
    start: int
    stop: int


@dataclass(frozen=True)
class Tile:
    """Some heads of one seed and the rows of numbers that go with their columns.

    Attributes:
        seed: seed of the initial weights and of the batch order.
        members: index of the replicate in each slot; the remaining slots are padding.
        heads: the head in each slot.
        num_slots: heads that fit, filled or not.
        num_classes: columns of a head's logits.
        groups: the losses in the tile, covering all members.
        device: where it is trained.
    """

    seed: int
    members: tuple[int, ...]
    heads: tuple[ResolvedHead, ...]
    num_slots: int
    num_classes: int
    groups: tuple[LossGroup, ...]
    device: torch.device

    @property
    def width(self) -> int:
        """Columns of the logits, padding included."""
        return aligned(self.num_slots * self.num_classes)

    def lr(self, block: ColumnBlock) -> Tensor:
        """The learning rate of every column of a block; 1 in padding."""
        return block.row([head.lr for head in self.heads], 1.0, self.device)

    def weight_decay(self, block: ColumnBlock) -> Tensor:
        """The weight decay of every column of a block; 0 in padding."""
        return block.row([head.weight_decay for head in self.heads], 0.0, self.device)


def tile_slots(
    settings: TrainingSettings, *, dim: int, num_classes: int, device: torch.device
) -> int:
    """Heads a tile: as many as fill the padded width best, within the device's limits.

    It depends on nothing else, so that a head's bits are the same in every pack.

    Args:
        settings: the kind of head.
        dim: D.
        num_classes: C.
        device: where they train.
    """
    columns = settings.widest_layer(num_classes)
    if device.type == "cpu":
        head_bytes = _STATE_BYTES_PER_WEIGHT * settings.num_weights(dim, num_classes)
        limit = min(CPU_WIDTH // columns, CPU_STATE_BYTES // head_bytes)
    else:
        limit = GPU_WIDTH // columns
    return min(
        range(1, max(1, limit) + 1),
        key=lambda n: (aligned(n * columns) + ALIGNMENT) / (n * columns),
    )


def make_tiles(
    heads: Sequence[ResolvedHead],
    replicates: Sequence[tuple[int, int]],
    members: Sequence[int],
    *,
    slots: int,
    fitting: Callable[[int], int],
    num_classes: int,
    device: torch.device,
) -> list[Tile]:
    """Group replicates into tiles: by seed, then by loss and its choices.

    Args:
        heads: the configurations.
        replicates: (index into ``heads``, seed) of every replicate of the pack.
        members: the replicates to put into tiles.
        slots: heads of a full tile.
        fitting: heads that are left over to the slots of the tile that takes them.
        num_classes: columns of a head's logits.
        device: where they train.
    """
    by_seed: dict[int, list[int]] = {}
    for member in members:
        by_seed.setdefault(replicates[member][1], []).append(member)
    tiles = []
    for seed, indices in sorted(by_seed.items()):
        ordered = sorted(
            indices,
            key=lambda i: (heads[replicates[i][0]].loss.name, heads[replicates[i][0]].choices),
        )
        for start in range(0, len(ordered), slots):
            chosen = tuple(ordered[start : start + slots])
            mine = tuple(heads[replicates[i][0]] for i in chosen)
            width = slots if len(chosen) == slots else fitting(len(chosen))
            groups = _groups(mine, width, num_classes, device)
            tiles.append(Tile(seed, chosen, mine, width, num_classes, groups, device))
    return tiles


def _groups(
    heads: tuple[ResolvedHead, ...], slots: int, num_classes: int, device: torch.device
) -> tuple[LossGroup, ...]:
    width = aligned(slots * num_classes)
    groups = []
    start = 0
    while start < len(heads):
        first = heads[start]
        stop = start
        while (
            stop < len(heads)
            and heads[stop].loss is first.loss
            and heads[stop].choices == first.choices
        ):
            stop += 1
        rows = {}
        for name, rule in first.loss.hyperparameters.items():
            if rule.choices is None:
                row = torch.ones(width)
                values = [v for h in heads[start:stop] for v in h.numbers(name, num_classes)]
                row[start * num_classes : stop * num_classes] = torch.tensor(values)
                rows[name] = row.to(device)
        groups.append(LossGroup(first.loss, dict(first.choices), rows, start, stop))
        start = stop
    return tuple(groups)
