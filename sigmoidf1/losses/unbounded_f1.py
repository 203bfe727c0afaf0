"""unboundedF1: one minus an F1 score that takes raw scores for predictions."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sigmoidf1.losses.arguments import logits_and_targets
from sigmoidf1.losses.base import Loss
from sigmoidf1.losses.confusion import REDUCTION, f1_ratio, ratio_gradient, ratio_loss


def unbounded_f1(logits: Tensor, targets: Tensor, *, reduction: str = "per_class") -> Tensor:
    """One minus F1 of a confusion matrix whose predictions are the raw scores.

    With ``tp = Σ u y``, ``fp = Σ u (1-y)``, ``fn = Σ (1-u) y`` over the batch::

        loss = 1 - 2 tp / (2 tp + fn + fp + 1e-16) = 1 - 2 Σ u y / (Σ u + Σ y + 1e-16)

    The counts are not bounded: the denominator can be 0 or negative, the loss can leave [0, 1]
    in both directions, and training can diverge. This is the loss as published, not a defect of
    the computation; :func:`soft_f1` is the bounded variant.

    Args:
        logits: (N, C), or (..., N, C) for several heads.
        targets: (N, C) in {0, 1}, or with the leading axes of the logits.
        reduction: ``per_class`` averages the classes' losses; ``pooled`` has one matrix.

    Returns:
        A scalar, or one for each head, shape (...).

    Raises:
        InputError: if shapes do not fit or ``reduction`` is unknown.

    Example:
        >>> import torch
        >>> unbounded_f1(torch.tensor([[1.0], [0.0]]), torch.tensor([[1], [0]])).item()
        0.0

    Source: Bénédict et al., sigmoidF1, TMLR 2022, Eq. 4 and 7. The authors' code applies a sigmoid
    (PyTorch) or a softmax (TensorFlow) first.
    """
    logits, targets = logits_and_targets(logits, targets)
    return ratio_loss(f1_ratio, logits, targets, reduction)


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
    return ratio_gradient(
        f1_ratio,
        logits,
        targets,
        num_heads=num_heads,
        num_classes=num_classes,
        reduction=choices["reduction"],
    )


LOSS = Loss(
    name="unbounded_f1",
    summary="1 - F1 with raw scores as predictions; can diverge.",
    source="Bénédict et al., TMLR 2022, Eq. 4 and 7",
    function=unbounded_f1,
    hyperparameters={"reduction": REDUCTION},
    gradient=_gradient,
    f1_family=True,
)
