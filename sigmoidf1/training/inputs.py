"""Checks what packed training is given and lays it out on the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sigmoidf1.errors import InputError
from sigmoidf1.losses import get_loss
from sigmoidf1.metrics import METRICS
from sigmoidf1.training.engine import LabelledSet
from sigmoidf1.training.settings import HeadConfig, Objective
from sigmoidf1.training.tiles import ResolvedHead


def resolve_heads(configs: Sequence[HeadConfig]) -> list[ResolvedHead]:
    """Fill in every head's hyperparameters.

    Raises:
        InputError: no configuration, an unknown loss or hyperparameter, or a value outside its
            rule.
    """
    if not configs:
        raise InputError("configs must hold at least one HeadConfig, but it is empty.")
    heads = []
    for config in configs:
        loss = get_loss(config.loss)
        heads.append(
            ResolvedHead(
                loss=loss,
                values=loss.resolve(config.hyperparameters),
                lr=float(config.lr),
                weight_decay=float(config.weight_decay),
            )
        )
    return heads


def check_replicates(replicates: Sequence[tuple[int, int]], num_configs: int) -> None:
    """Refuse an empty list, an unknown configuration, a negative seed or a repeated replicate."""
    if not replicates:
        raise InputError("at least one (configuration, seed) is needed, but there is none.")
    for index, seed in replicates:
        if not 0 <= index < num_configs:
            raise InputError(
                f"a replicate's configuration must be in 0 .. {num_configs - 1}, but got {index}."
            )
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**31:
            raise InputError(f"a seed must be an integer in 0 .. 2**31 - 1, but got {seed!r}.")
    if len(set(replicates)) != len(replicates):
        raise InputError("every (configuration, seed) may be given once, but one is repeated.")


def labelled_sets(
    features: Tensor,
    targets: Tensor,
    splits: Mapping[str, Tensor],
    objective: Objective,
    device: torch.device,
) -> dict[str, LabelledSet]:
    """The splits as head inputs ``relu(features)`` and float32 targets on the device.

    Raises:
        InputError: shapes that do not match, values that are not finite or not in {0, 1}, a
            missing or empty split, an index out of range, an unknown metric, a threshold outside
            (0, 1).
    """
    if features.ndim != 2 or targets.ndim != 2 or len(features) != len(targets):
        raise InputError(
            "features and targets must have shapes (N, D) and (N, C), but got "
            f"{tuple(features.shape)} and {tuple(targets.shape)}."
        )
    if not torch.isfinite(features).all():
        raise InputError("features must be finite, but hold NaN or inf. Clean them first.")
    if not ((targets == 0) | (targets == 1)).all():
        raise InputError("targets must be 0 or 1, but hold other values.")
    if objective.metric not in METRICS:
        raise InputError(
            f"Unknown metric {objective.metric!r}. Known: {', '.join(sorted(METRICS))}."
        )
    if not 0.0 < objective.threshold < 1.0:
        raise InputError(f"a threshold must be in (0, 1), but got {objective.threshold!r}.")
    for needed in ("train", objective.split):
        if needed not in splits:
            raise InputError(f"splits must hold {needed!r}, but hold {', '.join(splits)}.")
    data = {}
    for name, indices in splits.items():
        if len(indices) == 0:
            raise InputError(f"split {name!r} must hold at least one example, but is empty.")
        if int(indices.min()) < 0 or int(indices.max()) >= len(features):
            raise InputError(f"split {name!r} must index 0 .. {len(features) - 1}.")
        data[name] = LabelledSet(
            inputs=torch.relu(features[indices].float()).to(device),
            targets=targets[indices].float().to(device),
        )
    return data
