"""Any Hugging Face text or vision model: `hf:NAME` or `hf:FOLDER`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigmoidf1.cache import content_key, file_sha256
from sigmoidf1.datasets.base import Modality
from sigmoidf1.encoders.augmentation import AUGMENTATION, augmentation_from
from sigmoidf1.encoders.base import (
    BATCH_SIZE,
    PRECISION,
    WORKERS,
    Embedder,
    Encoder,
    EncoderFamily,
    ModelEncoder,
)
from sigmoidf1.encoders.hub import CONFIG_FILES, find_model, find_model_weights
from sigmoidf1.errors import InputError
from sigmoidf1.options import Option

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class HuggingFaceModel(ModelEncoder):
    """A model by transformers, with pooling over its last hidden states.

    Of a model of text and images, such as CLIP, the data decide which tower embeds.

    Args:
        model: a folder, or a name on the hub.
        pooling: `cls`, `mean`, `max` or `last`.
        max_length: longer texts are cut to this many tokens; None: as long as the model takes.
        normalize: whether embeddings are scaled to length 1.
    """

    model: str
    pooling: str
    max_length: int | None
    normalize: bool

    def for_modality(self, modality: Modality) -> Encoder:
        """Return the encoder of texts or of images."""
        if modality not in ("text", "image"):
            return self
        options = {**vars(self), "modality": modality}
        if modality == "image":
            if self.max_length is not None:
                raise InputError(
                    f"encoder.max_length counts tokens of texts, but {self.name} is to embed "
                    "images. Leave it out."
                )
            return HuggingFaceImage(**options)
        if self.augmentation is not None:
            raise InputError(
                f"encoder.augment_views makes views of images, but {self.name} is to embed "
                "texts. Leave it out."
            )
        return HuggingFaceText(**options)

    def identity(self) -> dict[str, Any]:
        """Return the hash of the model's files, and the options."""
        folder = find_model(self.model, name=self.name)
        files = [path for pattern in CONFIG_FILES for path in folder.glob(pattern)]
        files += find_model_weights(folder, name=self.name)
        local = Path(self.model).expanduser().is_dir()
        return {
            "encoder": f"hf:{folder.resolve().name}" if local else self.name,
            "files_sha256": content_key({path.name: file_sha256(path) for path in files}),
            "pooling": self.pooling,
            "max_length": self.max_length,
            "normalize": self.normalize,
        }

    def open(self, device: torch.device, dtype: torch.dtype) -> Embedder:
        """Refuse: only what it is to embed says how."""
        raise InputError(
            f"encoder {self.name} must know what it embeds. Call for_modality first, with text "
            "or image."
        )


@dataclass(frozen=True, kw_only=True)
class HuggingFaceText(HuggingFaceModel):
    """A text model, or the text tower of one."""

    def open(self, device: torch.device, dtype: torch.dtype) -> Embedder:
        """Load the model from disk."""
        from sigmoidf1.encoders.text import TextEmbedder, load_text_model, longest_input

        folder = find_model(self.model, name=self.name)
        tokenizer, model = load_text_model(folder, name=self.name, dtype=dtype)
        longest = longest_input(tokenizer, model)
        if self.max_length is not None and self.max_length > longest:
            raise InputError(
                f"encoder.max_length must be at most what encoder {self.name} takes, {longest}, "
                f"but got {self.max_length}. Lower it or leave it out."
            )
        return TextEmbedder(
            tokenizer,
            model,
            pooling=self.pooling,
            max_length=self.max_length or longest,
            normalize=self.normalize,
            device=device,
            batch_size=self.batch_size,
        )


@dataclass(frozen=True, kw_only=True)
class HuggingFaceImage(HuggingFaceModel):
    """A vision model, or the vision tower of one."""

    def open(self, device: torch.device, dtype: torch.dtype) -> Embedder:
        """Load the model from disk."""
        from sigmoidf1.encoders.vision import open_vision_model

        folder = find_model(self.model, name=self.name)
        return open_vision_model(self, folder, device, dtype)

    def identity(self) -> dict[str, Any]:
        """Return the hash of the model's files, and the options that images have."""
        identity = super().identity()
        del identity["max_length"]
        return identity


def build(full_name: str, model: str, options: Mapping[str, Any]) -> HuggingFaceModel:
    """Return the encoder, as yet of texts or images."""
    own = ("pooling", "max_length", "normalize", "precision", "batch_size", "workers")
    return HuggingFaceModel(
        name=full_name,
        modality=None,
        model=model,
        augmentation=augmentation_from(options),
        **{name: options[name] for name in own},
    )


FAMILY = EncoderFamily(
    name="hf",
    build=build,
    takes_model=True,
    options=(
        Option(
            name="pooling",
            kind="str",
            description="how the states of tokens, or of an image's patches, become one embedding",
            default="mean",
            choices=("cls", "mean", "max", "last"),
        ),
        Option(
            name="max_length",
            kind="int",
            description="cut texts to this many tokens; null: as many as the model takes",
            nullable=True,
            minimum=1,
        ),
        Option(
            name="normalize",
            kind="bool",
            description="scale embeddings to length 1",
            default=False,
        ),
        PRECISION,
        BATCH_SIZE,
        WORKERS,
        *AUGMENTATION,
    ),
)
