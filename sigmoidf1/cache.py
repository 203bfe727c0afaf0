"""Content-addressed cache of embeddings: atomic, checksummed, shared by concurrent processes."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np

from sigmoidf1.errors import InputError

logger = logging.getLogger(__name__)

_TENSOR = "embeddings"


def cache_folder(folder: str | os.PathLike[str] | None = None) -> Path:
    """Return the cache's folder: the given one, else $SIGMOIDF1_CACHE, else ~/.cache/sigmoidf1."""
    chosen = folder or os.environ.get("SIGMOIDF1_CACHE") or Path("~/.cache/sigmoidf1")
    return Path(chosen).expanduser()


def content_key(parts: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of a JSON-safe mapping, whatever the order of its keys."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 (hex) of a file's bytes (about 2 GB/s, so nothing remembers it)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, kw_only=True)
class CacheEntry:
    """Embeddings as they lie in the cache.

    Args:
        embeddings: float32 (N, D).
        metadata: JSON-safe: `identity` (what the key was made of), `duration_s` (the time that
            embedding took), `created_at`, `shape`, `size_bytes`, `sha256`.
        from_cache: False if the embeddings were computed by this call.
    """

    embeddings: np.ndarray
    metadata: dict[str, Any]
    from_cache: bool


class FeatureCache:
    """Embeddings by what they were made of.

    An entry is two files, `KEY.safetensors` and `KEY.json`; the second holds the size and
    SHA-256 of the first and is written last, so a crash leaves nothing that is later trusted.
    Entries are never changed. Reading needs no lock, and works on a read-only folder; of
    several processes that miss the same entry, one computes it and the others wait for it.

    Args:
        folder: see `cache_folder`.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = cache_folder(folder) / "features"

    def read(self, identity: Mapping[str, Any]) -> CacheEntry | None:
        """Return the entry, or None if it is absent, truncated or altered (which is logged)."""
        tensor_path, metadata_path = self._paths(content_key(identity))
        try:
            metadata = json.loads(metadata_path.read_bytes())
            size = tensor_path.stat().st_size
            if size != metadata["size_bytes"]:
                raise ValueError(f"it has {size} bytes instead of {metadata['size_bytes']}")
            if file_sha256(tensor_path) != metadata["sha256"]:
                raise ValueError("its checksum does not match")
            embeddings = _load_tensor(tensor_path)
            if list(embeddings.shape) != metadata["shape"]:
                raise ValueError(f"it has shape {embeddings.shape}, not {metadata['shape']}")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("Cached features %s are not usable (%s).", tensor_path, error)
            return None
        return CacheEntry(embeddings=embeddings, metadata=metadata, from_cache=True)

    def get_or_compute(
        self, identity: Mapping[str, Any], compute: Callable[[], tuple[np.ndarray, float]]
    ) -> CacheEntry:
        """Return the entry; if it is not there, compute and keep it.

        Args:
            identity: JSON-safe mapping of everything that decides the embeddings.
            compute: returns the embeddings, float32 (N, D), and the seconds they took.

        Raises:
            InputError: if the folder cannot be written, before anything is computed.
        """
        entry = self.read(identity)
        if entry is not None:
            return entry
        with self._lock(content_key(identity)):
            # Another process may have computed it while this one waited.
            entry = self.read(identity)
            if entry is not None:
                return entry
            embeddings, duration_s = compute()
            metadata = {"identity": dict(identity), "duration_s": duration_s}
            try:
                metadata = self._write(identity, embeddings, metadata)
            except OSError as error:
                logger.warning("Features could not be kept in %s (%s).", self.folder, error)
            return CacheEntry(embeddings=embeddings, metadata=metadata, from_cache=False)

    def _paths(self, key: str) -> tuple[Path, Path]:
        return self.folder / f"{key}.safetensors", self.folder / f"{key}.json"

    def _write(
        self, identity: Mapping[str, Any], embeddings: np.ndarray, metadata: dict[str, Any]
    ) -> dict[str, Any]:
        from safetensors.numpy import save

        tensor_path, metadata_path = self._paths(content_key(identity))
        tensor = save({_TENSOR: np.ascontiguousarray(embeddings)})
        metadata = {
            **metadata,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "shape": list(embeddings.shape),
            "size_bytes": len(tensor),
            "sha256": hashlib.sha256(tensor).hexdigest(),
        }
        _write_atomically(tensor_path, tensor)
        _write_atomically(metadata_path, json.dumps(metadata, indent=1).encode())
        return metadata

    @contextmanager
    def _lock(self, key: str) -> Iterator[None]:
        """Hold the entry's lock; the kernel releases it even if this process is killed."""
        with self._open_lock(key) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                logger.warning("Another process is embedding the same data; waiting for it.")
                fcntl.flock(file, fcntl.LOCK_EX)
            # The lock file stays: removing it would let two processes hold different ones.
            yield

    def _open_lock(self, key: str) -> IO[bytes]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return (self.folder / f"{key}.lock").open("ab")
        except OSError as error:
            raise InputError(
                f"the features cache must be writable, but {self.folder} is not "
                f"({error.strerror}). Set SIGMOIDF1_CACHE to a folder that is."
            ) from error


def _load_tensor(path: Path) -> np.ndarray:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)[_TENSOR]
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def _write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is seen whole or not at all, after a crash of the machine too."""
    # Not tempfile: its files are private, and a cache may be shared by a team.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
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
