"""Cells as columns: the settings of every cell of a loss, without a JSON text a cell."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from storage.errors import StoreCorruptError
from storage.schema import cell_columns, cells, dump_json

_BATCH = 10_000


class CellColumns(NamedTuple):
    """Cells of one loss, in the plan's order.

    Attributes:
        cell_ids: (N,) their ids.
        ordinals: (N,) their places in the plan.
        values: setting -> its distinct values, None where a cell does not have it.
        codes: setting -> (N,) index into its values.
    """

    cell_ids: npt.NDArray[np.int64]
    ordinals: npt.NDArray[np.int64]
    values: dict[str, list[Any]]
    codes: dict[str, npt.NDArray[np.int64]]


def settings_of(
    hyperparameters: Mapping[str, Any], training: Mapping[str, Any], head: Mapping[str, Any]
) -> dict[str, Any]:
    """All settings of a cell by name; the head's are called `head_<name>`."""
    return {**{f"head_{key}": value for key, value in head.items()}, **training, **hyperparameters}


def encode_columns(
    cell_ids: Sequence[int], ordinals: Sequence[int], settings: Sequence[Mapping[str, Any]]
) -> bytes:
    """Cells as bytes: a JSON header of names and distinct values, then the codes.

    A setting that is the same everywhere takes no codes.
    """
    names = dict.fromkeys(name for setting in settings for name in setting)
    header: list[tuple[str, list[Any], str]] = []
    parts = [np.asarray(cell_ids, "<i8"), np.asarray(ordinals, "<i8")]
    for name in names:
        values = [_comparable(setting.get(name)) for setting in settings]
        known = {value: code for code, value in enumerate(dict.fromkeys(values))}
        kind = "" if len(known) == 1 else "<u2" if len(known) < 2**16 else "<u4"
        header.append((name, [json.loads(dump_json(v)) for _, v in known], kind))
        if kind:
            parts.append(np.array([known[value] for value in values], kind))
    text = dump_json({"size": len(cell_ids), "columns": header}).encode()
    return b"".join([len(text).to_bytes(4, "little"), text, *(part.tobytes() for part in parts)])


def _comparable(value: Any) -> tuple[type, Any]:
    # 1, 1.0 and True are equal in Python, and three different settings.
    return type(value), tuple(value) if isinstance(value, list) else value


def decode_columns(data: bytes) -> CellColumns:
    """The inverse of `encode_columns`.

    Raises:
        StoreCorruptError: the bytes are not those of cells.
    """
    try:
        length = int.from_bytes(data[:4], "little")
        header = json.loads(data[4 : 4 + length])
        start, size = 4 + length, header["size"]
        arrays = []
        for kind in ("<i8", "<i8", *(column[2] for column in header["columns"])):
            array = np.frombuffer(data, kind, size, start) if kind else np.zeros(size, np.int8)
            start += array.nbytes if kind else 0
            arrays.append(array.astype(np.int64))
    except (ValueError, KeyError, TypeError) as error:
        raise StoreCorruptError(
            f"The columns of cells must decode, but got {error}. "
            "The store is damaged: restore it from a backup."
        ) from None
    names = [column[0] for column in header["columns"]]
    values = {name: column[1] for name, column in zip(names, header["columns"], strict=True)}
    return CellColumns(arrays[0], arrays[1], values, dict(zip(names, arrays[2:], strict=True)))


def add_columns(connection: sa.Connection, sweep_id: int, keys: Sequence[str]) -> None:
    """Keep the columns of new cells, a part per loss."""
    rows: list[Any] = []
    c = cells.c
    query = sa.select(c.loss, c.id, c.ordinal, c.hyperparameters, c.training, c.head)
    for start in range(0, len(keys), _BATCH):
        batch = keys[start : start + _BATCH]
        rows += connection.execute(query.where(c.sweep_id == sweep_id, c.key.in_(batch)))
    _insert(connection, sweep_id, rows)


def rebuild_columns(connection: sa.Connection, sweep_id: int) -> None:
    """Keep the columns of all cells anew, for instance when some have gone."""
    connection.execute(cell_columns.delete().where(cell_columns.c.sweep_id == sweep_id))
    c = cells.c
    query = sa.select(c.loss, c.id, c.ordinal, c.hyperparameters, c.training, c.head)
    _insert(connection, sweep_id, connection.execute(query.where(c.sweep_id == sweep_id)))


def _insert(connection: sa.Connection, sweep_id: int, rows: Iterable[Any]) -> None:
    by_loss: dict[str, list[Any]] = {}
    for row in rows:
        by_loss.setdefault(row[0], []).append(row)
    parts = dict(
        connection.execute(
            sa.select(cell_columns.c.loss, sa.func.max(cell_columns.c.part))
            .where(cell_columns.c.sweep_id == sweep_id)
            .group_by(cell_columns.c.loss)
        ).all()
    )
    for loss, own in by_loss.items():
        own.sort(key=lambda row: (row[2], row[1]))
        settings = [settings_of(*row[3:]) for row in own]
        data = encode_columns([row[1] for row in own], [row[2] for row in own], settings)
        values = {"sweep_id": sweep_id, "loss": loss, "part": parts.get(loss, -1) + 1}
        connection.execute(cell_columns.insert(), values | {"data": data})


def read_columns(connection: sa.Connection, sweep_id: int, loss: str) -> CellColumns:
    """The cells of one loss as columns, in the plan's order."""
    query = (
        sa.select(cell_columns.c.data)
        .where(cell_columns.c.sweep_id == sweep_id, cell_columns.c.loss == loss)
        .order_by(cell_columns.c.part)
    )
    return join_columns([decode_columns(data) for data in connection.execute(query).scalars()])


def join_columns(parts: Sequence[CellColumns]) -> CellColumns:
    """Several parts as one, in the order of their ordinals."""
    if len(parts) == 1:
        return parts[0]
    empty = np.empty(0, np.int64)
    cell_ids = np.concatenate([empty, *(part.cell_ids for part in parts)])
    ordinals = np.concatenate([empty, *(part.ordinals for part in parts)])
    order = np.lexsort((cell_ids, ordinals))
    values: dict[str, list[Any]] = {}
    codes: dict[str, npt.NDArray[np.int64]] = {}
    for name in dict.fromkeys(name for part in parts for name in part.values):
        known: dict[str, int] = {}
        columns = []
        for part in parts:
            texts = [dump_json(value) for value in part.values.get(name, [None])]
            table = np.array([known.setdefault(text, len(known)) for text in texts])
            own = part.codes.get(name, np.zeros(len(part.cell_ids), np.int64))
            columns.append(table[own])
        values[name] = [json.loads(text) for text in known]
        codes[name] = np.concatenate(columns)[order]
    return CellColumns(cell_ids[order], ordinals[order], values, codes)
