"""Checks and shapes of what a loss function is given."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sigmoidf1.errors import InputError
from sigmoidf1.losses.base import Hyperparameter

ELEMENT_REDUCTION = Hyperparameter(
    name="reduction",
    default="mean",
    description="mean or sum over batch and classes",
    choices=("mean", "sum"),
)
"""The rule of `reduce` for losses that are one number an element, as PyTorch has it."""

Number = float | Tensor  # a hyperparameter: one value, or one a head, or one a class


def logits_and_targets(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return both in one floating dtype, at least float32.

    Args:
        logits: (..., N, C), any floating dtype; half precision is computed in float32.
        targets: the same shape, or without some leading axes; any dtype.

    Raises:
        InputError: if the shapes do not fit, or there is no example.
    """
    if logits.ndim < 2 or logits.shape[-2] == 0 or not logits.is_floating_point():
        raise InputError(
            f"logits must be floating with shape (N, C) and N >= 1, but got {logits.dtype} "
            f"{tuple(logits.shape)}. Pass the head's raw scores of a batch."
        )
    if targets.shape[-2:] != logits.shape[-2:] or not _broadcasts(targets.shape, logits.shape):
        raise InputError(
            f"logits and targets must share shape (N, C), but got {tuple(logits.shape)} and "
            f"{tuple(targets.shape)}. Set the head's num_classes to "
            f"{targets.shape[-1] if targets.ndim else 1}, and use the same examples for both."
        )
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return logits, targets.to(logits.dtype)


def per_element(value: Number | None, rule: Hyperparameter, logits: Tensor) -> Number | None:
    """Return a hyperparameter in a shape that broadcasts against logits (..., N, C).

    Args:
        value: a number, which is checked; or a tensor, which is not: without axes, or shaped like
            the leading axes, or like those and C (one value a class), or as logits.
        rule: its rule.
        logits: what it is to broadcast against.

    Raises:
        InputError: if a number breaks its rule or a tensor has none of these shapes.
    """
    if not isinstance(value, Tensor):
        number = rule.check(value)
        return None if number is None else float(number)
    leading = logits.ndim - 2
    tensor = value.to(device=logits.device, dtype=logits.dtype)
    if 0 < tensor.ndim <= leading:
        tensor = tensor[..., None, None]
    elif tensor.ndim == leading + 1:
        tensor = tensor.unsqueeze(-2)
    if not _broadcasts(tensor.shape, logits.shape):
        shape, classes = tuple(logits.shape[:-2]), logits.shape[-1]
        raise InputError(
            f"{rule.name} must have the leading axes of the logits {shape}, or these and the "
            f"{classes} classes, but got shape {tuple(value.shape)}. Pass one value, or one a "
            "head, or one a class."
        )
    return tensor


def number(value: Number, rule: Hyperparameter, logits: Tensor) -> Number:
    """Return :func:`per_element` of a hyperparameter that cannot be ``None``."""
    checked = per_element(value, rule, logits)
    if checked is None:
        raise InputError(f"{rule.name} must be {rule.rule}, but got None. Pass a number.")
    return checked


def reduce(values: Tensor, reduction: str, rule: Hyperparameter) -> Tensor:
    """Sum or mean over batch and classes, (..., N, C) -> (...)."""
    if rule.check(reduction) == "mean":
        return values.mean((-2, -1))
    return values.sum((-2, -1))


def element_scale(choices: Mapping[str, str], logits: Tensor, num_classes: int) -> float:
    """What `reduce` multiplies the sum over batch and classes by, of packed logits (B, W)."""
    return 1.0 if choices["reduction"] == "sum" else 1 / (len(logits) * num_classes)


def _broadcasts(shape: torch.Size, target: torch.Size) -> bool:
    try:
        return torch.broadcast_shapes(shape, target) == target
    except RuntimeError:
        return False
