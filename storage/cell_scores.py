"""Every score of a few cells, without reading those of the rest."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa

from storage import codec
from storage.engine import current_time
from storage.frame_rows import make_frame
from storage.leases import batches, state_seen
from storage.schema import packs, replicates, scores
from storage.store import Store


def load_cell_scores(store: Store, cell_ids: Sequence[int]) -> pd.DataFrame:
    """The exact scores of some cells' replicates at the objective's threshold.

    Only the packs that hold these cells are read, so that a few cells of a sweep of a million
    replicates take milliseconds.

    Args:
        store: the store.
        cell_ids: the cells; unknown ones give no rows.

    Returns:
        cell_id, seed (int64), state, split, metric (str), value (float64), by cell, seed, split
        and metric; one row a recorded score, so none for a replicate that is not finished.
    """
    r = replicates.c
    rows = []
    with store.reading() as connection:
        seen = state_seen(current_time(connection))
        for ids in batches(cell_ids):
            query = (
                sa.select(
                    r.cell_id, r.seed, seen, r.pack_index, packs.c.n_replicates,
                    scores.c.split, scores.c.metric, scores.c.data,
                )
                .join(packs, packs.c.id == r.pack_id)
                .join(scores, scores.c.pack_id == packs.c.id)
                .where(r.cell_id.in_(ids))
                .order_by(r.cell_id, r.seed, scores.c.split, scores.c.metric)
            )  # fmt: skip
            for cell_id, seed, state, index, size, split, metric, data in connection.execute(query):
                value = float(codec.decode_float64(data, size)[index])
                rows.append((cell_id, seed, state, split, metric, value))
    types = {"cell_id": "int64", "seed": "int64", "state": "str", "split": "str"}
    return make_frame(rows, types | {"metric": "str", "value": "float64"})
