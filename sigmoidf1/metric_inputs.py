"""Checks of what metrics are given: scores, targets and thresholds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sigmoidf1.errors import InputError
from sigmoidf1.thresholds import check_threshold

Array = Tensor | np.ndarray
Thresholds = float | Sequence[float] | np.ndarray | Tensor


def check_scores(scores: Array, *, name: str = "probs") -> Tensor:
    """Return scores as a detached floating tensor of shape (..., N, C) with N, C >= 1.

    Args:
        scores: Tensor or array of floating numbers, shape (..., N, C).
        name: What the caller calls them, for the error's text.

    Returns:
        The tensor, not copied.

    Raises:
        InputError: They are not floating numbers, or have no example or no class.
    """
    tensor = torch.as_tensor(scores).detach()
    if not tensor.is_floating_point():
        raise InputError(
            f"{name} must be floating-point numbers, but got {tensor.dtype}. "
            "Give the model's scores, not its decisions."
        )
    if tensor.dim() < 2 or 0 in tensor.shape[-2:]:
        raise InputError(
            f"{name} must have shape (..., N, C) with N, C >= 1, but got {tuple(tensor.shape)}. "
            "Give one row an example and one column a class."
        )
    return tensor


def check_targets(targets: Array, scores: Tensor, *, name: str = "probs") -> Tensor:
    """Return targets as a boolean tensor (N, C) on the device of the scores.

    Args:
        targets: 0/1 tensor or array of shape (N, C), of any numeric or boolean type.
        scores: Checked scores (..., N, C) that the targets belong to.
        name: What the caller calls the scores, for the error's text.

    Returns:
        Boolean tensor (N, C).

    Raises:
        InputError: The shapes differ, or a target is neither 0 nor 1.
    """
    tensor = torch.as_tensor(targets).to(scores.device)
    if tensor.shape != scores.shape[-2:]:
        raise InputError(
            f"{name} (..., N, C) and targets (N, C) must agree in N and C, but got "
            f"{tuple(scores.shape)} and {tuple(tensor.shape)}. Give one target for each score."
        )
    hit = tensor == 1
    if not (hit | (tensor == 0)).all():
        wrong = tensor[~(hit | (tensor == 0))][0].item()
        raise InputError(f"targets must be 0 or 1, but got {wrong!r}. Binarise the labels first.")
    return hit


def check_thresholds(thresholds: Thresholds, device: torch.device) -> Tensor:
    """Return one or many thresholds as a float32 tensor (T,), rounded as the scores are.

    Args:
        thresholds: One number or a one-dimensional collection of them, each in [0, 1].
        device: Where the scores lie.

    Returns:
        float32 tensor (T,).

    Raises:
        InputError: There is none, or one is not a number in [0, 1].
    """
    if isinstance(thresholds, Tensor):
        thresholds = thresholds.detach().cpu().numpy()
    array = np.asarray(thresholds)
    if array.ndim > 1 or array.size == 0:
        raise InputError(
            f"thresholds must be one number or a flat list of them, but got shape {array.shape}. "
            "Give for example 0.5 or [0.05, 0.5]."
        )
    values = [check_threshold(value) for value in array.reshape(-1).tolist()]
    return torch.tensor(values, dtype=torch.float32, device=device)
