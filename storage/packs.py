"""Recording packs: results of replicates trained together, written all or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa

from storage import codec
from storage.errors import LeaseLostError, RecordError
from storage.leases import batches
from storage.records import FINISHED_STATES, SPLITS, PackResult
from storage.schema import curves, diagnostics, packs, replicates, scores, slices, sweeps

_FREED = {"lease_owner": None, "lease_expires_at": None}


@dataclass
class EncodedPack:
    """A checked pack, its arrays encoded, ready to be written in one short transaction."""

    replicate_ids: list[int]
    pack: dict[str, Any]
    n_thresholds: set[int]
    results: list[dict[str, Any]]
    blobs: dict[sa.Table, list[dict[str, Any]]] = field(default_factory=dict)


def encode_pack(result: PackResult) -> EncodedPack:
    """Check a pack's shapes and ranges and encode its arrays.

    Raises:
        RecordError: a shape, state, range or time breaks the rules of `PackResult`.
    """
    ids = [int(i) for i in result.replicate_ids]
    _check(result, ids)
    size, n_epochs = len(ids), len(result.curve_epochs)
    n_thresholds: set[int] = set()
    blobs: dict[sa.Table, list[dict[str, Any]]] = {t: [] for t in (scores, slices, curves)}
    blobs[diagnostics] = []
    for (split, metric), values in result.scores.items():
        data = codec.encode_float64(_shaped(values, (size,), f"scores of {split} {metric}"))
        blobs[scores].append({"split": split, "metric": metric, "data": data})
    for (split, metric), values in result.slices.items():
        table = _shaped(values, (size, None), f"slices of {split} {metric}").T
        n_thresholds.add(len(table))
        for chunk, start in enumerate(range(0, len(table), codec.CHUNK_SIZE)):
            data = codec.encode_fixed(table[start : start + codec.CHUNK_SIZE])
            row = {"split": split, "metric": metric, "chunk": chunk, "data": data}
            blobs[slices].append(row)
    for name, values in result.curves.items():
        data = codec.encode_curve(_shaped(values, (n_epochs, size), f"curve {name}"))
        blobs[curves].append({"name": name, "data": data})
    for name, values in result.diagnostics.items():
        data = codec.encode_float64(_shaped(values, (size,), f"diagnostic {name}"))
        blobs[diagnostics].append({"name": name, "data": data})
    objective = _shaped(result.objective, (size,), "objective").astype(np.float64)
    pack = {
        "n_replicates": size,
        "started_at": result.started_at,
        "finished_at": result.finished_at,
        "duration_s": float(result.duration_s),
        "worker": result.worker,
        "curve_epochs": [int(epoch) for epoch in result.curve_epochs],
    }
    results = [
        {
            "b_id": ids[k],
            "state": result.states[k],
            "reason": result.reasons[k],
            "objective": _stored(objective[k]) if result.states[k] == "complete" else None,
            "pack_index": k,
        }
        for k in range(size)
    ]
    return EncodedPack(ids, pack, n_thresholds, results, blobs)


def write_pack(connection: sa.Connection, sweep_id: int, pack: EncodedPack, owner: str) -> int:
    """Write a pack whose replicates the owner holds; see `Store.record_pack`."""
    thresholds = connection.execute(
        sa.select(sweeps.c.thresholds).where(sweeps.c.id == sweep_id)
    ).scalar()
    if thresholds is None:
        raise RecordError(f"A pack belongs to a stored sweep, but got the id {sweep_id}.")
    if pack.n_thresholds - {len(thresholds)}:
        raise RecordError(
            f"Slices have one column per threshold of the sweep ({len(thresholds)}), "
            f"but got {sorted(pack.n_thresholds)}."
        )
    held = _held(connection, pack.replicate_ids, owner)
    if lost := [i for i in pack.replicate_ids if held.get(i) != sweep_id]:
        raise LeaseLostError(owner, lost)
    pack_id = _insert_pack(connection, pack.pack | {"sweep_id": sweep_id})
    for table, rows in pack.blobs.items():
        if rows:
            connection.execute(table.insert(), [row | {"pack_id": pack_id} for row in rows])
    _finish(connection, pack_id, pack.results)
    return pack_id


def fail(
    connection: sa.Connection,
    replicate_ids: Sequence[int],
    owner: str,
    reason: str,
    now: datetime,
) -> int:
    """Mark an owner's replicates as failed, without results; see `Store.fail`."""
    held = _held(connection, replicate_ids, owner)
    for sweep_id in sorted(set(held.values())):
        ids = [i for i in held if held[i] == sweep_id]
        values = {"sweep_id": sweep_id, "n_replicates": len(ids), "worker": owner}
        values |= {"finished_at": now, "curve_epochs": []}
        rows = [
            {"b_id": i, "state": "failed", "reason": reason, "objective": None, "pack_index": k}
            for k, i in enumerate(ids)
        ]
        _finish(connection, _insert_pack(connection, values), rows)
    return len(held)


def _check(result: PackResult, ids: list[int]) -> None:
    size = len(ids)
    if size == 0 or len(set(ids)) != size:
        raise RecordError(f"A pack has one or more distinct replicates, but got {ids[:5]}.")
    for what, values in (("states", result.states), ("reasons", result.reasons)):
        if len(values) != size:
            raise RecordError(
                f"A pack of {size} replicates has as many {what}, but got {len(values)}."
            )
    if unknown := set(result.states) - set(FINISHED_STATES):
        raise RecordError(
            f"A recorded replicate is {', '.join(FINISHED_STATES)}, but got {sorted(unknown)}."
        )
    for split, metric in [*result.scores, *result.slices]:
        if split not in SPLITS:
            raise RecordError(f"A split is one of {SPLITS}, but got {split!r} for {metric!r}.")
    for name in ("started_at", "finished_at"):
        time = getattr(result, name)
        if time.tzinfo is None:
            raise RecordError(
                f"A pack's {name} carries a time zone, but got {time}. Use datetime.now(UTC)."
            )


def _shaped(values: Any, shape: tuple[int | None, ...], what: str) -> np.ndarray[Any, Any]:
    array = np.asarray(values)
    fits = array.ndim == len(shape) and all(
        want in (None, got) for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype.kind not in "fiu":
        expected = "(" + ", ".join("T" if n is None else str(n) for n in shape) + ")"
        raise RecordError(
            f"The {what} must be numbers of shape {expected}, "
            f"but got {array.dtype} of shape {array.shape}."
        )
    return array


def _stored(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _held(connection: sa.Connection, ids: Sequence[int], owner: str) -> dict[int, int]:
    held: dict[int, int] = {}
    for batch in batches(ids):
        rows = connection.execute(
            sa.select(replicates.c.id, replicates.c.sweep_id)
            .where(replicates.c.id.in_(batch), replicates.c.lease_owner == owner)
            .order_by(replicates.c.id)
            .with_for_update()
        )
        held.update(dict(rows.all()))
    return held


def _insert_pack(connection: sa.Connection, values: Mapping[str, Any]) -> int:
    return connection.execute(packs.insert().returning(packs.c.id), dict(values)).scalar_one()


def _finish(connection: sa.Connection, pack_id: int, rows: list[dict[str, Any]]) -> None:
    statement = (
        replicates.update()
        .where(replicates.c.id == sa.bindparam("b_id"))
        .values(pack_id=pack_id, **_FREED)
    )
    connection.execute(statement, rows)
