"""Rows of queries as typed data frames; an empty result has the same columns and types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from storage.arrays import Selection
from storage.engine import current_time
from storage.leases import state_seen
from storage.schema import cells, replicates

UTC_TIME = "datetime64[us, UTC]"


def make_frame(rows: Sequence[Sequence[Any]], types: Mapping[str, str]) -> pd.DataFrame:
    """A frame of rows whose columns have the given names and types."""
    columns = list(zip(*rows, strict=True)) or [()] * len(types)
    return pd.DataFrame(
        {
            name: pd.Series(list(values), dtype=kind)
            for (name, kind), values in zip(types.items(), columns, strict=True)
        }
    )


def setting_column(values: Sequence[Any]) -> pd.Series[Any]:
    """A column of settings: numbers if all are numbers (None is NaN), else as they are."""
    known = [value for value in values if value is not None]
    if known and all(type(value) in (int, float) for value in known):
        whole = len(known) == len(values) and all(type(value) is int for value in known)
        return pd.Series(values, dtype="int64" if whole else "float64")
    return pd.Series(values, dtype="object")


def replicate_frame(
    connection: sa.Connection,
    sweep_id: int,
    losses: Sequence[str] | None,
    *,
    detailed: bool,
) -> tuple[pd.DataFrame, Selection]:
    """The replicates of a sweep, by cell in the plan's order and by seed, and their packs.

    Args:
        connection: a reading connection.
        sweep_id: the sweep.
        losses: only these losses; None for all.
        detailed: also reason, attempts, objective, pack_id and pack_index.

    Returns:
        The frame, and where in which pack each of its rows was recorded.
    """
    r = replicates.c
    seen = state_seen(current_time(connection))
    query = sa.select(r.id, r.cell_id, r.seed, seen, r.pack_id, r.pack_index)
    types = {"replicate_id": "int64", "cell_id": "int64", "seed": "int64", "state": "str"}
    types |= {"pack_id": "Int64", "pack_index": "Int64"}
    if detailed:
        query = query.add_columns(r.reason, r.attempts, r.objective)
        types |= {"reason": "str", "attempts": "int64", "objective": "float64"}
    wanted = sa.select(cells.c.id, cells.c.ordinal, cells.c.loss).where(
        cells.c.sweep_id == sweep_id
    )
    query = query.where(r.sweep_id == sweep_id)
    if losses is not None:
        wanted = wanted.where(cells.c.loss.in_(losses))
        query = query.where(r.cell_id.in_(wanted.with_only_columns(cells.c.id)))
    frame = make_frame(connection.execute(query).all(), types)
    cell_types = {"cell_id": "int64", "ordinal": "int64", "loss": "str"}
    by_cell = make_frame(connection.execute(wanted).all(), cell_types).set_index("cell_id")
    frame.insert(2, "loss", by_cell["loss"].reindex(frame["cell_id"]).array)
    frame["ordinal"] = by_cell["ordinal"].reindex(frame["cell_id"]).array
    frame = frame.sort_values(["ordinal", "cell_id", "seed"], ignore_index=True)
    selection = Selection(
        sweep_id,
        losses,
        frame["pack_id"].fillna(-1).to_numpy(np.int64),
        frame["pack_index"].fillna(0).to_numpy(np.int64),
    )
    order = ["replicate_id", "cell_id", "loss", "seed", "state"]
    if detailed:
        order += ["reason", "attempts", "objective", "pack_id", "pack_index"]
    return frame[order], selection
