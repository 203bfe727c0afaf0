"""Encoders by name: one file of this folder for each kind. Imports no torch."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from sigmoidf1.encoders.base import (
    BadInput,
    Embedder,
    Encoder,
    EncoderFamily,
    ModelEncoder,
)
from sigmoidf1.errors import InputError
from sigmoidf1.options import check_options, unknown_name

__all__ = [
    "BadInput",
    "Embedder",
    "Encoder",
    "EncoderFamily",
    "ModelEncoder",
    "encoder_names",
    "get_encoder",
]

_NOT_FAMILIES = {
    "augmentation",
    "backends",
    "base",
    "batching",
    "decoding",
    "embedding",
    "hub",
    "image",
    "state_dicts",
    "text",
    "timm_models",
    "vision",
}


@functools.cache
def _families() -> dict[str, EncoderFamily]:
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    found = [
        importlib.import_module(f"{__name__}.{name}").FAMILY
        for name in names
        if name not in _NOT_FAMILIES
    ]
    return {family.name: family for family in found}


def encoder_names() -> list[str]:
    """Return the names that a spec may give, with `MODEL` where any model's name may stand."""
    return sorted(
        f"{name}:MODEL" if family.takes_model else name for name, family in _families().items()
    )


def get_encoder(options: Mapping[str, Any] | None) -> Encoder:
    """Return the encoder that the `encoder` mapping of a spec describes, without loading it.

    Args:
        options: `name`, and that encoder's options; None or an empty mapping means `none`.

    Raises:
        InputError: for an unknown name or option, or a value that breaks its rule.

    Example:
        >>> get_encoder({"name": "minilm"}).modality
        'text'
    """
    if not options:
        options = {"name": "none"}
    if not isinstance(options, Mapping) or not isinstance(options.get("name"), str):
        raise InputError(
            f"encoder must be a mapping that names the encoder, but got {options!r}. "
            f"Set encoder.name to one of: {', '.join(encoder_names())}."
        )
    full_name = options["name"]
    family_name, colon, model = full_name.partition(":")
    family = _families().get(family_name)
    if family is None:
        raise InputError(unknown_name("encoder", full_name, encoder_names()))
    if family.takes_model and not model:
        raise InputError(
            f"encoder.name must go on with a model's name, but got {full_name!r}. "
            f"Write {family_name}:MODEL."
        )
    if colon and not family.takes_model:
        raise InputError(
            f"encoder {family_name!r} takes no model's name, but got {full_name!r}. "
            f"Write {family_name}."
        )
    given = {key: value for key, value in options.items() if key != "name"}
    checked = check_options(
        given, family.options, prefix="encoder", owner=f"encoder {family_name!r}"
    )
    return family.build(full_name, model, checked)
