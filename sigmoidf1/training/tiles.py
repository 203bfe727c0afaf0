"""Tiles: heads of one seed, side by side as the columns of one matrix of a fixed width.

A tile is the unit of exactness. Every tile of a data set has the same width, padded where heads
are missing, and is computed on one thread by operations that treat each column alone; so a head's
bits do not depend on its pack, its place in it, its mates, or the number of threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sigmoidf1.losses.base import Loss
from sigmoidf1.training.settings import HeadConfig

ALIGNMENT = 64  # columns; a multiple of every SIMD width, so that no column is a scalar remainder
CPU_WIDTH = 1024  # columns; keeps a tile's weights and moments in the processor's caches
GPU_WIDTH = 16_384  # columns; enough work for one launch per operation


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

    @property
    def numbers(self) -> dict[str, float]:
        """The hyperparameters that are numbers; ``None`` is NaN."""
        names = [n for n, h in self.loss.hyperparameters.items() if h.choices is None]
        values = {name: self.values[name] for name in names}
        return {n: float("nan") if v is None else float(v) for n, v in values.items()}


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
        num_slots: heads that fit, filled or not.
        num_classes: columns of a head.
        width: columns of the tile, at least ``num_slots * num_classes``.
        groups: the losses in the tile, covering all members.
        lr: (width,) learning rate; 1 in padding columns.
        weight_decay: (width,).
    """

    seed: int
    members: tuple[int, ...]
    num_slots: int
    num_classes: int
    width: int
    groups: tuple[LossGroup, ...]
    lr: Tensor
    weight_decay: Tensor


def tile_shape(num_classes: int, device: torch.device) -> tuple[int, int]:
    """Heads a tile and its width in columns, for ``num_classes`` columns a head.

    Chooses the number of heads whose columns fill the padded width best.
    """
    limit = CPU_WIDTH if device.type == "cpu" else GPU_WIDTH

    def width(slots: int) -> int:
        return -(-slots * num_classes // ALIGNMENT) * ALIGNMENT

    slots = min(
        range(1, max(1, limit // num_classes) + 1),
        key=lambda n: (width(n) + ALIGNMENT) / (n * num_classes),
    )
    return slots, width(slots)


def make_tiles(
    heads: Sequence[ResolvedHead],
    replicates: Sequence[tuple[int, int]],
    *,
    num_classes: int,
    device: torch.device,
) -> list[Tile]:
    """Group (head index, seed) replicates into tiles: by seed, then by loss and its choices."""
    slots, width = tile_shape(num_classes, device)
    by_seed: dict[int, list[int]] = {}
    for index, (_, seed) in enumerate(replicates):
        by_seed.setdefault(seed, []).append(index)
    tiles = []
    for seed, indices in sorted(by_seed.items()):
        ordered = sorted(
            indices,
            key=lambda i: (heads[replicates[i][0]].loss.name, heads[replicates[i][0]].choices),
        )
        for start in range(0, len(ordered), slots):
            members = tuple(ordered[start : start + slots])
            chosen = [heads[replicates[i][0]] for i in members]
            tiles.append(_make_tile(seed, members, chosen, slots, num_classes, width, device))
    return tiles


def _make_tile(
    seed: int,
    members: tuple[int, ...],
    heads: list[ResolvedHead],
    slots: int,
    num_classes: int,
    width: int,
    device: torch.device,
) -> Tile:
    def columns(values: Sequence[float], start: int = 0) -> Tensor:
        row = torch.ones(width, dtype=torch.float32)
        spread = torch.tensor(values, dtype=torch.float32).repeat_interleave(num_classes)
        row[start * num_classes : start * num_classes + len(spread)] = spread
        return row.to(device)

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
        rows = {
            name: columns([head.numbers[name] for head in heads[start:stop]], start)
            for name in first.numbers
        }
        groups.append(LossGroup(first.loss, dict(first.choices), rows, start, stop))
        start = stop
    decay = columns([head.weight_decay for head in heads])
    decay[len(heads) * num_classes :] = 0.0
    return Tile(
        seed=seed,
        members=members,
        num_slots=slots,
        num_classes=num_classes,
        width=width,
        groups=tuple(groups),
        lr=columns([head.lr for head in heads]),
        weight_decay=decay,
    )
