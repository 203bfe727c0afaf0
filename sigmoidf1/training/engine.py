"""The training loop of one tile."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from sigmoidf1.losses.base import autograd_gradient
from sigmoidf1.training import products
from sigmoidf1.training.optimisers import PackedAdam
from sigmoidf1.training.settings import TrainingSettings
from sigmoidf1.training.tiles import LossGroup, Tile

DIVERGED_LOSS = 10.0  # an epoch's mean loss of the F1 family beyond this has left [0, 1] for good
_ORDER_STREAM = 1 << 32  # keeps the batch order's random numbers apart from the initial weights'


@dataclass(frozen=True)
class LabelledSet:
    """Head inputs (n, D) float32 and targets (n, C) float32 of one split, on the device."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass
class TrainedTile:
    """What a tile's training leaves; the slot is the last axis, padding slots included.

    Attributes:
        weight: (D, width) and bias (width,), of the last epoch.
        train_loss: (epochs, slots) mean of the batch losses of each epoch, weighted by batch size;
            not finite once a batch's was not.
        curve: (evaluations, slots) the objective on its split, at ``curve_epochs``.
    """

    weight: Tensor
    bias: Tensor
    train_loss: Tensor
    curve: Tensor
    curve_epochs: list[int]


def initial_parameters(seed: int, dim: int, num_classes: int) -> tuple[Tensor, Tensor]:
    """Weight (D, C) and bias (C,) of seed ``seed``: those of ``nn.Linear`` after manual_seed."""
    generator = torch.Generator().manual_seed(seed)
    bound = 1.0 / math.sqrt(dim)
    weight = torch.empty(num_classes, dim).uniform_(-bound, bound, generator=generator)
    bias = torch.empty(num_classes).uniform_(-bound, bound, generator=generator)
    return weight.t().contiguous(), bias


def batch_order(seed: int, num_examples: int) -> Iterator[Tensor]:
    """Endless permutations of the training examples, one an epoch; the same in every cell."""
    generator = torch.Generator().manual_seed(_ORDER_STREAM + seed)
    while True:
        yield torch.randperm(num_examples, generator=generator)


def spread_targets(targets: Tensor, tile: Tile, out: Tensor) -> Tensor:
    """Repeat targets (B, C) for every slot of a tile into ``out`` (B, width), padding left 0."""
    used = tile.num_slots * tile.num_classes
    view = out[: len(targets), :used].unflatten(1, (tile.num_slots, tile.num_classes))
    view.copy_(targets.unsqueeze(1))
    return out[: len(targets)]


def loss_and_gradient(logits: Tensor, targets: Tensor, tile: Tile) -> tuple[Tensor, Tensor]:
    """Losses (slots,) and gradient (B, width) of a tile's logits (B, width).

    A tile with one loss takes its closed form as it is. In a mixed tile each loss runs over the
    whole width and its own columns are kept: the same bits as in a tile of its own.
    """
    if len(tile.groups) == 1:
        return _group_gradient(logits, targets, tile, tile.groups[0])
    losses = logits.new_zeros(tile.num_slots)
    gradient = torch.zeros_like(logits)
    for group in tile.groups:
        group_losses, group_gradient = _group_gradient(logits, targets, tile, group)
        losses[group.start : group.stop] = group_losses[group.start : group.stop]
        columns = slice(group.start * tile.num_classes, group.stop * tile.num_classes)
        gradient[:, columns] = group_gradient[:, columns]
    return losses, gradient


def _group_gradient(
    logits: Tensor, targets: Tensor, tile: Tile, group: LossGroup
) -> tuple[Tensor, Tensor]:
    sizes = {"num_heads": tile.num_slots, "num_classes": tile.num_classes}
    if group.loss.gradient is not None:
        return group.loss.gradient(
            logits, targets, group.hyperparameters, choices=group.choices, **sizes
        )
    return autograd_gradient(
        group.loss, logits, targets, group.hyperparameters, choices=group.choices, **sizes
    )


def train_tile(
    tile: Tile,
    train: LabelledSet,
    settings: TrainingSettings,
    *,
    evaluate: Callable[[Tensor, Tensor], Tensor],
    on_epoch: Callable[[], None],
) -> TrainedTile:
    """Train the heads of one tile.

    Args:
        tile: the heads.
        train: the training split.
        settings: epochs, batch size, optimiser.
        evaluate: (weight, bias) -> (slots,) objective, called every ``settings.eval_every``
            epochs and after the last.
        on_epoch: called after every epoch; what it raises ends the training.
    """
    device = train.inputs.device
    dim = train.inputs.shape[1]
    batch_size = min(settings.batch_size, len(train))
    lr = tile.lr
    scaled_weight, scaled_bias = _scaled_start(tile, dim, device)
    optimiser = PackedAdam(
        [scaled_weight, scaled_bias],
        lr,
        tile.weight_decay,
        decoupled=settings.optimizer == "adamw",
    )
    inputs = torch.empty(batch_size, dim, device=device)
    spread = torch.zeros(batch_size, tile.width, device=device)
    order = batch_order(tile.seed, len(train))
    epoch_losses, curve, curve_epochs = [], [], []
    for epoch in range(1, settings.epochs + 1):
        permutation = next(order).to(device)
        losses, sizes = [], []
        for batch in permutation.split(batch_size):
            x = torch.index_select(train.inputs, 0, batch, out=inputs[: len(batch)])
            y = spread_targets(train.targets[batch], tile, spread)
            logits = torch.addcmul(scaled_bias * lr, products.scores(x, scaled_weight), lr)
            batch_losses, gradient = loss_and_gradient(logits, y, tile)
            optimiser.step([products.weight_gradient(x, gradient), gradient.sum(0)])
            losses.append(batch_losses)
            sizes.append(len(batch))
        stacked = torch.stack(losses)
        weights = torch.tensor(sizes, dtype=torch.float32, device=device) / len(train)
        epoch_losses.append((stacked * weights[:, None]).sum(0))
        if epoch % settings.eval_every == 0 or epoch == settings.epochs:
            curve.append(evaluate(scaled_weight * lr, scaled_bias * lr))
            curve_epochs.append(epoch)
        on_epoch()
    return TrainedTile(
        weight=scaled_weight * lr,
        bias=scaled_bias * lr,
        train_loss=torch.stack(epoch_losses),
        curve=torch.stack(curve),
        curve_epochs=curve_epochs,
    )


def _scaled_start(tile: Tile, dim: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The seed's initial parameters in every slot, divided by each column's learning rate."""
    weight, bias = initial_parameters(tile.seed, dim, tile.num_classes)
    padding = tile.width - tile.num_slots * tile.num_classes
    wide = torch.cat([weight.repeat(1, tile.num_slots), torch.zeros(dim, padding)], dim=1)
    wide_bias = torch.cat([bias.repeat(tile.num_slots), torch.zeros(padding)])
    return wide.to(device) / tile.lr, wide_bias.to(device) / tile.lr
