import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sigmoidf1.datasets import load_dataset
from sigmoidf1.errors import InputError

SHARED_DATA = Path(
    os.environ.get("SIGMOIDF1_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data")
)
pytestmark = pytest.mark.filterwarnings("ignore::sigmoidf1.datasets.DroppedClassWarning")


def refusal(**options):
    with pytest.raises(InputError) as caught:
        load_dataset(options)
    text = str(caught.value)
    assert "\n" not in text
    return text


def part(first, count, prefix):
    """Return one instances file: every third image has two objects of one kind, one has none."""
    images = [
        {
            "license": 5,
            "file_name": f"{prefix}{number:012d}.jpg",
            "coco_url": "http://images.example/x.jpg",
            "height": 427,
            "width": 640,
            "date_captured": "2013-11-15 17:02:52",
            "id": number,
        }
        for number in range(first, first + count)
    ]
    annotations = []
    for entry in images[1:]:
        number = entry["id"]
        for category in ([1, 1] if number % 3 == 0 else [90]) + ([18] if number % 4 == 0 else []):
            annotations.append(
                {
                    "segmentation": [[510.66, 423.01, 511.72, 420.03]],
                    "area": 702.1,
                    "iscrowd": int(number % 7 == 0),
                    "image_id": number,
                    "bbox": [473.07, 395.93, 38.65, 28.67],
                    "category_id": category,
                    "id": len(annotations) + 1,
                }
            )
    categories = [
        {"supercategory": "person", "id": 1, "name": "person"},
        {"supercategory": "animal", "id": 18, "name": "dog"},
        {"supercategory": "indoor", "id": 90, "name": "toothbrush"},
    ]
    return {
        "info": {"year": 2014},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }


def write(root, year=2014, images="."):
    (root / "annotations").mkdir(parents=True)
    for name, first, count in (("train", 1, 41), ("val", 101, 21)):
        content = part(first, count, f"COCO_{name}2014_" if year == 2014 else "")
        (root / "annotations" / f"instances_{name}{year}.json").write_text(json.dumps(content))
        folder = root / images / f"{name}{year}"
        folder.mkdir(parents=True)
        for entry in content["images"]:
            pixels = np.full((8, 8, 3), entry["id"], np.uint8)
            Image.fromarray(pixels).save(folder / entry["file_name"])
    return root


@pytest.mark.parametrize(("year", "images"), [(2014, "."), (2017, "images")])
def test_val_is_test_and_validation_is_cut_from_train(tmp_path, year, images):
    dataset = load_dataset({"dataset": f"coco{year}", "root": str(write(tmp_path, year, images))})
    info = dataset.info
    # One image of each part has no annotation.
    assert (info["n_train"], info["n_validation"], info["n_test"]) == (30, 10, 20)
    assert dataset.labels == ["person", "dog", "toothbrush"]
    row = dataset.ids.index("12")
    assert dataset.targets[row].tolist() == [1, 1, 0]
    assert all(
        int(name) > 100 for name, s in zip(dataset.ids, dataset.split, strict=True) if s == "test"
    )


def test_images_without_annotation_are_kept_by_option(tmp_path):
    options = {"dataset": "coco2014", "root": str(write(tmp_path))}
    kept = load_dataset({**options, "unlabelled": "keep"})
    assert len(kept.ids) == 62
    assert kept.info["n_unlabelled"] == 2
    text = refusal(**options, unlabelled="refuse")
    assert "2 of 62 have none, the first of them id '1'" in text


def edit(root, change, name="instances_train2014.json"):
    path = root / "annotations" / name
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def unknown_image(content):
    content["annotations"][3]["image_id"] = 4711


def unknown_category(content):
    content["annotations"][3]["category_id"] = 91


def twice(content):
    content["images"].append(content["images"][5])


def escaping(content):
    content["images"][5]["file_name"] = "../../secret.jpg"


def missing(content):
    content["images"][5]["file_name"] = "absent.jpg"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (unknown_image, ["annotation 3 of", "unknown image id 4711"]),
        (unknown_category, ["annotation 3 of", "unknown category id 91"]),
        (twice, ["id 6 of", "is twice"]),
        (escaping, ["'../../secret.jpg' leads to", "must stay inside"]),
        (missing, ["absent.jpg is not there"]),
    ],
)
def test_bad_entries_get_one_line_or_are_skipped(tmp_path, change, words):
    root = write(tmp_path / "coco")
    edit(root, change)
    options = {"dataset": "coco2014", "root": str(root)}
    text = refusal(**options)
    assert all(word in text for word in words), text
    skipped = load_dataset({**options, "on_error": "skip"}).info["skipped"]
    assert skipped["count"] == 1
    assert all(word in skipped["problems"][0] for word in words)


def test_broken_files_are_named_with_line_and_column(tmp_path):
    root = write(tmp_path)
    path = root / "annotations" / "instances_val2014.json"
    path.write_text('{"images": [],\n "annotations": [}')
    text = refusal(dataset="coco2014", root=str(root))
    assert f"{path} is broken at line 2, column 18" in text
    path.write_text("[1, 2]")
    assert "must be a JSON object" in refusal(dataset="coco2014", root=str(root))
    path.write_text('{"images": []}')
    assert "has no list 'annotations'" in refusal(dataset="coco2014", root=str(root))
    path.unlink()
    assert "instances_val2014.json must be there" in refusal(dataset="coco2014", root=str(root))


def test_other_categories_in_val_are_refused(tmp_path):
    root = write(tmp_path)
    edit(root, lambda content: content["categories"].pop(), "instances_val2014.json")
    edit(root, lambda c: c.update(annotations=[]), "instances_val2014.json")
    assert "the same categories" in refusal(dataset="coco2014", root=str(root))


def test_a_missing_folder_says_what_to_download(tmp_path):
    text = refusal(dataset="coco2014", root=str(tmp_path))
    assert "annotations_trainval2014.zip" in text
    assert "instances_val2014.json" in text


def test_parts_that_number_their_images_anew(tmp_path):
    root = write(tmp_path)
    content = part(1, 21, "COCO_val2014_")
    for entry in content["images"]:
        entry["file_name"] = f"COCO_val2014_{entry['id'] + 100:012d}.jpg"
    path = root / "annotations" / "instances_val2014.json"
    path.write_text(json.dumps(content))
    dataset = load_dataset({"dataset": "coco2014", "root": str(root)})
    assert len(dataset.ids) == 60
    assert "train/5" in dataset.ids
    assert "test/5" in dataset.ids


@pytest.mark.shared_data
def test_the_real_images():
    root = SHARED_DATA / "coco256"
    if not root.is_dir():
        pytest.skip(f"{root} is not there")
    dataset = load_dataset({"dataset": "coco2017", "root": str(root)})
    info = dataset.info
    assert info["n_read"] == 256
    assert (info["n_train"], info["n_validation"], info["n_test"]) == (94, 32, 128)
    assert info["duplicates"]["checked"]
    everything = load_dataset({"dataset": "coco2017", "root": str(root), "unlabelled": "keep"})
    assert len(everything.ids) == 256
