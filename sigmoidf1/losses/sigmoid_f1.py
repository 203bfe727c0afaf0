"""sigmoidF1: one minus the F1 score of a smooth confusion matrix.

Presets. The optima that the paper prints in Appendix D lie outside the grid of its Section 5.3,
and its code applies the sigmoid to probabilities where its Eq. 6 applies it to logits; nobody
outside knows which reading produced the published numbers. Every reading has a name, which ends
in the ``input`` that it fixes, ``_logits`` (Eq. 6) or ``_probabilities`` (the authors' code):

=====================  =====  =====  ==========================================================
preset                  beta    eta  reading
=====================  =====  =====  ==========================================================
voc_as_printed         -0.75  10.25  Appendix D, Pascal-VOC (reused for MS-COCO)
arxiv_as_printed         1      9    Appendix D, arXiv2020 and moviePosters
voc_exchanged          10.25  -0.75  the same with the two names exchanged
arxiv_exchanged          9      1    the same with the two names exchanged
code_s9_e1               9      1    default of the authors' PyTorch training script (S=-9, E=1)
code_s10_e1             10      1    default of the authors' TensorFlow code (S=-10, E=1)
code_s1_e0               1      0    default of the authors' PyTorch class (S=-1, E=0)
=====================  =====  =====  ==========================================================

The code writes ``1 / (1 + exp(S (u + E)))``, so beta = -S and eta = E. arxiv_exchanged and
code_s9_e1 are the same numbers from two sources.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor

from sigmoidf1.losses.arguments import Number
from sigmoidf1.losses.base import Loss, SmoothForm
from sigmoidf1.losses.confusion import SMOOTH, f1_ratio, smooth_gradient, smooth_loss

_READINGS = {
    "voc_as_printed": (-0.75, 10.25),
    "arxiv_as_printed": (1.0, 9.0),
    "voc_exchanged": (10.25, -0.75),
    "arxiv_exchanged": (9.0, 1.0),
    "code_s9_e1": (9.0, 1.0),
    "code_s10_e1": (10.0, 1.0),
    "code_s1_e0": (1.0, 0.0),
}

PRESETS: dict[str, dict[str, float | str]] = {
    f"{name}_{source}": {"beta": beta, "eta": eta, "input": source}
    for name, (beta, eta) in _READINGS.items()
    for source in ("logits", "probabilities")
}


def sigmoid_f1(
    logits: Tensor,
    targets: Tensor,
    *,
    beta: Number = 1.0,
    eta: Number = 0.0,
    input: str = "logits",
    reduction: str = "per_class",
) -> Tensor:
    """One minus F1 of a confusion matrix whose predictions are a tuned sigmoid.

    With ``S(u) = 1 / (1 + exp(-beta (u + eta)))``, summed over the batch::

        tp = Σ S y,   fp = Σ S (1-y),   fn = Σ (1-S) y
        loss = 1 - 2 tp / (2 tp + fn + fp + 1e-16)

    Stable in float32 for finite logits and any finite beta and eta. Where nothing is predicted and
    nothing is positive, the loss is 1 and its gradient 0.

    Args:
        logits: (N, C), or (..., N, C) for several heads.
        targets: (N, C) in {0, 1}, or with the leading axes of the logits.
        beta: slope, finite and not 0; negative values invert the predictions. A number, or a
            tensor with the leading axes of the logits, or with these and C for one a class.
        eta: offset, finite; in the shapes of ``beta``.
        input: what u is: the ``logits`` (Eq. 6) or the ``probabilities`` sigmoid(logits), which
            makes a double sigmoid (the authors' code).
        reduction: ``per_class`` sums over the batch for each class and averages the classes'
            losses (pseudocode and code); ``pooled`` sums over batch and classes (the prose).

    Returns:
        A scalar in [0, 1], or one for each head, shape (...).

    Raises:
        InputError: if shapes do not fit or a hyperparameter breaks its rule.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[2.0, -1.0], [-3.0, 4.0]])
        >>> targets = torch.tensor([[1, 0], [0, 1]])
        >>> round(sigmoid_f1(logits, targets, beta=10.0, eta=0.0).item(), 4)
        0.0

    Source: Bénédict et al., sigmoidF1, TMLR 2022, Eq. 6.
    """
    return smooth_loss(
        f1_ratio, logits, targets, beta=beta, eta=eta, input=input, reduction=reduction
    )


LOSS = Loss(
    name="sigmoid_f1",
    summary="1 - F1, of the smooth confusion matrix.",
    source="Bénédict et al., TMLR 2022, Eq. 6",
    function=sigmoid_f1,
    hyperparameters=SMOOTH,
    gradient=partial(smooth_gradient, f1_ratio),
    smooth=SmoothForm(f1_ratio),
    f1_family=True,
    presets=PRESETS,
)
