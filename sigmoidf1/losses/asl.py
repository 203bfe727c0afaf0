"""Asymmetric loss: focal loss with a focusing of its own for positives and for negatives."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sigmoidf1.losses.arguments import (
    Number,
    element_scale,
    logits_and_targets,
    number,
    reduce,
)
from sigmoidf1.losses.base import Hyperparameter, Loss
from sigmoidf1.losses.columns import LOG2_E, log, sum_classes

_GAMMA_NEG = Hyperparameter(
    name="gamma_neg", default=4.0, description="focusing of the negatives", minimum=0.0
)
_GAMMA_POS = Hyperparameter(
    name="gamma_pos", default=1.0, description="focusing of the positives", minimum=0.0
)
_CLIP = Hyperparameter(
    name="clip",
    default=0.05,
    description="probability below which a negative no longer counts",
    minimum=0.0,
    maximum=1.0,
)
_REDUCTION = Hyperparameter(
    name="reduction",
    default="sum",
    description="sum (as published) or mean over batch and classes",
    choices=("sum", "mean"),
)
_LOG_FLOOR = 1e-8
_LEAST_GAMMA = 1e-30  # stands for 0: w^gamma is then 1 for every w > 0 and, like w, 0 at 0
_LEAST_STEP = 5e-8  # below the smallest positive 1 - p in float32, 2**-24


def asl(
    logits: Tensor,
    targets: Tensor,
    *,
    gamma_neg: Number = 4.0,
    gamma_pos: Number = 1.0,
    clip: Number = 0.05,
    reduction: str = "sum",
) -> Tensor:
    """Focal loss with two focusings and with probabilities shifted for the negatives.

    With ``p = sigmoid(logits)``, ``p⁻ = min(1 - p + clip, 1)``, ``p_t = p y + p⁻ (1-y)``,
    ``gamma = gamma_pos y + gamma_neg (1-y)``, and logarithms clamped at log 1e-8::

        loss = -Σ (1-p_t)^gamma [ y log p + (1-y) log p⁻ ]

    The gradient is that of this formula: it passes through the focusing weight as well, and is 0
    where a clamp holds.

    Args:
        logits: (N, C), or (..., N, C) for several heads.
        targets: (N, C) in {0, 1}, or with the leading axes of the logits.
        gamma_neg: finite and >= 0; a number, or a tensor with the leading axes of the logits, or
            with these and C for one a class.
        gamma_pos: finite and >= 0; in the shapes of ``gamma_neg``.
        clip: in [0, 1]; in the shapes of ``gamma_neg``.
        reduction: ``sum`` (as published) or ``mean`` over batch and classes.

    Returns:
        A scalar >= 0, or one for each head, shape (...).

    Raises:
        InputError: if shapes do not fit or a hyperparameter breaks its rule.

    Example:
        >>> import torch
        >>> logits, targets = torch.zeros(1, 1), torch.ones(1, 1)
        >>> round(asl(logits, targets, gamma_pos=1.0).item(), 4)
        0.3466

    Source: Ben-Baruch et al., Asymmetric Loss for Multi-Label Classification, ICCV 2021. The
    published code can leave the focusing weight out of the gradient; this loss never does.
    """
    logits, targets = logits_and_targets(logits, targets)
    margin = number(clip, _CLIP, logits)
    p, q = logits.sigmoid(), (-logits).sigmoid()
    of_negatives = (q + margin).clamp(max=1)
    positive = p.clamp(min=_LOG_FLOOR).log() * _power(q, number(gamma_pos, _GAMMA_POS, logits))
    negative = of_negatives.clamp(min=_LOG_FLOOR).log() * _power(
        (p - margin).clamp(min=0), number(gamma_neg, _GAMMA_NEG, logits)
    )
    return reduce(-(targets * positive + (1 - targets) * negative), reduction, _REDUCTION)


def _power(base: Tensor, exponent: Number) -> Tensor:
    """base^exponent for base in [0, 1], with a finite gradient at 0 for exponents below 1.

    At 0 the power is some finite number: the logarithm beside it is 0 there.
    """
    return (exponent * base.clamp(min=torch.finfo(base.dtype).tiny).log()).exp()


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
    """Positives and negatives alike, with m = 2y-1, p = sigmoid(m logits), c = clip (1-y)::

    p_t = min(p + c, 1),  w = 1 - p_t
    value = -w^gamma log p_t
    gradient = -m p (1-p) w^gamma (1/p_t - gamma log(p_t) / w),  1/p_t only above the floor
    """
    scale = element_scale(choices, logits, num_classes)
    clip = hyperparameters["clip"]
    ones = torch.ones_like(clip)
    p = torch.addcmul(-ones, targets, 2 * ones).mul_(logits).sigmoid_()
    p_t = torch.addcmul(clip, targets, -clip).add_(p).clamp_(_LOG_FLOOR, 1)
    log_p = log(p_t, out=torch.empty_like(p_t))
    w = torch.rsub(p_t, 1)
    gamma = torch.lerp(
        (hyperparameters["gamma_neg"] * LOG2_E).clamp(min=_LEAST_GAMMA),
        (hyperparameters["gamma_pos"] * LOG2_E).clamp(min=_LEAST_GAMMA),
        targets,
    )
    # At w = 0 the logarithm is -inf and the focus 0, which is the mask of clipped negatives.
    focus = log(w, out=torch.empty_like(w)).mul_(gamma).exp2_()
    weight = torch.addcmul(ones * scale, targets, -2 * scale * ones).mul_(focus)
    columns = torch.mul(weight, log_p, out=focus).abs_().sum(0)
    by_weight = log_p.mul_(gamma)
    by_log = torch.threshold_(p_t, _LOG_FLOOR, float("inf")).reciprocal_()
    gradient = by_log.addcdiv_(by_weight, w.clamp_(min=_LEAST_STEP), value=-1 / LOG2_E)
    gradient.mul_(weight)
    torch.ops.aten.sigmoid_backward.grad_input(gradient, p, grad_input=gradient)
    return sum_classes(columns, num_heads, num_classes), gradient


LOSS = Loss(
    name="asl",
    summary="Focal loss with two focusings and shifted negatives.",
    source="Ben-Baruch et al., ICCV 2021",
    function=asl,
    hyperparameters={r.name: r for r in (_GAMMA_NEG, _GAMMA_POS, _CLIP, _REDUCTION)},
    gradient=_gradient,
)
