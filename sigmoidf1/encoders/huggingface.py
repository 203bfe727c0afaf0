"""Any Hugging Face text model: `hf:NAME` or `hf:FOLDER`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigmoidf1.cache import content_key, file_sha256
from sigmoidf1.encoders.base import PRECISION, Embedder, EncoderFamily, ModelEncoder
from sigmoidf1.errors import InputError
from sigmoidf1.options import Option

if TYPE_CHECKING:
    import torch

_TEXT_FILES = ("*.json", "*.txt", "*.model")
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")


def find_model(model: str, *, name: str) -> Path:
    """Return the folder of a model: a local one, the hub's cache, or else a download.

    Nothing reaches out to the network if the model is on disk.

    Args:
        model: a folder, or a name on the hub.
        name: the encoder's full name, for messages.

    Raises:
        InputError: if it is neither on disk nor to be had.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        _find_weights(folder, name=name)
        return folder
    if model.startswith((".", "/", "~")):
        raise InputError(
            f"encoder {name} names a folder, but {folder} is not there. Correct encoder.name."
        )
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return _whole(snapshot_download(model, local_files_only=True), name=name)
    except (OSError, InputError):
        pass
    except HFValidationError as error:
        raise InputError(
            f"encoder {name} must name a model of the hub (OWNER/NAME) or a folder, but "
            f"{model!r} is neither. Correct encoder.name."
        ) from error
    try:
        if constants.HF_HUB_OFFLINE:
            raise OSError("HF_HUB_OFFLINE is set")
        from sigmoidf1.encoders.text import quiet_transformers

        with quiet_transformers():
            path = snapshot_download(model, allow_patterns=[*_TEXT_FILES, _WEIGHTS[0]])
            if not any(Path(path).glob(_WEIGHTS[0])):
                path = snapshot_download(model, allow_patterns=[*_TEXT_FILES, _WEIGHTS[1]])
        return _whole(path, name=name)
    except (OSError, HfHubHTTPError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise InputError(
            f"encoder {name} must be on disk or downloadable, but {model!r} is not in "
            f"{constants.HF_HUB_CACHE} and could not be downloaded ({reason}). "
            f"Where there is a network, run: hf download {model} --local-dir FOLDER; "
            "then copy FOLDER here and set encoder.name to hf:FOLDER"
        ) from error


def _whole(folder: str, *, name: str) -> Path:
    """Return the folder if it holds weights: the hub's cache may hold a part of a model."""
    _find_weights(Path(folder), name=name)
    return Path(folder)


def _find_weights(folder: Path, *, name: str) -> list[Path]:
    """Return the files of weights: those in safetensors, else pickled ones."""
    for pattern in _WEIGHTS:
        found = sorted(folder.glob(pattern))
        if found and (folder / "config.json").is_file():
            return found
    raise InputError(
        f"encoder {name} must have config.json and weights (model.safetensors), but {folder} "
        f"lacks them. Copy the whole model there."
    )


@dataclass(frozen=True)
class HuggingFaceText(ModelEncoder):
    """A text model by transformers, with pooling over its last hidden states.

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

    def identity(self) -> dict[str, Any]:
        """Return the hash of the model's files, and the options."""
        folder = find_model(self.model, name=self.name)
        files = [path for pattern in _TEXT_FILES for path in folder.glob(pattern)]
        files += _find_weights(folder, name=self.name)
        return {
            "encoder": self.name,
            "files_sha256": content_key({path.name: file_sha256(path) for path in files}),
            "pooling": self.pooling,
            "max_length": self.max_length,
            "normalize": self.normalize,
        }

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
        )


def build(full_name: str, model: str, options: Mapping[str, Any]) -> HuggingFaceText:
    """Return the encoder."""
    return HuggingFaceText(name=full_name, modality="text", model=model, **options)


FAMILY = EncoderFamily(
    name="hf",
    build=build,
    takes_model=True,
    options=(
        Option(
            name="pooling",
            kind="str",
            description="how token states become one embedding",
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
    ),
)
