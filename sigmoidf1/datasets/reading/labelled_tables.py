"""Examples from tables of a user's own: texts or image paths with labels in any usual form."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sigmoidf1.datasets.base import Examples
from sigmoidf1.datasets.common_options import IMAGES, ROOT
from sigmoidf1.datasets.reading.files import find_file
from sigmoidf1.datasets.reading.images import ImageFolder
from sigmoidf1.datasets.reading.labels import make_targets, parse_flag, parse_labels
from sigmoidf1.datasets.reading.problems import Problems, Unusable
from sigmoidf1.datasets.reading.table_columns import COLUMN_OPTIONS, Columns, find_columns
from sigmoidf1.datasets.reading.tables import Table
from sigmoidf1.errors import InputError
from sigmoidf1.options import Option

_FILE_OPTIONS = ("path", "train", "validation", "test")
_SPLIT_NAMES = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "development"), "validation"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}

TABLE_OPTIONS = (
    Option(name="path", kind="path", description="the file with all examples", nullable=True),
    *(
        Option(
            name=name,
            kind="path",
            description=f"the file of the {name} split, where splits are separate files",
            nullable=True,
        )
        for name in _FILE_OPTIONS[1:]
    ),
    ROOT,
    IMAGES,
    *COLUMN_OPTIONS,
)

ENCODING = Option(
    name="encoding",
    kind="str",
    description="the text's encoding (default: UTF-8, else Windows-1252 or Latin-1)",
    nullable=True,
)


def find_files(options: Mapping[str, Any]) -> list[tuple[str | None, Path]]:
    """Return the files that options name, each with its split or None.

    Raises:
        InputError: unless `path`, or `train` and `test` are given and there.
    """
    given = [name for name in _FILE_OPTIONS if options[name] is not None]
    by_split = "path" not in given and {"train", "test"} <= set(given)
    if given != ["path"] and not by_split:
        raise InputError(
            "data must name its files as data.path, or as data.train and data.test (and "
            f"data.validation), but got {', '.join('data.' + n for n in given) or 'none'}."
        )
    return [
        (None if name == "path" else name, find_file(options[name], options["root"], option=name))
        for name in given
    ]


def read_tables(
    tables: Sequence[tuple[str | None, Table]],
    options: Mapping[str, Any],
    problems: Problems,
    *,
    images: ImageFolder | None = None,
) -> Examples:
    """Make examples of the rows of one or several tables.

    Args:
        tables: each with the split that all its rows are in, or None.
        options: a value for each of `TABLE_OPTIONS`.
        problems: told of rows that cannot be used.
        images: where images lie; None for the folder that options name, else that of the table.

    Raises:
        InputError: if columns are missing, or rows cannot be used (unless skipped).
    """
    columns = find_columns([table for _, table in tables], options)
    if columns.image is not None and images is None:
        home = options["images"] or options["root"] or tables[0][1].path.parent
        images = ImageFolder(Path(home), check_files=options["check_files"])
    rows = _Rows(columns, images)
    for split, table in tables:
        for number, cells in table.rows:
            try:
                rows.add(cells, split)
            except Unusable as error:
                problems.report(
                    f"every row must be an example, but {table.place(number)} is not ({error})",
                    "Correct it",
                )
    targets, labels = make_targets(rows.names, columns.flags or None)
    has_split = columns.split is not None or any(split for split, _ in tables)
    return Examples(
        ids=rows.ids,
        modality="text" if images is None else "image",
        inputs=rows.inputs,
        targets=targets,
        labels=labels,
        groups=rows.groups if columns.group else None,
        split=np.array(rows.splits, dtype="<U10") if has_split else None,
        problems=problems,
        notes={
            "source": [str(table.path) for _, table in tables],
            "columns": {
                "input": columns.image or columns.text,
                "id": columns.id,
                "labels": columns.labels or columns.flags,
                "separator": columns.separator,
                "split": columns.split,
                "group": columns.group,
            },
            "n_missing_files": 0 if images is None else images.n_missing,
        },
    )


class _Rows:
    """Rows turned into examples one after another."""

    def __init__(self, columns: Columns, images: ImageFolder | None) -> None:
        self._columns = columns
        self._images = images
        self._seen: set[str] = set()
        self._copies: dict[str, int] = {}
        self.ids: list[str] = []
        self.inputs: list[str] = []
        self.names: list[list[str]] = []
        self.groups: list[str] = []
        self.splits: list[str] = []

    def add(self, cells: Mapping[str, Any], split: str | None) -> None:
        """Add one row.

        Raises:
            Unusable: if it cannot be used; nothing is added then.
        """
        columns = self._columns
        content = self._read_input(cells)
        names = self._read_labels(cells)
        group = ""
        if columns.group is not None:
            group = _read_text(cells.get(columns.group))
            if not group:
                raise Unusable(f"column {columns.group} is empty")
        if split is None and columns.split is not None:
            written = str(cells.get(columns.split) or "").strip().lower()
            split = _SPLIT_NAMES.get(written)
            if split is None:
                raise Unusable(
                    f"column {columns.split} must be train, validation or test, but is "
                    f"{written!r:.80}"
                )
        self.ids.append(self._make_id(cells, content))
        self.inputs.append(content)
        self.names.append(names)
        self.groups.append(group)
        self.splits.append(split or "")

    def _read_input(self, cells: Mapping[str, Any]) -> str:
        columns = self._columns
        if columns.image is not None and self._images is not None:
            name = cells.get(columns.image)
            if not isinstance(name, str) or not name.strip():
                raise Unusable(f"column {columns.image} must be a path, but is {name!r:.80}")
            return self._images.find(name.strip())
        text = "\n".join(filter(None, (_read_text(cells.get(name)) for name in columns.text)))
        if not text:
            raise Unusable(f"its text (column {', '.join(columns.text)}) is empty")
        return text

    def _read_labels(self, cells: Mapping[str, Any]) -> list[str]:
        columns = self._columns
        if columns.labels is not None:
            return parse_labels(cells.get(columns.labels), columns.separator)
        names = []
        for column in columns.flags:
            flag = parse_flag(cells.get(column))
            if flag is None:
                raise Unusable(f"column {column} must be 0 or 1, but is {cells.get(column)!r:.80}")
            if flag:
                names.append(column)
        return names

    def _make_id(self, cells: Mapping[str, Any], content: str) -> str:
        column = self._columns.id
        if column is not None:
            name = _read_text(cells.get(column))
            if not name:
                raise Unusable(f"its id (column {column}) is empty")
            if name in self._seen:
                raise Unusable(f"its id {name!r:.80} occurred before")
            self._seen.add(name)
            return name
        # From the content, not the row: a split must not change when rows change places.
        if self._images is not None:
            base = self._images.name_of(content)
        else:
            base = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        self._copies[base] = self._copies.get(base, 0) + 1
        return base if self._copies[base] == 1 else f"{base}-{self._copies[base]}"


def _read_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Unusable(f"a text must be a text, but is {value!r:.80}")
    text = str(value).strip()
    try:
        text.encode()
    except UnicodeEncodeError:
        # JSON can escape half of a surrogate pair, which no tokenizer takes.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
