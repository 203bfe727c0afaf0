"""Content-addressed cache of embeddings: atomic, checksummed, shared by concurrent processes."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np

from sigmoidf1.cache_files import (
    check_file,
    content_key,
    file_sha256,
    open_tensor,
    write_atomically,
    write_tensor,
)
from sigmoidf1.errors import InputError

__all__ = ["CacheEntry", "FeatureCache", "cache_folder", "content_key", "file_sha256"]

logger = logging.getLogger(__name__)


def cache_folder(folder: str | os.PathLike[str] | None = None) -> Path:
    """Return the cache's folder: the given one, else $SIGMOIDF1_CACHE, else ~/.cache/sigmoidf1."""
    chosen = folder or os.environ.get("SIGMOIDF1_CACHE") or Path("~/.cache/sigmoidf1")
    return Path(chosen).expanduser()


@dataclass(frozen=True, kw_only=True)
class CacheEntry:
    """Embeddings as they lie in the cache.

    Args:
        embeddings: float32 (N, D); memory-mapped when large.
        metadata: JSON-safe: `identity` (what the key was made of), `duration_s` (the time that
            embedding took), `created_at`, `shape`, `size_bytes`, `sha256`, and the notes that
            `get_or_compute` was given.
        from_cache: False if the embeddings were computed by this call.
    """

    embeddings: np.ndarray
    metadata: dict[str, Any]
    from_cache: bool


@dataclass(frozen=True, kw_only=True)
class EntryFiles:
    """The files of one entry.

    Args:
        tensor: the embeddings.
        metadata: written last: without it there is no entry. Its time of change is the time
            of the entry's last use.
        record: the state in which the tensor was last found right, see `check_file`.
        lock: held while the entry is computed or removed.
    """

    tensor: Path
    metadata: Path
    record: Path
    lock: Path


class FeatureCache:
    """Embeddings by what they were made of.

    An entry is `KEY.safetensors` and `KEY.json`; the second holds the size and SHA-256 of the
    first and is written last, so a crash leaves nothing that is later trusted. Entries are
    never changed. Reading needs no lock, and works on a read-only folder; of several processes
    that miss the same entry, one computes it and the others wait for it.

    Args:
        folder: see `cache_folder`.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = cache_folder(folder) / "features"

    def files(self, key: str) -> EntryFiles:
        """Return the paths of an entry, whether or not it is there."""
        tensor, metadata, record, lock = (
            self.folder / f"{key}.{suffix}" for suffix in ("safetensors", "json", "checked", "lock")
        )
        return EntryFiles(tensor=tensor, metadata=metadata, record=record, lock=lock)

    def read(self, identity: Mapping[str, Any]) -> CacheEntry | None:
        """Return the entry, or None if it is absent, truncated or altered (which is logged)."""
        files = self.files(content_key(identity))
        try:
            metadata = json.loads(files.metadata.read_bytes())
            check_file(
                files.tensor,
                files.record,
                size_bytes=metadata["size_bytes"],
                sha256=metadata["sha256"],
            )
            embeddings = open_tensor(files.tensor)
            if list(embeddings.shape) != metadata["shape"]:
                raise ValueError(f"it has shape {embeddings.shape}, not {metadata['shape']}")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("Cached features %s are not usable (%s).", files.tensor, error)
            return None
        with suppress(OSError):  # a read-only cache does not know when it was last used
            os.utime(files.metadata)
        return CacheEntry(embeddings=embeddings, metadata=metadata, from_cache=True)

    def get_or_compute(
        self,
        identity: Mapping[str, Any],
        compute: Callable[[], tuple[np.ndarray, float, Mapping[str, Any]]],
    ) -> CacheEntry:
        """Return the entry; if it is not there, compute and keep it.

        Args:
            identity: JSON-safe mapping of everything that decides the embeddings.
            compute: returns the embeddings, float32 (N, D), the seconds they took, and
                JSON-safe notes to keep with them.

        Raises:
            InputError: if the folder cannot be written, before anything is computed.
        """
        entry = self.read(identity)
        if entry is not None:
            return entry
        key = content_key(identity)
        with self.lock(key):
            # Another process may have computed it while this one waited.
            entry = self.read(identity)
            if entry is not None:
                return entry
            embeddings, duration_s, notes = compute()
            metadata = {**notes, "identity": dict(identity), "duration_s": duration_s}
            try:
                metadata = self._write(key, embeddings, metadata)
            except OSError as error:
                logger.warning("Features could not be kept in %s (%s).", self.folder, error)
            return CacheEntry(embeddings=embeddings, metadata=metadata, from_cache=False)

    def _write(self, key: str, embeddings: np.ndarray, metadata: dict[str, Any]) -> dict[str, Any]:
        files = self.files(key)
        # What an entry that is no longer trusted left would pass for this one's.
        for path in (files.metadata, files.record):
            path.unlink(missing_ok=True)
        metadata = {
            **metadata,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            **write_tensor(files.tensor, embeddings),
        }
        write_atomically(files.metadata, [json.dumps(metadata, indent=1).encode()])
        return metadata

    @contextmanager
    def lock(self, key: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold an entry's lock; the kernel releases it even if this process is killed.

        Args:
            key: the entry's.
            wait: whether to wait for another process, or to go on without the lock.

        Yields:
            Whether the lock is held.
        """
        path = self.files(key).lock
        while True:
            with self._open_lock(path) as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if not wait:
                        yield False
                        return
                    logger.warning("Another process is embedding the same data; waiting for it.")
                    fcntl.flock(file, fcntl.LOCK_EX)
                # Whoever removes a lock's file holds it: then this is not the file that others
                # will open.
                if _is_file(file, path):
                    yield True
                    return

    def _open_lock(self, path: Path) -> IO[bytes]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return path.open("ab")
        except OSError as error:
            raise InputError(
                f"the features cache must be writable, but {self.folder} is not "
                f"({error.strerror}). Set SIGMOIDF1_CACHE to a folder that is."
            ) from error


def _is_file(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
