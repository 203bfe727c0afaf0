"""Per-epoch curves of a whole sweep, pack by pack: each block is decoded once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import sqlalchemy as sa

from storage import codec
from storage.planning import read_sweep
from storage.schema import cells, curves, packs, replicates
from storage.store import Store

_PACKS_AT_ONCE = 20


def iter_curves(
    store: Store, name: str, losses: Sequence[str] | None = None
) -> Iterator[pd.DataFrame]:
    """The curves of a sweep's finished replicates, some packs at a time.

    Args:
        store: the store.
        name: the sweep's name.
        losses: only these losses; None for all.

    Yields:
        replicate_id (int64), cell_key, loss (str), seed (int64), name (str), epoch (int64),
        value (float64, NaN at an epoch without one), by pack, name, replicate and epoch.

    Raises:
        SweepNotFoundError: there is no such sweep.
    """
    with store.reading() as connection:
        sweep_id = read_sweep(connection, name).sweep_id
        query = sa.select(packs.c.id).where(packs.c.sweep_id == sweep_id).order_by(packs.c.id)
        pack_ids = [row[0] for row in connection.execute(query)]
    for start in range(0, len(pack_ids), _PACKS_AT_ONCE):
        chosen = pack_ids[start : start + _PACKS_AT_ONCE]
        # A read of its own each time: a reader that stays keeps an SQLite log from shrinking.
        with store.reading() as connection:
            frames = [
                frame
                for pack_id in chosen
                for frame in _pack_frames(connection, pack_id, losses)
                if len(frame)
            ]
        if frames:
            yield pd.concat(frames, ignore_index=True)


def _pack_frames(
    connection: sa.Connection, pack_id: int, losses: Sequence[str] | None
) -> Iterator[pd.DataFrame]:
    r, c = replicates.c, cells.c
    query = (
        sa.select(r.pack_index, r.id, c.key, c.loss, r.seed)
        .join(cells, c.id == r.cell_id)
        .where(r.pack_id == pack_id)
        .order_by(r.pack_index)
    )
    if losses is not None:
        query = query.where(c.loss.in_(losses))
    rows = connection.execute(query).all()
    size, epochs = connection.execute(
        sa.select(packs.c.n_replicates, packs.c.curve_epochs).where(packs.c.id == pack_id)
    ).one()
    blocks = connection.execute(
        sa.select(curves.c.name, curves.c.data)
        .where(curves.c.pack_id == pack_id)
        .order_by(curves.c.name)
    ).all()
    members = [row[0] for row in rows]
    for name, data in blocks:
        values = codec.decode_curve(data, (len(epochs), size))[:, members]
        repeated = {
            "replicate_id": np.array([row[1] for row in rows], np.int64),
            "cell_key": np.array([row[2] for row in rows], object),
            "loss": np.array([row[3] for row in rows], object),
            "seed": np.array([row[4] for row in rows], np.int64),
        }
        frame = pd.DataFrame({k: np.repeat(v, len(epochs)) for k, v in repeated.items()})
        frame = frame.astype({"cell_key": "str", "loss": "str"})
        frame["name"] = pd.Series([name] * len(frame), dtype="str")
        frame["epoch"] = np.tile(np.asarray(epochs, np.int64), len(rows))
        frame["value"] = values.T.reshape(-1).astype(np.float64)
        yield frame
