"""timm's image models: where their weights are, and how they are loaded and prepared for."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sigmoidf1.encoders.base import Embedder, ModelEncoder
from sigmoidf1.errors import InputError
from sigmoidf1.options import unknown_name

if TYPE_CHECKING:
    import torch

    from sigmoidf1.encoders.image import Preparation

_HUB_FILES = ("model.safetensors", "pytorch_model.bin")


def find_weights(model: str, *, name: str) -> Path:
    """Return a timm model's file of pretrained weights: the caches' one, or else a download.

    Nothing reaches out to the network if the file is on disk.

    Raises:
        InputError: for an unknown model, or weights that are neither on disk nor to be had.
    """
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    # A name with a tag is its repository's name: no need to import timm, which takes seconds.
    cached = _in_hub_cache(f"timm/{model}")
    if cached is not None:
        return cached
    config = _pretrained_config(model)
    repository = config.hf_hub_id or f"timm/{model}"
    cached = _in_hub_cache(repository)
    if cached is not None:
        return cached
    if config.url:
        import torch

        checkpoint = Path(torch.hub.get_dir()) / "checkpoints" / Path(config.url).name
        if checkpoint.is_file():
            return checkpoint
    try:
        if constants.HF_HUB_OFFLINE:
            raise OSError("HF_HUB_OFFLINE is set")
        return Path(hf_hub_download(repository, _HUB_FILES[0]))
    except (OSError, HfHubHTTPError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise InputError(
            f"encoder {name} must be on disk or downloadable, but {repository} is not in "
            f"{constants.HF_HUB_CACHE} and could not be downloaded ({reason}). "
            f"Where there is a network, run: hf download {repository} {_HUB_FILES[0]} "
            "--local-dir FOLDER; then copy the file here and set encoder.weights to its path"
        ) from error


def _in_hub_cache(repository: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    for filename in _HUB_FILES:
        cached = try_to_load_from_cache(repository, filename)
        if isinstance(cached, str):
            return Path(cached)
    return None


def _pretrained_config(model: str) -> Any:
    import timm

    if not timm.is_model(model):
        raise InputError(unknown_name("timm model", model, alike(model)))
    try:
        config = timm.get_pretrained_cfg(model)
    except RuntimeError:
        config = None
    if config is None:
        tags = timm.list_pretrained(f"{model.partition('.')[0]}.*")
        raise InputError(unknown_name("pretrained timm model", model, tags))
    return config


def alike(model: str) -> list[str]:
    """Return the few timm models nearest by name: all of them would fill a page."""
    import difflib

    import timm

    return difflib.get_close_matches(model, timm.list_models(), n=5, cutoff=0.3)


def load_pretrained(model: str, path: Path, *, name: str) -> torch.nn.Module:
    """Load a timm model of a known name without its classifier; every tensor must fit.

    Raises:
        InputError: for an unknown model, or a file that is broken, pickled or of another model.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import timm

        _pretrained_config(model)
        try:
            return timm.create_model(
                model,
                pretrained=True,
                num_classes=0,
                pretrained_cfg_overlay={"file": str(path)},
            )
        except Exception as error:
            # Broken files surface as any of a dozen types, from OSError to SafetensorError.
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise InputError(
                f"the weights must fit encoder {name}, but {path} does not load "
                f"({reason}). Give the weights of this very architecture."
            ) from error


def preparation_of(model: torch.nn.Module) -> Preparation:
    """Return how a timm model wants its images, from its own configuration."""
    import timm

    from sigmoidf1.encoders.image import Preparation, centre_crop

    config = timm.data.resolve_model_data_config(model)
    height, width = config["input_size"][-2:]
    side = math.floor(height / (config["crop_pct"] or 1))
    plain = (
        height == width
        and side >= height
        and config["crop_mode"] in (None, "center")
        and config["interpolation"] in ("bilinear", "bicubic")
        and not config.get("crop_border_pixels")
    )
    if plain:

        def geometry(image: Any) -> np.ndarray:
            return centre_crop(image, side=side, size=height, mode=config["interpolation"])
    else:
        # use_prefetcher: bytes come out, and normalising is left to the caller.
        transform = timm.data.create_transform(**config, is_training=False, use_prefetcher=True)

        def geometry(image: Any) -> np.ndarray:
            return transform(image).permute(1, 2, 0).numpy()

    return Preparation(
        geometry=geometry,
        mean=config["mean"],
        std=config["std"],
        side=side,
        size=(height, width),
    )


def open_embedder(
    encoder: ModelEncoder, model: torch.nn.Module, device: torch.device, dtype: torch.dtype
) -> Embedder:
    """Return a loaded timm model as an embedder of images."""
    from sigmoidf1.encoders.image import ImageEmbedder

    return ImageEmbedder(
        model,
        lambda network, pixels: network(pixels),
        preparation_of(model),
        augmentation=encoder.augmentation,
        device=device,
        dtype=dtype,
        batch_size=encoder.batch_size,
        workers=encoder.workers,
    )
