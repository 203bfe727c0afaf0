"""Files of kept cells beside a store: their weights, and their probabilities on two splits.

A kept replicate is one safetensors file, referenced by a row of the store with its checksum. All
that is not a tensor is one JSON text in the file's metadata, so that equal content is equal bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import sqlalchemy as sa

from storage import frames
from storage.inside import locate_inside
from storage.kept_encoding import (
    Array,
    KeptFileError,
    advice,
    encode_tensors,
    read_checked,
    write_atomically,
)
from storage.store import Store
from storage.urls import parse_url

_LOGGER = logging.getLogger(__name__)

KEPT_VARIABLE = "SIGMOIDF1_KEPT"
KEPT_SPLITS = ("validation", "test")
TARGETS_FILE = "targets.safetensors"
_PROBS, _TARGETS = "probs.", "targets."
_KEY_DIGITS = 16
_ABANDONED_S = 3600.0  # a file without a row is left alone that long: its row may be on its way


@dataclass(frozen=True)
class KeptFile:
    """A file that was written: its path relative to the kept folder, SHA-256 (hex) and size."""

    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, eq=False)
class KeptHead:
    """What a kept file holds.

    Attributes:
        parameters: ``weight`` (D, C), ``bias`` (C,), of an MLP also ``hidden.weight`` (D, H) and
            ``hidden.bias`` (H,), and the learned ``beta`` and ``eta`` (C,); float32.
        probs: split to probabilities (n, C), float32.
        metadata: what it was written with, see :func:`write_kept`.
    """

    parameters: dict[str, Array]
    probs: dict[str, Array]
    metadata: dict[str, Any]


@dataclass(frozen=True, eq=False)
class KeptScores:
    """The kept probabilities of one cell on one split.

    Attributes:
        probs: (S, n, C) float32, a row of ``seeds`` each.
        targets: (n, C) uint8 in {0, 1}.
        seeds: (S,) increasing.
        labels: C class names.
        ids: n ids of the examples.
    """

    probs: Array
    targets: Array
    seeds: list[int]
    labels: list[str]
    ids: list[str]


def kept_folder(store_url: str | sa.URL) -> Path:
    """Return the folder of a store's kept files; it need not exist.

    ``X.kept`` beside an SQLite store ``X.db``; for PostgreSQL ``$SIGMOIDF1_KEPT`` or
    ``~/.local/share/sigmoidf1/kept``, and in it a folder named after host and database.

    Raises:
        StoreUrlError: the URL is not one of a store.

    Example:
        >>> kept_folder("sqlite:////data/sweeps.db").as_posix()
        '/data/sweeps.kept'
    """
    url = parse_url(store_url)
    if url.get_backend_name() == "sqlite":
        return Path(str(url.database)).with_suffix(".kept")
    chosen = os.environ.get(KEPT_VARIABLE)
    base = Path(chosen) if chosen else Path("~/.local/share/sigmoidf1/kept")
    return base.expanduser() / quote(f"{url.host or 'localhost'}-{url.database}", safe="")


def kept_path(sweep: str, cell_key: str, seed: int) -> str:
    """Return where a replicate's file lies in the kept folder.

    Example:
        >>> kept_path("movies", "0123456789abcdef0123", 4)
        'movies/0123456789abcdef-4.safetensors'
    """
    key = quote(cell_key[:_KEY_DIGITS], safe="")
    return f"{_sweep_folder(sweep)}/{key}-{seed}.safetensors"


def _sweep_folder(sweep: str) -> str:
    name = quote(sweep, safe="")
    return name if name.strip(".") else name.replace(".", "%2E")


def write_targets(
    folder: Path,
    sweep: str,
    targets: Mapping[str, Array],
    ids: Mapping[str, Sequence[str]],
) -> str:
    """Write the targets that a sweep's kept probabilities belong to, whole or not at all.

    Args:
        folder: the kept folder.
        sweep: the sweep's name.
        targets: split to (n, C) in {0, 1}.
        ids: split to n ids.

    Returns:
        The file's SHA-256, to be written into every kept file of the sweep.

    Raises:
        KeptFileError: the folder cannot be written.
    """
    tensors = {f"{_TARGETS}{split}": rows.astype(np.uint8) for split, rows in targets.items()}
    content = encode_tensors(tensors, {"ids": {split: list(names) for split, names in ids.items()}})
    digest = hashlib.sha256(content).hexdigest()
    path = folder / _sweep_folder(sweep) / TARGETS_FILE
    with contextlib.suppress(OSError):
        if path.read_bytes() == content:
            return digest
    write_atomically(path, content)
    return digest


def write_kept(
    folder: Path,
    sweep: str,
    cell_key: str,
    seed: int,
    *,
    parameters: Mapping[str, Array],
    probs: Mapping[str, Array],
    metadata: Mapping[str, Any],
) -> KeptFile:
    """Write one kept replicate, whole or not at all; an older file is replaced.

    Args:
        folder: the kept folder.
        sweep: the sweep's name.
        cell_key: the cell's key.
        seed: the replicate's seed.
        parameters: name to array, see :class:`KeptHead`.
        probs: split to (n, C).
        metadata: what JSON can hold; ``labels`` and ``targets_sha256`` are needed to read scores.

    Returns:
        What the store's row says of it.

    Raises:
        KeptFileError: the folder cannot be written.
    """
    tensors = {name: np.asarray(values, np.float32) for name, values in parameters.items()}
    tensors |= {f"{_PROBS}{split}": np.asarray(p, np.float32) for split, p in probs.items()}
    named = {"sweep": sweep, "cell_key": cell_key, "seed": int(seed), **metadata}
    content = encode_tensors(tensors, named)
    path = kept_path(sweep, cell_key, seed)
    write_atomically(folder / path, content)
    return KeptFile(path, hashlib.sha256(content).hexdigest(), len(content))


def read_kept(path: Path, sha256: str) -> KeptHead:
    """Read one kept file after checking every byte of it.

    Args:
        path: the file.
        sha256: what the store says of it.

    Raises:
        KeptFileError: it is missing, its checksum differs, or it is no kept file.
    """
    tensors, metadata = read_checked(path, sha256)
    probs = {n.removeprefix(_PROBS): v for n, v in tensors.items() if n.startswith(_PROBS)}
    return KeptHead(
        parameters={n: v for n, v in tensors.items() if not n.startswith(_PROBS)},
        probs=probs,
        metadata=metadata,
    )


def load_kept_scores(store: Store, sweep: str, cell_key: str, split: str) -> KeptScores:
    """Read the kept probabilities of one cell on one split, and their targets.

    Args:
        store: an open store.
        sweep: the sweep's name.
        cell_key: the cell's key.
        split: ``validation`` or ``test``.

    Returns:
        Probabilities of every kept seed of the cell.

    Raises:
        SweepNotFoundError: there is no such sweep.
        KeptFileError: the cell is not kept, or a file is missing or altered.
    """
    if split not in KEPT_SPLITS:
        raise KeptFileError(
            f"Probabilities are kept of {' and '.join(KEPT_SPLITS)}, but got {split!r}."
        )
    rows = frames.load_kept(store, sweep)
    rows = rows[rows["cell_key"] == cell_key].sort_values("seed")
    if rows.empty:
        raise KeptFileError(
            f"Cell {cell_key[:_KEY_DIGITS]} of sweep {sweep!r} is not kept. "
            f"Run: sigmoidf1 sweep keep {sweep} --cell {cell_key[:_KEY_DIGITS]}"
        )
    folder = kept_folder(store.url)
    heads = [
        read_kept(locate_inside(folder, path), sha256)
        for path, sha256 in zip(rows["path"], rows["sha256"], strict=True)
    ]
    first = heads[0].metadata
    path = folder / _sweep_folder(sweep) / TARGETS_FILE
    digests = {head.metadata.get("targets_sha256") for head in heads}
    if len(digests) > 1 or None in digests:
        raise KeptFileError(
            f"The kept files of a cell belong to the same targets, but those of cell "
            f"{cell_key[:_KEY_DIGITS]} in {path.parent} do not. {advice(sweep)}"
        )
    tensors, metadata = read_checked(path, str(first["targets_sha256"]))
    return KeptScores(
        probs=np.stack([head.probs[split] for head in heads]),
        targets=tensors[f"{_TARGETS}{split}"],
        seeds=[int(seed) for seed in rows["seed"]],
        labels=list(first["labels"]),
        ids=list(metadata["ids"][split]),
    )


def remove_kept(folder: Path, paths: Iterable[str]) -> int:
    """Remove kept files whose rows are gone, and folders left without one; how many there were."""
    removed = 0
    parents = set()
    for path in paths:
        try:
            file = locate_inside(folder, path)
        except KeptFileError as error:
            _LOGGER.warning("A file was left where it is: %s", error)
            continue
        parents.add(file.parent)
        if file.is_file():
            file.unlink()
            removed += 1
    for parent in parents:
        if not any(parent.glob("*-*.safetensors")):
            (parent / TARGETS_FILE).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                parent.rmdir()
    return removed


def remove_abandoned(folder: Path, sweep: str, known: Iterable[str]) -> int:
    """Remove what a killed process left of a sweep: files without a row, older than an hour."""
    wanted = {folder / path for path in known}
    place = folder / _sweep_folder(sweep)
    before = time.time() - _ABANDONED_S
    removed = 0
    for pattern in ("*-*.safetensors", ".*.part"):
        for file in place.glob(pattern):
            with contextlib.suppress(OSError):
                if file not in wanted and file.stat().st_mtime < before:
                    file.unlink()
                    removed += 1
    return removed
