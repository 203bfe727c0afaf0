"""BP-MLL's ranking loss: every positive of an example is to score above every negative of it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sigmoidf1.losses.arguments import logits_and_targets
from sigmoidf1.losses.base import Hyperparameter, Loss
from sigmoidf1.losses.columns import by_example, spread_examples, sum_examples

_REDUCTION = Hyperparameter(
    name="reduction",
    default="mean",
    description="mean or sum (as published) over the examples",
    choices=("mean", "sum"),
)


def bp_mll(logits: Tensor, targets: Tensor, *, reduction: str = "mean") -> Tensor:
    """Exponential loss of the ordered pairs of labels of each example.

    With ``c = tanh(logits)``, the positives Y and the negatives Y' of an example::

        loss = mean over examples of  1 / (|Y| |Y'|) Σ_{k in Y} Σ_{l in Y'} exp(-(c_k - c_l))
                                    = 1 / (|Y| |Y'|) (Σ_{k in Y} exp(-c_k)) (Σ_{l in Y'} exp(c_l))

    The pairs factorise, so the cost is that of a sum. An example without a positive, or without a
    negative, has no pair and adds 0. The loss orders the labels of an example and is the same
    when all its c shift together: what a fixed threshold then predicts means little. The paper
    fits a threshold of each example (the rule ``per_instance`` of ``sigmoidf1 analyse``).

    Args:
        logits: (N, C), or (..., N, C) for several heads.
        targets: (N, C) in {0, 1}, or with the leading axes of the logits.
        reduction: ``mean``, or ``sum`` as published, over the examples.

    Returns:
        A number in [0, exp(2)] (mean), or one for each head, shape (...).

    Raises:
        InputError: if shapes do not fit or ``reduction`` is unknown.

    Example:
        >>> import torch
        >>> bp_mll(torch.zeros(1, 3), torch.tensor([[1, 0, 0]])).item()
        1.0

    Source: Zhang & Zhou, Multilabel Neural Networks with Applications to Functional Genomics and
    Text Categorization, IEEE TKDE 18(10), 2006, Eq. 3; its output units are tanh. Probabilities
    of this project stay sigmoid(logits), which keeps the order of tanh(logits).
    """
    logits, targets = logits_and_targets(logits, targets)
    scores = logits.tanh()
    negatives = 1 - targets
    of_positives = ((-scores).exp() * targets).sum(-1)
    of_negatives = (scores.exp() * negatives).sum(-1)
    pairs = targets.sum(-1) * negatives.sum(-1)
    values = of_positives * of_negatives / pairs.clamp(min=1)
    return values.mean(-1) if _REDUCTION.check(reduction) == "mean" else values.sum(-1)


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
    """With e = exp((1-2y) c), A the sum of e over positives and B over negatives::

    value = A B / (|Y| |Y'|)
    gradient = (1 - c^2) e (-y B + (1-y) A) / (|Y| |Y'|)
    """
    del hyperparameters  # it has none
    size = {"num_heads": num_heads, "num_classes": num_classes}
    scale = 1.0 if choices["reduction"] == "sum" else 1 / len(logits)
    scores = logits.tanh()
    signed = (1 - 2 * targets).mul_(scores).exp_()
    of_positives = by_example(signed * targets, **size)
    of_negatives = by_example(signed * (1 - targets), **size)
    positives = by_example(targets, **size)
    factor = (positives * (num_classes - positives)).clamp_(min=1).reciprocal_().mul_(scale)
    losses = sum_examples((of_positives * of_negatives).mul_(factor))
    width = logits.shape[1]
    by_positive = spread_examples(of_negatives * factor, num_classes, width)
    by_negative = spread_examples(of_positives * factor, num_classes, width)
    gradient = by_negative.sub_(targets * (by_positive + by_negative)).mul_(signed)
    return losses, gradient.mul_(1 - scores * scores)


LOSS = Loss(
    name="bp_mll",
    summary="BP-MLL's ranking loss over pairs of labels.",
    source="Zhang & Zhou, IEEE TKDE 2006, Eq. 3",
    function=bp_mll,
    hyperparameters={"reduction": _REDUCTION},
    gradient=_gradient,
)
