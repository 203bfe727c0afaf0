"""Your own texts or images in CSV files."""

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
from sigmoidf1.datasets.reading.tables import read_csv
from sigmoidf1.options import Option


def read(options: Mapping[str, Any]) -> Examples:
    """Read one or several CSV files.

    Raises:
        InputError: if files or columns are missing, or rows cannot be used (unless skipped).
    """
    problems = Problems(options["on_error"])
    tables = [
        (
            split,
            read_csv(path, problems, delimiter=options["delimiter"], encoding=options["encoding"]),
        )
        for split, path in find_files(options)
    ]
    return read_tables(tables, options, problems)


SOURCE = DatasetSource(
    name="csv",
    modality="text or image",
    summary="Your own texts or images in CSV or TSV files, labels separated or one column each",
    read=read,
    options=(
        *TABLE_OPTIONS,
        Option(
            name="delimiter",
            kind="str",
            description="what separates cells (default: the most frequent of , ; | and tab in the "
            "header)",
            nullable=True,
        ),
        ENCODING,
    ),
)
