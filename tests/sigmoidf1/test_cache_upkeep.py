"""Listing, verifying and pruning the cache."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from sigmoidf1.cache import FeatureCache, content_key
from sigmoidf1.cache_upkeep import list_entries, prune, verify

DAY_S = 86_400
ARRAY = np.zeros((100, 8), np.float32)


def identity(name):
    return {"encoder": name, "inputs": "abc"}


def keep(cache, name):
    return cache.get_or_compute(identity(name), lambda: (ARRAY, 1.0, {"dataset": "toy"}))


def files(cache, name):
    return cache.files(content_key(identity(name)))


def names(entries):
    return [entry.encoder for entry in entries]


def age(cache, name, *, created=0.0, used=0.0):
    """Make an entry so many days older."""
    path = files(cache, name).metadata
    metadata = json.loads(path.read_text())
    made = time.time() - created * DAY_S
    metadata["created_at"] = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(made))
    path.write_text(json.dumps(metadata))
    os.utime(path, (time.time() - used * DAY_S,) * 2)


@pytest.fixture
def cache(tmp_path):
    cache = FeatureCache(tmp_path)
    for name in "abc":
        keep(cache, name)
    age(cache, "a", created=20, used=9)
    age(cache, "b", created=20, used=1)
    age(cache, "c", created=2, used=5)
    return cache


def test_an_empty_cache(tmp_path):
    empty = FeatureCache(tmp_path / "absent")
    assert list_entries(empty) == []
    assert verify(empty) == []
    assert prune(empty, older_than_days=0).size_bytes == 0


def test_listing(cache):
    entries = list_entries(cache)
    assert names(entries) == ["b", "c", "a"]
    assert (entries[0].dataset, entries[0].shape, entries[0].view) == ("toy", (100, 8), None)
    assert entries[0].size_bytes > ARRAY.nbytes
    assert json.loads(json.dumps(entries[0].describe()))["encoder"] == "b"
    keep(cache, "a")
    assert names(list_entries(cache))[0] == "a"


@pytest.mark.parametrize(
    ("rule", "removed"),
    [
        ({}, {}),
        ({"older_than_days": 10}, {"a": "older", "b": "older"}),
        ({"unused_for_days": 3}, {"a": "unused", "c": "unused"}),
        ({"max_bytes": 10_000}, {"a": "budget"}),
        ({"max_bytes": 0}, {"a": "budget", "b": "budget", "c": "budget"}),
        ({"older_than_days": 10, "max_bytes": 0}, {"a": "older", "b": "older", "c": "budget"}),
    ],
)
def test_pruning(cache, rule, removed):
    before = sum(entry.size_bytes for entry in list_entries(cache))
    told = prune(cache, **rule, dry_run=True)
    assert len(list_entries(cache)) == 3
    done = prune(cache, **rule)
    for pruned in (told, done):
        reasons = {entry.encoder: pruned.reasons[entry.key] for entry in pruned.entries}
        assert reasons == removed
        assert pruned.kept_bytes + sum(entry.size_bytes for entry in pruned.entries) == before
    assert set(names(list_entries(cache))) == set("abc") - removed.keys()
    for name in removed:
        assert not list(cache.folder.glob(f"{content_key(identity(name))}*"))
        assert not keep(cache, name).from_cache


def test_what_crashes_left_is_removed(cache):
    old, new = cache.folder / ".x.safetensors.1.aa", cache.folder / ".y.json.2.bb"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - DAY_S,) * 2)
    orphan = cache.folder / f"{'0' * 64}.lock"
    orphan.touch()
    files(cache, "a").metadata.unlink()
    files(cache, "b").metadata.write_text("{")
    pruned = prune(cache)
    assert set(pruned.reasons.values()) == {"broken"}
    assert len(pruned.entries) == 2
    assert sorted(pruned.leftovers) == sorted([old.name, orphan.name])
    assert new.exists()
    assert names(list_entries(cache)) == ["c"]


def test_verify_reads_every_byte(cache, monkeypatch):
    monkeypatch.setattr("sigmoidf1.cache_files._SETTLED_NS", -(10**12))
    for name in "abc":
        keep(cache, name)
    assert [entry["fault"] for entry in verify(cache)] == [None] * 3
    tensor, record = files(cache, "b").tensor, files(cache, "b").record
    content = bytearray(tensor.read_bytes())
    content[-1] ^= 1
    tensor.write_bytes(content)
    # As if the disk had done it: the record vouches for the damaged file.
    stamp = json.loads(record.read_text())
    status = tensor.stat()
    stamp |= {"modified_ns": status.st_mtime_ns, "changed_ns": status.st_ctime_ns}
    record.write_text(json.dumps(stamp))
    assert keep(cache, "b").from_cache
    files(cache, "c").tensor.unlink()
    faults = {entry["encoder"]: entry["fault"] for entry in verify(cache)}
    assert faults["a"] is None
    assert faults["b"] == "its checksum does not match"
    assert "is not there" in faults["c"]
    assert not keep(cache, "b").from_cache


def test_an_entry_that_is_computed_is_left_alone(tmp_path):
    code = f"""
import sys, time
from sigmoidf1.cache import FeatureCache
import numpy as np
def compute():
    print("computing", flush=True)
    sys.stdin.readline()
    return np.ones((2, 2), np.float32), 1.0, {{}}
FeatureCache({str(tmp_path)!r}).get_or_compute({identity("a")!r}, compute)
"""
    cache = FeatureCache(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"computing\n"
        assert prune(cache, older_than_days=0, max_bytes=0).leftovers == []
        assert files(cache, "a").lock.exists()
        process.communicate(b"\n", timeout=60)
    assert cache.read(identity("a")) is not None


def test_whoever_waits_for_a_removed_lock_takes_the_new_one(tmp_path):
    cache = FeatureCache(tmp_path)
    with cache.lock("k"):
        cache.files("k").lock.unlink()
        with cache.lock("k", wait=False) as held:
            assert held
        assert cache.files("k").lock.exists()
