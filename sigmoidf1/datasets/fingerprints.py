"""Content hashes of datasets: equal content gives equal hashes on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from sigmoidf1.datasets.base import Examples, Modality
from sigmoidf1.errors import InputError


def fingerprint_inputs(modality: Modality, examples: Examples) -> str:
    """Return the SHA-256 (hex) of what is embedded: texts, image files' bytes, or features.

    Order matters: row r of the cached embeddings belongs to input r.

    Raises:
        InputError: if an image cannot be read.
    """
    digest = hashlib.sha256(modality.encode())
    if examples.embeddings is not None:
        _add_array(digest, examples.embeddings)
    elif modality == "image":
        for path in examples.inputs or ():
            digest.update(_hash_image(path))
    else:
        _add_texts(digest, examples.inputs or ())
    return digest.hexdigest()


def fingerprint_dataset(inputs_fingerprint: str, examples: Examples, split: np.ndarray) -> str:
    """Return the SHA-256 (hex) of ids, inputs, targets, labels and split."""
    digest = hashlib.sha256(inputs_fingerprint.encode())
    _add_texts(digest, examples.ids)
    _add_texts(digest, examples.labels)
    _add_texts(digest, split.tolist())
    _add_array(digest, examples.targets)
    return digest.hexdigest()


def _add_texts(digest: hashlib._Hash, texts: Iterable[str]) -> None:
    # Lengths go in as well, so that ["ab", "c"] and ["a", "bc"] differ.
    parts = [text.encode("utf-8", "surrogatepass") for text in texts]
    digest.update(len(parts).to_bytes(8, "little"))
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)


def _add_array(digest: hashlib._Hash, array: np.ndarray) -> None:
    digest.update(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)


def _hash_image(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise InputError(
            f"every image must be readable, but {path} is not ({error.strerror}). "
            "Restore the file or remove its example."
        ) from error
