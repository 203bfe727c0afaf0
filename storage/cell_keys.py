"""Cells by the beginnings of their keys, without reading a sweep's plan."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from storage.planning import read_sweep
from storage.schema import cells
from storage.store import Store


class CellKey(NamedTuple):
    """A cell's id and whole key."""

    cell_id: int
    key: str


def find_keys(store: Store, name: str, beginning: str, *, most: int = 3) -> list[CellKey]:
    """The cells of a sweep whose key begins so, in the plan's order.

    Args:
        store: the store.
        name: the sweep's name.
        beginning: first characters of a key; taken as they are, no pattern.
        most: how many are read: two are enough to know that one beginning is not unique.

    Raises:
        SweepNotFoundError: there is no such sweep.
    """
    with store.reading() as connection:
        sweep_id = read_sweep(connection, name).sweep_id
        query = (
            sa.select(cells.c.id, cells.c.key)
            .where(cells.c.sweep_id == sweep_id, cells.c.key.startswith(beginning, autoescape=True))
            .order_by(cells.c.ordinal)
            .limit(most)
        )
        return [CellKey(*row) for row in connection.execute(query)]
