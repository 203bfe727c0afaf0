"""Text encoders by transformers: loading, tokens, batches by length, pooling."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from sigmoidf1.encoders.base import Batch, Prepared
from sigmoidf1.encoders.batching import find_batch, ready_for
from sigmoidf1.errors import InputError

POOLINGS = ("cls", "mean", "max", "last")

# Measured with MiniLM on 2 cores: larger batches fall out of the processor's caches.
_CPU_TOKENS = 1024
_GPU_TOKENS = 65536
_GPU_PROBE = 4
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
    if model.config.is_encoder_decoder:
        return tokenizer, model.get_encoder()
    return tokenizer, getattr(model, "text_model", model)


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
        batch_size: texts at once; None finds a number of tokens instead.
    """

    workers = 1  # fast tokenizers use all cores in one call

    def __init__(
        self,
        tokenizer: Any,
        model: Any,
        *,
        pooling: str,
        max_length: int,
        normalize: bool,
        device: torch.device,
        batch_size: int | None,
    ) -> None:
        self.tokenizer = tokenizer
        self.model = model.to(device).eval()
        self.pooling = pooling
        self.max_length = max_length
        self.normalize = normalize
        self.device = device
        self.overlap = device.type != "cpu"
        # What a batch is padded with, by the name of the model's input.
        self._padding = {
            "input_ids": tokenizer.pad_token_id,
            "token_type_ids": tokenizer.pad_token_type_id,
            "attention_mask": 0,
        }
        self.batch_size = batch_size
        self.tokens = self._find_tokens() if batch_size is None else 0

    def units(self, rows: Sequence[int]) -> list[list[int]]:
        """Leave rows together: a tokenizer is fastest with many texts."""
        return [list(rows)]

    def prepare(self, inputs: Sequence[str], rows: list[int], view: int | None) -> Prepared:
        """Tokenise texts and batch them by number of tokens, the longest first."""
        encoded = self.tokenizer(
            [inputs[row] for row in rows],
            truncation=True,
            max_length=self.max_length,
            return_attention_mask=True,
        )
        for place, tokens in enumerate(encoded["input_ids"]):
            if not tokens:
                # Some tokenizers make nothing of an empty text; a model needs a token.
                encoded["input_ids"][place] = [self.tokenizer.pad_token_id]
                encoded["attention_mask"][place] = [1]
                if "token_type_ids" in encoded:
                    encoded["token_type_ids"][place] = [self.tokenizer.pad_token_type_id]
        names = [name for name in self._padding if name in encoded]
        lengths = [len(tokens) for tokens in encoded["input_ids"]]
        batches = []
        for places in self._by_length(lengths):
            tensors = {
                name: ready_for(self.device, self._pad(name, [encoded[name][p] for p in places]))
                for name in names
            }
            batches.append(Batch([rows[place] for place in places], tensors))
        return Prepared(batches, [])

    def encode(self, batch: Batch) -> torch.Tensor:
        """Return the embeddings of a batch, float32 (B, D)."""
        tensors = {
            name: tensor.to(self.device, non_blocking=True)
            for name, tensor in batch.tensors.items()
        }
        hidden = self.model(**tensors).last_hidden_state
        pooled = pool(hidden, tensors["attention_mask"], self.pooling)
        return F.normalize(pooled, dim=-1) if self.normalize else pooled

    def quiet(self) -> AbstractContextManager[None]:
        """Silence transformers."""
        return quiet_transformers()

    def _by_length(self, lengths: Sequence[int]) -> list[list[int]]:
        batches: list[list[int]] = []
        width = 0
        for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
            most = self.batch_size or max(self.tokens // max(width, 1), 1)
            if not batches or len(batches[-1]) >= most:
                batches.append([])
                width = lengths[place]
            batches[-1].append(place)
        return batches

    def _pad(self, name: str, tokens: list[list[int]]) -> torch.Tensor:
        width = max(len(row) for row in tokens)
        padded = np.full((len(tokens), width), self._padding[name], dtype=np.int64)
        left = self.tokenizer.padding_side == "left"
        for index, row in enumerate(tokens):
            start = width - len(row) if left else 0
            padded[index, start : start + len(row)] = row
        return torch.from_numpy(padded)

    def _find_tokens(self) -> int:
        if self.device.type != "cuda":
            return _CPU_TOKENS

        def run(count: int) -> object:
            ids = torch.zeros((count, self.max_length), dtype=torch.int64, device=self.device)
            return self.model(input_ids=ids, attention_mask=torch.ones_like(ids))

        most = max(_GPU_TOKENS // self.max_length, 1)
        return self.max_length * find_batch(self.device, run, probe=_GPU_PROBE, most=most)
