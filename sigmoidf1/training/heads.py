"""Packed heads: the scores of all heads of a tile and the gradients of their parameters.

A head works on scaled parameters ``v = w / lr`` (see :mod:`sigmoidf1.training.optimisers`) and
returns gradients with respect to ``w``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from sigmoidf1.training.columns import ColumnBlock
from sigmoidf1.training.products import Products
from sigmoidf1.training.settings import TrainingSettings

_DROPOUT_STREAM = 2 << 32  # keeps the masks' random numbers apart from the weights' and the order's


class PackedHead(ABC):
    """The heads of one tile.

    Attributes:
        blocks: the parameters, in the order of their initialisation.
    """

    blocks: tuple[ColumnBlock, ...]

    @abstractmethod
    def initial(self, seed: int) -> dict[str, Tensor]:
        """The seed's initial parameters of one head, those of ``nn.Linear`` after manual_seed."""

    @abstractmethod
    def scores(
        self, inputs: Tensor, scaled: Mapping[str, Tensor], lr: Mapping[str, Tensor]
    ) -> Tensor:
        """Logits (B, width) for evaluation."""

    @abstractmethod
    def training_scores(
        self, inputs: Tensor, scaled: Mapping[str, Tensor], lr: Mapping[str, Tensor]
    ) -> Tensor:
        """Logits (B, width) for a training step; keeps what :meth:`gradients` needs."""

    @abstractmethod
    def gradients(
        self,
        inputs: Tensor,
        gradient: Tensor,
        scaled: Mapping[str, Tensor],
        lr: Mapping[str, Tensor],
    ) -> list[Tensor]:
        """Gradients of the blocks, given that of the logits (B, width)."""

    def continue_from(self, other: PackedHead) -> None:
        """Take over what a step leaves behind besides parameters: the random number stream."""
        return None


class LinearHeads(PackedHead):
    """``inputs @ weight + bias`` (paper, Section 5.2; the inputs are ReLU(embedding))."""

    def __init__(self, dim: int, num_classes: int, slots: int, products: Products) -> None:
        self._products = products
        self._dim, self._num_classes = dim, num_classes
        self.blocks = (
            ColumnBlock("weight", dim, num_classes, slots),
            ColumnBlock("bias", 0, num_classes, slots),
        )

    def initial(self, seed: int) -> dict[str, Tensor]:
        """Weight (D, C) and bias (C,)."""
        generator = torch.Generator().manual_seed(seed)
        weight, bias = _linear_start(self._dim, self._num_classes, generator)
        return {"weight": weight, "bias": bias}

    def scores(
        self, inputs: Tensor, scaled: Mapping[str, Tensor], lr: Mapping[str, Tensor]
    ) -> Tensor:
        """One product, then scale and shift in one pass."""
        product = self._products.matmul(inputs, scaled["weight"])
        return torch.addcmul(scaled["bias"] * lr["bias"], product, lr["weight"])

    training_scores = scores

    def gradients(
        self,
        inputs: Tensor,
        gradient: Tensor,
        scaled: Mapping[str, Tensor],
        lr: Mapping[str, Tensor],
    ) -> list[Tensor]:
        """``inputs.T @ gradient`` and the sum over the batch."""
        return [self._products.matmul(inputs.t(), gradient), gradient.sum(0)]


