"""What a head is trained with: its own configuration and the settings that its pack shares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sigmoidf1.errors import InputError

OPTIMIZERS = ("adam", "adamw")
HEAD_KINDS = ("linear",)


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """One head's own hyperparameters: every number here may differ from head to head of a pack.

    Args:
        loss: name of a registered loss, see :func:`sigmoidf1.losses.loss_names`.
        hyperparameters: the loss's hyperparameters; left-out ones take their defaults.
        lr: learning rate, > 0.
        weight_decay: >= 0; L2 on the gradient for ``adam`` (as in ``torch.optim.Adam``),
            decoupled for ``adamw`` (as in ``torch.optim.AdamW``). The bias is decayed as well,
            as PyTorch does by default.

    Raises:
        InputError: a number breaks its rule.
    """

    loss: str
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    lr: float = 1e-3
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        if not (isinstance(self.lr, int | float) and math.isfinite(self.lr) and self.lr > 0):
            raise InputError(f"lr must be a finite number above 0, but got {self.lr!r}.")
        decay = self.weight_decay
        if not (isinstance(decay, int | float) and math.isfinite(decay) and decay >= 0):
            raise InputError(f"weight_decay must be a finite number >= 0, but got {decay!r}.")


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """What all heads of one pack share.

    Args:
        epochs: passes over the training split, >= 1.
        batch_size: examples per optimiser step, >= 1; the last, smaller batch of an epoch is
            kept, and a size above the training split means full-batch training.
        optimizer: ``adam`` or ``adamw``, with PyTorch's defaults (betas 0.9 and 0.999, eps 1e-8).
        head: ``linear``: ReLU on the embedding, then one linear layer (paper, Section 5.2).
        eval_every: epochs between two values of the validation objective in the learning curve;
            the last epoch is always evaluated.

    Raises:
        InputError: a setting breaks its rule.
    """

    epochs: int = 60
    batch_size: int = 256
    optimizer: str = "adam"
    head: str = "linear"
    eval_every: int = 5

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "eval_every"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name} must be an integer >= 1, but got {value!r}.")
        for name, known in (("optimizer", OPTIMIZERS), ("head", HEAD_KINDS)):
            value = getattr(self, name)
            if value not in known:
                raise InputError(f"{name} must be one of {', '.join(known)}, but got {value!r}.")


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The number by which cells are compared: a metric of a split at a threshold.

    Args:
        metric: a name of :data:`sigmoidf1.metrics.METRICS`.
        split: the split that it is read on; ``validation`` unless there is a reason.
        threshold: in (0, 1); a label is predicted when its probability is >= this.
    """

    metric: str = "weighted_f1"
    split: str = "validation"
    threshold: float = 0.5
