"""Focal loss: cross-entropy that looks away from what is already right."""

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
    per_element,
    reduce,
)
from sigmoidf1.losses.base import Hyperparameter, Loss
from sigmoidf1.losses.columns import LOG2_E, log, sum_classes

GAMMA = Hyperparameter(
    name="gamma",
    default=2.0,
    description="focusing; 0 is cross-entropy",
    minimum=0.0,
)
ALPHA = Hyperparameter(
    name="alpha",
    default=0.25,
    description="weight of the positives, 1 - alpha that of the negatives; null weighs neither",
    minimum=0.0,
    maximum=1.0,
    nullable=True,
)
_SMALLEST = 1e-37  # a normal float32; its logarithm is below -85


def focal(
    logits: Tensor,
    targets: Tensor,
    *,
    gamma: Number = 2.0,
    alpha: Number | None = 0.25,
    reduction: str = "mean",
) -> Tensor:
    """Cross-entropy weighted by how wrong the prediction is.

    With ``p = sigmoid(logits)``, ``p_t = p y + (1-p) (1-y)``,
    ``alpha_t = alpha y + (1-alpha) (1-y)``::

        loss = -mean alpha_t (1-p_t)^gamma log p_t

    Powers and logarithms are taken of ``logsigmoid(±logits)``, so the gradient is finite for every
    gamma >= 0, also where p_t is 1 and gamma between 0 and 1.

    Args:
        logits: (N, C), or (..., N, C) for several heads.
        targets: (N, C) in {0, 1}, or with the leading axes of the logits.
        gamma: focusing, finite and >= 0; a number, or a tensor with the leading axes of the
            logits, or with these and C for one a class.
        alpha: in [0, 1], or ``None`` for no weights; in the shapes of ``gamma``, where NaN stands
            for ``None``.
        reduction: ``mean`` or ``sum`` over batch and classes.

    Returns:
        A scalar >= 0, or one for each head, shape (...).

    Raises:
        InputError: if shapes do not fit or a hyperparameter breaks its rule.

    Example:
        >>> import torch
        >>> round(focal(torch.zeros(3, 2), torch.ones(3, 2), gamma=1.0, alpha=None).item(), 4)
        0.3466

    Source: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, Eq. 5; Bénédict et al.,
    TMLR 2022, Eq. 15.
    """
    logits, targets = logits_and_targets(logits, targets)
    power = number(gamma, GAMMA, logits)
    weight = per_element(alpha, ALPHA, logits)
    log_p, log_q = logsigmoid(logits), logsigmoid(-logits)
    positive = (power * log_q).exp() * log_p * targets
    negative = (power * log_p).exp() * log_q * (1 - targets)
    if weight is None:
        values = positive + negative
    elif isinstance(weight, Tensor):
        of_positives, of_negatives = class_weights(weight)
        values = of_positives * positive + of_negatives * negative
    else:
        values = weight * positive + (1 - weight) * negative
    return reduce(-values, reduction, ELEMENT_REDUCTION)


def class_weights(alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of positives and negatives; NaN is no weight."""
    missing = alpha.isnan()
    return torch.where(missing, 1.0, alpha), torch.where(missing, 1.0, 1 - alpha)


def focus(
    t: Tensor, p: Tensor, targets: Tensor, gamma: Tensor, alpha: Tensor, scale: float
) -> tuple[Tensor, Tensor]:
    """Return ``log p`` and ``scale alpha_t (1-p)^gamma``, both (B, W), of packed logits.

    Args:
        t: (B, W), the logits times 2y-1; it is overwritten, and free for other use.
        p: (B, W), ``sigmoid(t)``.
        targets: (B, W).
        gamma, alpha: (W,), alpha NaN for no weight.
        scale: of every weight.
    """
    of_positives, of_negatives = class_weights(alpha)
    of_positives, of_negatives = of_positives * scale, of_negatives * scale
    # log p is t where p is too small to have one, and below t elsewhere.
    log_p = p.clamp(min=_SMALLEST)
    torch.minimum(log(log_p, out=log_p), t, out=log_p)
    power = torch.sub(log_p, t, out=t).mul_(gamma * LOG2_E).exp2_()  # log q = log p - t
    weight = torch.addcmul(-of_negatives, targets, of_positives + of_negatives).mul_(power)
    return log_p, weight


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
    """With m = 2y-1, t = m logits, p = sigmoid(t), q = 1-p and the weight alpha_t::

    value = -alpha_t q^gamma log p
    gradient = m alpha_t q^gamma (p (1 + gamma log p) - 1)
    """
    scale = element_scale(choices, logits, num_classes)
    gamma = hyperparameters["gamma"]
    ones = torch.ones_like(gamma)
    t = torch.addcmul(-ones, targets, 2 * ones).mul_(logits)
    p = t.sigmoid()
    log_p, weight = focus(t, p, targets, gamma, hyperparameters["alpha"], scale)
    columns = torch.mul(weight, log_p, out=t).abs_().sum(0)
    gradient = log_p.mul_(gamma).add_(1).mul_(p).sub_(1).mul_(weight)
    return sum_classes(columns, num_heads, num_classes), gradient


LOSS = Loss(
    name="focal",
    summary="Cross-entropy weighted by how wrong the prediction is.",
    source="Lin et al., ICCV 2017, Eq. 5",
    function=focal,
    hyperparameters={rule.name: rule for rule in (GAMMA, ALPHA, ELEMENT_REDUCTION)},
    gradient=_gradient,
)
