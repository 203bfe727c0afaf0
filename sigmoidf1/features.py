"""Features: a dataset embedded once by a frozen encoder, ready for training heads."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sigmoidf1.cache import FeatureCache, content_key
from sigmoidf1.datasets import Dataset, load_dataset
from sigmoidf1.encoders import Encoder, ModelEncoder, get_encoder
from sigmoidf1.encoders.embedding import embed, pick_device
from sigmoidf1.errors import InputError
from sigmoidf1.splits import SPLITS
from sigmoidf1.version import __version__


@dataclass(frozen=True)
class Features:
    """Embeddings and targets of a dataset, with its split.

    Args:
        embeddings: float32 (N, D), on the CPU.
        targets: uint8 (N, C) of 0 and 1.
        labels: C class names; each has a positive training example.
        ids: N distinct ids.
        split: rows of `train`, `validation` and `test`, int64, ascending, none empty.
        dataset: the dataset's name.
        encoder: the encoder's name.
        dataset_fingerprint: SHA-256 (hex) of ids, inputs, targets, labels and split.
        fingerprint: SHA-256 (hex) of the dataset's fingerprint and all that decides the
            embeddings: encoder, weights, pooling, length, precision.
        info: JSON-safe: the dataset's options and counts (`n_train`, `positives` by split and
            class, `labels_per_example`, `dropped_classes`, …), `dim`, and `encoder`, what
            the embeddings were made by.
        embed_duration_s: seconds that embedding took, when it was done.
        from_cache: whether the embeddings came from the cache.
    """

    embeddings: torch.Tensor
    targets: torch.Tensor
    labels: list[str]
    ids: list[str]
    split: dict[str, torch.Tensor]
    dataset: str
    encoder: str
    dataset_fingerprint: str
    fingerprint: str
    info: dict[str, Any]
    embed_duration_s: float
    from_cache: bool


def load_features(
    data: Mapping[str, Any],
    encoder: Mapping[str, Any] | None = None,
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Features:
    """Load a dataset and embed it, or read its embeddings from the cache.

    Embeddings are kept under the hash of the inputs' content, the encoder with its weights,
    pooling and length, the precision, and this package's version; so new targets or a new split of
    the same inputs need no new embedding.

    Args:
        data: the spec's `data` mapping; see `load_dataset`.
        encoder: the spec's `encoder` mapping; see `get_encoder`. None for ready features.
        cache_dir: the cache's folder; default $SIGMOIDF1_CACHE, else ~/.cache/sigmoidf1.
        device: where the encoder runs: `auto` (a GPU if there is one), `cpu`, `cuda`, `cuda:1`.
        progress: called with the number of inputs embedded and their total; not called when the
            embeddings are in the cache.

    Raises:
        InputError: if data or encoder are unknown, missing or broken, or do not go together.

    Example:
        >>> features = load_features({"dataset": "movie_genres"}, {"name": "minilm"})
        >>> features.embeddings.shape[1]
        384
    """
    chosen = get_encoder(encoder)
    dataset = load_dataset(data)
    if chosen.modality != dataset.modality:
        raise InputError(_mismatch(dataset, chosen))
    embeddings, identity, duration_s, from_cache = _embeddings(
        dataset, chosen, cache_dir=cache_dir, device=device, progress=progress
    )
    return Features(
        embeddings=torch.from_numpy(embeddings),
        targets=torch.from_numpy(dataset.targets),
        labels=dataset.labels,
        ids=dataset.ids,
        split={name: torch.from_numpy(np.flatnonzero(dataset.split == name)) for name in SPLITS},
        dataset=dataset.name,
        encoder=chosen.name,
        dataset_fingerprint=dataset.fingerprint,
        fingerprint=content_key({"dataset": dataset.fingerprint, "encoder": identity}),
        info={**dataset.info, "dim": int(embeddings.shape[1]), "encoder": identity},
        embed_duration_s=duration_s,
        from_cache=from_cache,
    )


def _embeddings(
    dataset: Dataset,
    encoder: Encoder,
    *,
    cache_dir: str | os.PathLike[str] | None,
    device: str,
    progress: Callable[[int, int], None] | None,
) -> tuple[np.ndarray, dict[str, Any], float, bool]:
    """Return the embeddings, what they were made by, the seconds taken, and from_cache."""
    identity = encoder.identity()
    if dataset.embeddings is not None:
        return dataset.embeddings, identity, 0.0, False
    if not isinstance(encoder, ModelEncoder) or dataset.inputs is None:
        raise InputError(_mismatch(dataset, encoder))
    inputs, model = dataset.inputs, encoder
    chosen = pick_device(device)
    precision = model.precision
    if precision == "auto":
        precision = "bfloat16" if chosen.type == "cuda" else "float32"
    identity = {**identity, "precision": precision}

    def compute() -> tuple[np.ndarray, float]:
        started = time.perf_counter()
        if progress is not None:
            progress(0, len(inputs))
        embedder = model.open(chosen, getattr(torch, precision))
        embeddings = embed(embedder, inputs, progress)
        finite = np.isfinite(embeddings).all(axis=1)
        if not finite.all():
            raise InputError(
                f"embeddings must be finite, but encoder {model.name} in {precision} gave NaN or "
                f"inf for {(~finite).sum()} examples, such as id "
                f"{dataset.ids[int(np.argmin(finite))]!r}. Set encoder.precision to float32."
            )
        return embeddings, time.perf_counter() - started

    entry = FeatureCache(cache_dir).get_or_compute(
        {"inputs": dataset.inputs_fingerprint, **identity, "version": __version__}, compute
    )
    return entry.embeddings, identity, entry.metadata["duration_s"], entry.from_cache


def _mismatch(dataset: Dataset, encoder: Encoder) -> str:
    if dataset.modality == "features":
        return (
            f"dataset {dataset.name!r} holds ready features and takes no encoder, but got "
            f"{encoder.name!r}. Remove encoder from the spec, or set encoder.name to none."
        )
    example = "minilm" if dataset.modality == "text" else "timm:mobilenetv2_100.ra_in1k"
    return (
        f"dataset {dataset.name!r} needs an encoder of {dataset.modality}, but got "
        f"{encoder.name!r}. Set encoder.name to one, such as {example}."
    )
