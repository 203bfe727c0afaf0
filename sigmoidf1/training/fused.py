"""A training step of linear heads in bf16 on a CPU, with the passes between its products fused.

PyTorch makes a step of some fifteen operations, each of which reads and writes all logits or all
weights of a tile; in bf16, whose products are fast, they take as long as the products. Where Numba
is installed its kernels read and write them two or three times (docs/performance.md has the
measurements). The losses of the smooth confusion matrix on logits have kernels of their own; any
other loss takes its closed form, or autograd, between two fused passes.

Without Numba, in float32 and tf32, on a GPU, and for what is left out here (MLP heads, SGD, learned
hyperparameters), the step is PyTorch's. Which of the two it is depends on the settings and the
environment alone, never on the pack, so a head's bits do not either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from sigmoidf1.losses.confusion import ratio_rows
from sigmoidf1.training.gradients import group_gradient
from sigmoidf1.training.products import matmul
from sigmoidf1.training.settings import TrainingSettings
from sigmoidf1.training.tiles import LossGroup, Tile


@lru_cache(maxsize=1)
def kernels() -> ModuleType | None:
    """The kernels, or None where Numba is not installed."""
    try:
        from sigmoidf1.training import fused_kernels
    except ImportError:
        return None
    return fused_kernels


def _may_fuse(settings: TrainingSettings, device: torch.device) -> bool:
    return (
        device.type == "cpu"
        and settings.precision == "bf16"
        and settings.head == "linear"
        and settings.optimizer in ("adam", "adamw")
        and not settings.learn
    )


def _has_kernel(group: LossGroup) -> bool:
    return group.loss.smooth is not None and group.choices["input"] == "logits"


def make_fused_step(
    tile: Tile,
    settings: TrainingSettings,
    scaled: Mapping[str, Tensor],
    lr: Mapping[str, Tensor],
) -> FusedStep | None:
    """The fused step of a tile, or None where PyTorch's is taken.

    Args:
        tile: the heads.
        settings: what they share.
        scaled: the scaled ``weight`` (D, W), of which a rounded copy is kept, and ``bias`` (W,).
        lr: learning rates (W,) of the columns of both.
    """
    found = kernels() if _may_fuse(settings, tile.device) else None
    return None if found is None else FusedStep(found, tile, scaled, lr)


class FusedStep:
    """The gradients of a tile's linear heads, and Adam's step on their weights.

    Args:
        found: the kernels.
        tile, scaled, lr: as of `make_fused_step`.
    """

    def __init__(
        self,
        found: ModuleType,
        tile: Tile,
        scaled: Mapping[str, Tensor],
        lr: Mapping[str, Tensor],
    ) -> None:
        self._kernels, self._tile = found, tile
        self._weight, self._bias = scaled["weight"], scaled["bias"]
        self._lr_weight, self._lr_bias = lr["weight"], lr["bias"]
        self._rounded = self._weight.to(torch.bfloat16)
        self._scores = torch.empty(0, tile.width)
        self._gradient = torch.empty(0, tile.width, dtype=torch.bfloat16)
        self._targets = torch.zeros(0, tile.width, dtype=torch.uint8)
        self._positives = torch.zeros(tile.width)

    def weights_changed(self) -> None:
        """Round the weights anew, after they were changed from outside."""
        self._rounded.copy_(self._weight)

    def gradients(
        self, inputs: Tensor, targets: Tensor, spread: Callable[[], Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Losses (slots,), and the gradients of the weights, in bf16, and of the biases.

        Args:
            inputs: (B, D) in bf16.
            targets: (B, C).
            spread: gives the targets (B, W) repeated for every head, 0 in padding.
        """
        tile = self._tile
        if len(self._scores) < len(inputs):
            self._scores = torch.empty(len(inputs), tile.width)
            self._gradient = torch.empty(len(inputs), tile.width, dtype=torch.bfloat16)
            self._targets = torch.zeros(len(inputs), tile.width, dtype=torch.uint8)
        if any(_has_kernel(group) for group in tile.groups):
            used = tile.num_slots * tile.num_classes
            heads = self._targets[: len(inputs), :used].unflatten(1, (tile.num_slots, -1))
            heads.copy_(targets.to(torch.uint8).unsqueeze(1))
            self._positives[:used].view(tile.num_slots, -1).copy_(targets.sum(0))
        product = matmul(inputs, self._rounded)
        gradient, summed = self._gradient[: len(inputs)], torch.empty(tile.width)
        if len(tile.groups) == 1:
            losses = self._of_group(tile.groups[0], product, spread, gradient, summed)
        else:
            # As in a tile of its own: each loss runs over the whole width and keeps its columns.
            losses, own, total = torch.zeros(tile.num_slots), gradient.clone(), summed.clone()
            gradient.zero_()
            summed.zero_()
            for group in tile.groups:
                found = self._of_group(group, product, spread, own, total)
                slots = slice(group.start, group.stop)
                columns = slice(group.start * tile.num_classes, group.stop * tile.num_classes)
                losses[slots] = found[slots]
                gradient[:, columns] = own[:, columns]
                summed[columns] = total[columns]
        return losses, [matmul(inputs.t(), gradient), summed]

    def _of_group(
        self,
        group: LossGroup,
        product: Tensor,
        spread: Callable[[], Tensor],
        gradient: Tensor,
        summed: Tensor,
    ) -> Tensor:
        """Losses (slots,) of one loss over the whole width; the gradients are written."""
        tile, form = self._tile, group.loss.smooth
        bias = (self._bias * self._lr_bias).numpy()
        scores, targets = self._scores[: len(product)], self._targets[: len(product)]
        halves = product.view(torch.uint16).numpy(), self._lr_weight.numpy(), bias
        if form is None or not _has_kernel(group):
            self._kernels.unpack(*halves, scores.numpy())
            losses, found = group_gradient(scores, spread(), tile, group)
            self._kernels.round_and_sum(
                found.contiguous().numpy(), gradient.view(torch.uint16).numpy(), summed.numpy()
            )
            return losses
        beta = group.hyperparameters["beta"]
        slope = -beta if form.mirrored else beta
        overlap, total = torch.empty(tile.width), torch.empty(tile.width)
        self._kernels.tuned_sigmoid(
            *halves,
            group.hyperparameters["eta"].numpy(),
            slope.numpy(),
            targets.numpy(),
            scores.numpy(),
            overlap.numpy(),
            total.numpy(),
        )
        losses, by_overlap, by_total = ratio_rows(
            form.ratio,
            (overlap, total, self._positives),
            terms=len(product),
            num_heads=tile.num_slots,
            num_classes=tile.num_classes,
            reduction=group.choices["reduction"],
            slope=slope,
        )
        self._kernels.ratio_gradient(
            scores.numpy(),
            targets.numpy(),
            by_overlap.numpy(),
            by_total.numpy(),
            gradient.view(torch.uint16).numpy(),
            summed.numpy(),
        )
        return losses

    def adam(
        self,
        gradient: Tensor,
        mean: Tensor,
        square: Tensor,
        decay: Tensor | None,
        *,
        count: int,
        rate: float,
        betas: tuple[float, float],
        eps: float,
    ) -> None:
        """Step ``count`` of Adam on the weights and their rounded copy.

        Args:
            gradient: (D, W) in bf16.
            mean, square: (D, W) the moments.
            decay: (W,) times the weights added to the gradient; None for none.
            count: from 1.
            rate: of the scaled weights.
            betas, eps: of Adam.
        """
        row = torch.zeros(self._tile.width) if decay is None else decay
        self._kernels.adam(
            self._weight.numpy(),
            gradient.view(torch.uint16).numpy(),
            mean.numpy(),
            square.numpy(),
            self._rounded.view(torch.uint16).numpy(),
            row.numpy(),
            np.float32(rate / (1 - betas[0] ** count)),
            np.float32((1 - betas[1] ** count) ** 0.5),
            np.float32(betas[1]),
            np.float32(1 - betas[0]),
            np.float32(1 - betas[1]),
            np.float32(eps),
        )
