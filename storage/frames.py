"""Data frames of what is stored: what dashboards, exports and notebooks read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from storage import arrays, codec
from storage.engine import current_time
from storage.errors import RecordError
from storage.frame_rows import UTC_TIME, make_frame, replicate_frame, setting_column
from storage.leases import count_states
from storage.planning import not_found, read_sweep
from storage.records import SPLITS, STATES, SweepInfo
from storage.schema import cells, curves, packs, replicates, sweeps
from storage.store import Store

THRESHOLD_TOLERANCE = 1e-9


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
        head, parameters (dict each), then one column `param_<name>` per hyperparameter and
        training setting: int64 or float64 if all its values are numbers (absent or None is
        NaN), else object. A hyperparameter named like a training setting takes its column.

    Raises:
        SweepNotFoundError: there is no such sweep.
    """
    c = cells.c
    query = sa.select(
        c.id, c.key, c.ordinal, c.loss, c.hyperparameters, c.training, c.head, c.parameters
    ).order_by(c.ordinal, c.id)
    with store.reading() as connection:
        sweep = read_sweep(connection, name)
        query = query.where(c.sweep_id == sweep.sweep_id)
        if losses is not None:
            query = query.where(c.loss.in_(losses))
        rows = [tuple(row) for row in connection.execute(query)]
    types = {"cell_id": "int64", "key": "str", "ordinal": "int64", "loss": "str"}
    types |= dict.fromkeys(("hyperparameters", "training", "head", "parameters"), "object")
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
        index = _threshold_index(sweep, split, metric, threshold, nearest=nearest)
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


def _threshold_index(
    sweep: SweepInfo, split: str, metric: str, threshold: float | None, *, nearest: bool
) -> int | None:
    """The index of a kept threshold; None for the exact scores at the objective's."""
    if split not in SPLITS:
        raise RecordError(not_found("split", split, SPLITS))
    metrics = {entry["name"]: entry for entry in sweep.metrics}
    if metric not in metrics:
        raise RecordError(not_found("metric", metric, list(metrics)))
    own = float(sweep.objective["threshold"])
    if threshold is None or not metrics[metric]["thresholded"]:
        return None
    if abs(threshold - own) <= THRESHOLD_TOLERANCE:
        return None
    if not metrics[metric]["curve"]:
        raise RecordError(
            f"The metric {metric!r} is kept at the objective's threshold {own:g} only, "
            f"but got {threshold:g}. Choose that threshold, or a metric kept at every one."
        )
    distances = np.abs(np.asarray(sweep.thresholds, np.float64) - threshold)
    index = int(np.argmin(distances)) if np.isfinite(distances).all() and len(distances) else -1
    if index < 0 or (not nearest and distances[index] > THRESHOLD_TOLERANCE):
        hint = f" The nearest kept one is {sweep.thresholds[index]!r}." if index >= 0 else ""
        raise RecordError(f"The threshold is one that is kept, but got {threshold!r}.{hint}")
    return index
