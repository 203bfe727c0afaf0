"""COCO's `instances_*.json`: objects in photographs, read in bounded memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sigmoidf1.datasets.base import DatasetSource, Examples
from sigmoidf1.datasets.common_options import IMAGES, ROOT
from sigmoidf1.datasets.reading.files import decode, find_folder, read_bytes
from sigmoidf1.datasets.reading.images import ImageFolder
from sigmoidf1.datasets.reading.problems import Problems, Unusable
from sigmoidf1.errors import InputError

_KEPT = ("id", "image_id", "category_id", "file_name", "name")


def coco_source(year: int, *, count: str) -> DatasetSource:
    """Return COCO of one year: test = val, validation cut from train.

    Args:
        year: 2014 or 2017.
        count: how many images have annotations, for the summary.
    """
    how = (
        f"Download train{year}.zip, val{year}.zip and annotations_trainval{year}.zip from "
        "cocodataset.org (images.cocodataset.org/zips and /annotations), unpack them in one "
        f"folder, and set data.root to it: it holds annotations/instances_train{year}.json, "
        f"annotations/instances_val{year}.json, train{year}/ and val{year}/."
    )

    def read(options: Mapping[str, Any]) -> Examples:
        return _read(options, year, how)

    return DatasetSource(
        name=f"coco{year}",
        modality="image",
        summary=f"MS-COCO {year}: 80 kinds of objects in {count} photographs with annotations; "
        f"test is val{year}, validation is cut from train{year}",
        read=read,
        options=(ROOT, IMAGES),
        drop_unlabelled=True,
        get=how,
    )


def _read(options: Mapping[str, Any], year: int, how: str) -> Examples:
    problems = Problems(options["on_error"])
    folder = find_folder(options["root"], (".", "coco", f"coco{year}"), ("annotations",), how=how)
    parts = []
    for split, name in (("train", f"train{year}"), ("test", f"val{year}")):
        path = folder / "annotations" / f"instances_{name}.json"
        if not path.is_file():
            raise InputError(f"annotations/instances_{name}.json must be there, but is not. {how}")
        base = Path(options["images"]) if options["images"] else folder
        home = next(
            (base / sub for sub in (name, f"images/{name}") if (base / sub).is_dir()), base / name
        )
        images = ImageFolder(home, check_files=options["check_files"])
        parts.append((split, images, *_read_part(path, images, problems)))
    categories = parts[0][3]
    if parts[1][3] != categories:
        raise InputError(
            "train and val must have the same categories, but they differ in "
            f"{folder}/annotations. Use the two files of one release."
        )
    column = {category: place for place, category in enumerate(categories)}
    entries = [(split, *entry) for split, _, found, _ in parts for entry in found]
    if len({entry[1] for entry in entries}) < len(entries):
        # COCO numbers images over all its parts; data in its form often number each anew.
        entries = [(part, f"{part}/{name}", path, present) for part, name, path, present in entries]
    targets = np.zeros((len(entries), len(categories)), dtype=np.uint8)
    for row, (_, _, _, present) in enumerate(entries):
        targets[row, [column[category] for category in present]] = 1
    return Examples(
        ids=[entry[1] for entry in entries],
        inputs=[entry[2] for entry in entries],
        targets=targets,
        labels=list(categories.values()),
        split=np.array([entry[0] for entry in entries], dtype="<U10"),
        problems=problems,
        notes={
            "source": str(folder),
            "n_missing_files": sum(images.n_missing for _, images, _, _ in parts),
        },
    )


def _read_part(
    path: Path, images: ImageFolder, problems: Problems
) -> tuple[list[tuple[str, str, set[Any]]], dict[Any, str]]:
    """Return (id, path, categories) of each image, sorted by id, and the categories' names."""
    content = _load(path)
    categories = {entry["id"]: str(entry["name"]).strip() for entry in content["categories"]}
    categories = dict(sorted(categories.items()))
    present: dict[Any, set[Any]] = {}
    for entry in content["images"]:
        if entry["id"] in present:
            problems.report(
                f"an image must be listed once, but id {entry['id']} of {path} is twice",
                "Remove one",
            )
        present.setdefault(entry["id"], set())
    for number, entry in enumerate(content["annotations"]):
        image, category = entry.get("image_id"), entry.get("category_id")
        if image not in present or category not in categories:
            what = f"image id {image}" if image not in present else f"category id {category}"
            problems.report(
                f"annotations must be of listed images and categories, but annotation {number} of "
                f"{path} has the unknown {what}",
                "Remove it",
            )
            continue
        present[image].add(category)
    found = []
    files = {entry["id"]: entry["file_name"] for entry in content["images"]}
    for image in sorted(present, key=lambda key: (str(type(key)), key)):
        try:
            located = images.find(str(files[image]))
        except Unusable as error:
            problems.report(f"every image of {path} must be usable, but {error}", "Restore it")
            continue
        found.append((str(image), located, present[image]))
    return found, categories


def _load(path: Path) -> dict[str, list[dict[str, Any]]]:
    try:
        text = decode(read_bytes(path), path)
    except Unusable as error:
        raise InputError(
            f"annotations must be readable, but {error}. Download it again."
        ) from error
    try:
        content = json.loads(text, object_hook=_slim)
    except json.JSONDecodeError as error:
        raise InputError(
            f"annotations must be JSON, but {path} is broken at line {error.lineno}, column "
            f"{error.colno} ({error.msg}). Download it again."
        ) from error
    if not isinstance(content, dict):
        raise InputError(
            f"annotations must be a JSON object, but {path} is not. Download it again."
        )
    for key, wanted in (
        ("images", ("id", "file_name")),
        ("annotations", ("image_id", "category_id")),
        ("categories", ("id", "name")),
    ):
        entries = content.get(key)
        if not isinstance(entries, list):
            raise InputError(
                f"annotations must hold images, annotations and categories, but {path} has no list "
                f"{key!r}. Use the file instances_*.json."
            )
        for number, entry in enumerate(entries):
            if not isinstance(entry, dict) or any(name not in entry for name in wanted):
                raise InputError(
                    f"each of {key!r} must have {' and '.join(wanted)}, but number {number} of "
                    f"{path} has not. Use the file instances_*.json."
                )
    return content


def _slim(entry: dict[str, Any]) -> dict[str, Any]:
    # Outlines are nearly all of these files: dropped as they are read, they never pile up.
    if "segmentation" in entry or "bbox" in entry or "coco_url" in entry:
        return {key: entry[key] for key in _KEPT if key in entry}
    return entry
