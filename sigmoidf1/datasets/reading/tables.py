"""Tables of examples: CSV and its relatives, JSON lines, Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sigmoidf1.datasets.reading.files import decode, read_bytes
from sigmoidf1.datasets.reading.problems import Problems, Unusable
from sigmoidf1.errors import InputError

DELIMITERS = (",", ";", "\t", "|")
_FIELD_BYTES = 1 << 30


@dataclass(frozen=True)
class Table:
    """A table's rows.

    Args:
        path: its file.
        columns: their names, in order.
        rows: each with its number and its cells by column; absent cells are missing.
        unit: what the numbers count, `line` or `row`.
    """

    path: Path
    columns: list[str]
    rows: list[tuple[int, dict[str, Any]]]
    unit: str

    def place(self, number: int) -> str:
        """Return a row's place in words, such as `line 3 of labels.csv`."""
        return f"{self.unit} {number} of {self.path}"


def read_csv(
    path: Path, problems: Problems, *, delimiter: str | None = None, encoding: str | None = None
) -> Table:
    """Read a table with a header line.

    Args:
        path: the file, perhaps packed as `.gz`.
        problems: told of lines with too many or too few cells.
        delimiter: what separates cells; None for the one that is most frequent in the header.
        encoding: None for UTF-8, else Windows-1252 or Latin-1.

    Raises:
        InputError: if the file is missing, no text, or its header is broken.
    """
    text = _text(path, encoding)
    header = text.lstrip("\n\r").partition("\n")[0]
    mark = delimiter or max(DELIMITERS, key=header.count)
    csv.field_size_limit(_FIELD_BYTES)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    columns: list[str] = []
    rows: list[tuple[int, dict[str, Any]]] = []
    for start, fields, reason in _records(reader, path):
        if reason is not None:
            problems.report(
                f"every line must be well-formed CSV, but line {start} of {path} is not ({reason})",
                "Correct its quotes",
            )
        elif not fields or (len(fields) == 1 and not fields[0].strip()):
            continue
        elif not columns:
            columns = _header([field.strip() for field in fields], path)
        elif len(fields) != len(columns):
            problems.report(
                f"every line must have the header's {len(columns)} cells, but line {start} of "
                f"{path} has {len(fields)}",
                "Quote cells that hold the delimiter",
            )
        else:
            rows.append((start, dict(zip(columns, fields, strict=True))))
    if not columns:
        raise InputError(f"a table must have a header line, but {path} is empty. Fill it in.")
    return Table(path, columns, rows, "line")


def _records(reader: Any, path: Path) -> Iterator[tuple[int, list[str], str | None]]:
    """Yield the first line, the cells and what is wrong of each record."""
    while True:
        start = reader.line_num + 1
        try:
            yield start, next(reader), None
        except StopIteration:
            return
        except csv.Error as error:
            if "end of data" in str(error):
                # Everything after the quote is inside it: leaving that out would lose rows unseen.
                raise InputError(
                    f"every quote must be closed, but one of the record that begins in line "
                    f"{start} of {path} is not. Close it."
                ) from error
            yield start, [], str(error)


def read_json_lines(path: Path, problems: Problems, *, encoding: str | None = None) -> Table:
    """Read one JSON object a line, or one JSON list of objects.

    Args:
        path: the file, perhaps packed as `.gz`.
        problems: told of lines that are no JSON object.
        encoding: None for UTF-8, else Windows-1252 or Latin-1.

    Raises:
        InputError: if the file is missing or no text.
    """
    text = _text(path, encoding)
    rows: list[tuple[int, dict[str, Any]]] = []
    if text.lstrip().startswith("["):
        return _read_json_list(path, text, problems)
    # Not splitlines(): JSON texts may hold U+2028 and other line ends of Unicode.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = parse_object(line)
        except Unusable as error:
            problems.report(
                f"every line must be a JSON object, but line {number} of {path} is not ({error})",
                "Correct the line",
            )
            continue
        rows.append((number, value))
    return Table(path, _columns_of(rows), rows, "line")


def parse_object(line: str) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        Unusable: if the text is broken JSON or another value; says where.
    """
    try:
        value = json.loads(line.rstrip())
    except json.JSONDecodeError as error:
        raise Unusable(f"{error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise Unusable("it is nested too deeply") from error
    if not isinstance(value, dict):
        raise Unusable(f"it is a {type(value).__name__}")
    return value


def read_parquet(path: Path) -> Table:
    """Read a Parquet file through pyarrow.

    Raises:
        InputError: if pyarrow is not installed, or the file is missing or broken.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise InputError(
            f"Parquet files need the package pyarrow to be read, but it is not installed ({path}). "
            "Run: pip install pyarrow"
        ) from error
    try:
        table = parquet.ParquetFile(path).read()
    except (OSError, pyarrow.ArrowException) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(
            f"data.path must name a whole Parquet file, but {path} is not ({reason}). "
            "Write it again."
        ) from error
    columns = _header(list(table.column_names), path)
    rows = list(enumerate(table.to_pylist(), start=1))
    return Table(path, columns, rows, "row")


def _read_json_list(path: Path, text: str, problems: Problems) -> Table:
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"a JSON file must be whole, but {path} is broken at line {error.lineno}, column "
            f"{error.colno} ({error.msg}). Correct it."
        ) from error
    rows = []
    for number, value in enumerate(values, start=1):
        if isinstance(value, dict):
            rows.append((number, value))
        else:
            problems.report(
                f"every entry must be a JSON object, but entry {number} of {path} is a "
                f"{type(value).__name__}",
                "Correct the entry",
            )
    return Table(path, _columns_of(rows), rows, "entry")


def _columns_of(rows: list[tuple[int, dict[str, Any]]]) -> list[str]:
    return list(dict.fromkeys(key for _, row in rows for key in row))


def _text(path: Path, encoding: str | None) -> str:
    try:
        return decode(read_bytes(path), path, encoding)
    except Unusable as error:
        raise InputError(
            f"a table must be a readable text file, but {error}. Correct it."
        ) from error


def _header(columns: list[str], path: Path) -> list[str]:
    repeated = [name for name, times in Counter(columns).items() if times > 1]
    if repeated:
        raise InputError(
            f"columns must have distinct names, but {path} has {repeated[0]!r} more than once. "
            "Rename one."
        )
    return columns
