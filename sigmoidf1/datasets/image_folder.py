"""Your own folder of images with a table of their labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sigmoidf1.datasets.base import DatasetSource, Examples
from sigmoidf1.datasets.common_options import IMAGES, ROOT
from sigmoidf1.datasets.reading.files import find_folder
from sigmoidf1.datasets.reading.images import ImageFolder
from sigmoidf1.datasets.reading.labelled_tables import read_tables
from sigmoidf1.datasets.reading.problems import Problems
from sigmoidf1.datasets.reading.table_columns import COLUMN_OPTIONS, usual_image_column
from sigmoidf1.datasets.reading.tables import Table, read_csv, read_json_lines, read_parquet
from sigmoidf1.options import Option

_TABLES = tuple(
    f"{name}.{ending}"
    for name in ("labels", "metadata", "annotations", "train")
    for ending in ("csv", "tsv", "jsonl", "json", "parquet")
)

HOW = (
    "Set data.root to a folder of images with a table in it (labels.csv, metadata.jsonl, …) that "
    "has a column of image names, relative to the folder and with or without their ending, and "
    "labels; set data.table where the table has another name."
)


def read(options: Mapping[str, Any]) -> Examples:
    """Read the table, and find every image it names and every image it does not.

    Raises:
        InputError: if folder or table are missing, or images and rows do not match (unless
            skipped).
    """
    problems = Problems(options["on_error"])
    names = (options["table"],) if options["table"] else _TABLES
    folder = find_folder(options["root"], (".",), names, how=HOW)
    path = next(folder / name for name in names if (folder / name).exists())
    images = ImageFolder(Path(options["images"] or folder), check_files=options["check_files"])
    table = _read_table(path, problems)
    image = options["image"] or usual_image_column(table.columns)
    options = {**options, "image": image, "text": None}
    examples = read_tables([(None, table)], options, problems, images=images)
    named = set(examples.inputs or ())
    for name in images.names():
        if str(images.folder / name) not in named:
            problems.report(
                f"every image must have a row of labels, but {images.folder / name} has none that "
                f"can be used in {path}",
                "Add the row or remove the image",
            )
    return examples


def _read_table(path: Path, problems: Problems) -> Table:
    if path.suffix == ".parquet":
        return read_parquet(path)
    if path.suffix in (".jsonl", ".json"):
        return read_json_lines(path, problems)
    return read_csv(path, problems)


SOURCE = DatasetSource(
    name="image_folder",
    modality="image",
    summary="Your own folder of images with a table of their labels in it",
    read=read,
    options=(
        ROOT,
        IMAGES,
        Option(
            name="table",
            kind="str",
            description="the table's file name in the folder (default: labels.csv, "
            "metadata.jsonl, …)",
            nullable=True,
        ),
        *(option for option in COLUMN_OPTIONS if option.name != "text"),
    ),
    get=HOW,
)
