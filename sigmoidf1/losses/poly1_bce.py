"""Poly-1 cross-entropy: binary cross-entropy with the first term of its expansion reweighted."""

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

EPSILON = Hyperparameter(
    name="epsilon",
    default=1.0,
    description="what is added to the first coefficient of the expansion in 1 - p_t; 0 changes "
    "nothing",
    minimum=-1.0,
)


def poly1_bce(
    logits: Tensor, targets: Tensor, *, epsilon: Number = 1.0, reduction: str = "mean"
) -> Tensor:
    """Binary cross-entropy plus a multiple of what it misses at first order.

    With ``p = sigmoid(logits)`` and ``p_t = p y + (1-p) (1-y)``, cross-entropy is
    ``-log p_t = Σ_j (1 - p_t)^j / j``; Poly-1 adds ``epsilon`` to the coefficient of ``j = 1``::

        loss = mean [ -log p_t + epsilon (1 - p_t) ]

    Args:
        logits: (N, C), or (..., N, C) for several heads.
        targets: (N, C) in {0, 1}, or with the leading axes of the logits.
        epsilon: finite and >= -1, which keeps the coefficient from being negative; a number, or a
            tensor with the leading axes of the logits, or with these and C for one a class.
        reduction: ``mean`` or ``sum`` over batch and classes.

    Returns:
        A scalar >= 0, or one for each head, shape (...).

    Raises:
        InputError: if shapes do not fit or a hyperparameter breaks its rule.

    Example:
        >>> import torch
        >>> round(poly1_bce(torch.zeros(3, 2), torch.ones(3, 2), epsilon=2.0).item(), 4)
        1.6931

    Source: Leng et al., PolyLoss, ICLR 2022, Eq. 3 (their softmax replaced by one sigmoid a class).
    """
    logits, targets = logits_and_targets(logits, targets)
    weight = number(epsilon, EPSILON, logits)
    t = (2 * targets - 1) * logits
    return reduce(weight * (-t).sigmoid() - logsigmoid(t), reduction, ELEMENT_REDUCTION)


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
    """With m = 2y-1, t = m logits, p = sigmoid(t) and q = 1-p = sigmoid(-t)::

    value = max(-t, 0) - log max(p, q) + epsilon q
    gradient = -m q (1 + epsilon p)
    """
    scale = element_scale(choices, logits, num_classes)
    epsilon = hyperparameters["epsilon"]
    ones = torch.ones_like(epsilon)
    m = torch.addcmul(-ones, targets, 2 * ones)
    t = torch.mul(m, logits)
    p, q = t.sigmoid(), torch.neg(t).sigmoid_()
    larger = torch.maximum(p, q)
    values = t.neg_().clamp_(min=0).sub_(log(larger, out=larger)).addcmul_(q, epsilon)
    columns = values.sum(0).mul_(scale)
    gradient = p.mul_(epsilon).add_(1).mul_(q).mul_(m).mul_(-scale)
    return sum_classes(columns, num_heads, num_classes), gradient


LOSS = Loss(
    name="poly1_bce",
    summary="Cross-entropy with its first term reweighted.",
    source="Leng et al., ICLR 2022, Eq. 3",
    function=poly1_bce,
    hyperparameters={rule.name: rule for rule in (EPSILON, ELEMENT_REDUCTION)},
    gradient=_gradient,
)