class MLPHeads(PackedHead):
    """``dropout(relu(inputs @ hidden.weight + hidden.bias)) @ weight + bias``, head by head."""

    def __init__(
        self,
        dim: int,
        num_classes: int,
        slots: int,
        products: Products,
        *,
        hidden: int,
        dropout: float,
        seed: int,
    ) -> None:
        self._products = products
        self._dim, self._hidden, self._num_classes = dim, hidden, num_classes
        self._dropout = dropout
        self._masks = torch.Generator().manual_seed(_DROPOUT_STREAM + seed)
        self.blocks = (
            ColumnBlock("hidden.weight", dim, hidden, slots),
            ColumnBlock("hidden.bias", 0, hidden, slots),
            ColumnBlock("weight", hidden, num_classes, slots),
            ColumnBlock("bias", 0, num_classes, slots),
        )
        self._active = torch.empty(0)
        self._mask: Tensor | None = None

    def initial(self, seed: int) -> dict[str, Tensor]:
        """Hidden weight (D, H) and bias (H,), weight (H, C) and bias (C,)."""
        generator = torch.Generator().manual_seed(seed)
        hidden_weight, hidden_bias = _linear_start(self._dim, self._hidden, generator)
        weight, bias = _linear_start(self._hidden, self._num_classes, generator)
        return {
            "hidden.weight": hidden_weight,
            "hidden.bias": hidden_bias,
            "weight": weight,
            "bias": bias,
        }

    def scores(
        self, inputs: Tensor, scaled: Mapping[str, Tensor], lr: Mapping[str, Tensor]
    ) -> Tensor:
        """Without dropout."""
        return self._output(self._hidden_units(inputs, scaled, lr), scaled, lr)

    def training_scores(
        self, inputs: Tensor, scaled: Mapping[str, Tensor], lr: Mapping[str, Tensor]
    ) -> Tensor:
        """With dropout; the mask of a step is the same for all heads of the seed."""
        units = self._hidden_units(inputs, scaled, lr)
        self._mask = None
        if self._dropout:
            kept = torch.rand(len(inputs), self._hidden, generator=self._masks) >= self._dropout
            mask = kept.float().div_(1.0 - self._dropout).to(inputs.device)
            self._mask = torch.zeros_like(units)
            self._of_heads(self._mask).copy_(mask)
            units = units * self._mask
        self._active = units
        return self._output(units, scaled, lr)

    def gradients(
        self,
        inputs: Tensor,
        gradient: Tensor,
        scaled: Mapping[str, Tensor],
        lr: Mapping[str, Tensor],
    ) -> list[Tensor]:
        """Back through the output product, the mask and the ReLU."""
        _, _, weight, bias = self.blocks
        by_head = bias.heads(gradient)  # (slots, B, C)
        units = self._of_heads(self._active)
        weight_gradient = torch.zeros_like(scaled["weight"])
        weight.heads(weight_gradient).copy_(self._products.per_head(units.mT, by_head))
        back = self._products.per_head(by_head, self._true_weight(scaled, lr).mT)
        units_gradient = torch.zeros_like(self._active)
        self._of_heads(units_gradient).copy_(back)
        if self._mask is not None:
            units_gradient.mul_(self._mask)
        units_gradient.mul_(self._active > 0)
        return [
            self._products.matmul(inputs.t(), units_gradient),
            units_gradient.sum(0),
            weight_gradient,
            gradient.sum(0),
        ]

    def continue_from(self, other: PackedHead) -> None:
        """The next mask is the next of the seed's stream, whatever tile the head is in."""
        if isinstance(other, MLPHeads):
            self._masks.set_state(other._masks.get_state())

    def _hidden_units(
        self, inputs: Tensor, scaled: Mapping[str, Tensor], lr: Mapping[str, Tensor]
    ) -> Tensor:
        product = self._products.matmul(inputs, scaled["hidden.weight"])
        shift = scaled["hidden.bias"] * lr["hidden.bias"]
        return torch.addcmul(shift, product, lr["hidden.weight"]).relu_()

    def _output(
        self, units: Tensor, scaled: Mapping[str, Tensor], lr: Mapping[str, Tensor]
    ) -> Tensor:
        bias = self.blocks[3]
        products = self._products.per_head(self._of_heads(units), self._true_weight(scaled, lr))
        logits = torch.zeros(len(units), bias.width, device=units.device)
        bias.heads(logits).copy_(products)
        return logits.add_(scaled["bias"] * lr["bias"])

    def _of_heads(self, units: Tensor) -> Tensor:
        """(B, hidden columns) as (slots, B, hidden)."""
        return self.blocks[1].heads(units)

    def _true_weight(self, scaled: Mapping[str, Tensor], lr: Mapping[str, Tensor]) -> Tensor:
        return self.blocks[2].heads(scaled["weight"] * lr["weight"])


def make_heads(
    settings: TrainingSettings,
    *,
    dim: int,
    num_classes: int,
    slots: int,
    seed: int,
    products: Products,
) -> PackedHead:
    """The packed heads that the settings describe."""
    if settings.head == "linear":
        return LinearHeads(dim, num_classes, slots, products)
    return MLPHeads(
        dim,
        num_classes,
        slots,
        products,
        hidden=settings.hidden,
        dropout=settings.dropout,
        seed=seed,
    )


def _linear_start(fan_in: int, fan_out: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    bound = 1.0 / math.sqrt(fan_in)
    weight = torch.empty(fan_out, fan_in).uniform_(-bound, bound, generator=generator)
    bias = torch.empty(fan_out).uniform_(-bound, bound, generator=generator)
    return weight.t().contiguous(), bias
