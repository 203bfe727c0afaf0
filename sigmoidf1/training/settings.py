"""What a head is trained with: its own configuration and the settings that its pack shares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sigmoidf1.errors import InputError

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "onecycle")
HEAD_KINDS = ("linear", "mlp")
EPOCH_CHOICES = ("last", "best")
PRECISIONS = ("float32", "bf16", "tf32")


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """One head's own hyperparameters: every number here may differ from head to head of a pack.

    Args:
        loss: name of a registered loss, see :func:`sigmoidf1.losses.loss_names`.
        hyperparameters: the loss's hyperparameters; left-out ones take their defaults. A list of
            C numbers gives one per class, for losses with a closed form (paper, Section 8).
        lr: learning rate, > 0; the highest one under a schedule.
        weight_decay: >= 0; L2 on the gradient for ``adam`` and ``sgd`` (as in ``torch.optim``),
            decoupled for ``adamw``. The bias is decayed as well, as PyTorch does by default.

    Raises:
        InputError: a number breaks its rule.
    """

    loss: str
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    lr: float = 1e-3
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _check_number("lr", self.lr, "a finite number above 0", lambda v: v > 0)
        _check_number("weight_decay", self.weight_decay, "a finite number >= 0", lambda v: v >= 0)


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """What all heads of one pack share.

    Args:
        epochs: passes over the training split, >= 1.
        batch_size: examples per optimiser step, >= 1; the last, smaller batch of an epoch is
            kept, and a size above the training split means full-batch training.
        optimizer: ``adam``, ``adamw`` (PyTorch's defaults: betas 0.9 and 0.999, eps 1e-8) or
            ``sgd``.
        momentum: of ``sgd``, in [0, 1).
        schedule: of the learning rate: ``constant``, ``cosine`` (to 0 at the end) or
            ``onecycle`` (Smith & Topin 2018, as ``torch.optim.lr_scheduler.OneCycleLR`` with its
            defaults; under Adam its beta1 is cycled as well).
        pct_start: share of the steps in which ``onecycle`` rises, in (0, 1); the authors use 0.2.
        warmup_epochs: epochs of linear warm-up from 0 that multiply the schedule, >= 0.
        ema_decay: exponential moving average of the weights, in [0, 1); evaluated and returned
            instead of the weights themselves. 0 is off.
        head: ``linear``: ReLU on the embedding, then one linear layer (paper, Section 5.2);
            ``mlp``: a hidden layer with ReLU (the authors' image head).
        hidden: width of the ``mlp``'s hidden layer, >= 1.
        dropout: of the ``mlp``'s hidden layer, in [0, 1); seed s drops the same units in every
            cell.
        learn: hyperparameters that are learned with the head, one value a class, starting from
            the configuration's: any of ``beta`` (keeps its sign) and ``eta``, for losses of the
            sigmoidF1 family.
        keep_epoch: ``last``, or ``best``: each head keeps the weights of the evaluated epoch whose
            objective was best.
        patience: a head stops after this many evaluations without a better objective, and its
            pack goes on without it; None never stops. Needs ``keep_epoch="best"``.
        eval_every: epochs between two values of the objective in the learning curve; the last
            epoch is always evaluated. None chooses it so that it costs below a fifth of training.
        precision: of the matrix products: ``float32``, ``bf16`` (weights and moments stay
            float32) or ``tf32`` (on a GPU; the same as float32 elsewhere).

    Raises:
        InputError: a setting breaks its rule.
    """

    epochs: int = 60
    batch_size: int = 256
    optimizer: str = "adam"
    momentum: float = 0.9
    schedule: str = "constant"
    pct_start: float = 0.3
    warmup_epochs: float = 0.0
    ema_decay: float = 0.0
    head: str = "linear"
    hidden: int = 1024
    dropout: float = 0.0
    learn: tuple[str, ...] = ()
    keep_epoch: str = "last"
    patience: int | None = None
    eval_every: int | None = None
    precision: str = "float32"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "hidden"):
            _check_count(name, getattr(self, name))
        for name in ("patience", "eval_every"):
            if getattr(self, name) is not None:
                _check_count(name, getattr(self, name))
        choices = {
            "optimizer": OPTIMIZERS,
            "schedule": SCHEDULES,
            "head": HEAD_KINDS,
            "keep_epoch": EPOCH_CHOICES,
            "precision": PRECISIONS,
        }
        for name, known in choices.items():
            value = getattr(self, name)
            if value not in known:
                raise InputError(f"{name} must be one of {', '.join(known)}, but got {value!r}.")
        for name in ("momentum", "ema_decay", "dropout"):
            _check_number(name, getattr(self, name), "in [0, 1)", lambda v: 0 <= v < 1)
        _check_number("pct_start", self.pct_start, "in (0, 1)", lambda v: 0 < v < 1)
        _check_number("warmup_epochs", self.warmup_epochs, "a finite number >= 0", lambda v: v >= 0)
        for name in self.learn:
            if name not in ("beta", "eta"):
                raise InputError(f"learn may hold beta and eta, but got {name!r}.")
        if self.patience is not None and self.keep_epoch != "best":
            raise InputError(
                "patience needs keep_epoch = 'best', but got 'last': a head that stops keeps "
                "its best epoch."
            )

    def num_weights(self, dim: int, num_classes: int) -> int:
        """Weights of a head for D inputs and C classes, biases left out."""
        if self.head == "mlp":
            return dim * self.hidden + self.hidden * num_classes
        return dim * num_classes

    def widest_layer(self, num_classes: int) -> int:
        """Columns of a head in its widest parameter: what a tile's width is divided by."""
        return max(self.hidden, num_classes) if self.head == "mlp" else num_classes


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


def _check_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{name} must be an integer >= 1, but got {value!r}.")


def _check_number(name: str, value: Any, rule: str, allowed: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and math.isfinite(value) and allowed(value)):
        raise InputError(f"{name} must be {rule}, but got {value!r}.")
