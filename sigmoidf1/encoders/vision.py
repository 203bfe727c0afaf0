"""Vision models by transformers: loading, and their own image processors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from sigmoidf1.encoders.base import Embedder
from sigmoidf1.encoders.image import ImageEmbedder, Preparation, pool_states
from sigmoidf1.encoders.text import quiet_transformers
from sigmoidf1.errors import InputError

if TYPE_CHECKING:
    from sigmoidf1.encoders.huggingface import HuggingFaceImage


def open_vision_model(
    encoder: HuggingFaceImage, folder: Path, device: torch.device, dtype: torch.dtype
) -> Embedder:
    """Load a vision model and its processor from a folder, never from the network.

    Raises:
        InputError: if the folder's files are broken, incomplete, or not of a vision model.
    """
    processor, model = _load(folder, name=encoder.name, dtype=dtype)

    def features(network: torch.nn.Module, pixels: torch.Tensor) -> torch.Tensor:
        hidden = network(pixel_values=pixels).last_hidden_state
        pooled = pool_states(hidden, encoder.pooling, name=encoder.name)
        return F.normalize(pooled, dim=-1) if encoder.normalize else pooled

    return ImageEmbedder(
        model,
        features,
        _preparation_of(processor, name=encoder.name),
        augmentation=encoder.augmentation,
        device=device,
        dtype=dtype,
        batch_size=encoder.batch_size,
        workers=encoder.workers,
    )


def _load(folder: Path, *, name: str, dtype: torch.dtype) -> tuple[Any, Any]:
    if not (folder / "preprocessor_config.json").is_file():
        raise InputError(
            f"encoder {name} must be a vision model to embed images, but {folder} has no "
            "preprocessor_config.json. Name a vision model, or copy that file there."
        )
    with quiet_transformers():
        from transformers import AutoImageProcessor, AutoModel

        try:
            processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
            model, loading = AutoModel.from_pretrained(
                folder, local_files_only=True, dtype=dtype, output_loading_info=True
            )
        except Exception as error:
            # Broken files surface as any of a dozen types, from OSError to SafetensorError.
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise InputError(
                f"encoder {name} must be a whole vision model with its processor, but {folder} "
                f"does not load ({reason[0].rstrip('.')}). Download it again."
            ) from error
    # A pooler on top of the hidden states is not used, so it may be missing.
    absent = sorted(key for key in loading["missing_keys"] if "pooler" not in key)
    if absent:
        raise InputError(
            f"the weights of encoder {name} must be complete, but {len(absent)} tensors are "
            f"missing in {folder}, such as {absent[0]}. Download it again."
        )
    return processor, getattr(model, "vision_model", model)


def _preparation_of(processor: Any, *, name: str) -> Preparation:
    """Return the processor's geometry apart from its scaling, which the device does in batches."""
    from PIL import Image

    def geometry(image: Any) -> np.ndarray:
        done = processor(images=image, do_rescale=False, do_normalize=False, return_tensors="np")
        return done["pixel_values"][0].transpose(1, 2, 0)

    try:
        trial = Image.new("RGB", (64, 64))
        pixels = geometry(trial)
        whole = processor(images=trial, return_tensors="np")
        if pixels.ndim != 3 or pixels.dtype != np.uint8 or list(whole) != ["pixel_values"]:
            raise ValueError(f"it gives {list(whole)} of shape {pixels.shape}, {pixels.dtype}")
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(
            f"the processor of encoder {name} must turn an image into pixel_values of one size, "
            f"but it does not ({' '.join(str(error).split())[:200]}). Choose another model."
        ) from error
    factor = processor.rescale_factor if processor.do_rescale else 1.0
    normalised = processor.do_normalize
    mean = processor.image_mean if normalised else (0.0, 0.0, 0.0)
    std = processor.image_std if normalised else (1.0, 1.0, 1.0)
    # Preparation divides by 255 first, the processor multiplies by its factor.
    ratio = 255 * factor
    return Preparation(
        geometry=geometry,
        mean=[value / ratio for value in mean],
        std=[value / ratio for value in std],
        side=max(pixels.shape[:2]),
        size=(pixels.shape[0], pixels.shape[1]),
    )
