"""Losses as :class:`torch.nn.Module`, to drop into any training loop."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from sigmoidf1.errors import InputError
from sigmoidf1.losses.arguments import Number
from sigmoidf1.losses.base import Loss
from sigmoidf1.losses.registry import get_loss


class LossModule(nn.Module):
    """Any loss, with its hyperparameters, as a module.

    A hyperparameter given as a tensor, such as one value a class, becomes a buffer, and one given
    as :class:`torch.nn.Parameter` is learned with the model.

    Args:
        loss: the loss or its name, registered ones included.
        **hyperparameters: as the loss function's, and ``preset``.

    Raises:
        InputError: if the loss or a hyperparameter is unknown or breaks its rule.

    Example:
        >>> import torch
        >>> criterion = LossModule("sigmoid_f1", preset="voc_exchanged_logits")
        >>> criterion
        LossModule(sigmoid_f1, beta=10.25, eta=-0.75, input=logits, reduction=per_class)
        >>> criterion(torch.zeros(4, 3), torch.ones(4, 3)).shape
        torch.Size([])
    """

    def __init__(self, loss: str | Loss, **hyperparameters: Any) -> None:
        super().__init__()
        self.loss = get_loss(loss) if isinstance(loss, str) else loss
        rules = self.loss.hyperparameters
        tensors = {n: v for n, v in hyperparameters.items() if isinstance(v, Tensor)}
        for name in tensors.keys() & rules.keys():
            if rules[name].choices is not None:
                raise InputError(f"{name} must be {rules[name].rule}, but got a tensor. Pass one.")
        placeholders = {name: rules[name].default for name in tensors if name in rules}
        self.values = self.loss.resolve({**hyperparameters, **placeholders})
        self.tensors = tuple(tensors)
        for name, value in tensors.items():
            del self.values[name]
            if isinstance(value, nn.Parameter):
                self.register_parameter(name, value)
            else:
                self.register_buffer(name, value)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of logits (N, C), raw scores, and targets (N, C) in {0, 1}."""
        tensors = {name: getattr(self, name) for name in self.tensors}
        return self.loss.function(logits, targets, **self.values, **tensors)

    def extra_repr(self) -> str:
        """Return the loss and its hyperparameters."""
        shapes = [f"{name}={tuple(getattr(self, name).shape)}" for name in self.tensors]
        numbers = [f"{name}={value}" for name, value in self.values.items()]
        return ", ".join([self.loss.name, *numbers, *shapes])


class SigmoidF1(LossModule):
    """One minus F1 of a tuned sigmoid: :func:`sigmoidf1.sigmoid_f1`.

    Example:
        >>> import torch
        >>> criterion = SigmoidF1(beta=9.0, eta=1.0)
        >>> criterion(torch.zeros(4, 3, requires_grad=True), torch.ones(4, 3)).backward()
    """

    def __init__(
        self,
        beta: Number = 1.0,
        eta: Number = 0.0,
        *,
        input: str = "logits",
        reduction: str = "per_class",
    ) -> None:
        super().__init__("sigmoid_f1", beta=beta, eta=eta, input=input, reduction=reduction)


class UnboundedF1(LossModule):
    """One minus F1 of the raw scores, which can diverge: :func:`sigmoidf1.unbounded_f1`."""

    def __init__(self, *, reduction: str = "per_class") -> None:
        super().__init__("unbounded_f1", reduction=reduction)


class SoftF1(LossModule):
    """One minus F1 of the probabilities: :func:`sigmoidf1.soft_f1`."""

    def __init__(self, *, reduction: str = "per_class") -> None:
        super().__init__("soft_f1", reduction=reduction)


class BCE(LossModule):
    """Binary cross-entropy: :func:`sigmoidf1.bce`."""

    def __init__(self, pos_weight: Number = 1.0, *, reduction: str = "mean") -> None:
        super().__init__("bce", pos_weight=pos_weight, reduction=reduction)


class Focal(LossModule):
    """Focal loss: :func:`sigmoidf1.focal`."""

    def __init__(
        self, gamma: Number = 2.0, alpha: Number | None = 0.25, *, reduction: str = "mean"
    ) -> None:
        super().__init__("focal", gamma=gamma, alpha=alpha, reduction=reduction)


class ASL(LossModule):
    """Asymmetric loss: :func:`sigmoidf1.asl`."""

    def __init__(
        self,
        gamma_neg: Number = 4.0,
        gamma_pos: Number = 1.0,
        clip: Number = 0.05,
        *,
        reduction: str = "sum",
    ) -> None:
        super().__init__(
            "asl", gamma_neg=gamma_neg, gamma_pos=gamma_pos, clip=clip, reduction=reduction
        )


class Poly1BCE(LossModule):
    """Poly-1 cross-entropy: :func:`sigmoidf1.poly1_bce`."""

    def __init__(self, epsilon: Number = 1.0, *, reduction: str = "mean") -> None:
        super().__init__("poly1_bce", epsilon=epsilon, reduction=reduction)


class Poly1Focal(LossModule):
    """Poly-1 focal loss: :func:`sigmoidf1.poly1_focal`."""

    def __init__(
        self,
        epsilon: Number = 1.0,
        gamma: Number = 2.0,
        alpha: Number | None = None,
        *,
        reduction: str = "mean",
    ) -> None:
        super().__init__(
            "poly1_focal", epsilon=epsilon, gamma=gamma, alpha=alpha, reduction=reduction
        )


class BPMLL(LossModule):
    """BP-MLL's ranking loss: :func:`sigmoidf1.bp_mll`."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__("bp_mll", reduction=reduction)


class HingeF1(LossModule):
    """One minus a lower bound of F1 made of hinges: :func:`sigmoidf1.hinge_f1`."""

    def __init__(self, margin: Number = 1.0, *, reduction: str = "per_class") -> None:
        super().__init__("hinge_f1", margin=margin, reduction=reduction)


class RecallAtK(LossModule):
    """One minus smooth recall at k: :func:`sigmoidf1.recall_at_k`."""

    def __init__(
        self,
        k: Number = 5.0,
        tau_recall: Number = 1.0,
        tau_rank: Number = 1.0,
        *,
        input: str = "logits",
    ) -> None:
        super().__init__("recall_at_k", k=k, tau_recall=tau_recall, tau_rank=tau_rank, input=input)


class _SmoothMetric(LossModule):
    """A metric of the smooth confusion matrix; subclasses name it."""

    name: str

    def __init__(
        self,
        beta: Number = 1.0,
        eta: Number = 0.0,
        *,
        input: str = "logits",
        reduction: str = "per_class",
    ) -> None:
        super().__init__(self.name, beta=beta, eta=eta, input=input, reduction=reduction)


class SmoothAccuracy(_SmoothMetric):
    """One minus smooth accuracy: :func:`sigmoidf1.smooth_accuracy`."""

    name = "smooth_accuracy"


class SmoothPrecision(_SmoothMetric):
    """One minus smooth precision: :func:`sigmoidf1.smooth_precision`."""

    name = "smooth_precision"


class SmoothNPV(_SmoothMetric):
    """One minus smooth negative predictive value: :func:`sigmoidf1.smooth_npv`."""

    name = "smooth_npv"


class SmoothRecall(_SmoothMetric):
    """One minus smooth recall: :func:`sigmoidf1.smooth_recall`."""

    name = "smooth_recall"


class SmoothSpecificity(_SmoothMetric):
    """One minus smooth specificity: :func:`sigmoidf1.smooth_specificity`."""

    name = "smooth_specificity"
