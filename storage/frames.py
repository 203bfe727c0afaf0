"""Data frames of what is stored: what dashboards, exports and notebooks read."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from storage import arrays, codec
from storage.engine import current_time
from storage.frame_rows import UTC_TIME, make_frame, replicate_frame, setting_column
from storage.leases import count_states
from storage.planning import read_sweep
from storage.records import STATES, SweepInfo
from storage.runs import read_runs
from storage.schema import cells, curves, kept, packs, replicates, sweeps
from storage.store import Store
from storage.thresholds import threshold_index


def load_sweeps(store: Store) -> pd.DataFrame:
    """All sweeps, oldest first.

    Args:
        store: the store.

    Returns:
        sweep_id (int64), name, dataset, encoder (str), created_at, updated_at (UTC), n_cells,
        n_replicates and one count per state (int64; an expired lease counts as waiting).
    """
    s = sweeps.c
    n_cells = sa.select(sa.func.count()).where(cells.c.sweep_id == s.id).scalar_subquery()
    query = sa.select(
        s.id, s.name, s.dataset, s.encoder, s.created_at, s.updated_at, n_cells
    ).order_by(s.id)
    with store.reading() as connection:
        states = count_states(connection, current_time(connection))
        rows = [
            (*row, sum(states[row[0]].values()), *(states[row[0]][name] for name in STATES))
            for row in connection.execute(query)
        ]
    types = {"sweep_id": "int64", "name": "str", "dataset": "str", "encoder": "str"}
    types |= {"created_at": UTC_TIME, "updated_at": UTC_TIME}
    types |= dict.fromkeys(("n_cells", "n_replicates", *STATES), "int64")
    return make_frame(rows, types)


def load_sweep(store: Store, name: str) -> SweepInfo:
    """The stored sweep of a name, as a record.

    Raises:
        SweepNotFoundError: there is none; the message names the nearest.
    """
    return store.sweep(name)


def load_cells(store: Store, name: str, losses: Sequence[str] | None = None) -> pd.DataFrame:
    """The cells of a sweep, in the plan's order.

    Args:
        store: the store.
        name: the sweep's name.
        losses: only these losses; None for all.

    Returns:
        cell_id (int64), key (str), ordinal (int64), loss (str), hyperparameters, training,
        head, parameters (dict each; equal ones are one object), then one column
        `param_<name>` per hyperparameter and training setting: int64 or float64 if all its
        values are numbers (absent or None is NaN), else object. A hyperparameter named like a
        training setting takes its column. Between parameters and these: status (str or missing:
        "pruned", "raced_out"), note (dict or None: why) and batch (Int64, missing for a planned
        grid: which ask of a sampler).

    Raises:
        SweepNotFoundError: there is no such sweep.
    """
    c = cells.c
    documents = (c.hyperparameters, c.training, c.head, c.parameters)
    query = sa.select(
        c.id, c.key, c.ordinal, c.loss, *(sa.type_coerce(column, sa.Text) for column in documents),
        c.status, c.note, c.batch,
    ).order_by(c.ordinal, c.id)  # fmt: skip
    with store.reading() as connection:
        sweep = read_sweep(connection, name)
        query = query.where(c.sweep_id == sweep.sweep_id)
        if losses is not None:
            query = query.where(c.loss.in_(losses))
        decoded = functools.cache(json.loads)
        rows = [(*row[:4], *map(decoded, row[4:8]), *row[8:]) for row in connection.execute(query)]
    types = {"cell_id": "int64", "key": "str", "ordinal": "int64", "loss": "str"}
    types |= dict.fromkeys(("hyperparameters", "training", "head", "parameters"), "object")
    types |= {"status": "str", "note": "object", "batch": "Int64"}
    frame = make_frame(rows, types)
    settings = [{**row[5], **row[4]} for row in rows]
    hyperparameters = dict.fromkeys(key for row in rows for key in row[4])
    training = dict.fromkeys(key for row in rows for key in row[5])
    for key in [*hyperparameters, *(key for key in training if key not in hyperparameters)]:
        frame[f"param_{key}"] = setting_column([setting.get(key) for setting in settings])
    return frame


def load_replicates(store: Store, name: str, losses: Sequence[str] | None = None) -> pd.DataFrame:
    """The replicates of a sweep, by cell in the plan's order and by seed.

    Args:
        store: the store.
        name: the sweep's name.
        losses: only these losses; None for all.

    Returns:
        replicate_id, cell_id (int64), loss (str), seed (int64), state (str; an expired lease
        is "waiting"), reason (str or missing), attempts (int64: times claimed), objective
        (float64, NaN unless complete), pack_id, pack_index (Int64, missing until finished),
        started_at, finished_at (UTC, of the pack), worker (str or missing), then one float64
        column per diagnostic (`train_loss`, `predicted_positive_rate`, …).

    Raises:
        SweepNotFoundError: there is no such sweep.
    """
    with store.reading() as connection:
        sweep_id = read_sweep(connection, name).sweep_id
        frame, selection = replicate_frame(connection, sweep_id, losses, detailed=True)
        pack_query = sa.select(
            packs.c.id, packs.c.started_at, packs.c.finished_at, packs.c.worker
        ).where(packs.c.sweep_id == sweep_id)
        pack_rows = [tuple(row) for row in connection.execute(pack_query)]
        found = arrays.pick_diagnostics(connection, selection)
    types = {"pack_id": "int64", "started_at": UTC_TIME, "finished_at": UTC_TIME, "worker": "str"}
    by_pack = make_frame(pack_rows, types).set_index("pack_id")
    for column in by_pack.columns:
        frame[column] = by_pack[column].reindex(selection.pack_ids).array
    for diagnostic, values in found.items():
        frame[diagnostic] = values
    return frame


def load_scores(
    store: Store,
    name: str,
    *,
    split: str,
    metric: str,
    threshold: float | None = None,
    losses: Sequence[str] | None = None,
    nearest: bool = False,
) -> pd.DataFrame:
    """One metric of every replicate of a sweep on one split, at one threshold.

    Args:
        store: the store.
        name: the sweep's name.
        split: "train", "validation" or "test".
        metric: a metric of the sweep.
        threshold: None for the objective's threshold, where the scores are exact; else a
            kept threshold (within 1e-9), where they are off by less than 8e-6. Metrics that
            take no threshold ignore it.
        losses: only these losses; None for all.
        nearest: take the kept threshold nearest to `threshold` instead of refusing.

    Returns:
        replicate_id, cell_id (int64), loss (str), seed (int64), state (str), value (float64,
        NaN where nothing is recorded), by cell in the plan's order and by seed.

    Raises:
        SweepNotFoundError: there is no such sweep.
        RecordError: the split, the metric or the threshold is not kept.
    """
    with store.reading() as connection:
        sweep = read_sweep(connection, name)
        index = threshold_index(sweep, split, metric, threshold, nearest=nearest)
        frame, selection = replicate_frame(connection, sweep.sweep_id, losses, detailed=False)
        if index is None:
            frame["value"] = arrays.pick_scores(connection, selection, split, metric)
        else:
            frame["value"] = arrays.pick_slice(
                connection,
                selection,
                split,
                metric,
                threshold_index=index,
                n_thresholds=len(sweep.thresholds),
            )
    return frame


def load_curves(store: Store, name: str, *, cell_id: int) -> pd.DataFrame:
    """The per-epoch curves of one cell's replicates.

    Args:
        store: the store.
        name: the sweep's name.
        cell_id: the cell.

    Returns:
        replicate_id, seed, epoch (int64), name (str), value (float64), by name, seed and
        epoch; empty if the cell is not the sweep's or has no curves.

    Raises:
        SweepNotFoundError: there is no such sweep.
    """
    r = replicates.c
    query = (
        sa.select(
            r.id, r.seed, r.pack_index, packs.c.n_replicates, packs.c.curve_epochs,
            curves.c.name, curves.c.data,
        )
        .join(packs, packs.c.id == r.pack_id)
        .join(curves, curves.c.pack_id == packs.c.id)
        .order_by(curves.c.name, r.seed)
    )  # fmt: skip
    parts: list[tuple[int, int, Any, str, Any]] = []
    with store.reading() as connection:
        sweep_id = read_sweep(connection, name).sweep_id
        rows = connection.execute(query.where(r.sweep_id == sweep_id, r.cell_id == cell_id))
        for replicate_id, seed, index, size, epochs, curve, data in rows:
            values = codec.decode_curve(data, (len(epochs), size))[:, index]
            parts.append((replicate_id, seed, epochs, curve, values))
    repeats = [len(part[2]) for part in parts]
    return pd.DataFrame(
        {
            "replicate_id": np.repeat(np.array([p[0] for p in parts], np.int64), repeats),
            "seed": np.repeat(np.array([p[1] for p in parts], np.int64), repeats),
            "epoch": np.concatenate([np.empty(0, np.int64), *(p[2] for p in parts)]).astype(
                np.int64
            ),
            "name": pd.Series([p[3] for p in parts for _ in p[2]], dtype="str"),
            "value": np.concatenate([np.empty(0), *(p[4] for p in parts)]).astype(np.float64),
        }
    )


def load_runs(store: Store, name: str) -> pd.DataFrame:
    """The runs of a sweep, oldest first.

    Args:
        store: the store.
        name: the sweep's name.

    Returns:
        run_id (int64), owner, host (str), pid, workers (int64), started_at, heartbeat_at,
        ended_at (UTC; ended_at missing while it runs, and for ever if it was killed), outcome
        (str or missing), stop (str or missing: what it was asked), live (bool).

    Raises:
        SweepNotFoundError: there is no such sweep.
    """
    types = {"run_id": "int64", "owner": "str", "host": "str", "pid": "int64", "workers": "int64"}
    types |= dict.fromkeys(("started_at", "heartbeat_at", "ended_at"), UTC_TIME)
    types |= {"outcome": "str", "stop": "str", "live": "bool"}
    with store.reading() as connection:
        sweep_id = read_sweep(connection, name).sweep_id
        found = read_runs(connection, [sweep_id], current_time(connection))
    return make_frame([[getattr(run, key) for key in types] for run in found], types)


def load_kept(store: Store, name: str, losses: Sequence[str] | None = None) -> pd.DataFrame:
    """The kept files of a sweep, by cell in the plan's order and by seed.

    Args:
        store: the store.
        name: the sweep's name.
        losses: only these losses; None for all.

    Returns:
        replicate_id, cell_id (int64), cell_key, loss (str), seed (int64), path (str, relative
        to the store's kept folder), sha256 (str), size_bytes (int64).

    Raises:
        SweepNotFoundError: there is no such sweep.
    """
    r, c, k = replicates.c, cells.c, kept.c
    query = (
        sa.select(r.id, c.id, c.key, c.loss, r.seed, k.path, k.sha256, k.size_bytes)
        .join(replicates, r.id == k.replicate_id)
        .join(cells, c.id == r.cell_id)
        .order_by(c.ordinal, c.id, r.seed)
    )
    if losses is not None:
        query = query.where(c.loss.in_(losses))
    types = {"replicate_id": "int64", "cell_id": "int64", "cell_key": "str", "loss": "str"}
    types |= {"seed": "int64", "path": "str", "sha256": "str", "size_bytes": "int64"}
    with store.reading() as connection:
        sweep_id = read_sweep(connection, name).sweep_id
        rows = connection.execute(query.where(k.sweep_id == sweep_id)).all()
    return make_frame(rows, types)
