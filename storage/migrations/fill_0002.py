"""What revision 0002 keeps of the rows of revision 0001; like a revision, it never changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import sqlalchemy as sa

_BATCH = 50_000
_STATES = {"complete": 0, "diverged": 1, "failed": 2}


def fill_places(connection: sa.Connection) -> None:
    """Write the places of every pack: a header, its seeds, then cell, seed and state of each."""
    insert = sa.text("INSERT INTO sweep_places (pack_id, data) VALUES (:pack_id, :data)")
    for pack_id, rows in groupby(_finished(connection), key=itemgetter(0)):
        # Places are by index: a pack of the old schema has every index from 0 on.
        own = [tuple(row)[1:] for row in rows]
        cell_ids = np.array([row[0] for row in own], np.int64)
        seeds, codes = np.unique(np.array([row[1] for row in own], np.int64), return_inverse=True)
        header = np.zeros(1, [("size", "<u4"), ("n_seeds", "<u4"), ("first_cell", "<i8")])
        header["size"], header["n_seeds"] = len(own), len(seeds)
        header["first_cell"] = cell_ids.min()
        parts = [
            header,
            seeds.astype("<i8"),
            (cell_ids - cell_ids.min()).astype("<u4"),
            codes.astype("<u2"),
            np.array([_STATES[row[2]] for row in own], np.uint8),
        ]
        data = b"".join(part.tobytes() for part in parts)
        connection.execute(insert, {"pack_id": pack_id, "data": data})


def _finished(connection: sa.Connection) -> Iterator[Any]:
    query = sa.text(
        "SELECT pack_id, cell_id, seed, state, pack_index FROM sweep_replicates "
        "WHERE pack_id > :low AND pack_id <= :high ORDER BY pack_id, pack_index"
    )
    last = connection.execute(sa.text("SELECT max(id) FROM sweep_packs")).scalar() or 0
    for low in range(0, last, _BATCH // 100):
        yield from connection.execute(query, {"low": low, "high": low + _BATCH // 100}).all()


def fill_cell_columns(connection: sa.Connection) -> None:
    """Write the settings of every loss's cells as columns."""
    insert = sa.text(
        "INSERT INTO sweep_cell_columns (sweep_id, loss, part, data) VALUES (:sweep, :loss, 0, :d)"
    )
    query = sa.text(
        "SELECT id, ordinal, head, training, hyperparameters FROM sweep_cells "
        "WHERE sweep_id = :sweep AND loss = :loss ORDER BY ordinal, id"
    )
    pairs = connection.execute(sa.text("SELECT DISTINCT sweep_id, loss FROM sweep_cells")).all()
    for sweep_id, loss in pairs:
        rows = list(connection.execute(query, {"sweep": sweep_id, "loss": loss}))
        connection.execute(insert, {"sweep": sweep_id, "loss": loss, "d": _columns(rows)})


def _columns(rows: list[Any]) -> bytes:
    settings = []
    for row in rows:
        head, training, hyperparameters = (json.loads(text) for text in row[2:])
        named = {f"head_{key}": value for key, value in head.items()}
        settings.append({**named, **training, **hyperparameters})
    parts = [np.array([row[k] for row in rows], "<i8") for k in (0, 1)]
    header = []
    for name in dict.fromkeys(name for setting in settings for name in setting):
        texts = [_dump(setting.get(name)) for setting in settings]
        known = {text: code for code, text in enumerate(dict.fromkeys(texts))}
        kind = "" if len(known) == 1 else "<u2" if len(known) < 2**16 else "<u4"
        header.append((name, [json.loads(text) for text in known], kind))
        if kind:
            parts.append(np.array([known[text] for text in texts], kind))
    text = _dump({"size": len(rows), "columns": header}).encode()
    return b"".join([len(text).to_bytes(4, "little"), text, *(part.tobytes() for part in parts)])


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
