"""Upkeep of the features cache: what is in it, whether it is whole, and making room."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sigmoidf1.cache import FeatureCache
from sigmoidf1.cache_files import file_sha256

_DAY_S = 86_400
_TEMPORARY_S = 3_600
"""A half-written file that nobody has touched for so long belongs to a process that died."""


@dataclass(frozen=True, kw_only=True)
class ListedEntry:
    """One entry of the cache.

    Args:
        key: SHA-256 (hex) of what the embeddings were made of.
        encoder: its name; empty when the entry's metadata cannot be read.
        dataset: the dataset that it was first made for; empty if nobody said.
        view: the number of the augmented view; None for plain embeddings.
        shape: (N, D); empty when the metadata cannot be read.
        size_bytes: of its files.
        created_at: time of embedding, ISO 8601; empty when the metadata cannot be read.
        created_s: the same, in seconds since 1970.
        used_s: time of the last use, in seconds since 1970.
    """

    key: str
    encoder: str
    dataset: str
    view: int | None
    shape: tuple[int, ...]
    size_bytes: int
    created_at: str
    created_s: float
    used_s: float

    def describe(self) -> dict[str, Any]:
        """Return the entry as a JSON-safe mapping."""
        return {**asdict(self), "shape": list(self.shape)}


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What pruning removed, or would remove.

    Args:
        entries: whole entries, with the reason for each by key.
        reasons: `older`, `unused`, `budget` or `broken`.
        leftovers: half-written files of processes that died, and locks without an entry.
        size_bytes: what all of these took.
        kept_bytes: what is left.
    """

    entries: list[ListedEntry]
    reasons: dict[str, str]
    leftovers: list[str]
    size_bytes: int
    kept_bytes: int


def list_entries(cache: FeatureCache) -> list[ListedEntry]:
    """Return the entries of a cache, the last used first."""
    keys = {path.stem for path in _files(cache) if path.suffix in (".safetensors", ".json")}
    listed = [entry for key in keys if (entry := _describe(cache, key)) is not None]
    return sorted(listed, key=lambda entry: (-entry.used_s, entry.key))


def verify(cache: FeatureCache) -> list[dict[str, Any]]:
    """Read every byte of every entry and compare it with its checksum.

    A damaged entry loses the record that it was once found right, so that the next use sees the
    damage and computes it anew.

    Returns:
        `key`, `encoder`, `size_bytes`, and `fault`, None or what is wrong, of each entry.
    """
    checked = []
    for entry in list_entries(cache):
        fault = _fault(cache, entry.key)
        if fault is not None:
            cache.files(entry.key).record.unlink(missing_ok=True)
        checked.append(
            {
                "key": entry.key,
                "encoder": entry.encoder,
                "size_bytes": entry.size_bytes,
                "fault": fault,
            }
        )
    return checked


def prune(
    cache: FeatureCache,
    *,
    older_than_days: float | None = None,
    unused_for_days: float | None = None,
    max_bytes: int | None = None,
    dry_run: bool = False,
) -> Pruned:
    """Remove entries, and always what dead processes left and what is broken.

    Processes that have an entry open keep it; one that is being computed is left alone.

    Args:
        cache: the cache.
        older_than_days: remove entries made longer ago.
        unused_for_days: remove entries last used longer ago.
        max_bytes: then remove the entries longest unused until the rest takes at most this.
        dry_run: remove nothing.
    """
    now = time.time()
    reasons: dict[str, str] = {}
    entries = list_entries(cache)
    for entry in entries:
        files = cache.files(entry.key)
        if not (files.metadata.is_file() and files.tensor.is_file() and entry.shape):
            reasons[entry.key] = "broken"
        elif older_than_days is not None and now - entry.created_s > older_than_days * _DAY_S:
            reasons[entry.key] = "older"
        elif unused_for_days is not None and now - entry.used_s > unused_for_days * _DAY_S:
            reasons[entry.key] = "unused"
    if max_bytes is not None:
        taken = sum(entry.size_bytes for entry in entries if entry.key not in reasons)
        for entry in reversed(entries):
            if taken > max_bytes and entry.key not in reasons:
                reasons[entry.key] = "budget"
                taken -= entry.size_bytes
    removed = [
        entry
        for entry in entries
        if entry.key in reasons and (dry_run or _remove(cache, entry.key))
    ]
    gone = {entry.key for entry in removed}
    leftovers = _leftovers(cache, {entry.key for entry in entries}, now, dry_run=dry_run)
    return Pruned(
        entries=removed,
        reasons={key: reason for key, reason in reasons.items() if key in gone},
        leftovers=[path.name for path, _ in leftovers],
        size_bytes=sum(entry.size_bytes for entry in removed) + sum(size for _, size in leftovers),
        kept_bytes=sum(entry.size_bytes for entry in entries if entry.key not in gone),
    )


def _files(cache: FeatureCache) -> Iterator[Path]:
    if cache.folder.is_dir():
        yield from (path for path in cache.folder.iterdir() if path.is_file())


def _describe(cache: FeatureCache, key: str) -> ListedEntry | None:
    files = cache.files(key)
    statuses = []
    for path in (files.metadata, files.tensor, files.record):
        try:
            statuses.append(path.stat())
        except FileNotFoundError:
            continue
    if not statuses:
        return None  # removed by another process meanwhile
    used_s = statuses[0].st_mtime
    size_bytes = sum(status.st_size for status in statuses)
    try:
        metadata = json.loads(files.metadata.read_bytes())
        return ListedEntry(
            key=key,
            encoder=str(metadata["identity"].get("encoder", "")),
            dataset=str(metadata.get("dataset", "")),
            view=metadata["identity"].get("view"),
            shape=tuple(metadata["shape"]),
            size_bytes=size_bytes,
            created_at=metadata["created_at"],
            created_s=datetime.fromisoformat(metadata["created_at"]).timestamp(),
            used_s=used_s,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ListedEntry(
            key=key,
            encoder="",
            dataset="",
            view=None,
            shape=(),
            size_bytes=size_bytes,
            created_at="",
            created_s=used_s,
            used_s=used_s,
        )


def _fault(cache: FeatureCache, key: str) -> str | None:
    files = cache.files(key)
    try:
        metadata = json.loads(files.metadata.read_bytes())
        size = files.tensor.stat().st_size
        if size != metadata["size_bytes"]:
            return f"it has {size} bytes instead of {metadata['size_bytes']}"
        if file_sha256(files.tensor) != metadata["sha256"]:
            return "its checksum does not match"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is not there"
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    except (ValueError, KeyError, TypeError) as error:
        return f"its metadata are broken ({error})"
    return None


def _remove(cache: FeatureCache, key: str) -> bool:
    """Remove an entry unless a process computes it; the metadata go first, the lock last."""
    with cache.lock(key, wait=False) as held:
        if held:
            files = cache.files(key)
            for path in (files.metadata, files.record, files.tensor, files.lock):
                path.unlink(missing_ok=True)
        return held


def _leftovers(
    cache: FeatureCache, keys: set[str], now: float, *, dry_run: bool
) -> list[tuple[Path, int]]:
    found = []
    for path in _files(cache):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        if path.name.startswith("."):
            if now - status.st_mtime > _TEMPORARY_S:
                found.append((path, status.st_size))
                if not dry_run:
                    path.unlink(missing_ok=True)
        elif (
            path.suffix in (".lock", ".checked")
            and path.stem not in keys
            and (dry_run or _remove(cache, path.stem))
        ):
            found.append((path, status.st_size))
    return found
