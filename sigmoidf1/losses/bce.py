"""Binary cross-entropy on logits."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from sigmoidf1.losses.arguments import (
    ELEMENT_REDUCTION,
    Number,
    element_scale,
    logits_and_targets,
    number,
    reduce,
)
from sigmoidf1.losses.base import Hyperparameter, Loss
from sigmoidf1.losses.columns import log, sum_classes

_POS_WEIGHT = Hyperparameter(
    name="pos_weight",
    default=1.0,
    description="weight of the positives; above 1 favours recall",
    exclusive_minimum=0.0,
)


def bce(
    logits: Tensor, targets: Tensor, *, pos_weight: Number = 1.0, reduction: str = "mean"
) -> Tensor:
    """Binary cross-entropy, with a weight for the positives.

    With ``p = sigmoid(logits)``::

        loss = -mean [ pos_weight y log p + (1-y) log(1-p) ]

    Args:
        logits: (N, C), or (..., N, C) for several heads.
        targets: (N, C) in {0, 1}, or with the leading axes of the logits.
        pos_weight: finite and > 0; a number, or a tensor with the leading axes of the logits, or
            with these and C for one a class.
        reduction: ``mean`` or ``sum`` over batch and classes.

    Returns:
        A scalar >= 0, or one for each head, shape (...).

    Raises:
        InputError: if shapes do not fit or a hyperparameter breaks its rule.

    Example:
        >>> import torch
        >>> round(bce(torch.zeros(3, 2), torch.ones(3, 2)).item(), 4)
        0.6931

    Source: as :class:`torch.nn.BCEWithLogitsLoss`.
    """
    logits, targets = logits_and_targets(logits, targets)
    weight = number(pos_weight, _POS_WEIGHT, logits)
    values = weight * targets * logsigmoid(logits) + (1 - targets) * logsigmoid(-logits)
    return reduce(-values, reduction, ELEMENT_REDUCTION)


@torch.no_grad()
def _gradient(
    logits: Tensor,
    targets: Tensor,
    hyperparameters: Mapping[str, Tensor],
    *,
    num_heads: int,
    num_classes: int,
    choices: Mapping[str, str],
) -> tuple[Tensor, Tensor]:
    """With w = pos_weight y + (1-y), p = sigmoid(logits) and d = (1-2y) logits::

    value = w log(1 + e^d) = w (max(d, 0) - log max(p, 1-p))
    gradient = w (p - y)
    """
    scale = element_scale(choices, logits, num_classes)
    pos_weight = hyperparameters["pos_weight"]
    negative = torch.full_like(pos_weight, scale)
    weight = torch.addcmul(negative, targets, (pos_weight - 1) * scale)
    probs = logits.sigmoid()
    gradient = torch.sub(probs, targets).mul_(weight)
    larger = probs.sub_(0.5).abs_().add_(0.5)
    values = torch.addcmul(logits, targets, logits, value=-2).clamp_(min=0)
    columns = values.sub_(log(larger, out=larger)).mul_(weight).sum(0)
    return sum_classes(columns, num_heads, num_classes), gradient


LOSS = Loss(
    name="bce",
    summary="Binary cross-entropy, with a weight for the positives.",
    source="torch.nn.BCEWithLogitsLoss",
    function=bce,
    hyperparameters={rule.name: rule for rule in (_POS_WEIGHT, ELEMENT_REDUCTION)},
    gradient=_gradient,
)
