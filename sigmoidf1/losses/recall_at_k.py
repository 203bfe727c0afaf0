"""Smooth recall@k: the share of an example's labels among its k highest scores, made smooth."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sigmoidf1.losses.arguments import Number, logits_and_targets, number
from sigmoidf1.losses.base import Hyperparameter, Loss
from sigmoidf1.losses.columns import by_example, spread_examples, sum_examples

_K = Hyperparameter(
    name="k", default=5.0, description="how many of an example's labels are looked at", minimum=1.0
)
_TAU_RECALL = Hyperparameter(
    name="tau_recall",
    default=1.0,
    description="temperature of the step at rank k (tau_1 as published)",
    exclusive_minimum=0.0,
)
_TAU_RANK = Hyperparameter(
    name="tau_rank",
    default=1.0,
    description="temperature of the comparison of two scores (tau_2; 0.01 as published, where "
    "scores are cosines)",
    exclusive_minimum=0.0,
)
_INPUT = Hyperparameter(
    name="input",
    default="logits",
    description="the scores that are ranked: the logits, or the probabilities sigmoid(logits)",
    choices=("logits", "probabilities"),
)


def recall_at_k(
    logits: Tensor,
    targets: Tensor,
    *,
    k: Number = 5.0,
    tau_recall: Number = 1.0,
    tau_rank: Number = 1.0,
    input: str = "logits",
) -> Tensor:
    """One minus recall at k with its two steps replaced by sigmoids.

    An example is a query, its labels are what is ranked. With ``s_τ(x) = 1 / (1 + exp(-x / τ))``,
    scores u and the positives Y of an example::

        rank(c) = 1 + Σ_{l != c} s_tau_rank(u_l - u_c)
        loss = mean over examples of  1 - 1/|Y| Σ_{c in Y} s_tau_recall(k - rank(c))

    An example without a positive has no recall and adds 0. The cost grows with the square of the
    number of classes. The loss orders the labels of an example: what a fixed threshold predicts
    means little, choose it on validation.

    Args:
        logits: (N, C), or (..., N, C) for several heads.
        targets: (N, C) in {0, 1}, or with the leading axes of the logits.
        k: finite and >= 1; a number, or a tensor with the leading axes of the logits, or with
            these and C for one a class.
        tau_recall: finite and > 0, in ranks; in the shapes of ``k``.
        tau_rank: finite and > 0, in units of the scores; in the shapes of ``k``; of several
            classes that of the positive counts.
        input: what u is: ``logits`` or ``probabilities``.

    Returns:
        A scalar in [0, 1], or one for each head, shape (...).

    Raises:
        InputError: if shapes do not fit or a hyperparameter breaks its rule.

    Example:
        >>> import torch
        >>> logits, targets = torch.tensor([[4.0, 0.0, 0.0]]), torch.tensor([[1, 0, 0]])
        >>> round(recall_at_k(logits, targets, k=2, tau_recall=0.1, tau_rank=0.1).item(), 4)
        0.0

    Source: Patel et al., Recall@k Surrogate Loss with Large Batches and Similarity Mixup, CVPR
    2022, Eqs. 3 to 5, where an image is the query and a batch of images is ranked. With labels in
    the place of images the batch need not be large.
    """
    logits, targets = logits_and_targets(logits, targets)
    step = number(tau_recall, _TAU_RECALL, logits)
    at, width = number(k, _K, logits), number(tau_rank, _TAU_RANK, logits)
    u = logits.sigmoid() if _INPUT.check(input) == "probabilities" else logits
    if isinstance(width, Tensor) and width.ndim:
        width = width.unsqueeze(-1)  # of the positive, the axis before the last
    above = ((u.unsqueeze(-2) - u.unsqueeze(-1)) / width).sigmoid()
    rank = above.sum(-1) + 0.5  # a label counts for a half against itself
    found = ((at - rank) / step).sigmoid() * targets
    positives = targets.sum(-1)
    values = (positives - found.sum(-1)) / positives.clamp(min=1)
    return values.mean(-1)


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
    """With a_lc = s((u_l - u_c) / tau_rank), f = s((k - rank) / tau_recall), Y of one example::

        value = 1 - Σ_{c in Y} f_c / |Y|
        g_c = y_c f_c (1 - f_c) / (tau_recall |Y| N)               d loss / d rank(c)
        gradient_c = Σ_l g_l a_cl (1 - a_cl) / tau_rank_l - g_c Σ_l a_lc (1 - a_lc) / tau_rank_c

    Pairs are visited by the distance of their columns, so that every operation is one on whole
    columns and memory does not grow with the square of the classes.
    """
    size = {"num_heads": num_heads, "num_classes": num_classes}
    tau_rank, tau_recall = hyperparameters["tau_rank"], hyperparameters["tau_recall"]
    double = choices["input"] == "probabilities"
    u = logits.sigmoid() if double else logits
    rank = torch.ones_like(u)
    for ahead, _ in _shifts(u, num_heads, num_classes):
        rank += u.index_select(1, ahead).sub_(u).div_(tau_rank).sigmoid_()
    found = (hyperparameters["k"] - rank).div_(tau_recall).sigmoid_()
    positives = by_example(targets, **size)
    factor = positives.clamp(min=1).reciprocal_().div_(len(logits))
    hits = by_example(found * targets, **size)
    losses = sum_examples((positives - hits).mul_(factor))
    weight = spread_examples(factor, num_classes, logits.shape[1]).mul_(targets).div_(tau_recall)
    weight.mul_(found).mul_(1 - found).div_(tau_rank)
    gradient = torch.zeros_like(u)
    for ahead, back in _shifts(u, num_heads, num_classes):
        above = u.index_select(1, ahead).sub_(u).div_(tau_rank).sigmoid_()
        pull = above.mul_(1 - above).mul_(weight)
        gradient += pull.index_select(1, back).sub_(pull)
    if double:
        torch.ops.aten.sigmoid_backward.grad_input(gradient, u, grad_input=gradient)
    return losses, gradient


def _shifts(u: Tensor, num_heads: int, num_classes: int) -> list[tuple[Tensor, Tensor]]:
    """For each distance, the columns so far ahead within a head, and those so far back."""
    every = torch.arange(u.shape[1], device=u.device)
    used = every < num_heads * num_classes
    place = every % num_classes
    first = every - place
    return [
        (
            torch.where(used, first + (place + distance) % num_classes, every),
            torch.where(used, first + (place - distance) % num_classes, every),
        )
        for distance in range(1, num_classes)
    ]


LOSS = Loss(
    name="recall_at_k",
    summary="1 - recall among an example's k highest labels, made smooth.",
    source="Patel et al., CVPR 2022, Eqs. 3 to 5",
    function=recall_at_k,
    hyperparameters={r.name: r for r in (_K, _TAU_RECALL, _TAU_RANK, _INPUT)},
    gradient=_gradient,
)
