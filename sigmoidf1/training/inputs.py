"""Checks what packed training is given and lays it out on the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sigmoidf1.errors import InputError
from sigmoidf1.losses import Loss, get_loss
from sigmoidf1.metrics import METRICS
from sigmoidf1.options import unknown_name
from sigmoidf1.training.batches import LabelledSet
from sigmoidf1.training.products import Products
from sigmoidf1.training.settings import HeadConfig, Objective, TrainingSettings
from sigmoidf1.training.tiles import ResolvedHead

_RESIDENT_SHARE = 0.5  # of a GPU's free memory, for features; the rest is the heads'


def resolve_heads(
    configs: Sequence[HeadConfig], num_classes: int, learn: Sequence[str]
) -> list[ResolvedHead]:
    """Fill in every head's hyperparameters.

    Raises:
        InputError: no configuration, an unknown loss or hyperparameter, a value outside its rule,
            or a hyperparameter to learn that a loss does not have.
    """
    if not configs:
        raise InputError("configs must hold at least one HeadConfig, but it is empty.")
    heads = []
    for config in configs:
        loss = get_loss(config.loss)
        for name in learn:
            if name not in loss.hyperparameters:
                raise InputError(
                    f"learn = {', '.join(learn)} needs losses that have it, but {loss.name} has "
                    f"no {name}. Train {loss.name} in a sweep of its own."
                )
        heads.append(
            ResolvedHead(
                loss=loss,
                values=_resolve_values(loss, config.hyperparameters, num_classes),
                lr=float(config.lr),
                weight_decay=float(config.weight_decay),
            )
        )
    return heads


def _resolve_values(
    loss: Loss, given: Mapping[str, Any], num_classes: int
) -> dict[str, float | str | tuple[float, ...] | None]:
    """The loss's own rules, and lists of one number a class."""
    by_class = {k: v for k, v in given.items() if isinstance(v, list | tuple)}
    values: dict[str, Any] = loss.resolve({k: v for k, v in given.items() if k not in by_class})
    for name, numbers in by_class.items():
        checked = [loss.resolve({name: number})[name] for number in numbers]
        if loss.gradient is None or loss.hyperparameters[name].choices is not None:
            raise InputError(f"{name} of {loss.name} must be one value, but got a list.")
        if len(checked) != num_classes:
            raise InputError(
                f"{name} must have one number for each of {num_classes} classes, but got "
                f"{len(checked)}."
            )
        values[name] = tuple(float("nan") if v is None else float(v) for v in checked)
    return values


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


def check_objective(objective: Objective, splits: Mapping[str, Tensor]) -> None:
    """Refuse an unknown metric, a threshold outside (0, 1), a split that is not there."""
    if objective.metric not in METRICS:
        raise InputError(unknown_name("metric", objective.metric, METRICS))
    if not 0.0 < objective.threshold < 1.0:
        raise InputError(f"a threshold must be in (0, 1), but got {objective.threshold!r}.")
    if objective.split not in splits:
        raise InputError(f"splits must hold {objective.split!r}, but hold {', '.join(splits)}.")


def check_data(features: Tensor, targets: Tensor, splits: Mapping[str, Tensor]) -> None:
    """Check the data of a pack.

    Raises:
        InputError: shapes that do not match, values that are not finite or not in {0, 1}, no
            training split, an empty split, an index out of range.
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
    if "train" not in splits:
        raise InputError(f"splits must hold 'train', but hold {', '.join(splits)}.")
    for name, indices in splits.items():
        if len(indices) == 0:
            raise InputError(f"split {name!r} must hold at least one example, but is empty.")
        if int(indices.min()) < 0 or int(indices.max()) >= len(features):
            raise InputError(f"split {name!r} must index 0 .. {len(features) - 1}.")


def check_views(views: Tensor, features: Tensor, train: Tensor) -> None:
    """Check augmented views: (k, n_train, D), finite.

    Raises:
        InputError: another shape, or values that are not finite.
    """
    wanted = (len(train), features.shape[1])
    if views.ndim != 3 or len(views) < 1 or tuple(views.shape[1:]) != wanted:
        raise InputError(
            f"views must have shape (k, n_train, D) = (k, {wanted[0]}, {wanted[1]}), but got "
            f"{tuple(views.shape)}."
        )
    if not torch.isfinite(views).all():
        raise InputError("views must be finite, but hold NaN or inf. Embed them again.")


def labelled_sets(
    features: Tensor,
    targets: Tensor,
    splits: Mapping[str, Tensor],
    settings: TrainingSettings,
    device: torch.device,
    max_device_bytes: int | None,
    views: Tensor | None = None,
) -> dict[str, LabelledSet]:
    """The splits as the heads' inputs and float32 targets, on the device where they fit.

    A linear head's input is ReLU(embedding) (paper, Section 5.2); an MLP's is the embedding.
    """
    dtype = Products(settings.precision).dtype
    limit = _default_limit(device) if max_device_bytes is None else max_device_bytes
    numbers = features.numel() + (0 if views is None else views.numel())
    size = numbers * dtype.itemsize + targets.numel() * 4
    streamed = limit is not None and size > limit
    home = torch.device("cpu") if streamed else device
    data = {}
    for name, indices in splits.items():
        own_views = views if name == "train" else None
        inputs = (features[indices] if own_views is None else own_views.flatten(0, 1)).float()
        if settings.head == "linear":
            inputs = torch.relu(inputs)
        data[name] = LabelledSet(
            inputs=inputs.to(dtype).to(home),
            targets=targets[indices].float().to(home),
            device=device,
            streamed=streamed,
            num_views=1 if own_views is None else len(own_views),
        )
    return data


def _default_limit(device: torch.device) -> int | None:
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return int(_RESIDENT_SHARE * free)
