import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sigmoidf1.datasets import load_dataset
from sigmoidf1.datasets.voc2007 import CLASSES
from sigmoidf1.errors import InputError

SHARED_DATA = Path(
    os.environ.get("SIGMOIDF1_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data")
)
pytestmark = pytest.mark.filterwarnings("ignore::sigmoidf1.datasets.DroppedClassWarning")

XML = """<annotation>
  <folder>VOC2007</folder>
  <filename>{name}.jpg</filename>
  <size><width>353</width><height>500</height><depth>3</depth></size>
  <segmented>0</segmented>
{objects}</annotation>
"""
OBJECT = """  <object>
    <name>{label}</name>
    <pose>Left</pose>
    <truncated>1</truncated>
    <difficult>{difficult}</difficult>
    <bndbox><xmin>48</xmin><ymin>240</ymin><xmax>195</xmax><ymax>371</ymax></bndbox>
    <part><name>head</name></part>
  </object>
"""


def refusal(**options):
    with pytest.raises(InputError) as caught:
        load_dataset(options)
    text = str(caught.value)
    assert "\n" not in text
    return text


def marks_of(number):
    """Return 1, 0 (difficult) or -1 of each class for an image, by its number."""
    marks = dict.fromkeys(CLASSES, -1)
    marks["person" if number % 2 else "dog"] = 1
    if number % 5 == 0:
        marks["car"] = 0
    return marks


def write(root, numbers=range(1, 41)):
    """Write VOCdevkit/VOC2007 in its published form, CRLF lists and all."""
    folder = root / "VOCdevkit" / "VOC2007"
    lists = folder / "ImageSets" / "Main"
    for path in (lists, folder / "Annotations", folder / "JPEGImages"):
        path.mkdir(parents=True)
    parts = {"train": numbers[:20], "val": numbers[20:30], "test": numbers[30:]}
    for split, members in parts.items():
        names = [f"{number:06d}" for number in members]
        (lists / f"{split}.txt").write_bytes("".join(f"{n}\r\n" for n in names).encode())
        for label in CLASSES:
            lines = [f"{n:06d} {marks_of(n)[label]:2d}\r\n" for n in members]
            (lists / f"{label}_{split}.txt").write_bytes("".join(lines).encode())
    for number in numbers:
        marks = marks_of(number)
        objects = [
            OBJECT.format(label=label, difficult=int(mark == 0))
            for label, mark in marks.items()
            if mark != -1
        ]
        (folder / "Annotations" / f"{number:06d}.xml").write_text(
            XML.format(name=f"{number:06d}", objects="".join(objects))
        )
        pixels = np.full((8, 8, 3), number, np.uint8)
        Image.fromarray(pixels).save(folder / "JPEGImages" / f"{number:06d}.jpg")
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path)


def test_official_splits_and_labels_from_lists(folder):
    dataset = load_dataset({"dataset": "voc2007", "root": str(folder.parents[1])})
    info = dataset.info
    assert (info["n_train"], info["n_validation"], info["n_test"]) == (20, 10, 10)
    assert set(dataset.labels) == {"person", "dog", "car"}
    assert dataset.targets.sum() == 40 + 8
    assert dataset.inputs[0] == str((folder / "JPEGImages" / "000001.jpg").resolve())
    assert info["labels_from"] == "imagesets"


@pytest.mark.parametrize("root", [".", "VOCdevkit", "VOCdevkit/VOC2007"])
def test_any_level_of_the_download_is_a_root(folder, root):
    path = folder.parents[1] / root
    assert len(load_dataset({"dataset": "voc2007", "root": str(path)}).ids) == 40


@pytest.mark.parametrize("difficult", ["positive", "negative"])
def test_lists_and_annotations_agree(folder, difficult):
    options = {"dataset": "voc2007", "root": str(folder), "difficult": difficult}
    lists = load_dataset({**options, "labels_from": "imagesets"})
    annotations = load_dataset({**options, "labels_from": "annotations"})
    assert annotations.fingerprint == lists.fingerprint
    assert lists.targets.sum() == (48 if difficult == "positive" else 40)


def test_without_lists_of_classes_annotations_are_read(folder):
    for path in (folder / "ImageSets" / "Main").glob("*_*.txt"):
        path.unlink()
    dataset = load_dataset({"dataset": "voc2007", "root": str(folder)})
    assert dataset.info["labels_from"] == "annotations"
    assert dataset.targets.sum() == 48


