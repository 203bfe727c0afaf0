"""Your own texts or images in Parquet files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sigmoidf1.datasets.base import DatasetSource, Examples
from sigmoidf1.datasets.reading.labelled_tables import TABLE_OPTIONS, find_files, read_tables
from sigmoidf1.datasets.reading.problems import Problems
from sigmoidf1.datasets.reading.tables import read_parquet


def read(options: Mapping[str, Any]) -> Examples:
    """Read one or several Parquet files.

    Raises:
        InputError: if files or columns are missing, or rows cannot be used (unless skipped).
    """
    problems = Problems(options["on_error"])
    tables = [(split, read_parquet(path)) for split, path in find_files(options)]
    return read_tables(tables, options, problems)


SOURCE = DatasetSource(
    name="parquet",
    modality="text or image",
    summary="Your own texts or image paths in Parquet files (through pyarrow)",
    read=read,
    options=TABLE_OPTIONS,
)
