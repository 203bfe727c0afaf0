"""Image encoders by timm, with small architectures and weights made here."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sigmoidf1.encoders import embedding, get_encoder
from sigmoidf1.encoders.image import centre_crop
from sigmoidf1.errors import InputError

CPU = torch.device("cpu")
NAME = "test_efficientnet.r160_in1k"


def embed(embedder, paths):
    return embedding.embed(embedder, paths, modality="image").embeddings


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    paths = []
    for index, mode in enumerate(["RGB", "L", "CMYK", "P", "RGBA", "RGB"]):
        pixels = rng.integers(0, 256, (90 + index, 120, 3), dtype=np.uint8)
        path = folder / f"{index}.{'jpg' if mode in ('RGB', 'L', 'CMYK') else 'png'}"
        Image.fromarray(pixels).convert(mode).save(path)
        paths.append(str(path))
    return paths


@pytest.fixture(scope="module")
def network():
    import timm

    torch.manual_seed(0)
    return timm.create_model("test_efficientnet", pretrained=False, num_classes=1000).eval()


@pytest.fixture
def weights(network, tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "model.safetensors"
    save_file(network.state_dict(), path)
    return path


@pytest.mark.parametrize("crop_mode", ["center", "squash", "border"])
def test_features_are_the_models_own(images, network, weights, tmp_path, crop_mode):
    import timm

    cfg = {**network.pretrained_cfg, "crop_mode": crop_mode, "crop_pct": 0.9}
    (weights.parent / "config.json").write_text(
        json.dumps({"architecture": "test_efficientnet", "pretrained_cfg": cfg})
    )
    encoder = get_encoder({"name": f"weights:{weights.parent}", "batch_size": 4})
    embeddings = embed(encoder.open(CPU, torch.float32), images)
    config = timm.data.resolve_data_config(pretrained_cfg=cfg)
    assert (config["input_size"], config["crop_mode"]) == ((3, 160, 160), crop_mode)
    transform = timm.data.create_transform(**config, is_training=False)
    for row, path in enumerate(images):
        with Image.open(path) as image, torch.inference_mode():
            tensor = transform(image.convert("RGB")).unsqueeze(0)
            alone = network.forward_head(network.forward_features(tensor), pre_logits=True)
        alone = alone[0].numpy()
        error = np.linalg.norm(embeddings[row] - alone) / np.linalg.norm(alone)
        # Scaling for a centre crop may differ from Pillow's by 1 of 255 here and there.
        assert error < (5e-3 if crop_mode == "center" else 1e-5)


@pytest.mark.parametrize("size", [(300, 200), (200, 301), (97, 400)])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_the_centre_crop_is_timms(size, mode):
    from timm.data import create_transform

    pixels = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    timms = create_transform(
        input_size=160, crop_pct=0.875, interpolation=mode, use_prefetcher=True
    )(image)
    ours = centre_crop(image, side=182, size=160, mode=mode)
    difference = np.abs(ours.astype(int) - timms.permute(1, 2, 0).numpy())
    assert difference.max() <= 2
    assert (difference > 0).mean() < 0.02


def test_the_hubs_cache_is_read_without_a_network(images, weights, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    encoder = get_encoder({"name": f"timm:{NAME}"})
    with pytest.raises(InputError) as caught:
        encoder.identity()
    assert f"hf download timm/{NAME} model.safetensors --local-dir FOLDER" in str(caught.value)
    repository = tmp_path / "hub" / f"models--timm--{NAME}"
    (repository / "snapshots" / "abc").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    weights.rename(repository / "snapshots" / "abc" / "model.safetensors")
    for name in (NAME, "test_efficientnet"):
        assert len(get_encoder({"name": f"timm:{name}"}).identity()["weights_sha256"]) == 64
    assert embed(encoder.open(CPU, torch.float32), images).shape[0] == len(images)


def test_weights_must_fit(weights, tmp_path):
    with pytest.raises(InputError, match="the weights must fit encoder timm:test_resnet"):
        get_encoder({"name": "timm:test_resnet.r160_in1k", "weights": str(weights)}).open(
            CPU, torch.float32
        )
    with pytest.raises(InputError, match="is not there"):
        get_encoder({"name": f"timm:{NAME}", "weights": str(tmp_path / "no.pth")}).identity()


class Malicious:
    def __reduce__(self):
        return print, ("code ran",)


def test_pickled_objects_are_refused(tmp_path, capfd):
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": Malicious()}, path)
    with pytest.raises(InputError, match="does not load"):
        get_encoder({"name": f"timm:{NAME}", "weights": str(path)}).open(CPU, torch.float32)
    assert "code ran" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mobilenetv2_10", "Unknown timm model 'mobilenetv2_10'. Did you mean 'mobilenetv2_1"),
        ("test_efficientnet.no_such_tag", "test_efficientnet.r160_in1k"),
    ],
)
def test_unknown_models(name, message, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError) as caught:
        get_encoder({"name": f"timm:{name}"}).identity()
    assert message in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_broken_images_are_named(images, weights, tmp_path, content):
    path = tmp_path / "broken.jpg"
    if content is None:
        path.write_bytes(Path(images[0]).read_bytes()[:2000])
    else:
        path.write_bytes(content)
    encoder = get_encoder({"name": f"timm:{NAME}", "weights": str(weights)})
    with pytest.raises(InputError, match=str(path)):
        embed(encoder.open(CPU, torch.float32), [images[0], str(path)])
