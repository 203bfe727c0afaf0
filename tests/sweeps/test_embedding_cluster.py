"""Embedding on a local Ray: equal to embedding in one process."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from sigmoidf1.encoders import embedding as embedding_loop
from sigmoidf1.encoders import get_encoder
from sigmoidf1.encoders.backends import EmbeddingJob, LocalBackend
from sigmoidf1.errors import InputError
from sweeps.scheduling.cluster import ray_cluster


@pytest.fixture
def job(tmp_path):
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(0)
    save_file(timm.create_model("test_efficientnet").state_dict(), tmp_path / "w.safetensors")
    paths = []
    for index in range(60):
        pixels = np.random.default_rng(index).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        image = Image.fromarray(pixels)
        path = tmp_path / f"{index}.tif"
        (image.convert("F") if index == 33 else image).save(path)
        paths.append(str(path))
    encoder = get_encoder(
        {"name": f"weights:{tmp_path}/w.safetensors", "architecture": "test_efficientnet"}
    )
    return EmbeddingJob(encoder=encoder, inputs=paths, precision="float32", skip_bad=True)


def test_a_cluster_embeds_as_one_process_does(job, monkeypatch):
    monkeypatch.setitem(embedding_loop._CHUNK, "image", 8)
    whole = LocalBackend("cpu").run(job, None)
    calls = []
    with ray_cluster(cpus=2):
        # Ray takes its token from the environment when it is first imported.
        from sweeps.scheduling.embedding import RayBackend, cluster_backend

        assert cluster_backend() is None  # one node without GPUs: this process does as well
        backend = RayBackend(workers=2, device_type="cpu", cpus_per_worker=1)
        spread = backend.run(job, lambda *call: calls.append(call))
        with pytest.raises(InputError, match=r"33.tif is not \(its pixels"):
            backend.run(replace(job, skip_bad=False), None)
    assert [bad.row for bad in spread.bad] == [33]
    assert spread.bad == whole.bad
    np.testing.assert_allclose(spread.embeddings, whole.embeddings, atol=1e-6)
    assert calls[-1] == (60, 60)
    assert len(calls) > 4
