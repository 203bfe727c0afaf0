"""Features: a dataset embedded once by a frozen encoder, ready for training heads."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from sigmoidf1.cache import CacheEntry, FeatureCache, content_key
from sigmoidf1.datasets import Dataset, load_dataset
from sigmoidf1.encoders import BadInput, Encoder, ModelEncoder, get_encoder
from sigmoidf1.encoders.backends import EmbeddingBackend, EmbeddingJob, LocalBackend, Progress
from sigmoidf1.errors import InputError
from sigmoidf1.skipping import skip_bad
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
            embeddings: encoder, weights, pooling, length, precision, views.
        info: JSON-safe: the dataset's options and counts (`n_train`, `positives` by split and
            class, `labels_per_example`, `dropped_classes`, …), `dim`, `encoder`, what the
            embeddings were made by, and `skipped`, the bad inputs left out: `count` and
            `problems`, the first hundred lines.
        embed_duration_s: seconds that embedding took, when it was done.
        from_cache: whether all embeddings came from the cache.
        views: float32 (k, n_train, D), randomly augmented views of the training images: row j of
            each view belongs to row `split["train"][j]` of `embeddings` and `targets`. None
            without `encoder.augment_views`.
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
    views: torch.Tensor | None = None


def load_features(
    data: Mapping[str, Any],
    encoder: Mapping[str, Any] | None = None,
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
    backend: EmbeddingBackend | None = None,
) -> Features:
    """Load a dataset and embed it, or read its embeddings from the cache.

    Embeddings are kept under the hash of the inputs' content, the encoder with its weights,
    pooling and length, the precision, and this package's version; so new targets or a new split of
    the same inputs need no new embedding. Every augmented view is an entry of its own: raising
    their number makes the missing ones only.

    Args:
        data: the spec's `data` mapping; see `load_dataset`. With `on_error: skip`, images that
            turn out unreadable are left out, counted and listed in `info["skipped"]`.
        encoder: the spec's `encoder` mapping; see `get_encoder`. None for ready features.
        cache_dir: the cache's folder; default $SIGMOIDF1_CACHE, else ~/.cache/sigmoidf1.
        device: where the encoder runs: `auto` (a GPU if there is one), `cpu`, `cuda`, `cuda:1`.
        progress: called with the number of inputs embedded and their total; not called when the
            embeddings are in the cache.
        backend: what embeds, instead of this process on `device`.

    Raises:
        InputError: if data or encoder are unknown, missing or broken, or do not go together.

    Example:
        >>> features = load_features({"dataset": "movie_genres"}, {"name": "minilm"})
        >>> features.embeddings.shape[1]
        384
    """
    chosen = get_encoder(encoder)
    dataset = load_dataset(data)
    chosen = chosen.for_modality(dataset.modality)
    if chosen.modality != dataset.modality:
        raise InputError(_mismatch(dataset, chosen))
    if dataset.embeddings is not None:
        return _assemble(dataset, chosen, dataset.embeddings, identity=chosen.identity())
    if not isinstance(chosen, ModelEncoder) or dataset.inputs is None:
        raise InputError(_mismatch(dataset, chosen))
    run = _Run(
        dataset=dataset,
        encoder=chosen,
        backend=backend or LocalBackend(device),
        cache=FeatureCache(cache_dir),
        skip_bad=dataset.info.get("options", {}).get("on_error") == "skip",
        progress=progress,
    )
    return run.features()


class _Run:
    """The embedding of one dataset by one encoder, plain and in views, through the cache."""

    def __init__(
        self,
        *,
        dataset: Dataset,
        encoder: ModelEncoder,
        backend: EmbeddingBackend,
        cache: FeatureCache,
        skip_bad: bool,
        progress: Progress | None,
    ) -> None:
        self.dataset = dataset
        self.encoder = encoder
        self.backend = backend
        self.cache = cache
        self.skip_bad = skip_bad
        self.progress = progress
        precision = encoder.precision
        if precision == "auto":
            precision = "bfloat16" if backend.device_type == "cuda" else "float32"
        self.precision = precision
        self.identity = {**encoder.identity(), "precision": precision}

    def features(self) -> Features:
        """Return the features, embedding what the cache lacks."""
        dataset = self.dataset
        plain = self._embed(np.arange(len(dataset.ids)), {}, view=None)
        bad = [BadInput(row, reason) for row, reason in plain.metadata.get("bad", [])]
        if bad and not self.skip_bad:
            raise InputError(bad[0].reason)
        kept = skip_bad(dataset, bad)
        embeddings = plain.embeddings
        rows = np.arange(len(dataset.ids))
        if bad:
            rows = np.setdiff1d(rows, [entry.row for entry in bad])
            embeddings = embeddings[rows]
        identity, entries = dict(self.identity), [plain]
        augmentation = self.encoder.augmentation
        if augmentation is not None:
            train = rows[kept.split == "train"]
            made = {"rows": _rows_sha256(train), "augmentation": augmentation.identity()}
            views = [
                self._embed(train, {**made, "view": view}, view=view)
                for view in range(augmentation.views)
            ]
            entries += views
            identity["views"] = {"count": augmentation.views, **augmentation.identity()}
        features = _assemble(kept, self.encoder, embeddings, identity=identity)
        return replace(
            features,
            embed_duration_s=sum(entry.metadata["duration_s"] for entry in entries),
            from_cache=all(entry.from_cache for entry in entries),
            views=torch.from_numpy(np.stack([entry.embeddings for entry in entries[1:]]))
            if augmentation is not None
            else None,
        )

    def _embed(self, rows: np.ndarray, made: dict[str, Any], *, view: int | None) -> CacheEntry:
        """Return these rows embedded, from the cache or anew."""
        dataset, inputs = self.dataset, self.dataset.inputs or ()
        if len(rows) < len(dataset.ids):
            inputs = [inputs[row] for row in rows]

        def compute() -> tuple[np.ndarray, float, Mapping[str, Any]]:
            started = time.perf_counter()
            if self.progress is not None:
                self.progress(0, len(inputs))
            job = EmbeddingJob(
                encoder=self.encoder,
                inputs=inputs,
                precision=self.precision,
                skip_bad=self.skip_bad and view is None,
                view=view,
            )
            done = self.backend.run(job, self.progress)
            self._check_finite(done.embeddings, rows)
            notes = {"dataset": dataset.name, "bad": [[b.row, b.reason] for b in done.bad]}
            return done.embeddings, time.perf_counter() - started, notes

        identity = {
            "inputs": dataset.inputs_fingerprint,
            **self.identity,
            **made,
            "version": __version__,
        }
        return self.cache.get_or_compute(identity, compute)

    def _check_finite(self, embeddings: np.ndarray, rows: Sequence[int] | np.ndarray) -> None:
        finite = np.isfinite(embeddings).all(axis=1)
        if not finite.all():
            raise InputError(
                f"embeddings must be finite, but encoder {self.encoder.name} in {self.precision} "
                f"gave NaN or inf for {(~finite).sum()} examples, such as id "
                f"{self.dataset.ids[int(rows[int(np.argmin(finite))])]!r}. "
                "Set encoder.precision to float32."
            )


def _assemble(
    dataset: Dataset, encoder: Encoder, embeddings: np.ndarray, *, identity: dict[str, Any]
) -> Features:
    return Features(
        embeddings=torch.from_numpy(embeddings),
        targets=torch.from_numpy(dataset.targets),
        labels=dataset.labels,
        ids=dataset.ids,
        split={name: torch.from_numpy(np.flatnonzero(dataset.split == name)) for name in SPLITS},
        dataset=dataset.name,
        encoder=encoder.name,
        dataset_fingerprint=dataset.fingerprint,
        fingerprint=content_key({"dataset": dataset.fingerprint, "encoder": identity}),
        info={**dataset.info, "dim": int(embeddings.shape[1]), "encoder": identity},
        embed_duration_s=0.0,
        from_cache=False,
    )


def _rows_sha256(rows: np.ndarray) -> str:
    return hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()


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
