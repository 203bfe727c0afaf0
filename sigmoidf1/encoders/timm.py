"""Any timm image model: `timm:NAME`, prepared as the model's own configuration says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigmoidf1.cache import file_sha256
from sigmoidf1.data_root import within_data_root
from sigmoidf1.encoders.augmentation import AUGMENTATION, augmentation_from
from sigmoidf1.encoders.base import (
    BATCH_SIZE,
    PRECISION,
    WORKERS,
    Embedder,
    EncoderFamily,
    ModelEncoder,
)
from sigmoidf1.encoders.timm_models import find_weights, load_pretrained, open_embedder
from sigmoidf1.errors import InputError
from sigmoidf1.options import Option

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class TimmImage(ModelEncoder):
    """A timm model's pooled features, before its classifier.

    Args:
        model: timm's name, such as `mobilenetv2_100.ra_in1k`.
        weights: a local file of the weights of that name; None: timm's pretrained ones.
    """

    model: str
    weights: str | None

    def identity(self) -> dict[str, Any]:
        """Return the hash of the weights."""
        return {"encoder": self.name, "weights_sha256": file_sha256(self._find())}

    def open(self, device: torch.device, dtype: torch.dtype) -> Embedder:
        """Load the model from disk, strictly: every tensor must fit."""
        model = load_pretrained(self.model, self._find(), name=self.name)
        return open_embedder(self, model, device, dtype)

    def _find(self) -> Path:
        if self.weights is None:
            return find_weights(self.model, name=self.name)
        path = within_data_root(Path(self.weights), "encoder.weights")
        if not path.is_file():
            raise InputError(
                f"encoder.weights must be a file, but {path} is not there. Correct the path."
            )
        return path


def build(full_name: str, model: str, options: Mapping[str, Any]) -> TimmImage:
    """Return the encoder."""
    return TimmImage(
        name=full_name,
        modality="image",
        model=model,
        weights=options["weights"],
        precision=options["precision"],
        batch_size=options["batch_size"],
        workers=options["workers"],
        augmentation=augmentation_from(options),
    )


FAMILY = EncoderFamily(
    name="timm",
    build=build,
    takes_model=True,
    options=(
        Option(
            name="weights",
            kind="path",
            description="a local file of the weights of this name; null: timm's pretrained",
            nullable=True,
        ),
        PRECISION,
        BATCH_SIZE,
        WORKERS,
        *AUGMENTATION,
    ),
)
