"""Learning-rate schedules: one factor for the whole pack, times each head's learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sigmoidf1.training.settings import TrainingSettings

# The defaults of torch.optim.lr_scheduler.OneCycleLR.
_DIV_FACTOR, _FINAL_DIV_FACTOR = 25.0, 1e4
_BASE_MOMENTUM, _MAX_MOMENTUM = 0.85, 0.95


@dataclass(frozen=True)
class StepRates:
    """What an optimiser step takes from the schedule.

    Attributes:
        factor: multiplies every head's learning rate.
        momentum: beta1 of Adam or the momentum of SGD; None keeps the optimiser's own.
    """

    factor: float
    momentum: float | None


class Schedule:
    """The factor of every step.

    Args:
        settings: schedule, ``pct_start``, warm-up.
        steps_per_epoch: optimiser steps an epoch.
    """

    def __init__(self, settings: TrainingSettings, steps_per_epoch: int) -> None:
        self._kind = settings.schedule
        self._total = settings.epochs * steps_per_epoch
        self._warmup = settings.warmup_epochs * steps_per_epoch
        self._rise_end = settings.pct_start * self._total - 1.0

    def at(self, step: int) -> StepRates:
        """The rates of step ``step``, counted from 0."""
        momentum = None
        if self._kind == "cosine":
            factor = 0.5 * (1.0 + math.cos(math.pi * step / self._total))
        elif self._kind == "onecycle":
            factor, momentum = self._one_cycle(step)
        else:
            factor = 1.0
        if step + 1 < self._warmup:
            factor *= (step + 1) / self._warmup
        return StepRates(factor, momentum)

    def _one_cycle(self, step: int) -> tuple[float, float]:
        start, floor = 1.0 / _DIV_FACTOR, 1.0 / (_DIV_FACTOR * _FINAL_DIV_FACTOR)
        if 0.0 < self._rise_end >= step:
            share = step / self._rise_end
            return _anneal(start, 1.0, share), _anneal(_MAX_MOMENTUM, _BASE_MOMENTUM, share)
        share = (step - self._rise_end) / max(self._total - 1.0 - self._rise_end, 1e-12)
        return _anneal(1.0, floor, share), _anneal(_BASE_MOMENTUM, _MAX_MOMENTUM, share)


def _anneal(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2.0 * (1.0 + math.cos(math.pi * share))
