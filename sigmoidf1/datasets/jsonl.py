"""Your own texts or images in JSON lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sigmoidf1.datasets.base import DatasetSource, Examples
from sigmoidf1.datasets.reading.labelled_tables import (
    ENCODING,
    TABLE_OPTIONS,
    find_files,
    read_tables,
)
from sigmoidf1.datasets.reading.problems import Problems
from sigmoidf1.datasets.reading.tables import read_json_lines


def read(options: Mapping[str, Any]) -> Examples:
    """Read one or several files of one JSON object a line.

    Raises:
        InputError: if files or columns are missing, or rows cannot be used (unless skipped).
    """
    problems = Problems(options["on_error"])
    tables = [
        (split, read_json_lines(path, problems, encoding=options["encoding"]))
        for split, path in find_files(options)
    ]
    return read_tables(tables, options, problems)


SOURCE = DatasetSource(
    name="jsonl",
    modality="text or image",
    summary="Your own texts or images in JSON lines, labels as lists, separated or one key each",
    read=read,
    options=(*TABLE_OPTIONS, ENCODING),
)
