"""Local weights of a timm architecture: `weights:FILE`, loaded strictly."""

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
from sigmoidf1.encoders.state_dicts import load_local, read_model_config
from sigmoidf1.encoders.timm_models import open_embedder
from sigmoidf1.errors import InputError
from sigmoidf1.options import Option

if TYPE_CHECKING:
    import torch

_IN_FOLDER = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True, kw_only=True)
class LocalWeights(ModelEncoder):
    """A timm architecture with weights of your own, without its classifier.

    Args:
        path: the file, or a folder as timm's models are published (config.json beside it).
        architecture: timm's name; None: config.json beside the file says it.
        match: `names`, or `order`: pair tensors by order and shape, for the same network under
            other names.
    """

    path: str
    architecture: str | None
    match: str

    def identity(self) -> dict[str, Any]:
        """Return the hash of the weights and what they are loaded into; the path does not count."""
        file = self._find()
        return {
            "encoder": f"weights:{self._architecture(file)}",
            "weights_sha256": file_sha256(file),
            "match": self.match,
            "config": self._config(file),
        }

    def open(self, device: torch.device, dtype: torch.dtype) -> Embedder:
        """Load the weights from disk, strictly: every tensor must fit."""
        file = self._find()
        model = load_local(
            self._architecture(file),
            file,
            in_order=self.match == "order",
            config=self._config(file),
        )
        return open_embedder(self, model, device, dtype)

    def _find(self) -> Path:
        path = within_data_root(Path(self.path).expanduser(), "encoder.name")
        if path.is_dir():
            for name in _IN_FOLDER:
                if (path / name).is_file():
                    return path / name
            raise InputError(
                f"encoder {self.name} must hold {_IN_FOLDER[0]}, but the folder {path} does not. "
                "Copy the weights there, or name their file."
            )
        if not path.is_file():
            raise InputError(
                f"encoder {self.name} must name a file of weights, but {path} is not there. "
                "Correct encoder.name: weights:FILE.safetensors or weights:FILE.pth"
            )
        return path

    def _architecture(self, file: Path) -> str:
        found = self.architecture or read_model_config(file).get("architecture")
        if not isinstance(found, str):
            raise InputError(
                f"encoder {self.name} needs encoder.architecture, the timm model that the weights "
                f"belong to, because no config.json lies beside {file.name}. "
                "Set it, for example to mobilenetv2_100."
            )
        return found

    def _config(self, file: Path) -> dict[str, Any]:
        if self.architecture is not None:
            return {}
        config = read_model_config(file).get("pretrained_cfg")
        return config if isinstance(config, dict) else {}


def build(full_name: str, model: str, options: Mapping[str, Any]) -> LocalWeights:
    """Return the encoder."""
    return LocalWeights(
        name=full_name,
        modality="image",
        path=model,
        architecture=options["architecture"],
        match=options["match"],
        precision=options["precision"],
        batch_size=options["batch_size"],
        workers=options["workers"],
        augmentation=augmentation_from(options),
    )


FAMILY = EncoderFamily(
    name="weights",
    build=build,
    takes_model=True,
    options=(
        Option(
            name="architecture",
            kind="str",
            description="timm's name of the network, such as mobilenetv2_100; its configuration "
            "says size and normalisation; null: read from config.json beside the weights",
            nullable=True,
        ),
        Option(
            name="match",
            kind="str",
            description="pair tensors by their names, or by order and shape (the same network "
            "under other names)",
            default="names",
            choices=("names", "order"),
        ),
        PRECISION,
        BATCH_SIZE,
        WORKERS,
        *AUGMENTATION,
    ),
)
