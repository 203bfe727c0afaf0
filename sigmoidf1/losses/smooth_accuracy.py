"""Smooth accuracy: one minus the accuracy of a smooth confusion matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from sigmoidf1.losses.arguments import Number
from sigmoidf1.losses.confusion import smooth_loss, smooth_metric


def smooth_accuracy(
    logits: Tensor,
    targets: Tensor,
    *,
    beta: Number = 1.0,
    eta: Number = 0.0,
    input: str = "logits",
    reduction: str = "per_class",
) -> Tensor:
    """One minus the share of labels that a tuned sigmoid gets right.

    With ``S(u) = 1 / (1 + exp(-beta (u + eta)))`` and, over the batch, ``tp = Σ S y``,
    ``fp = Σ S (1-y)``, ``fn = Σ (1-S) y``, ``tn = Σ (1-S) (1-y)``::

        loss = 1 - (tp + tn) / (tp + fp + fn + tn) = (fp + fn) / (tp + fp + fn + tn)

    All classes have the same number of examples, so both reductions give the same number.

    Args:
        logits: (N, C), or (..., N, C) for several heads.
        targets: (N, C) in {0, 1}, or with the leading axes of the logits.
        beta: slope, finite and not 0; a number, or a tensor with the leading axes of the logits,
            or with these and C for one a class.
        eta: offset, finite; in the shapes of ``beta``.
        input: whether u is the ``logits`` or the ``probabilities`` sigmoid(logits).
        reduction: ``per_class`` averages the classes' losses; ``pooled`` has one matrix.

    Returns:
        A scalar in [0, 1], or one for each head, shape (...).

    Raises:
        InputError: if shapes do not fit or a hyperparameter breaks its rule.

    Example:
        >>> import torch
        >>> smooth_accuracy(torch.tensor([[0.0], [0.0]]), torch.tensor([[1], [0]])).item()
        0.5

    Source: Bénédict et al., sigmoidF1, TMLR 2022, Table 5.
    """
    return smooth_loss(
        _ratio,
        logits,
        targets,
        beta=beta,
        eta=eta,
        input=input,
        reduction=reduction,
    )


def _ratio(
    overlap: Tensor, total: Tensor, positives: Tensor, terms: int
) -> tuple[Tensor, Tensor, Tensor]:
    loss = (total + positives - 2 * overlap) / terms
    return loss, torch.full_like(overlap, -2 / terms), torch.full_like(overlap, 1 / terms)


LOSS = smooth_metric(smooth_accuracy, _ratio, metric="accuracy")
