"""Files of the cache: tensors written whole or not at all, opened without copying, checked."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

TENSOR = "embeddings"

_MAPPED_BYTES = 32 * 2**20
"""Files from this size on are memory-mapped; smaller ones are read."""

_SETTLED_NS = 2_000_000_000
"""A file changed less than this before its check might change again within one tick of the file
system's clock, which its times would not show: such a check is not remembered."""

_WRITTEN_AT_ONCE = 16 * 2**20


def content_key(parts: Any) -> str:
    """Return the SHA-256 (hex) of a JSON-safe mapping, whatever the order of its keys."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 (hex) of a file's bytes (about 2 GB/s)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_tensor(path: Path, values: np.ndarray) -> dict[str, Any]:
    """Write float32 values as a safetensors file, atomically, without a copy in memory.

    Returns:
        `shape`, `size_bytes` and `sha256` of the file.
    """
    values = np.ascontiguousarray(values, dtype=np.float32)
    header = json.dumps(
        {TENSOR: {"dtype": "F32", "shape": list(values.shape), "data_offsets": [0, values.nbytes]}}
    ).encode()
    header += b" " * (-(8 + len(header)) % 64)
    content = values.reshape(-1).view(np.uint8).data
    parts = [len(header).to_bytes(8, "little"), header]
    step = _WRITTEN_AT_ONCE
    pieces = (content[start : start + step] for start in range(0, len(content), step))
    digest = write_atomically(path, (*parts, *pieces))
    return {
        "shape": list(values.shape),
        "size_bytes": 8 + len(header) + values.nbytes,
        "sha256": digest,
    }


def open_tensor(path: Path) -> np.ndarray:
    """Return the values of a safetensors file that `write_tensor` wrote.

    A large file is memory-mapped, privately: it is read as values are used, shared with other
    processes, stays whole if the file is removed, and writing to the values does not reach it.

    Raises:
        ValueError: if it is no such file.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > size - 8:
            raise ValueError("its header is cut short")
        entry = json.loads(file.read(length))[TENSOR]
        shape, dtype = tuple(entry["shape"]), entry["dtype"]
        count = int(np.prod(shape))
        if dtype != "F32" or size != 8 + length + 4 * count:
            raise ValueError(f"it holds {size} bytes, not {shape} of F32")
        if size < _MAPPED_BYTES:
            return np.fromfile(file, dtype="<f4", count=count).reshape(shape)
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return np.frombuffer(mapped, dtype="<f4", count=count, offset=8 + length).reshape(shape)


def write_atomically(path: Path, pieces: Iterable[bytes | memoryview]) -> str:
    """Write a file so that it is seen whole or not at all, after a crash of the machine too.

    Returns:
        The SHA-256 (hex) of what was written.
    """
    # Not tempfile: its files are private, and a cache may be shared by a team.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    digest = hashlib.sha256()
    try:
        with temporary.open("xb") as file:
            for piece in pieces:
                file.write(piece)
                digest.update(piece)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return digest.hexdigest()


def check_file(path: Path, record: Path, *, size_bytes: int, sha256: str) -> None:
    """Check a file's size and, unless it is unchanged since it was last found right, its SHA-256.

    What was found right is remembered in `record` by size, inode and both times of change. The
    time of the inode's change cannot be set back by a program, so a file that was written to,
    replaced or restored since then is read again. Damage that the disk itself does changes no
    time: `verify` of `sigmoidf1.cache_upkeep` reads every byte.

    Raises:
        ValueError: if size or checksum differ.
        OSError: if the file cannot be read.
    """
    before = _stamp(path)
    if before["size"] != size_bytes:
        raise ValueError(f"it has {before['size']} bytes instead of {size_bytes}")
    try:
        known = json.loads(record.read_bytes())
    except (OSError, ValueError):
        known = None
    if known == {**before, "sha256": sha256}:
        return
    started = time.time_ns()
    if file_sha256(path) != sha256:
        raise ValueError("its checksum does not match")
    if _stamp(path) != before or before["changed_ns"] > started - _SETTLED_NS:
        return
    try:
        write_atomically(record, [json.dumps({**before, "sha256": sha256}).encode()])
    except OSError:
        return  # a cache that is read-only here is checked again the next time


def _stamp(path: Path) -> dict[str, int]:
    status = path.stat()
    return {
        "size": status.st_size,
        "inode": status.st_ino,
        "modified_ns": status.st_mtime_ns,
        "changed_ns": status.st_ctime_ns,
    }
