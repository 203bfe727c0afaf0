"""Content hashes of datasets: equal content gives equal hashes on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sigmoidf1.datasets.base import Examples, Modality
from sigmoidf1.datasets.contents import Contents


def fingerprint_inputs(modality: Modality, examples: Examples, contents: Contents) -> str:
    """Return the SHA-256 (hex) of what is embedded: texts, image files' bytes, or features.

    Order matters: row r of the cached embeddings belongs to input r. Images whose files were
    not read count by path, size and time of change.
    """
    digest = hashlib.sha256(modality.encode())
    if examples.embeddings is not None:
        _add_array(digest, examples.embeddings)
    elif modality == "image":
        if contents.digests is None:
            digest.update(b"unread")
            for path in examples.inputs or ():
                digest.update(_describe_file(path))
        else:
            digest.update(np.ascontiguousarray(contents.digests).data)
    else:
        _add_texts(digest, examples.inputs or ())
    return digest.hexdigest()


def fingerprint_dataset(inputs_fingerprint: str, examples: Examples, split: np.ndarray) -> str:
    """Return the SHA-256 (hex) of ids, inputs, targets, labels and split."""
    digest = hashlib.sha256(inputs_fingerprint.encode())
    _add_texts(digest, examples.ids)
    _add_texts(digest, examples.labels)
    _add_texts(digest, split)
    _add_array(digest, examples.targets)
    return digest.hexdigest()


def _add_texts(digest: hashlib._Hash, texts: Sequence[str] | np.ndarray) -> None:
    # Lengths go in as well, so that ["ab", "c"] and ["a", "bc"] differ.
    digest.update(len(texts).to_bytes(8, "little"))
    for text in texts:
        part = text.encode("utf-8", "surrogatepass")
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)


def _add_array(digest: hashlib._Hash, array: np.ndarray) -> None:
    digest.update(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)


def _describe_file(path: str) -> bytes:
    try:
        status = Path(path).stat()
    except OSError:
        return f"{path}\0missing".encode("utf-8", "surrogatepass")
    return f"{path}\0{status.st_size}\0{status.st_mtime_ns}".encode("utf-8", "surrogatepass")
