"""Files of tables: CSV, JSON and Parquet, written frame by frame."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import pandas as pd

from sweeps.errors import SweepError


class TableWriter(Protocol):
    """Takes frames with the same columns, one after the other."""

    def write(self, frame: pd.DataFrame) -> None:
        """Append a frame."""


@contextmanager
def open_writer(kind: str, path: Path | None, stream: IO[str]) -> Iterator[TableWriter]:
    """A writer of ``csv``, ``json`` or ``parquet``, into a file that appears when it is whole.

    Args:
        kind: the format.
        path: the file; None writes to ``stream``.
        stream: where text goes without a file.

    Raises:
        SweepError: the folder is not there, Parquet is to be printed or pyarrow is missing.
    """
    if kind == "parquet":
        if path is None:
            raise SweepError("Parquet is no text to print: give a file by -o FILE.parquet.")
        with _whole(path) as partial, _ParquetWriter(partial) as parquet:
            yield parquet
        return
    writer = _CsvWriter if kind == "csv" else _JsonWriter
    if path is None:
        with writer(stream) as text:
            yield text
        return
    with (
        _whole(path) as partial,
        partial.open("w", encoding="utf-8", newline="") as file,
        writer(file) as text,
    ):
        yield text


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.touch()
        yield partial
        partial.replace(path)
    except OSError as error:
        raise SweepError(
            f"an export is written into a folder that may be written, but {path} cannot be "
            f"({error.strerror}). Give another -o."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


class _Writer(AbstractContextManager["_Writer"]):
    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._begun = False

    def write(self, frame: pd.DataFrame) -> None:
        raise NotImplementedError


class _CsvWriter(_Writer):
    def write(self, frame: pd.DataFrame) -> None:
        frame.to_csv(self._file, index=False, header=not self._begun, lineterminator="\n")
        self._begun = True

    def __exit__(self, *_: object) -> None:
        self._file.flush()


class _JsonWriter(_Writer):
    """An array of objects; NaN is null, times are ISO 8601, floats keep every digit."""

    def write(self, frame: pd.DataFrame) -> None:
        columns = list(frame)
        lists = [_json_values(frame[column]) for column in columns]
        for values in zip(*lists, strict=True):
            self._file.write(",\n" if self._begun else "[\n")
            record = dict(zip(columns, values, strict=True))
            self._file.write(json.dumps(record, ensure_ascii=False, allow_nan=False))
            self._begun = True

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._file.write("\n]\n" if self._begun else "[]\n")
            self._file.flush()


def _json_values(column: pd.Series[Any]) -> list[Any]:
    missing = column.isna().tolist()
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        values: list[Any] = [None if pd.isna(time) else time.isoformat() for time in column]
    else:
        values = column.tolist()
    return [
        None if gone or (isinstance(value, float) and not math.isfinite(value)) else value
        for value, gone in zip(values, missing, strict=True)
    ]


class _ParquetWriter(AbstractContextManager["_ParquetWriter"]):
    def __init__(self, path: Path) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise SweepError(
                "Parquet needs the package pyarrow, which is not installed: "
                "pip install pyarrow, or choose --format csv."
            ) from error
        self._arrow = pyarrow
        self._path = path
        self._writer: Any = None

    def write(self, frame: pd.DataFrame) -> None:
        schema = None if self._writer is None else self._writer.schema
        table = self._arrow.Table.from_pandas(frame, schema=schema, preserve_index=False)
        if self._writer is None:
            self._writer = self._arrow.parquet.ParquetWriter(self._path, table.schema)
        self._writer.write_table(table)

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()
