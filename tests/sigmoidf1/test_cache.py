"""The cache of embeddings: whole entries or none, altered ones noticed, work done once."""

import logging
import mmap
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from sigmoidf1 import cache_files
from sigmoidf1.cache import FeatureCache, cache_folder, content_key
from sigmoidf1.errors import InputError

IDENTITY = {"inputs": "abc", "encoder": "toy"}
ARRAY = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path)


def never():
    raise AssertionError("computed although it is in the cache")


def keep(cache):
    return cache.get_or_compute(IDENTITY, lambda: (ARRAY, 1.5, {"dataset": "toy"}))


def entry_file(cache, suffix):
    return next(cache.folder.glob(f"*{suffix}"))


def test_an_entry_is_computed_once(cache):
    first = keep(cache)
    again = cache.get_or_compute(dict(reversed(IDENTITY.items())), never)
    assert (first.from_cache, again.from_cache) == (False, True)
    assert (again.embeddings == ARRAY).all()
    assert again.embeddings.dtype == np.float32
    assert again.metadata == first.metadata
    assert again.metadata["identity"] == IDENTITY
    assert again.metadata["duration_s"] == 1.5
    assert cache.read({**IDENTITY, "encoder": "other"}) is None


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def alter(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


def wrong_json(path):
    path.write_text("[]")


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        (".safetensors", truncate),
        (".safetensors", alter),
        (".safetensors", empty),
        (".json", truncate),
        (".json", empty),
        (".json", wrong_json),
    ],
)
def test_damage_is_seen_told_and_repaired(cache, caplog, suffix, damage):
    keep(cache)
    damage(entry_file(cache, suffix))
    with caplog.at_level(logging.INFO):
        assert not keep(cache).from_cache
    assert "are not usable" in caplog.text
    caplog.clear()
    assert (cache.get_or_compute(IDENTITY, never).embeddings == ARRAY).all()
    assert caplog.text == ""


def test_the_file_is_plain_safetensors(cache):
    from safetensors.numpy import load_file

    keep(cache)
    assert (load_file(entry_file(cache, ".safetensors"))["embeddings"] == ARRAY).all()


def test_a_settled_file_is_hashed_once(cache, monkeypatch):
    hashed = count_hashes(monkeypatch)
    keep(cache)
    cache.get_or_compute(IDENTITY, never)
    assert len(hashed) == 1
    cache.get_or_compute(IDENTITY, never)
    assert len(hashed) == 2  # so fresh that another change might not show in its times
    monkeypatch.setattr("sigmoidf1.cache_files._SETTLED_NS", -(10**12))
    for _ in range(3):
        cache.get_or_compute(IDENTITY, never)
    assert len(hashed) == 3


@pytest.mark.parametrize("keep_times", [False, True])
def test_a_change_after_the_check_is_seen(cache, monkeypatch, keep_times):
    keep(cache)
    monkeypatch.setattr("sigmoidf1.cache_files._SETTLED_NS", -(10**12))
    cache.get_or_compute(IDENTITY, never)
    path = entry_file(cache, ".safetensors")
    assert entry_file(cache, ".checked").is_file()
    before = path.stat()
    time.sleep(0.02)  # beyond a tick of the file system's clock
    alter(path)
    if keep_times:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert cache.read(IDENTITY) is None
    assert not keep(cache).from_cache
    assert (cache.get_or_compute(IDENTITY, never).embeddings == ARRAY).all()


def count_hashes(monkeypatch):
    hashed = []
    original = cache_files.file_sha256
    monkeypatch.setattr(
        cache_files, "file_sha256", lambda path: hashed.append(path) or original(path)
    )
    return hashed


def test_large_entries_are_mapped_and_stay_as_they_are(cache, monkeypatch):
    monkeypatch.setattr(cache_files, "_MAPPED_BYTES", 1)
    keep(cache)
    entry = cache.get_or_compute(IDENTITY, never)
    assert isinstance(entry.embeddings.base.base.obj, mmap.mmap)
    torch.from_numpy(entry.embeddings)[0] = -1  # stays private to this process
    entry_file(cache, ".safetensors").unlink()
    assert (entry.embeddings[1:] == ARRAY[1:]).all()
    cache.files(content_key(IDENTITY)).metadata.unlink()
    assert not keep(cache).from_cache
    assert (cache.get_or_compute(IDENTITY, never).embeddings == ARRAY).all()


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_half_an_entry_is_none(cache, suffix):
    keep(cache)
    entry_file(cache, suffix).unlink()
    assert cache.read(IDENTITY) is None
    assert not keep(cache).from_cache


def test_a_failure_leaves_nothing_behind(cache):
    def fail():
        raise RuntimeError("stopped half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        cache.get_or_compute(IDENTITY, fail)
    assert [path.suffix for path in cache.folder.iterdir()] == [".lock"]
    assert not keep(cache).from_cache


def test_a_full_disk_loses_no_work(cache, monkeypatch, caplog):
    def full(path, pieces):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sigmoidf1.cache_files.write_atomically", full)
    assert (keep(cache).embeddings == ARRAY).all()
    assert "No space left on device" in caplog.text


def test_an_unwritable_folder_is_refused_before_any_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Set SIGMOIDF1_CACHE to a folder that is"):
        FeatureCache(tmp_path / "file").get_or_compute(IDENTITY, never)


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv("SIGMOIDF1_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    assert cache_folder(tmp_path / "given") == tmp_path / "given"
    monkeypatch.delenv("SIGMOIDF1_CACHE")
    monkeypatch.setenv("HOME", "/home/someone")
    assert str(cache_folder()) == "/home/someone/.cache/sigmoidf1"


def test_of_two_processes_one_embeds_and_the_other_waits(tmp_path):
    code = f"""
import sys, time
import numpy as np
from sigmoidf1.cache import FeatureCache
def compute():
    with open({str(tmp_path / "log")!r}, "a") as file:
        file.write("computed\\n")
    time.sleep(1)
    return np.ones((2, 2), np.float32), 1.0, dict(dataset="toy")
entry = FeatureCache({str(tmp_path)!r}).get_or_compute({IDENTITY!r}, compute)
print(entry.from_cache, entry.embeddings.sum())
"""
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = sorted(process.communicate(timeout=60)[0].strip() for process in both)
    assert outputs == ["False 4.0", "True 4.0"]
    assert (tmp_path / "log").read_text() == "computed\n"


def test_a_killed_process_releases_its_lock(tmp_path):
    code = f"""
import time
from sigmoidf1.cache import FeatureCache
def compute():
    print("computing", flush=True)
    time.sleep(600)
FeatureCache({str(tmp_path)!r}).get_or_compute({IDENTITY!r}, compute)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"computing\n"
        process.kill()
    assert not keep(FeatureCache(tmp_path)).from_cache
