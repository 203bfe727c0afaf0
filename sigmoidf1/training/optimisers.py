"""Adam and AdamW on a tile, with a learning rate and a weight decay for every head.

PyTorch's fused Adam kernel takes one learning rate for the whole tensor. A tile therefore keeps
its parameters divided by each head's learning rate and steps them with a rate of 1:
``w = lr * v``, ``v <- v - m / (sqrt(s) + eps)`` is ``w <- w - lr * m / (sqrt(s) + eps)``, where
the moments m and s are those of the gradient with respect to ``w`` (Kingma & Ba 2015, Algorithm 1;
Loshchilov & Hutter 2019 for the decoupled decay).
"""

from __future__ import annotations

import torch
from torch import Tensor

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


class PackedAdam:
    """Adam's state for the scaled parameters of one tile.

    Args:
        parameters: scaled parameters ``v = w / lr``; the last axis of each is the tile's columns.
        lr: (W,) learning rate of every column.
        weight_decay: (W,) weight decay of every column.
        decoupled: AdamW's decay instead of L2 on the gradient.
    """

    def __init__(
        self, parameters: list[Tensor], lr: Tensor, weight_decay: Tensor, *, decoupled: bool
    ) -> None:
        self.parameters = parameters
        self._means = [torch.zeros_like(p) for p in parameters]
        self._squares = [torch.zeros_like(p) for p in parameters]
        self._steps = [torch.zeros((), device=p.device) for p in parameters]
        decays = bool((weight_decay != 0).any())
        self._shrink = 1.0 - lr * weight_decay if decays and decoupled else None
        self._pull = lr * weight_decay if decays and not decoupled else None

    def step(self, gradients: list[Tensor]) -> None:
        """One update from the gradients with respect to ``w`` (overwritten when L2 decays)."""
        if self._pull is not None:
            for gradient, parameter in zip(gradients, self.parameters, strict=True):
                gradient.addcmul_(parameter, self._pull)
        if self._shrink is not None:
            for parameter in self.parameters:
                parameter.mul_(self._shrink)
        for count in self._steps:
            count += 1
        torch._fused_adam_(
            self.parameters,
            gradients,
            self._means,
            self._squares,
            [],
            self._steps,
            lr=1.0,
            beta1=BETA1,
            beta2=BETA2,
            weight_decay=0.0,
            eps=EPS,
            amsgrad=False,
            maximize=False,
        )
