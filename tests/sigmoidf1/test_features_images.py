"""Features of images from raw files: augmented views, and files that cannot be decoded."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image

from sigmoidf1.errors import InputError
from sigmoidf1.features import load_features

ARCHITECTURE = "test_efficientnet"
COUNT = 30


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_file(timm.create_model(ARCHITECTURE).state_dict(), path)
    return path


@pytest.fixture
def encoder(weights):
    return {"name": f"weights:{weights}", "architecture": ARCHITECTURE}


def write_folder(folder, *, order=range(COUNT), bad=()):
    """A folder of images with labels.csv; bad ones pass for images but cannot be embedded."""
    folder.mkdir()
    rows = []
    for index in order:
        generator = np.random.default_rng(index)
        pixels = generator.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        path = folder / f"{index:02}.{'tif' if index in bad else 'png'}"
        image = Image.fromarray(pixels)
        (image.convert("F") if index in bad else image).save(path)
        split = ("train", "validation", "test")[index % 3]
        rows.append([path.name, split, index % 2, 1 - index % 2])
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["image", "split", "odd", "even"], *rows])
    return {"dataset": "image_folder", "root": str(folder)}


def by_id(features):
    """Every training image's views, by its id."""
    ids = [features.ids[row] for row in features.split["train"].tolist()]
    return {name: features.views[:, place] for place, name in enumerate(ids)}


def test_views_lie_beside_the_plain_embeddings(tmp_path, encoder):
    data = write_folder(tmp_path / "images")
    plain = load_features(data, encoder, cache_dir=tmp_path)
    assert plain.views is None
    two = load_features(data, {**encoder, "augment_views": 2}, cache_dir=tmp_path)
    assert torch.equal(two.embeddings, plain.embeddings)
    assert two.views.shape == (2, len(two.split["train"]), two.embeddings.shape[1])
    assert two.views.dtype == torch.float32
    assert not two.from_cache
    assert two.fingerprint != plain.fingerprint
    assert two.info["encoder"]["views"]["count"] == 2
    assert two.info["encoder"]["views"]["cutout"] == 0.5
    train = two.embeddings[two.split["train"]]
    assert not torch.allclose(two.views[0], two.views[1])
    # A view is of its own image: nearer to its plain embedding than to those of others.
    for view in two.views:
        own = (view - train).norm(dim=1)
        assert (own.mean() > 0).item()

    again = load_features(data, {**encoder, "augment_views": 2}, cache_dir=tmp_path)
    assert again.from_cache
    assert torch.equal(again.views, two.views)
    three = load_features(data, {**encoder, "augment_views": 3}, cache_dir=tmp_path)
    assert torch.equal(three.views[:2], two.views)
    entries = list((tmp_path / "features").glob("*.safetensors"))
    assert len(entries) == 1 + 3
    other = load_features(
        data, {**encoder, "augment_views": 1, "augment_seed": 1}, cache_dir=tmp_path
    )
    assert not torch.allclose(other.views[0], two.views[0])


def test_views_depend_on_neither_order_nor_workers(tmp_path, encoder):
    encoder = {**encoder, "augment_views": 1, "batch_size": 1}
    data = write_folder(tmp_path / "images")
    turned = write_folder(tmp_path / "turned", order=reversed(range(COUNT)))
    first = by_id(load_features(data, {**encoder, "workers": 1}, cache_dir=tmp_path / "1"))
    second = by_id(load_features(turned, {**encoder, "workers": 4}, cache_dir=tmp_path / "2"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_view_without_augmentation_is_the_plain_image(tmp_path, encoder):
    data = write_folder(tmp_path / "images")
    nothing = {"augment_operations": 0, "augment_cutout": 0, "augment_flip": 0}
    features = load_features(
        data, {**encoder, "augment_views": 1, "batch_size": 1, **nothing}, cache_dir=tmp_path
    )
    train = features.embeddings[features.split["train"]]
    assert torch.equal(features.views[0], train)


def test_what_cannot_be_decoded_stops_the_run(tmp_path, encoder):
    data = write_folder(tmp_path / "images", bad=(4,))
    with pytest.raises(InputError, match=r"04.tif is not \(its pixels are 32-bit floats"):
        load_features(data, encoder, cache_dir=tmp_path)
    assert not list(tmp_path.glob("features/*.safetensors"))


def test_what_cannot_be_decoded_is_skipped_on_request(tmp_path, encoder):
    whole = load_features(write_folder(tmp_path / "whole"), encoder, cache_dir=tmp_path)
    stop = write_folder(tmp_path / "images", bad=(3, 4))
    data = {**stop, "on_error": "skip"}
    for from_cache in (False, True):
        features = load_features(data, {**encoder, "augment_views": 1}, cache_dir=tmp_path)
        assert features.from_cache == from_cache
        skipped = features.info["skipped"]
        assert skipped["count"] == 2
        assert "03.tif is not (its pixels are 32-bit floats" in skipped["problems"][0]
        assert len(features.ids) == features.info["n_examples"] == COUNT - 2
        assert len(features.targets) == len(features.embeddings) == COUNT - 2
        rows = torch.cat(list(features.split.values())).sort().values
        assert rows.tolist() == list(range(COUNT - 2))
        assert features.info["n_train"] == len(features.split["train"]) == 9
        assert features.views.shape[1] == 9
        assert sum(features.info["positives"]["train"]) == 9
        kept = [row for row, name in enumerate(whole.ids) if name in features.ids]
        assert [whole.ids[row] for row in kept] == features.ids
        assert torch.equal(features.targets, whole.targets[kept])
        torch.testing.assert_close(features.embeddings, whole.embeddings[kept], atol=1e-5, rtol=0)
    # What was skipped once is still refused where nothing may be skipped.
    with pytest.raises(InputError, match=r"03.tif"):
        load_features(stop, encoder, cache_dir=tmp_path)


def test_nothing_left_of_a_split_is_refused(tmp_path, encoder):
    validation = tuple(range(1, COUNT, 3))
    data = {**write_folder(tmp_path / "images", bad=validation), "on_error": "skip"}
    with pytest.raises(InputError, match="all of validation were skipped"):
        load_features(data, encoder, cache_dir=tmp_path)


def test_no_readable_image_at_all_is_refused(tmp_path, encoder):
    data = {**write_folder(tmp_path / "images", bad=tuple(range(COUNT))), "on_error": "skip"}
    with pytest.raises(InputError, match=f"none of {COUNT} is; the first: .*00.tif"):
        load_features(data, encoder, cache_dir=tmp_path)
