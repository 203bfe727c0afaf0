"""Local state dicts: read as plain tensors, loaded strictly into a timm architecture."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError  # to catch it  # nosec B403
from typing import TYPE_CHECKING, Any

from sigmoidf1.encoders.timm_models import alike
from sigmoidf1.errors import InputError
from sigmoidf1.options import unknown_name

if TYPE_CHECKING:
    import torch

_LISTED = 5
"""Names of tensors that a message lists."""


def load_local(
    architecture: str, path: Path, *, in_order: bool, config: Mapping[str, Any]
) -> torch.nn.Module:
    """Load a state dict into a timm architecture without its classifier, strictly.

    Args:
        architecture: timm's name, with or without a tag.
        path: a state dict in safetensors, or by torch.save as plain tensors; a checkpoint that
            holds one under `state_dict` or `model` as well.
        in_order: pair tensors by their order and shape instead of by name.
        config: changes to timm's own configuration of the architecture.

    Raises:
        InputError: for an unknown architecture, pickled objects, or tensors that do not fit; the
            missing and the extra ones are named.
    """
    tensors = read_tensors(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import timm

        if not timm.is_model(architecture):
            raise InputError(unknown_name("timm architecture", architecture, alike(architecture)))
        model = timm.create_model(
            architecture,
            pretrained=False,
            num_classes=0,
            pretrained_cfg_overlay=dict(config) or None,
        )
        whole = timm.create_model(architecture, pretrained=False)
    wanted = model.state_dict()
    # The classifier is not used: a file may hold it or not.
    classifier = whole.state_dict().keys() - wanted.keys()
    if in_order:
        tensors = _pair_in_order(tensors, list(whole.state_dict()), classifier, path=path)
    tensors = {name: tensor for name, tensor in tensors.items() if name not in classifier}
    _check_names(tensors, wanted, architecture=architecture, path=path)
    model.load_state_dict(tensors, strict=True)
    return model


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a file's tensors by name; pickled objects are refused, nothing of the file runs.

    Raises:
        InputError: if the file is broken, or holds anything but tensors.
    """
    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise InputError(
            f"weights must be plain tensors, but {path} is no such file or holds pickled objects, "
            "which could run code. Save the state dict by safetensors."
        ) from error
    except Exception as error:
        # Broken files surface as any of a dozen types, from OSError to SafetensorError.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"weights must be readable, but {path} is not ({reason}). Restore the file."
        ) from error
    for key in ("state_dict_ema", "model_ema", "state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
            break
    if not isinstance(found, dict) or not all(isinstance(v, torch.Tensor) for v in found.values()):
        raise InputError(
            f"weights must be a mapping from names to tensors, but {path} holds something else. "
            "Save model.state_dict()."
        )
    return {name.removeprefix("module."): tensor for name, tensor in found.items()}


def _check_names(
    tensors: Mapping[str, torch.Tensor],
    wanted: Mapping[str, torch.Tensor],
    *,
    architecture: str,
    path: Path,
) -> None:
    faults = []
    for what, names in (
        ("lacks", [name for name in wanted if name not in tensors]),
        ("has the extra", [name for name in tensors if name not in wanted]),
    ):
        if names:
            more = ", …" if len(names) > _LISTED else ""
            faults.append(f"{what} {len(names)} ({', '.join(names[:_LISTED])}{more})")
    for name in wanted.keys() & tensors.keys():
        if wanted[name].shape != tensors[name].shape:
            shapes = tuple(tensors[name].shape), tuple(wanted[name].shape)
            faults.append(f"holds {name} in shape {shapes[0]} instead of {shapes[1]}")
            break
    if not faults:
        return
    advice = "Set encoder.architecture to that of the weights."
    if len(tensors) in (len(wanted), len(wanted) + 2):
        advice += " If it is the same network under other names, set encoder.match to order."
    raise InputError(
        f"weights must have every tensor of {architecture} and no other, but {path} "
        f"{' and '.join(faults)}. {advice}"
    )


def _pair_in_order(
    tensors: dict[str, torch.Tensor], names: list[str], classifier: set[str], *, path: Path
) -> dict[str, torch.Tensor]:
    if len(tensors) == len(names) - len(classifier):
        names = [name for name in names if name not in classifier]
    if len(tensors) != len(names):
        raise InputError(
            f"weights matched in order must have as many tensors as the architecture, "
            f"{len(names)}, but {path} has {len(tensors)}. "
            "Set encoder.architecture to that of the weights."
        )
    return dict(zip(names, tensors.values(), strict=True))


def read_model_config(path: Path) -> dict[str, Any]:
    """Return timm's config.json that lies beside a file of weights; empty if there is none.

    Raises:
        InputError: if it is no JSON mapping.
    """
    beside = path.with_name("config.json")
    try:
        config = json.loads(beside.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{beside} must be JSON, but it is not ({error}). Restore it.") from error
    return config if isinstance(config, dict) else {}
