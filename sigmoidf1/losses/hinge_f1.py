"""The hinge surrogate of F1: one minus a lower bound of F1 that is made of hinge losses."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sigmoidf1.losses.arguments import Number, logits_and_targets, number
from sigmoidf1.losses.base import Hyperparameter, Loss
from sigmoidf1.losses.columns import spread, sum_classes
from sigmoidf1.losses.confusion import EPSILON, REDUCTION

MARGIN = Hyperparameter(
    name="margin",
    default=1.0,
    description="distance of a logit from 0 at which a hinge is satisfied",
    exclusive_minimum=0.0,
)


def hinge_f1(
    logits: Tensor, targets: Tensor, *, margin: Number = 1.0, reduction: str = "per_class"
) -> Tensor:
    """One minus a lower bound of F1, from hinge bounds of the confusion counts.

    With the hinge ``h(u) = max(0, 1 - u / margin)``, summed over a batch with P positives::

        T = Σ_{y=1} (1 - h(z))  <= tp          F = Σ_{y=0} h(-z)  >= fp
        F1 = 2 tp / (P + tp + fp)  >=  2 T / (P + T + F)            wherever T > 0
        loss = 1 - 2 T / (P + T + F)     if T > 0,     1 - 2 T / n   otherwise, n terms

    *Which form.* Maximising the bound is ``max θ`` subject to ``2 T >= θ (P + T + F)``, with the
    Lagrangian ``-θ + λ (θ (P + T + F) - 2 T)``. The paper keeps the multiplier λ (and the level
    θ) as variables and moves them by stochastic steps, λ upwards, over the training set. Here
    both are in closed form, for each head, class (or head, if pooled) and batch: stationarity in
    θ gives ``λ = 1 / (P + T + F)`` and the active constraint ``θ = 2 T / (P + T + F)``. So no
    multiplier is state, none is shared between heads, and the gradient of the loss is that of the
    Lagrangian at its saddle: hinges weighted ``λ (2 - θ)`` for positives, ``λ θ`` for negatives.
    Where the bound says nothing (T <= 0), θ is held at its limit 0 and λ at 1 / n: positives pull,
    negatives do not, until T is positive again.

    The bound is of predictions at logit 0, which is a threshold of 0.5.

    Args:
        logits: (N, C), or (..., N, C) for several heads.
        targets: (N, C) in {0, 1}, or with the leading axes of the logits.
        margin: finite and > 0; a number, or a tensor with the leading axes of the logits, or with
            these and C for one a class.
        reduction: ``per_class`` averages the classes' losses; ``pooled`` has one bound.

    Returns:
        A scalar >= 0, or one for each head, shape (...); above 1 where T is negative.

    Raises:
        InputError: if shapes do not fit or a hyperparameter breaks its rule.

    Example:
        >>> import torch
        >>> logits, targets = torch.tensor([[2.0], [-0.5]]), torch.tensor([[1], [0]])
        >>> hinge_f1(logits, targets).item()    # T = 1, F = 0.5, P = 1: 1 - 2 / 2.5
        0.19999998807907104

    Source: Eban et al., Scalable Learning of Non-Decomposable Objectives, AISTATS 2017: the hinge
    bounds of tp and fp, and the Lagrangian of a ratio of them.
    """
    logits, targets = logits_and_targets(logits, targets)
    scaled = logits / number(margin, MARGIN, logits)
    kept = scaled.clamp(max=1) * targets
    exceeded = (scaled + 1).clamp(min=0) * (1 - targets)
    pooled = REDUCTION.check(reduction) == "pooled"
    axes = (-2, -1) if pooled else (-2,)
    n = logits.shape[-2] * (logits.shape[-1] if pooled else 1)
    values = _loss(kept.sum(axes), exceeded.sum(axes), targets.sum(axes), n)[0]
    return values if pooled else values.mean(-1)


def _loss(kept: Tensor, exceeded: Tensor, positives: Tensor, n: int) -> tuple[Tensor, ...]:
    """The loss of T, F, P and n terms, and its derivatives by T and by F."""
    bounded = kept > 0
    denominator = positives + kept.clamp(min=0) + exceeded + EPSILON
    bound = 2 * kept / denominator
    value = 1 - torch.where(bounded, bound, kept * (2 / n))
    by_kept = torch.where(bounded, (bound - 2) / denominator, -2 / n)
    by_exceeded = torch.where(bounded, bound / denominator, 0.0)
    return value, by_kept, by_exceeded


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
    """gradient = (y [u <= 1] dL/dT + (1-y) [u >= -1] dL/dF) / margin, with u = z / margin."""
    margin = hyperparameters["margin"]
    scaled = logits / margin
    negatives = 1 - targets
    shifted = scaled + 1
    sums = [
        torch.clamp(scaled, max=1).mul_(targets).sum(0),
        torch.clamp(shifted, min=0).mul_(negatives).sum(0),
        targets.sum(0),
    ]
    width, n = logits.shape[1], len(logits)
    if choices["reduction"] == "pooled":
        sums = [sum_classes(row, num_heads, num_classes) for row in sums]
        losses, by_kept, by_exceeded = _loss(sums[0], sums[1], sums[2], n * num_classes)
        by_kept = spread(by_kept, num_classes, width)
        by_exceeded = spread(by_exceeded, num_classes, width)
    else:
        rows, by_kept, by_exceeded = _loss(sums[0], sums[1], sums[2], n)
        losses = sum_classes(rows, num_heads, num_classes).div_(num_classes)
        by_kept, by_exceeded = by_kept / num_classes, by_exceeded / num_classes
    gradient = (scaled <= 1) * targets * (by_kept / margin)
    return losses, gradient.addcmul_((shifted >= 0) * negatives, by_exceeded / margin)


LOSS = Loss(
    name="hinge_f1",
    summary="1 - a lower bound of F1 made of hinges.",
    source="Eban et al., AISTATS 2017",
    function=hinge_f1,
    hyperparameters={rule.name: rule for rule in (MARGIN, REDUCTION)},
    gradient=_gradient,
)
