"""What every text or image holds, read once: which cannot be used, and which are copies."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from sigmoidf1.datasets.base import Examples, Modality
from sigmoidf1.datasets.reading.images import read_images
from sigmoidf1.datasets.reading.problems import Problems

_DIGEST_BYTES = 32


@dataclass(frozen=True)
class Contents:
    """The content hashes of N examples.

    Args:
        count: N.
        digests: uint8 (N, 32), the SHA-256 of each text or image file; zeros where it cannot
            be used; None where nothing was read (ready features, images not checked).
    """

    count: int
    digests: np.ndarray | None

    def usable(self) -> np.ndarray:
        """Return which examples can be used, bool (N,)."""
        if self.digests is None:
            return np.ones(self.count, dtype=bool)
        return np.asarray(self.digests.any(axis=1))

    def numbers(self) -> np.ndarray | None:
        """Return a number for each example, equal for equal content, int64 (N,)."""
        if self.digests is None:
            return None
        packed = np.ascontiguousarray(self.digests).view(f"V{_DIGEST_BYTES}").ravel()
        return np.unique(packed, return_inverse=True)[1].astype(np.int64, copy=False)

    def take(self, rows: np.ndarray) -> Contents:
        """Return the contents of these rows alone."""
        return Contents(len(rows), None if self.digests is None else self.digests[rows])


def read_contents(
    modality: Modality, examples: Examples, problems: Problems, check_files: bool
) -> Contents:
    """Read every text or image once and hash it.

    Args:
        modality: what the inputs are.
        examples: N examples.
        problems: told of empty texts and of images that cannot be used.
        check_files: whether images are read.

    Raises:
        InputError: at the first problem, unless problems are to be skipped.
    """
    count = len(examples.ids)
    inputs = examples.inputs
    if inputs is None or (modality == "image" and not check_files):
        return Contents(count, None)
    digests = np.zeros((count, _DIGEST_BYTES), dtype=np.uint8)
    if modality == "image":
        for row, digest in enumerate(read_images(inputs, examples.ids, problems)):
            if digest is not None:
                digests[row] = np.frombuffer(digest, dtype=np.uint8)
        return Contents(count, digests)
    for row, text in enumerate(inputs):
        if text.strip():
            digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
            digests[row] = np.frombuffer(digest, dtype=np.uint8)
        else:
            problems.report(
                f"every text must hold something, but that of example {examples.ids[row]!r} "
                "is empty",
                "Fill it in or remove the example",
            )
    return Contents(count, digests)
