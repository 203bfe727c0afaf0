"""Poly-1 focal loss: focal loss with the first term of its expansion reweighted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

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
from sigmoidf1.losses.base import Loss
from sigmoidf1.losses.columns import sum_classes
from sigmoidf1.losses.focal import ALPHA, GAMMA, class_weights, focus
from sigmoidf1.losses.poly1_bce import EPSILON

_ALPHA = replace(ALPHA, default=None)


def poly1_focal(
    logits: Tensor,
    targets: Tensor,
    *,
    epsilon: Number = 1.0,
    gamma: Number = 2.0,
    alpha: Number | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Focal loss plus a multiple of the leading term of its expansion.

    With ``p_t`` the probability of the true label and ``alpha_t = alpha y + (1-alpha) (1-y)``,
    focal loss is ``(1-p_t)^gamma Σ_j (1-p_t)^j / j``; Poly-1 adds ``epsilon`` to the coefficient
    of ``j = 1``::

        loss = mean alpha_t [ -(1-p_t)^gamma log p_t + epsilon (1-p_t)^(gamma+1) ]

    Args:
        logits: (N, C), or (..., N, C) for several heads.
        targets: (N, C) in {0, 1}, or with the leading axes of the logits.
        epsilon: finite and >= -1; a number, or a tensor with the leading axes of the logits, or
            with these and C for one a class.
        gamma: focusing, finite and >= 0; in the shapes of ``epsilon``.
        alpha: in [0, 1], or ``None`` for no weights; in the shapes of ``epsilon``, where NaN
            stands for ``None``.
        reduction: ``mean`` or ``sum`` over batch and classes.

    Returns:
        A scalar >= 0, or one for each head, shape (...).

    Raises:
        InputError: if shapes do not fit or a hyperparameter breaks its rule.

    Example:
        >>> import torch
        >>> zeros, ones = torch.zeros(3, 2), torch.ones(3, 2)
        >>> round(poly1_focal(zeros, ones, epsilon=1.0, gamma=1.0).item(), 4)
        0.5966

    Source: Leng et al., PolyLoss, ICLR 2022, Table 1 and Appendix A, whose listing has no alpha; a
    weight given here multiplies both terms, so that it stays a weight of the label.
    """
    logits, targets = logits_and_targets(logits, targets)
    extra, power = number(epsilon, EPSILON, logits), number(gamma, GAMMA, logits)
    weight = per_element(alpha, _ALPHA, logits)
    t = (2 * targets - 1) * logits
    log_q = logsigmoid(-t)
    values = (power * log_q).exp() * (extra * log_q.exp() - logsigmoid(t))
    if isinstance(weight, Tensor):
        of_positives, of_negatives = class_weights(weight)
        values = values * torch.where(targets > 0, of_positives, of_negatives)
    elif weight is not None:
        values = values * (weight * targets + (1 - weight) * (1 - targets))
    return reduce(values, reduction, ELEMENT_REDUCTION)


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
    """With m = 2y-1, t = m logits, p = sigmoid(t), q = sigmoid(-t) and the weight alpha_t::

    value = alpha_t q^gamma (epsilon q - log p)
    gradient = m alpha_t q^gamma (p (gamma log p - epsilon (gamma + 1) q) - q)
    """
    scale = element_scale(choices, logits, num_classes)
    gamma, epsilon = hyperparameters["gamma"], hyperparameters["epsilon"]
    ones = torch.ones_like(gamma)
    t = torch.addcmul(-ones, targets, 2 * ones).mul_(logits)
    p, q = t.sigmoid(), torch.neg(t).sigmoid_()
    log_p, weight = focus(t, p, targets, gamma, hyperparameters["alpha"], scale)
    values = torch.mul(q, epsilon, out=t).sub_(log_p).mul_(weight).abs_()
    columns = values.sum(0)
    gradient = log_p.mul_(gamma).addcmul_(q, epsilon * (gamma + 1), value=-1)
    gradient.mul_(p).sub_(q).mul_(weight)
    return sum_classes(columns, num_heads, num_classes), gradient


LOSS = Loss(
    name="poly1_focal",
    summary="Focal loss with its first term reweighted.",
    source="Leng et al., ICLR 2022, Table 1",
    function=poly1_focal,
    hyperparameters={rule.name: rule for rule in (EPSILON, GAMMA, _ALPHA, ELEMENT_REDUCTION)},
    gradient=_gradient,
)
