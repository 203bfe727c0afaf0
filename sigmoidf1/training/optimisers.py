"""Adam, AdamW and SGD on a tile, with a learning rate and a weight decay for every head.

PyTorch's fused kernels take one learning rate for a whole tensor. A tile therefore keeps its
parameters divided by each head's learning rate and steps them with the schedule's factor alone:
``w = lr v`` and ``v <- v - f m / (sqrt(s) + eps)`` is ``w <- w - f lr m / (sqrt(s) + eps)``, where
the moments m and s are those of the gradient with respect to ``w`` (Kingma & Ba 2015, Algorithm 1;
Loshchilov & Hutter 2019 for the decoupled decay).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sigmoidf1.training.fused import FusedStep
from sigmoidf1.training.schedules import StepRates
from sigmoidf1.training.settings import TrainingSettings

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


class PackedOptimiser:
    """State and steps for the scaled parameters of one tile.

    Args:
        settings: optimiser and momentum.
        parameters: scaled parameters ``v = w / lr``; the last axis of each is its columns.
        lr: the learning rate of every column of each parameter.
        weight_decay: the weight decay of every column of each parameter.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        parameters: Sequence[Tensor],
        lr: Sequence[Tensor],
        weight_decay: Sequence[Tensor],
    ) -> None:
        self._kind = settings.optimizer
        self._momentum = settings.momentum
        self._parameters = list(parameters)
        decays = any(bool((row != 0).any()) for row in weight_decay)
        self._decay = (
            [rate * decay for rate, decay in zip(lr, weight_decay, strict=True)] if decays else None
        )
        self._means = [torch.zeros_like(p) for p in parameters]
        self._squares = [torch.zeros_like(p) for p in parameters] if self._kind != "sgd" else []
        self._steps = [torch.zeros((), device=p.device) for p in parameters]

    @property
    def state(self) -> list[list[Tensor]]:
        """The tensors that belong to single heads, a list for each moment, in parameter order."""
        return [self._means, self._squares] if self._squares else [self._means]

    @property
    def steps_done(self) -> int:
        """Steps taken so far."""
        return int(self._steps[0])

    @steps_done.setter
    def steps_done(self, count: int) -> None:
        for step in self._steps:
            step.fill_(count)

    def step(
        self, gradients: list[Tensor], rates: StepRates, fused: FusedStep | None = None
    ) -> None:
        """One update from the gradients with respect to ``w`` (overwritten when L2 decays).

        Args:
            gradients: of the parameters, in their order.
            rates: the schedule's.
            fused: takes the step of the first parameter, the weights.
        """
        first = 0 if fused is None else 1
        if self._decay is not None:
            for place, decay in enumerate(self._decay):
                if self._kind == "adamw":
                    self._parameters[place].mul_(1.0 - rates.factor * decay)
                elif place >= first:
                    gradients[place].addcmul_(self._parameters[place], decay)
        if self._kind == "sgd":
            self._sgd(gradients, rates)
            return
        for count in self._steps:
            count.add_(1)
        beta1 = BETA1 if rates.momentum is None else rates.momentum
        if fused is not None:
            fused.adam(
                gradients[0],
                self._means[0],
                self._squares[0],
                self._decay[0] if self._decay is not None and self._kind == "adam" else None,
                count=self.steps_done,
                rate=rates.factor,
                betas=(beta1, BETA2),
                eps=EPS,
            )
        torch._fused_adam_(
            self._parameters[first:],
            gradients[first:],
            self._means[first:],
            self._squares[first:],
            [],
            self._steps[first:],
            lr=rates.factor,
            beta1=beta1,
            beta2=BETA2,
            weight_decay=0.0,
            eps=EPS,
            amsgrad=False,
            maximize=False,
        )

    def _sgd(self, gradients: list[Tensor], rates: StepRates) -> None:
        momentum = self._momentum if rates.momentum is None else rates.momentum
        first = self.steps_done == 0
        for count in self._steps:
            count.add_(1)
        torch._fused_sgd_(
            self._parameters,
            gradients,
            self._means if momentum else [],
            weight_decay=0.0,
            momentum=momentum,
            lr=rates.factor,
            dampening=0.0,
            nesterov=False,
            maximize=False,
            is_first_step=first,
        )
