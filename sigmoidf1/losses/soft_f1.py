"""soft F1: one minus an F1 score that takes probabilities for predictions."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sigmoidf1.losses.arguments import logits_and_targets
from sigmoidf1.losses.base import Loss
from sigmoidf1.losses.confusion import REDUCTION, f1_ratio, ratio_gradient, ratio_loss


def soft_f1(logits: Tensor, targets: Tensor, *, reduction: str = "per_class") -> Tensor:
    """One minus F1 of a confusion matrix whose predictions are the probabilities.

    With ``p = sigmoid(logits)``, over the batch::

        loss = 1 - 2 Σ p y / (Σ p + Σ y + 1e-16)

    The same as :func:`sigmoid_f1` with beta = 1 and eta = 0.

    Args:
        logits: (N, C), or (..., N, C) for several heads.
        targets: (N, C) in {0, 1}, or with the leading axes of the logits.
        reduction: ``per_class`` averages the classes' losses; ``pooled`` has one matrix.

    Returns:
        A scalar in [0, 1], or one for each head, shape (...).

    Raises:
        InputError: if shapes do not fit or ``reduction`` is unknown.

    Example:
        >>> import torch
        >>> soft_f1(torch.zeros(2, 1), torch.tensor([[1], [0]])).item()
        0.5

    Source: Chang et al. 2019; it is what the PyTorch code of Bénédict et al., TMLR 2022, calls
    unboundedF1.
    """
    logits, targets = logits_and_targets(logits, targets)
    return ratio_loss(f1_ratio, logits.sigmoid(), targets, reduction)


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
    probs = logits.sigmoid()
    loss, gradient = ratio_gradient(
        f1_ratio,
        probs,
        targets,
        num_heads=num_heads,
        num_classes=num_classes,
        reduction=choices["reduction"],
    )
    torch.ops.aten.sigmoid_backward.grad_input(gradient, probs, grad_input=gradient)
    return loss, gradient


LOSS = Loss(
    name="soft_f1",
    summary="1 - F1 with probabilities as predictions.",
    source="Chang et al. 2019",
    function=soft_f1,
    hyperparameters={"reduction": REDUCTION},
    gradient=_gradient,
    f1_family=True,
)
