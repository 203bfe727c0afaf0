"""Image encoders: pixels as the model wants them, decoded in threads; views; pooling."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from sigmoidf1.encoders.augmentation import Augmentation
from sigmoidf1.encoders.base import BadInput, Batch, Prepared
from sigmoidf1.encoders.batching import find_batch, ready_for, usable_cores
from sigmoidf1.encoders.decoding import read_image
from sigmoidf1.errors import InputError

# Measured on 2 cores: with larger batches, activations leave the processor's caches and their
# memory goes back to the system between layers; 32 images at once took up to 3 × the time of 8.
_CPU_PIXELS = 8 * 224 * 224
_MOST_ON_GPU = 256
_GPU_PROBE = 8


@dataclass(frozen=True)
class Preparation:
    """How an image becomes a model's input.

    Args:
        geometry: from an RGB image to pixels uint8 (H, W, 3): scaled and cropped.
        mean: of each channel, of 1.
        std: of each channel, of 1.
        side: the shorter side in pixels that `geometry` scales to; None if it is not known.
        size: (H, W).
    """

    geometry: Callable[[Any], np.ndarray]
    mean: Sequence[float]
    std: Sequence[float]
    side: int | None
    size: tuple[int, int]


def centre_crop(image: Any, *, side: int, size: int, mode: str) -> np.ndarray:
    """Scale the shorter side, then cut the centre out: what timm does, four times as fast.

    Scaling is PyTorch's antialiased one on bytes, which differs from Pillow's, timm's own, in
    less than one of a hundred values, by 1 or 2 of 255.

    Args:
        image: RGB.
        side: pixels of the shorter side after scaling, at least `size`.
        size: pixels of the square.
        mode: `bilinear` or `bicubic`.

    Returns:
        uint8 (size, size, 3).
    """
    width, height = image.size
    if width <= height:
        scaled = (int(side * height / width), side)
    else:
        scaled = (side, int(side * width / height))
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).unsqueeze(0)
    pixels = F.interpolate(pixels, scaled, mode=mode, antialias=True, align_corners=False)
    top, left = (round((length - size) / 2.0) for length in scaled)
    return pixels[0, :, top : top + size, left : left + size].permute(1, 2, 0).numpy()


def pool_states(hidden: torch.Tensor, pooling: str, *, name: str) -> torch.Tensor:
    """Pool a vision model's last hidden states to one embedding an image.

    Args:
        hidden: (B, T, D), or a map (B, D, H, W), whose places then count as tokens.
        pooling: `cls` (the first token), `last`, `mean` or `max` over tokens.
        name: the encoder's, for messages.

    Raises:
        InputError: for `cls` or `last` of a map, which has no such token.
    """
    hidden = hidden.float()
    if hidden.ndim == 4:
        if pooling in ("cls", "last"):
            raise InputError(
                f"encoder.pooling of {name} must be mean or max, because it gives a map without "
                f"tokens, but got {pooling!r}. Choose mean."
            )
        hidden = hidden.flatten(2).transpose(1, 2)
    if pooling in ("cls", "last"):
        return hidden[:, 0 if pooling == "cls" else -1]
    return hidden.amax(dim=1) if pooling == "max" else hidden.mean(dim=1)


class ImageEmbedder:
    """A vision model with its preparation; see `Embedder`.

    Args:
        model: the network.
        features: from the network and normalised pixels (B, 3, H, W) to (B, D).
        preparation: see `Preparation`.
        augmentation: how views are drawn; None if none are asked for.
        device: where the model runs.
        dtype: its number format.
        batch_size: images at once; None finds it.
        workers: threads that decode; None: one a core.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        features: Callable[[torch.nn.Module, torch.Tensor], torch.Tensor],
        preparation: Preparation,
        *,
        augmentation: Augmentation | None,
        device: torch.device,
        dtype: torch.dtype,
        batch_size: int | None,
        workers: int | None,
    ) -> None:
        from PIL import Image

        Image.init()  # before threads ask for it at once
        self.model = model.to(device, dtype).to(memory_format=torch.channels_last).eval()
        self.features = features
        self.preparation = preparation
        self.augmentation = augmentation
        self.device = device
        self.dtype = dtype
        self.workers = workers or usable_cores()
        self.overlap = device.type != "cpu"
        mean, std = torch.tensor(preparation.mean), torch.tensor(preparation.std)
        self._scale = (1 / (255 * std)).view(3, 1, 1).to(device)
        self._shift = (-mean / std).view(3, 1, 1).to(device)
        self.batch_size = batch_size or self._find_batch()

    def units(self, rows: Sequence[int]) -> list[list[int]]:
        """Divide rows into batches."""
        size = self.batch_size
        return [list(rows[start : start + size]) for start in range(0, len(rows), size)]

    def prepare(self, inputs: Sequence[str], rows: list[int], view: int | None) -> Prepared:
        """Decode, scale and crop images, and draw the view."""
        kept, images, bad = [], [], []
        for row in rows:
            try:
                images.append(self._pixels(inputs[row], view))
                kept.append(row)
            except InputError as error:
                bad.append(BadInput(row, str(error)))
        if not kept:
            return Prepared([], bad)
        pixels = ready_for(self.device, torch.from_numpy(np.stack(images)))
        return Prepared([Batch(kept, {"pixels": pixels})], bad)

    def encode(self, batch: Batch) -> torch.Tensor:
        """Return the embeddings, float32 (B, D)."""
        pixels = batch.tensors["pixels"].to(self.device, non_blocking=True)
        return self._encode(pixels)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Silence Pillow's warnings on large or oddly tagged images, which decode all the same."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield

    def _pixels(self, path: str, view: int | None) -> np.ndarray:
        from PIL import Image

        image, content = read_image(path, side=self.preparation.side)
        pixels = self.preparation.geometry(image)
        if view is None or self.augmentation is None:
            return pixels
        drawn = self.augmentation.draw(Image.fromarray(pixels), content=content, view=view)
        return np.asarray(drawn)

    def _encode(self, pixels: torch.Tensor) -> torch.Tensor:
        # Pixels lie as (B, H, W, 3): the permuted view is channels-last without a copy.
        images = pixels.permute(0, 3, 1, 2).float().mul_(self._scale).add_(self._shift)
        return self.features(self.model, images.to(self.dtype)).float()

    def _find_batch(self) -> int:
        height, width = self.preparation.size
        if self.device.type != "cuda":
            return max(1, round(_CPU_PIXELS / (height * width)))

        def run(count: int) -> object:
            pixels = torch.zeros((count, height, width, 3), dtype=torch.uint8)
            return self._encode(pixels.to(self.device))

        return find_batch(self.device, run, probe=_GPU_PROBE, most=_MOST_ON_GPU)
