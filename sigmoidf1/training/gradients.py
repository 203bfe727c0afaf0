"""The losses of a tile's heads and their gradients with respect to the logits."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sigmoidf1.losses.base import autograd_gradients
from sigmoidf1.training.tiles import LossGroup, Tile


def loss_and_gradient(
    logits: Tensor,
    targets: Tensor,
    tile: Tile,
    learned: Mapping[str, Tensor] | None = None,
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Losses and gradients of one batch.

    A tile with one loss takes its closed form as it is. In a mixed tile each loss runs over the
    whole width and its own columns are kept: the same bits as in a tile of its own.

    Args:
        logits: (B, width).
        targets: (B, width), 0 in padding columns.
        tile: the heads.
        learned: current values (width,) of the hyperparameters that are learned with the heads.

    Returns:
        Losses (slots,), their gradient (B, width), and the (width,) gradient of each learned
        hyperparameter.
    """
    learned = learned or {}
    if len(tile.groups) == 1:
        return _of_group(logits, targets, tile, tile.groups[0], learned)
    losses = logits.new_zeros(tile.num_slots)
    gradient = torch.zeros_like(logits)
    rows = {name: torch.zeros_like(row) for name, row in learned.items()}
    for group in tile.groups:
        group_losses, group_gradient, group_rows = _of_group(logits, targets, tile, group, learned)
        slots = slice(group.start, group.stop)
        columns = slice(group.start * tile.num_classes, group.stop * tile.num_classes)
        losses[slots] = group_losses[slots]
        gradient[:, columns] = group_gradient[:, columns]
        for name, row in group_rows.items():
            rows[name][columns] = row[columns]
    return losses, gradient, rows


def group_gradient(
    logits: Tensor, targets: Tensor, tile: Tile, group: LossGroup
) -> tuple[Tensor, Tensor]:
    """Losses (slots,) of one loss over the whole width, and their gradient (B, width)."""
    losses, gradient, _ = _of_group(logits, targets, tile, group, {})
    return losses, gradient


def _of_group(
    logits: Tensor, targets: Tensor, tile: Tile, group: LossGroup, learned: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    loss = group.loss
    if loss.gradient is not None and not learned:
        losses, gradient = loss.gradient(
            logits,
            targets,
            group.hyperparameters,
            num_heads=tile.num_slots,
            num_classes=tile.num_classes,
            choices=group.choices,
        )
        return losses, gradient, {}
    return autograd_gradients(
        loss,
        logits,
        targets,
        {**group.hyperparameters, **learned},
        num_heads=tile.num_slots,
        num_classes=tile.num_classes,
        choices=group.choices,
        learned=list(learned),
    )