def test_a_missing_folder_says_what_to_download(tmp_path):
    for options in ({}, {"root": str(tmp_path)}, {"root": str(tmp_path / "absent")}):
        text = refusal(dataset="voc2007", **options)
        assert "VOCtest_06-Nov-2007.tar" in text
        assert "VOCdevkit/VOC2007 with ImageSets/Main" in text


def change(path, old, new):
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


BAD = {
    "no image": (
        lambda f: (f / "JPEGImages" / "000007.jpg").unlink(),
        {},
        ["000007.jpg is not there"],
    ),
    "mark": (
        lambda f: change(f / "ImageSets/Main/cow_train.txt", b"000003 -1", b"000003  2"),
        {},
        ["line 3 of", "cow_train.txt is '000003  2'"],
    ),
    "unknown id": (
        lambda f: change(f / "ImageSets/Main/cow_val.txt", b"000021", b"000099"),
        {},
        ["line 1 of", "cow_val.txt has the unknown '000099'"],
    ),
    "id without labels": (
        lambda f: change(f / "ImageSets/Main/cow_val.txt", b"000021 -1\r\n", b""),
        {},
        ["000021 has none in", "cow_*.txt"],
    ),
    "two splits": (
        lambda f: change(f / "ImageSets/Main/val.txt", b"000021", b"000001"),
        {},
        ["line 1 of", "lists 000001, which is in train"],
    ),
    "broken xml": (
        lambda f: change(f / "Annotations/000004.xml", b"</object>", b"</objekt>"),
        {"labels_from": "annotations"},
        ["000004.xml is broken XML (mismatched tag)", "line 13"],
    ),
    "cut xml": (
        lambda f: change(f / "Annotations/000004.xml", b"</annotation>", b""),
        {"labels_from": "annotations"},
        ["000004.xml is broken XML (no element found)"],
    ),
    "no xml": (
        lambda f: (f / "Annotations/000004.xml").unlink(),
        {"labels_from": "annotations"},
        ["000004.xml is not there"],
    ),
    "unknown class": (
        lambda f: change(f / "Annotations/000004.xml", b">dog<", b">unicorn<"),
        {"labels_from": "annotations"},
        ["000004.xml has the unknown class 'unicorn'"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_line_or_is_skipped(folder, case):
    spoil, options, words = BAD[case]
    spoil(folder)
    options = {"dataset": "voc2007", "root": str(folder), **options}
    text = refusal(**options)
    assert all(word in text for word in [*words, "set data.on_error to skip"]), text
    dataset = load_dataset({**options, "on_error": "skip"})
    skipped = dataset.info["skipped"]
    assert skipped["count"] >= 1
    assert any(all(word in problem for word in words) for problem in skipped["problems"])
    assert len(dataset.ids) >= 39


def test_missing_lists_are_refused(folder):
    (folder / "ImageSets/Main/test.txt").unlink()
    (folder / "ImageSets/Main/aeroplane_test.txt").unlink()
    assert "has no test.txt" in refusal(dataset="voc2007", root=str(folder))


def test_labels_alone_need_no_images(folder):
    for path in (folder / "JPEGImages").iterdir():
        path.unlink()
    options = {"dataset": "voc2007", "root": str(folder), "check_files": False}
    dataset = load_dataset(options)
    assert len(dataset.ids) == 40
    assert dataset.info["n_missing_files"] == 40
    assert not dataset.info["duplicates"]["checked"]


@pytest.mark.shared_data
@pytest.mark.parametrize(("difficult", "per_image"), [("positive", 1.560), ("negative", 1.437)])
def test_the_real_lists(difficult, per_image):
    if not (SHARED_DATA / "VOCdevkit").is_dir():
        pytest.skip(f"{SHARED_DATA}/VOCdevkit is not there")
    options = {"dataset": "voc2007", "root": str(SHARED_DATA), "check_files": False}
    dataset = load_dataset({**options, "difficult": difficult})
    info = dataset.info
    assert (info["n_train"], info["n_validation"], info["n_test"]) == (2501, 2510, 4952)
    assert len(dataset.labels) == 20
    assert dataset.targets.sum() / len(dataset.ids) == pytest.approx(per_image, abs=0.0005)
