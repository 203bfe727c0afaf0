"""Training batches: the seed's order of examples, from memory of the device or of the host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

_ORDER_STREAM = 1 << 32  # keeps the order's random numbers apart from the initial weights'
_BLOCK_BATCHES = 16  # batches a block when examples are streamed to the device


@dataclass(frozen=True)
class LabelledSet:
    """One split: head inputs (n, D) at the products' precision and targets (n, C) float32.

    Attributes:
        inputs: on ``device``, or in host memory when they are streamed; (k * n, D) with k views.
        targets: beside the inputs.
        device: where heads are trained.
        streamed: the split is too large for the device and is copied there block by block.
        num_views: k, the augmented views of each example; example i of view v is row v * n + i.
    """

    inputs: Tensor
    targets: Tensor
    device: torch.device
    streamed: bool = False
    num_views: int = 1

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Some examples, on the device; a row v * n + i is view v of example i."""
        inputs = torch.index_select(self.inputs, 0, rows)
        examples = rows if self.num_views == 1 else rows % len(self)
        targets = torch.index_select(self.targets, 0, examples)
        return inputs.to(self.device), targets.to(self.device)

    def blocks(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All examples in order, ``size`` at a time, on the device."""
        for start in range(0, len(self), size):
            rows = slice(start, start + size)
            yield self.inputs[rows].to(self.device), self.targets[rows].to(self.device)


def batch_order(seed: int, num_examples: int, num_views: int = 1) -> Iterator[Tensor]:
    """Endless orders of the training examples, one an epoch; the same in every cell.

    With several views, every epoch draws one view of each example: entry ``v * n + i`` stands for
    view v of example i.
    """
    generator = torch.Generator().manual_seed(_ORDER_STREAM + seed)
    while True:
        order = torch.randperm(num_examples, generator=generator)
        if num_views > 1:
            drawn = torch.randint(num_views, (num_examples,), generator=generator)
            order = order + num_examples * drawn
        yield order


def epoch_batches(
    train: LabelledSet, permutation: Tensor, batch_size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of one epoch; the last, smaller one is kept.

    A split in host memory is gathered there in blocks of several batches and copied over, so that
    the device holds one block and never the whole split.
    """
    if not train.streamed:
        for rows in permutation.to(train.inputs.device).split(batch_size):
            yield train.take(rows)
        return
    for block in permutation.split(batch_size * _BLOCK_BATCHES):
        inputs, targets = train.take(block)
        yield from zip(inputs.split(batch_size), targets.split(batch_size), strict=True)
