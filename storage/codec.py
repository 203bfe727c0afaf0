"""Arrays to bytes and back: 16-bit fixed point for slices, exact floats for the rest."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from storage.errors import RecordError, StoreCorruptError

CHUNK_SIZE = 11
"""Thresholds in one slice: one read gives a threshold and its neighbours."""

SCALE = 65534
NAN_CODE = 65535
ROUNDING = 1e-6

# On curves of scores the levels differ by 3 % in size; 9 takes twice the time of 4.
_LEVEL = 4


def chunk_of(threshold_index: int) -> tuple[int, int]:
    """The slice that holds a threshold, and the threshold's row in it."""
    return divmod(threshold_index, CHUNK_SIZE)


def shuffle_compress(values: npt.NDArray[Any]) -> bytes:
    """Bytes of equal rank side by side, then zlib: neighbours differ mostly in the low bytes."""
    planes = np.ascontiguousarray(values).view(np.uint8).reshape(-1, values.itemsize)
    return zlib.compress(planes.T.tobytes(), _LEVEL)


def decompress_unshuffle(blob: bytes, dtype: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """The inverse of `shuffle_compress`.

    Raises:
        StoreCorruptError: the blob is damaged or of another size.
    """
    kind = np.dtype(dtype)
    try:
        raw = zlib.decompress(blob)
        planes = np.frombuffer(raw, np.uint8).reshape(kind.itemsize, -1)
        return np.ascontiguousarray(planes.T).view(kind).reshape(shape)
    except (zlib.error, ValueError) as error:
        raise StoreCorruptError(
            f"A block of shape {shape} must decompress, but got {error}. "
            "The store is damaged: restore it from a backup."
        ) from None


def encode_fixed(values: npt.NDArray[np.floating[Any]]) -> bytes:
    """Values in [0, 1] as 16-bit fixed point, shuffled and compressed.

    `code = round(65534 · value)`, NaN is 65535; the error is at most 1/131068 < 8e-6.

    Args:
        values: any shape, in [0, 1] (up to a rounding of 1e-6) or NaN.

    Returns:
        The compressed block.

    Raises:
        RecordError: a value lies outside [0, 1].
    """
    values = np.asarray(values, dtype=np.float64)
    missing = np.isnan(values)
    known = values[~missing]
    if known.size and not (known.min() >= -ROUNDING and known.max() <= 1 + ROUNDING):
        worst = known[np.argmax(np.abs(known - 0.5))]
        raise RecordError(f"Slices hold values in [0, 1] or NaN, but got {worst!r}.")
    codes = np.full(values.shape, NAN_CODE, dtype="<u2")
    codes[~missing] = np.rint(np.clip(known, 0, 1) * SCALE)
    return shuffle_compress(codes)


def decode_fixed(
    blob: bytes, shape: tuple[int, ...], row: int | None = None
) -> npt.NDArray[np.float64]:
    """The values of a block made by `encode_fixed`.

    Args:
        blob: the block.
        shape: shape of the encoded array.
        row: decode only this index of the first axis.

    Returns:
        float64 values, NaN kept; the whole array, or one row of it.

    Raises:
        StoreCorruptError: the blob is damaged or of another size.
    """
    codes = decompress_unshuffle(blob, "<u2", shape)
    if row is not None:
        codes = codes[row]
    return np.where(codes == NAN_CODE, np.nan, codes / SCALE)


def decode_fixed_rows(
    blobs: Sequence[tuple[bytes | None, int]], height: int, row: int
) -> npt.NDArray[np.float64]:
    """One row of each of many blocks made by `encode_fixed`, end to end.

    Args:
        blobs: each block and its width; None is a block of NaN.
        height: rows of every block.
        row: the row wanted.

    Returns:
        float64 values of the row, block after block.

    Raises:
        StoreCorruptError: a blob is damaged or of another size.
    """
    low: list[bytes] = []
    high: list[bytes] = []
    try:
        for blob, width in blobs:
            if blob is None:
                low.append(b"\xff" * width)
                high.append(b"\xff" * width)
                continue
            raw = zlib.decompress(blob)
            if len(raw) != 2 * height * width:
                raise ValueError(f"{len(raw)} bytes")
            start, middle = row * width, (height + row) * width
            low.append(raw[start : start + width])
            high.append(raw[middle : middle + width])
    except (zlib.error, ValueError) as error:
        raise StoreCorruptError(
            f"A block of shape {(height, width)} must decompress, but got {error}. "
            "The store is damaged: restore it from a backup."
        ) from None
    codes = np.frombuffer(b"".join(high), np.uint8).astype("<u2") << 8
    codes |= np.frombuffer(b"".join(low), np.uint8)
    values = codes / SCALE
    values[codes == NAN_CODE] = np.nan
    return values


def encode_float64(values: npt.NDArray[np.floating[Any]]) -> bytes:
    """Exact little-endian float64."""
    return np.asarray(values, dtype="<f8").tobytes()


def decode_float64(blob: bytes, size: int) -> npt.NDArray[np.float64]:
    """The values of `encode_float64`.

    Raises:
        StoreCorruptError: the blob does not hold `size` values.
    """
    if len(blob) != 8 * size:
        raise StoreCorruptError(
            f"A block of {size} values must have {8 * size} bytes, but got {len(blob)}. "
            "The store is damaged: restore it from a backup."
        )
    return np.frombuffer(blob, dtype="<f8")


def encode_curve(values: npt.NDArray[np.floating[Any]]) -> bytes:
    """Exact float32 of a curve (E, R), epochs first, shuffled and compressed."""
    return shuffle_compress(np.asarray(values, dtype="<f4"))


def decode_curve(blob: bytes, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """The values of `encode_curve`, shape (E, R).

    Raises:
        StoreCorruptError: the blob is damaged or of another size.
    """
    return decompress_unshuffle(blob, "<f4", shape)
