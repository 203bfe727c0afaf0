"""Hugging Face vision models, of random weights made here."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from sigmoidf1.encoders import get_encoder
from sigmoidf1.encoders.embedding import embed
from sigmoidf1.encoders.image import pool_states
from sigmoidf1.encoders.text import quiet_transformers
from sigmoidf1.errors import InputError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    paths = [str(folder / f"{index}.png") for index in range(5)]
    for path in paths:
        pixels = generator.integers(0, 256, (70, 90, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return paths


def save_model(kind, folder):
    with quiet_transformers():
        import transformers

        torch.manual_seed(0)
        small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
        if kind == "vit":
            config = transformers.ViTConfig(
                **small, intermediate_size=32, image_size=32, patch_size=8
            )
            model = transformers.ViTModel(config, add_pooling_layer=False)
            processor = transformers.ViTImageProcessor(size={"height": 32, "width": 32})
        elif kind == "convnext":
            config = transformers.ConvNextConfig(hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1])
            model = transformers.ConvNextModel(config)
            processor = transformers.ConvNextImageProcessor(size={"shortest_edge": 64})
        else:
            tower = {**small, "intermediate_size": 32}
            config = transformers.CLIPConfig(
                text_config={**tower, "vocab_size": 50, "max_position_embeddings": 16},
                vision_config={**tower, "image_size": 32, "patch_size": 8},
                projection_dim=8,
            )
            model = transformers.CLIPModel(config)
            processor = transformers.CLIPImageProcessor(
                size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
            )
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    kinds = ("vit", "convnext", "clip")
    return {kind: save_model(kind, tmp_path_factory.mktemp(kind)) for kind in kinds}


def expected(folder, paths, pooling):
    with quiet_transformers():
        from transformers import AutoImageProcessor, AutoModel

        processor = AutoImageProcessor.from_pretrained(folder)
        model = AutoModel.from_pretrained(folder).eval()
    model = getattr(model, "vision_model", model)
    rows = []
    for path in paths:
        with Image.open(path) as image, torch.inference_mode():
            pixels = processor(images=image, return_tensors="pt")
            hidden = model(**pixels).last_hidden_state
        rows.append(pool_states(hidden, pooling, name="reference")[0])
    return torch.stack(rows).numpy()


@pytest.mark.parametrize(
    ("kind", "pooling"),
    [
        *(("vit", pooling) for pooling in ("cls", "mean", "max", "last")),
        ("convnext", "mean"),
        ("convnext", "max"),
        ("clip", "cls"),
    ],
)
def test_embeddings_are_those_of_transformers(folders, images, kind, pooling):
    encoder = get_encoder({"name": f"hf:{folders[kind]}", "pooling": pooling})
    embedder = encoder.for_modality("image").open(CPU, torch.float32)
    found = embed(embedder, images, modality="image").embeddings
    np.testing.assert_allclose(found, expected(folders[kind], images, pooling), atol=2e-5)


def test_normalised_embeddings_have_length_one(folders, images):
    encoder = get_encoder({"name": f"hf:{folders['vit']}", "normalize": True})
    embedder = encoder.for_modality("image").open(CPU, torch.float32)
    found = embed(embedder, images, modality="image").embeddings
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_pooling_by_hand():
    hidden = torch.arange(12.0).view(1, 3, 4)
    assert pool_states(hidden, "cls", name="m").tolist() == [[0, 1, 2, 3]]
    assert pool_states(hidden, "last", name="m").tolist() == [[8, 9, 10, 11]]
    assert pool_states(hidden, "mean", name="m").tolist() == [[4, 5, 6, 7]]
    assert pool_states(hidden, "max", name="m").tolist() == [[8, 9, 10, 11]]
    maps = hidden.view(1, 3, 2, 2)
    assert pool_states(maps, "mean", name="m").tolist() == [[1.5, 5.5, 9.5]]
    with pytest.raises(InputError, match="must be mean or max, because it gives a map"):
        pool_states(maps, "cls", name="m")


def test_the_identity_of_a_folder_is_its_content(folders, tmp_path):
    encoder = get_encoder({"name": f"hf:{folders['vit']}"}).for_modality("image")
    identity = encoder.identity()
    assert json.loads(json.dumps(identity)) == identity
    assert "max_length" not in identity
    assert str(folders["vit"]) not in json.dumps(identity)


def test_a_folder_without_a_processor_is_no_vision_model(folders, tmp_path):
    for path in folders["vit"].iterdir():
        if path.name != "preprocessor_config.json":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    encoder = get_encoder({"name": f"hf:{tmp_path}"}).for_modality("image")
    with pytest.raises(InputError, match=r"has no preprocessor_config.json"):
        encoder.open(CPU, torch.float32)
    with pytest.raises(InputError, match=r"must know what it embeds"):
        get_encoder({"name": f"hf:{tmp_path}"}).open(CPU, torch.float32)
