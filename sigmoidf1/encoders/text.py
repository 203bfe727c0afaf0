"""Text encoders by transformers: loading, tokens, batches by length, pooling."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from sigmoidf1.errors import InputError

POOLINGS = ("cls", "mean", "max", "last")

# Measured with MiniLM on 2 cores: larger batches fall out of the processor's caches.
_CPU_TOKENS = 1024
_GPU_TOKENS = 65536
_TOKENISED_AT_ONCE = 10_000
_LONGEST = 512
"""Maximum length for a model whose files state none."""


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence transformers' progress bars, log lines and warnings for the length of a block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers.utils import logging

        verbosity, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            yield
        finally:
            logging.set_verbosity(verbosity)
            if had_bars:
                logging.enable_progress_bar()


def load_text_model(folder: Path, *, name: str, dtype: torch.dtype) -> tuple[Any, Any]:
    """Load a tokenizer and a model's encoder from a folder, never from the network.

    Weights in safetensors are preferred; pickled ones load as plain tensors only.

    Raises:
        InputError: if the folder's files are broken or lack weights.
    """
    with quiet_transformers():
        from transformers import AutoModel, AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model, loading = AutoModel.from_pretrained(
                folder, local_files_only=True, dtype=dtype, output_loading_info=True
            )
        except Exception as error:
            # Broken files surface as any of a dozen types, from OSError to SafetensorError.
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise InputError(
                f"encoder {name} must be a whole text model with its tokenizer, but {folder} "
                f"does not load ({reason[0].rstrip('.')}). Download it again."
            ) from error
    # A pooler on top of the hidden states is not used, so it may be missing.
    absent = sorted(key for key in loading["missing_keys"] if "pooler" not in key)
    if absent:
        raise InputError(
            f"the weights of encoder {name} must be complete, but {len(absent)} tensors are "
            f"missing in {folder}, such as {absent[0]}. Download it again."
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer, model.get_encoder() if model.config.is_encoder_decoder else model


def longest_input(tokenizer: Any, model: Any) -> int:
    """Return the most tokens that the model takes, as its own files state it."""
    if tokenizer.model_max_length < 1_000_000:
        return int(tokenizer.model_max_length)
    return int(getattr(model.config, "max_position_embeddings", None) or _LONGEST)


def pool(hidden: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """Pool token states to one embedding a text; padding never counts.

    Args:
        hidden: (B, T, D).
        mask: (B, T), 1 for a token and 0 for padding, on either side.
        pooling: `cls` (first token), `last` (last token), `mean` or `max` over tokens.

    Returns:
        Tensor (B, D), float32.
    """
    hidden = hidden.float()
    if pooling in ("cls", "last"):
        first = mask.argmax(dim=1)
        position = first if pooling == "cls" else first + mask.sum(dim=1) - 1
        return hidden[torch.arange(len(hidden), device=hidden.device), position]
    if pooling == "max":
        return hidden.masked_fill(mask.unsqueeze(-1) == 0, -torch.inf).amax(dim=1)
    weights = mask.unsqueeze(-1).float()
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1)


class TextEmbedder:
    """A transformers model with pooling; see `Embedder`.

    Args:
        tokenizer: its tokenizer, with a padding token.
        model: its encoder, whose output has `last_hidden_state`.
        pooling: one of `POOLINGS`.
        max_length: longer texts are cut to this many tokens.
        normalize: whether embeddings are scaled to length 1.
        device: where the model runs.
    """

    def __init__(
        self,
        tokenizer: Any,
        model: Any,
        *,
        pooling: str,
        max_length: int,
        normalize: bool,
        device: torch.device,
    ) -> None:
        self.tokenizer = tokenizer
        self.model = model.to(device).eval()
        self.pooling = pooling
        self.max_length = max_length
        self.normalize = normalize
        self.device = device
        # What a batch is padded with, by the name of the model's input.
        self._padding = {
            "input_ids": tokenizer.pad_token_id,
            "token_type_ids": tokenizer.pad_token_type_id,
            "attention_mask": 0,
        }
        self._tokens: dict[str, list[np.ndarray]] = {}

    def plan(self, inputs: Sequence[str]) -> list[list[int]]:
        """Tokenise the texts and batch them by length, the longest first."""
        self._tokens = {}
        with quiet_transformers():
            for start in range(0, len(inputs), _TOKENISED_AT_ONCE):
                chunk = self.tokenizer(
                    list(inputs[start : start + _TOKENISED_AT_ONCE]),
                    truncation=True,
                    max_length=self.max_length,
                    return_attention_mask=True,
                )
                for row, tokens in enumerate(chunk["input_ids"]):
                    if not tokens:
                        # Some tokenizers make nothing of an empty text; a model needs a token.
                        chunk["input_ids"][row] = [self.tokenizer.pad_token_id]
                        chunk["attention_mask"][row] = [1]
                for name in self._padding.keys() & chunk.keys():
                    arrays = [np.array(tokens, dtype=np.int32) for tokens in chunk[name]]
                    self._tokens.setdefault(name, []).extend(arrays)
        lengths = [len(tokens) for tokens in self._tokens["input_ids"]]
        budget = _GPU_TOKENS if self.device.type == "cuda" else _CPU_TOKENS
        batches: list[list[int]] = []
        width = 0
        for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
            if not batches or (len(batches[-1]) + 1) * width > budget:
                batches.append([])
                width = max(lengths[row], 1)
            batches[-1].append(row)
        return batches

    def encode(self, rows: Sequence[int]) -> torch.Tensor:
        """Return the embeddings of these texts, float32 (len(rows), D)."""
        batch = {name: self._pad(name, rows) for name in self._tokens}
        hidden = self.model(**batch).last_hidden_state
        pooled = pool(hidden, batch["attention_mask"], self.pooling)
        return F.normalize(pooled, dim=-1) if self.normalize else pooled

    def _pad(self, name: str, rows: Sequence[int]) -> torch.Tensor:
        tokens = [self._tokens[name][row] for row in rows]
        width = max(len(row) for row in tokens)
        padded = np.full((len(tokens), width), self._padding[name], dtype=np.int64)
        left = self.tokenizer.padding_side == "left"
        for index, row in enumerate(tokens):
            start = width - len(row) if left else 0
            padded[index, start : start + len(row)] = row
        return torch.from_numpy(padded).to(self.device)
