"""Paths in specs stay in the folders that they may read from, whatever ``..`` and links say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sigmoidf1.data_root import DATA_ROOT_VARIABLE, add_data_root
from sigmoidf1.datasets import load_dataset
from sigmoidf1.encoders import get_encoder
from sigmoidf1.errors import InputError

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 6)).astype(np.float32)
Y = np.eye(4, dtype=np.uint8)[np.arange(40) % 4]


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """A folder that may be read, and one beside it that may not, with the same files."""
    allowed, other = tmp_path / "allowed", tmp_path / "other"
    for folder in (allowed, other):
        (folder / "images").mkdir(parents=True)
        np.savez(folder / "x.npz", X=X, Y=Y)
        lines = [f"a text of number {k},{'abcd'[k % 4]}" for k in range(40)]
        (folder / "t.csv").write_text("\n".join(["text,labels", *lines]) + "\n")
        (folder / "labels.csv").write_text("image,labels\na.png,x\n")
    (allowed / "link.npz").symlink_to(other / "x.npz")
    (allowed / "folder").symlink_to(other, target_is_directory=True)
    (allowed / "inner.npz").symlink_to(allowed / "x.npz")
    return allowed, other


def refusal(**options: Any) -> str:
    with pytest.raises(InputError) as caught:
        load_dataset(options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_named_with_its_root_stays_in_it(places) -> None:
    allowed, other = places
    root = {"root": str(allowed)}
    assert load_dataset({"dataset": "features", "path": "x.npz", **root}).embeddings is not None
    for path in ("../other/x.npz", "images/../../other/x.npz", str(other / "x.npz")):
        assert "leads out of" in refusal(dataset="features", path=path, **root)
    assert "leads out of" in refusal(dataset="csv", path="../other/t.csv", **root)
    assert "leads out of" in refusal(dataset="image_folder", table="../other/labels.csv", **root)
    # Links in one's own folders are one's own affair.
    assert load_dataset({"dataset": "features", "path": "link.npz", **root}).embeddings is not None


def test_what_is_read_for_others_lies_in_the_data_root(places, monkeypatch) -> None:
    allowed, other = places
    monkeypatch.setenv(DATA_ROOT_VARIABLE, str(allowed))
    for path in ("x.npz", "inner.npz", "images/../x.npz"):
        assert load_dataset({"dataset": "features", "path": str(allowed / path)}) is not None
    outside = (
        *(other / "x.npz", allowed / ".." / "other" / "x.npz"),
        *(allowed / "link.npz", allowed / "folder" / "x.npz", Path("/etc/passwd")),
    )
    for path in outside:
        assert DATA_ROOT_VARIABLE in refusal(dataset="features", path=str(path))
        assert DATA_ROOT_VARIABLE in refusal(dataset="csv", path=str(path))
    roots = (other, allowed / "folder", allowed / "..")
    for root in roots:
        assert DATA_ROOT_VARIABLE in refusal(dataset="csv", path="t.csv", root=str(root))
        assert DATA_ROOT_VARIABLE in refusal(dataset="voc2007", root=str(root))
    images = {"dataset": "image_folder", "root": str(allowed), "min_examples": 1}
    for folder in (other / "images", allowed / "folder" / "images"):
        assert DATA_ROOT_VARIABLE in refusal(**images, images=str(folder))
    monkeypatch.setenv(DATA_ROOT_VARIABLE, f"/nowhere:{allowed}")
    monkeypatch.chdir(allowed)
    assert load_dataset({"dataset": "features", "path": "x.npz"}) is not None
    assert DATA_ROOT_VARIABLE in refusal(dataset="features", path="../other/x.npz")
    add_data_root(other)
    assert load_dataset({"dataset": "features", "path": "../other/x.npz"}) is not None


def test_a_hub_name_is_no_way_out_of_the_data_root(places, monkeypatch) -> None:
    pytest.importorskip("datasets")
    allowed, other = places
    monkeypatch.setenv(DATA_ROOT_VARIABLE, str(allowed))
    monkeypatch.chdir(other.parent)
    assert DATA_ROOT_VARIABLE in refusal(dataset=f"hf:{other.name}", root=str(allowed))
    assert DATA_ROOT_VARIABLE in refusal(dataset=f"hf:../{other.name}", root=str(allowed))


def test_encoders_are_read_from_the_data_root(places, monkeypatch) -> None:
    allowed, other = places
    monkeypatch.setenv(DATA_ROOT_VARIABLE, str(allowed))
    weights = other / "weights.safetensors"
    weights.write_bytes(b"none")
    (allowed / "link.safetensors").symlink_to(weights)
    for encoder in (
        {"name": f"weights:{weights}", "architecture": "resnet18"},
        {"name": f"weights:{allowed}/link.safetensors", "architecture": "resnet18"},
        {"name": "timm:resnet18", "weights": str(weights)},
        {"name": f"hf:{other}"},
        {"name": f"hf:{allowed}/../other"},
    ):
        with pytest.raises(InputError, match=DATA_ROOT_VARIABLE):
            get_encoder(encoder).identity()
