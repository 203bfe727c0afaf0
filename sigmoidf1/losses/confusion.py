"""The smooth confusion matrix, and losses that are ratios of its entries.

With a score s in place of the hard prediction, summed over the batch (and, pooled, over the
classes)::

    tp = Σ s y,   fp = Σ s (1-y),   fn = Σ (1-s) y,   tn = Σ (1-s) (1-y)

All entries follow from three sums: the overlap Σ s y, the total Σ s and the positives Σ y. A
*ratio* maps them to a loss and its derivatives by overlap and total; autograd of the loss and the
packed closed form share it.

The paper adds 1e-16 to every denominator. In float32 that vanishes beside a count, and acts where
it should: when nothing is predicted and nothing is positive. Where a denominator holds counts of
labels alone, it is either 0 or at least 1, and 0 is replaced by 1: the same value, without a
factor of 1e16 in the gradient.

Source: Bénédict et al., TMLR 2022, Section 4 and Table 5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from sigmoidf1.losses.arguments import Number, logits_and_targets, number
from sigmoidf1.losses.base import Hyperparameter, Loss, Ratio, SmoothForm
from sigmoidf1.losses.columns import spread, sum_classes

EPSILON = 1e-16

BETA = Hyperparameter(
    name="beta",
    default=1.0,
    description="slope of the sigmoid; negative values invert the predictions",
    forbidden=(0.0,),
)
ETA = Hyperparameter(name="eta", default=0.0, description="offset of the sigmoid")
INPUT = Hyperparameter(
    name="input",
    default="logits",
    description="what the sigmoid is applied to: the logits, or the probabilities sigmoid(logits)",
    choices=("logits", "probabilities"),
)
REDUCTION = Hyperparameter(
    name="reduction",
    default="per_class",
    description="one confusion matrix a class, averaged, or one pooled over all classes",
    choices=("per_class", "pooled"),
)
SMOOTH = {rule.name: rule for rule in (BETA, ETA, INPUT, REDUCTION)}


def f1_ratio(
    overlap: Tensor, total: Tensor, positives: Tensor, _: int
) -> tuple[Tensor, Tensor, Tensor]:
    """1 - 2 tp / (2 tp + fn + fp + 1e-16), where 2 tp + fn + fp = total + positives."""
    denominator = total + positives + EPSILON
    f1 = 2 * overlap / denominator
    return 1 - f1, -2 / denominator, f1 / denominator


def ratio_loss(ratio: Ratio, scores: Tensor, targets: Tensor, reduction: str) -> Tensor:
    """Loss of scores (..., N, C) against targets -> (...)."""
    sums = [term.sum(-2) for term in (scores * targets, scores, targets)]
    terms = scores.shape[-2]
    if REDUCTION.check(reduction) == "pooled":
        sums = [entry.sum(-1) for entry in sums]
        return ratio(sums[0], sums[1], sums[2], terms * scores.shape[-1])[0]
    return ratio(sums[0], sums[1], sums[2], terms)[0].mean(-1)


def ratio_gradient(
    ratio: Ratio,
    scores: Tensor,
    targets: Tensor,
    *,
    num_heads: int,
    num_classes: int,
    reduction: str,
    slope: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Losses (H,) of packed scores (B, W) and their gradient by the scores, times ``slope`` (W,).

    A ratio of sums has the gradient a y + b, with rows a and b.
    """
    product = torch.mul(scores, targets)
    loss, by_overlap, by_total = ratio_rows(
        ratio,
        (product.sum(0), scores.sum(0), targets.sum(0)),
        terms=len(scores),
        num_heads=num_heads,
        num_classes=num_classes,
        reduction=reduction,
        slope=slope,
    )
    return loss, torch.addcmul(by_total, targets, by_overlap, out=product)


def ratio_rows(
    ratio: Ratio,
    sums: tuple[Tensor, Tensor, Tensor],
    *,
    terms: int,
    num_heads: int,
    num_classes: int,
    reduction: str,
    slope: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses (H,) and the rows (W,) by which targets, and 1, enter the gradient by the scores.

    Args:
        ratio: of the loss.
        sums: overlap, total and positives of every column, each (W,).
        terms: examples of the batch.
        num_heads, num_classes: H and C.
        reduction: ``per_class`` or ``pooled``.
        slope: (W,) a factor of both rows.
    """
    overlap, total, positives = sums
    if reduction == "pooled":
        loss, by_overlap, by_total = ratio(
            sum_classes(overlap, num_heads, num_classes),
            sum_classes(total, num_heads, num_classes),
            sum_classes(positives, num_heads, num_classes),
            terms * num_classes,
        )
        width = len(overlap)
        by_overlap = spread(by_overlap, num_classes, width)
        by_total = spread(by_total, num_classes, width)
    else:
        losses, by_overlap, by_total = ratio(overlap, total, positives, terms)
        loss = sum_classes(losses, num_heads, num_classes).div_(num_classes)
        by_overlap, by_total = by_overlap / num_classes, by_total / num_classes
    if slope is not None:
        by_overlap, by_total = by_overlap * slope, by_total * slope
    return loss, by_overlap, by_total


def smooth_loss(
    ratio: Ratio,
    logits: Tensor,
    targets: Tensor,
    *,
    beta: Number,
    eta: Number,
    input: str,
    reduction: str,
    mirrored: bool = False,
) -> Tensor:
    """Loss of S(u) = sigmoid(beta (u + eta)), or, mirrored, of 1 - S(u)."""
    logits, targets = logits_and_targets(logits, targets)
    slope, offset = number(beta, BETA, logits), number(eta, ETA, logits)
    u = logits.sigmoid() if INPUT.check(input) == "probabilities" else logits
    scores = ((-slope if mirrored else slope) * (u + offset)).sigmoid()
    return ratio_loss(ratio, scores, targets, reduction)


@torch.no_grad()
def smooth_gradient(
    ratio: Ratio,
    logits: Tensor,
    targets: Tensor,
    hyperparameters: Mapping[str, Tensor],
    *,
    num_heads: int,
    num_classes: int,
    choices: Mapping[str, str],
    mirrored: bool = False,
) -> tuple[Tensor, Tensor]:
    """Closed form of :func:`smooth_loss` over packed columns."""
    double = choices["input"] == "probabilities"
    u = logits.sigmoid() if double else logits
    beta = hyperparameters["beta"]
    slope = -beta if mirrored else beta
    scores = torch.add(u, hyperparameters["eta"]).mul_(slope).sigmoid_()
    loss, gradient = ratio_gradient(
        ratio,
        scores,
        targets,
        num_heads=num_heads,
        num_classes=num_classes,
        reduction=choices["reduction"],
        slope=slope,
    )
    torch.ops.aten.sigmoid_backward.grad_input(gradient, scores, grad_input=gradient)
    if double:
        torch.ops.aten.sigmoid_backward.grad_input(gradient, u, grad_input=gradient)
    return loss, gradient


def smooth_metric(
    function: Callable[..., Tensor], ratio: Ratio, *, metric: str, mirrored: bool = False
) -> Loss:
    """Return the :class:`Loss` of one metric of the smooth confusion matrix."""
    return Loss(
        name=function.__name__,
        summary=f"1 - {metric}, of the smooth confusion matrix.",
        source="Bénédict et al., TMLR 2022, Table 5",
        function=function,
        hyperparameters=SMOOTH,
        gradient=partial(smooth_gradient, ratio, mirrored=mirrored),
        smooth=SmoothForm(ratio, mirrored),
        f1_family=True,
    )
