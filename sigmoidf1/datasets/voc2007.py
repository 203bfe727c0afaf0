"""Pascal VOC 2007: 20 kinds of objects in photographs, with its official splits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree  # nosec B405

import numpy as np

from sigmoidf1.datasets.base import DatasetSource, Examples
from sigmoidf1.datasets.common_options import IMAGES, ROOT
from sigmoidf1.datasets.reading.files import InsideFolder, find_folder, read_bytes, read_text
from sigmoidf1.datasets.reading.images import ImageFolder
from sigmoidf1.datasets.reading.labels import make_targets
from sigmoidf1.datasets.reading.problems import Problems, Unusable
from sigmoidf1.errors import InputError
from sigmoidf1.options import Option

CLASSES = [
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
]
_FILES = {"train": "train", "val": "validation", "test": "test"}
_DIFFICULT = {"positive": {"1", "0"}, "negative": {"1"}}

HOW = (
    "Download VOCtrainval_06-Nov-2007.tar and VOCtest_06-Nov-2007.tar from the PASCAL VOC 2007 "
    "site (host.robots.ox.ac.uk/pascal/VOC/voc2007), unpack both in one place, and set data.root "
    "to that place: it holds VOCdevkit/VOC2007 with ImageSets/Main, Annotations and JPEGImages."
)


def read(options: Mapping[str, Any]) -> Examples:
    """Read labels from ImageSets/Main or Annotations, and find the images.

    Raises:
        InputError: if folders or files are missing or broken (unless skipped).
    """
    problems = Problems(options["on_error"])
    folder = find_folder(
        options["root"],
        ("VOCdevkit/VOC2007", "VOC2007", "."),
        ("ImageSets", "Annotations"),
        how=HOW,
    )
    split_of = _read_splits(folder, problems)
    source = options["labels_from"]
    if source == "auto":
        has_lists = (folder / "ImageSets" / "Main" / f"{CLASSES[0]}_train.txt").is_file()
        source = "imagesets" if has_lists else "annotations"
    counted = _DIFFICULT[options["difficult"]]
    if source == "imagesets":
        names = _read_class_lists(folder / "ImageSets" / "Main", split_of, counted, problems)
    else:
        names = _read_annotations(folder / "Annotations", split_of, counted, problems)
    images = ImageFolder(
        Path(options["images"] or folder / "JPEGImages"), check_files=options["check_files"]
    )
    ids, paths = [], []
    for name in sorted(names):
        try:
            paths.append(images.find(f"{name}.jpg"))
        except Unusable as error:
            problems.report(f"every listed image must be there, but {error}", "Restore it")
            continue
        ids.append(name)
    targets, labels = make_targets([names[name] for name in ids], CLASSES)
    return Examples(
        ids=ids,
        inputs=paths,
        targets=targets,
        labels=labels,
        split=np.array([split_of[name] for name in ids], dtype="<U10"),
        problems=problems,
        notes={"source": str(folder), "labels_from": source, "n_missing_files": images.n_missing},
    )


def _read_splits(folder: Path, problems: Problems) -> dict[str, str]:
    """Return each image's split, from train.txt, val.txt and test.txt or a class's lists."""
    lists = folder / "ImageSets" / "Main"
    split_of: dict[str, str] = {}
    for file, split in _FILES.items():
        path = lists / f"{file}.txt"
        if not path.is_file():
            path = lists / f"{CLASSES[0]}_{file}.txt"
        if not path.is_file():
            raise InputError(
                f"ImageSets/Main must list train, val and test, but {lists} has no {file}.txt. "
                f"{HOW}"
            )
        for number, line in _lines(path, problems):
            name = line.split()[0]
            if split_of.setdefault(name, split) != split:
                problems.report(
                    f"an image must be in one split, but line {number} of {path} lists {name}, "
                    f"which is in {split_of[name]}",
                    "Remove one of the two",
                )
    return split_of


def _read_class_lists(
    lists: Path, split_of: Mapping[str, str], counted: set[str], problems: Problems
) -> dict[str, set[str]]:
    names: dict[str, set[str]] = {name: set() for name in split_of}
    for label in CLASSES:
        listed: set[str] = set()
        for file in _FILES:
            path = lists / f"{label}_{file}.txt"
            if not path.is_file():
                raise InputError(f"every class must have its lists, but {path} is missing. {HOW}")
            for number, line in _lines(path, problems):
                fields = line.split()
                if len(fields) != 2 or fields[1] not in ("-1", "0", "1"):
                    problems.report(
                        f"a line must be an image and -1, 0 or 1, but line {number} of {path} is "
                        f"{line!r:.80}",
                        "Correct the line",
                    )
                    continue
                name, mark = fields
                if name not in names:
                    problems.report(
                        f"labels must be for images of a split, but line {number} of {path} has "
                        f"the unknown {name!r}",
                        "Remove the line",
                    )
                    continue
                listed.add(name)
                if mark in counted:
                    names[name].add(label)
        for name in sorted(names.keys() - listed):
            problems.report(
                f"every image must have its line for every class, but {name} has none in "
                f"{lists}/{label}_*.txt",
                "Add the line",
            )
            del names[name]
    return names


def _read_annotations(
    folder: Path, split_of: Mapping[str, str], counted: set[str], problems: Problems
) -> dict[str, set[str]]:
    names: dict[str, set[str]] = {}
    inside = InsideFolder(folder)
    for name in split_of:
        try:
            names[name] = parse_annotation(inside.locate(f"{name}.xml"), counted)
        except Unusable as error:
            problems.report(f"every image must have its annotation, but {error}", "Restore it")
    return names


def parse_annotation(path: Path, counted: set[str]) -> set[str]:
    """Return the classes of one annotation file.

    Args:
        path: the XML file.
        counted: `1`, and `0` if objects marked as difficult count too.

    Raises:
        Unusable: if the file is missing or broken, or names an unknown class.
    """
    try:
        # Expat loads no external entity, and refuses those that grow without end.
        root = ElementTree.fromstring(read_bytes(path))  # noqa: S314  # nosec B314
    except ElementTree.ParseError as error:
        line, column = error.position
        reason = str(error).partition(":")[0]
        raise Unusable(
            f"line {line}, column {column + 1} of {path} is broken XML ({reason})"
        ) from error
    found = set()
    for thing in root.iter("object"):
        label = (thing.findtext("name") or "").strip()
        if label not in CLASSES:
            raise Unusable(f"{path} has the unknown class {label!r}")
        difficult = (thing.findtext("difficult") or "0").strip() == "1"
        if ("0" if difficult else "1") in counted:
            found.add(label)
    return found


def _lines(path: Path, problems: Problems) -> list[tuple[int, str]]:
    try:
        text = read_text(path)
    except Unusable as error:
        problems.report(f"every list must be readable text, but {error}", "Restore it")
        return []
    return [(n, line) for n, line in enumerate(text.split("\n"), start=1) if line.strip()]


SOURCE = DatasetSource(
    name="voc2007",
    modality="image",
    summary="Pascal VOC 2007: 20 kinds of objects in 9,963 photographs, official splits",
    read=read,
    options=(
        ROOT,
        IMAGES,
        Option(
            name="labels_from",
            kind="str",
            description="where labels are read: imagesets (CLASS_SPLIT.txt), annotations (XML), "
            "or auto: imagesets where they are there",
            default="auto",
            choices=("auto", "imagesets", "annotations"),
        ),
        Option(
            name="difficult",
            kind="str",
            description="what a class counts as that an image shows only in objects marked as "
            "difficult; positive gives the paper's 1.6 labels per image",
            default="positive",
            choices=("positive", "negative"),
        ),
    ),
    get=HOW,
)
