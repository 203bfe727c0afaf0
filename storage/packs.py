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
from storage.leases import FREED, batches
from storage.places import encode_places
from storage.records import FINISHED_STATES, SPLITS, PackResult
from storage.schema import curves, diagnostics, packs, places, replicates, scores, slices, sweeps


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


def write_pack(
    connection: sa.Connection,
    sweep_id: int,
    pack: EncodedPack,
    owner: str,
    now: datetime,
    token: str,
) -> int:
    """Write a pack whose replicates the owner holds; see `Store.record_pack`.

    Args:
        connection: a writing connection.
        sweep_id: the pack's sweep.
        pack: the checked pack.
        owner: the owner of its leases.
        now: the store's time.
        token: unique to this pack: written again with it, a pack whose answer was lost is found.
    """
    if (written := find_pack(connection, token)) is not None:
        return written
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
    if lost := [i for i in pack.replicate_ids if i not in held or held[i][0] != sweep_id]:
        raise LeaseLostError(owner, lost)
    values = pack.pack | {"sweep_id": sweep_id, "token": token}
    pack_id = _finish(connection, values, pack.results, held)
    for table, rows in pack.blobs.items():
        if rows:
            connection.execute(table.insert(), [row | {"pack_id": pack_id} for row in rows])
    touch(connection, [sweep_id], now)
    return pack_id


def fail(
    connection: sa.Connection,
    replicate_ids: Sequence[int],
    owner: str,
    reason: str,
    now: datetime,
    token: str,
) -> int:
    """Mark an owner's replicates as failed, without results; see `Store.fail`.

    The token marks the first pack that is written: if it is found, so are the others.
    """
    held = _held(connection, replicate_ids, owner)
    sweep_ids = sorted({sweep_id for sweep_id, _, _ in held.values()})
    for k, sweep_id in enumerate(sweep_ids):
        ids = [i for i in held if held[i][0] == sweep_id]
        values = {"sweep_id": sweep_id, "n_replicates": len(ids), "worker": owner}
        values |= {"finished_at": now, "curve_epochs": [], "token": token if k == 0 else None}
        rows = [
            {"b_id": i, "state": "failed", "reason": reason, "objective": None, "pack_index": place}
            for place, i in enumerate(ids)
        ]
        _finish(connection, values, rows, held)
    touch(connection, sweep_ids, now)
    return len(held)


def touch(connection: sa.Connection, sweep_ids: Sequence[int], now: datetime) -> None:
    """Note that sweeps have changed, for readers that look again only then."""
    statement = sweeps.update().where(sweeps.c.id.in_(sweep_ids)).values(updated_at=now)
    connection.execute(statement)


def find_pack(connection: sa.Connection, token: str) -> int | None:
    """The pack that was written with a token."""
    return connection.execute(sa.select(packs.c.id).where(packs.c.token == token)).scalar()


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


def _held(
    connection: sa.Connection, ids: Sequence[int], owner: str
) -> dict[int, tuple[int, int, int]]:
    """Sweep, cell and seed of those replicates that the owner holds."""
    r = replicates.c
    held: dict[int, tuple[int, int, int]] = {}
    for batch in batches(ids):
        rows = connection.execute(
            sa.select(r.id, r.sweep_id, r.cell_id, r.seed)
            .where(r.id.in_(batch), r.lease_owner == owner)
            .order_by(r.id)
            .with_for_update()
        )
        held.update((i, (sweep_id, cell_id, seed)) for i, sweep_id, cell_id, seed in rows)
    return held


def _finish(
    connection: sa.Connection,
    pack: Mapping[str, Any],
    rows: list[dict[str, Any]],
    held: Mapping[int, tuple[int, int, int]],
) -> int:
    """Insert a pack, its places, and end the leases of its replicates; the pack's id."""
    pack_id = connection.execute(packs.insert().returning(packs.c.id), dict(pack)).scalar_one()
    statement = (
        replicates.update()
        .where(replicates.c.id == sa.bindparam("b_id"))
        .values(pack_id=pack_id, **FREED)
    )
    connection.execute(statement, rows)
    own = [held[row["b_id"]] for row in rows]
    data = encode_places(
        [cell_id for _, cell_id, _ in own],
        [seed for _, _, seed in own],
        [row["state"] for row in rows],
    )
    connection.execute(places.insert(), {"pack_id": pack_id, "data": data})
    return pack_id
