"""Whose results stand where in a pack: cell, seed and state of each place, in a few bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from storage.errors import StoreCorruptError
from storage.records import FINISHED_STATES

VOID = 255
"""The state of a place whose replicate was sent back to waiting."""

_HEADER = np.dtype([("size", "<u4"), ("n_seeds", "<u4"), ("first_cell", "<i8")])
_PLACE = np.dtype([("cell", "<u4"), ("seed", "<u2"), ("state", "u1")])

_UNPACK = struct.Struct("<IIq").unpack_from


class Places(NamedTuple):
    """The places of one pack.

    Attributes:
        cell_ids: (R,) the cell of each place.
        seeds: (K,) the pack's distinct seeds.
        seed_codes: (R,) index into `seeds` of each place.
        states: (R,) index into `FINISHED_STATES`, or `VOID`.
    """

    cell_ids: npt.NDArray[np.int64]
    seeds: npt.NDArray[np.int64]
    seed_codes: npt.NDArray[np.uint16]
    states: npt.NDArray[np.uint8]


def encode_places(cell_ids: Sequence[int], seeds: Sequence[int], states: Sequence[str]) -> bytes:
    """The places of a pack as bytes.

    Args:
        cell_ids: (R,) the cell of each place, at least one; their range is below 2^32.
        seeds: (R,) the seed of each place; at most 2^16 distinct ones.
        states: (R,) finished states.

    Returns:
        A header, the distinct seeds, and 7 bytes a place.
    """
    ids = np.asarray(cell_ids, np.int64)
    distinct, codes = np.unique(np.asarray(seeds, np.int64), return_inverse=True)
    header = np.zeros(1, _HEADER)
    header["size"], header["n_seeds"] = len(ids), len(distinct)
    header["first_cell"] = ids.min()
    state_codes = [FINISHED_STATES.index(state) for state in states]
    return _join(header, distinct, ids - header["first_cell"], codes, np.array(state_codes))


def decode_places(data: bytes) -> Places:
    """The inverse of `encode_places`.

    Raises:
        StoreCorruptError: the bytes are not those of places.
    """
    header, seeds, offsets, codes, states = _split(data)
    return Places(offsets.astype(np.int64) + header["first_cell"][0], seeds, codes, states)


class ManyPlaces(NamedTuple):
    """The places of many packs, end to end.

    Attributes:
        sizes: (P,) places in each pack.
        cell_ids: (places,) the cell of each place.
        seeds: (S,) the distinct seeds, increasing.
        seed_codes: (places,) index into `seeds`.
        states: (places,) index into `FINISHED_STATES`, or `VOID`.
    """

    sizes: list[int]
    cell_ids: npt.NDArray[np.int64]
    seeds: npt.NDArray[np.int64]
    seed_codes: npt.NDArray[np.int64]
    states: npt.NDArray[np.uint8]


def decode_many_places(blobs: Sequence[bytes]) -> ManyPlaces:
    """The places of many packs, decoded together: a call a pack costs more than its bytes.

    Raises:
        StoreCorruptError: some bytes are not those of places.
    """
    sizes: list[int] = []
    first_cells: list[int] = []
    n_seeds: list[int] = []
    parts: dict[str, list[bytes]] = {"seeds": [], "cell": [], "seed": [], "state": []}
    for data in blobs:
        if len(data) < _HEADER.itemsize:
            _split(data)
        size, n, first = _UNPACK(data)
        ends = [_HEADER.itemsize]
        for width in (8 * n, 4 * size, 2 * size, size):
            ends.append(ends[-1] + width)
        if ends[-1] != len(data):
            _split(data)
        sizes.append(size)
        n_seeds.append(n)
        first_cells.append(first)
        for own, start, end in zip(parts.values(), ends[:-1], ends[1:], strict=True):
            own.append(data[start:end])
    joined = {name: b"".join(own) for name, own in parts.items()}
    cell_ids = np.frombuffer(joined["cell"], _PLACE["cell"]).astype(np.int64)
    cell_ids += np.repeat(np.array(first_cells, np.int64), sizes)
    # Each pack's own numbers of seeds become numbers of all their seeds.
    seeds, numbers = np.unique(np.frombuffer(joined["seeds"], "<i8"), return_inverse=True)
    before = np.cumsum([0, *n_seeds])[:-1]
    codes = np.frombuffer(joined["seed"], _PLACE["seed"]) + np.repeat(before, sizes)
    states = np.frombuffer(joined["state"], np.uint8)
    return ManyPlaces(sizes, cell_ids, seeds, numbers[codes], states)


def void_places(data: bytes, indices: Sequence[int]) -> bytes:
    """The same places, some of them marked as `VOID`."""
    header, seeds, offsets, codes, states = _split(data)
    states = states.copy()
    states[list(indices)] = VOID
    return _join(header, seeds, offsets, codes, states)


def _join(header: Any, seeds: Any, offsets: Any, codes: Any, states: Any) -> bytes:
    columns = ((offsets, "cell"), (codes, "seed"), (states, "state"))
    parts = [header, seeds.astype("<i8"), *(v.astype(_PLACE[name]) for v, name in columns)]
    return b"".join(part.tobytes() for part in parts)


def _split(data: bytes) -> tuple[Any, Any, Any, Any, Any]:
    try:
        header = np.frombuffer(data, _HEADER, 1)
        size, n_seeds = int(header["size"][0]), int(header["n_seeds"][0])
        start = _HEADER.itemsize
        seeds = np.frombuffer(data, "<i8", n_seeds, start)
        start += seeds.nbytes
        columns = []
        for name in _PLACE.names or ():
            column = np.frombuffer(data, _PLACE[name], size, start)
            start += column.nbytes
            columns.append(column)
    except ValueError as error:
        raise StoreCorruptError(
            f"The places of a pack must decode, but got {error}. "
            "The store is damaged: restore it from a backup."
        ) from None
    if start != len(data):
        raise StoreCorruptError(
            f"The places of a pack of {size} have {start} bytes, but got {len(data)}. "
            "The store is damaged: restore it from a backup."
        )
    return header, seeds, columns[0], columns[1], columns[2]
