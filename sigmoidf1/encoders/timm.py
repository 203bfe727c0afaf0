"""Any timm image model: `timm:NAME`, prepared as the model's own configuration says."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigmoidf1.cache import file_sha256
from sigmoidf1.encoders.base import PRECISION, Embedder, EncoderFamily, ModelEncoder
from sigmoidf1.errors import InputError
from sigmoidf1.options import Option, unknown_name

if TYPE_CHECKING:
    import torch

_BATCH = {"cpu": 32, "cuda": 256}
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
        raise InputError(unknown_name("timm model", model, _alike(model)))
    try:
        config = timm.get_pretrained_cfg(model)
    except RuntimeError:
        config = None
    if config is None:
        tags = timm.list_pretrained(f"{model.partition('.')[0]}.*")
        raise InputError(unknown_name("pretrained timm model", model, tags))
    return config


def _alike(model: str) -> list[str]:
    """Return the few timm models nearest by name: all of them would fill a page."""
    import difflib

    import timm

    return difflib.get_close_matches(model, timm.list_models(), n=5, cutoff=0.3)


class ImageEmbedder:
    """A timm model without its classifier; see `Embedder`.

    Args:
        model: the network, which returns pooled features (B, D).
        transform: from an RGB image to a tensor (3, H, W).
        device: where the model runs.
        dtype: its number format.
    """

    def __init__(
        self, model: torch.nn.Module, transform: Any, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.model = model.to(device, dtype).eval()
        self.transform = transform
        self.device = device
        self.dtype = dtype
        self._paths: Sequence[str] = ()
        self._threads = ThreadPoolExecutor(max_workers=os.cpu_count())

    def plan(self, inputs: Sequence[str]) -> list[list[int]]:
        """Batch the images in their order."""
        self._paths = inputs
        size = _BATCH["cuda" if self.device.type == "cuda" else "cpu"]
        rows = range(len(inputs))
        return [list(rows[start : start + size]) for start in range(0, len(rows), size)]

    def encode(self, rows: Sequence[int]) -> torch.Tensor:
        """Return the embeddings of these images, float32 (len(rows), D)."""
        import torch

        images = list(self._threads.map(self._prepare, [self._paths[row] for row in rows]))
        return self.model(torch.stack(images).to(self.device, self.dtype)).float()

    def _prepare(self, path: str) -> torch.Tensor:
        from PIL import Image, ImageOps

        try:
            with Image.open(path) as image:
                return self.transform(ImageOps.exif_transpose(image).convert("RGB"))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise InputError(
                f"every image must be whole and readable, but {path} is not ({error}). "
                "Restore the file or remove its example."
            ) from error


@dataclass(frozen=True)
class TimmImage(ModelEncoder):
    """A timm model's pooled features, before its classifier.

    Args:
        model: timm's name, such as `mobilenetv2_100.ra_in1k`.
        weights: a local file of weights for this architecture; None: timm's pretrained ones.
    """

    model: str
    weights: str | None

    def identity(self) -> dict[str, Any]:
        """Return the hash of the weights."""
        return {"encoder": self.name, "weights_sha256": file_sha256(self._find())}

    def open(self, device: torch.device, dtype: torch.dtype) -> Embedder:
        """Load the model from disk, strictly: every tensor must fit."""
        path = self._find()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import timm

            _pretrained_config(self.model)
            try:
                model = timm.create_model(
                    self.model,
                    pretrained=True,
                    num_classes=0,
                    pretrained_cfg_overlay={"file": str(path)},
                )
            except Exception as error:
                # Broken files surface as any of a dozen types, from OSError to SafetensorError.
                reason = " ".join(str(error).split())[:300] or type(error).__name__
                raise InputError(
                    f"the weights must fit encoder {self.name}, but {path} does not load "
                    f"({reason}). Give the weights of this very architecture."
                ) from error
            config = timm.data.resolve_model_data_config(model)
            transform = timm.data.create_transform(**config, is_training=False)
        return ImageEmbedder(model, transform, device, dtype)

    def _find(self) -> Path:
        if self.weights is None:
            return find_weights(self.model, name=self.name)
        path = Path(self.weights)
        if not path.is_file():
            raise InputError(
                f"encoder.weights must be a file, but {path} is not there. Correct the path."
            )
        return path


def build(full_name: str, model: str, options: Mapping[str, Any]) -> TimmImage:
    """Return the encoder."""
    return TimmImage(name=full_name, modality="image", model=model, **options)


FAMILY = EncoderFamily(
    name="timm",
    build=build,
    takes_model=True,
    options=(
        Option(
            name="weights",
            kind="path",
            description="a local file of weights for this architecture; null: timm's pretrained",
            nullable=True,
        ),
        PRECISION,
    ),
)
