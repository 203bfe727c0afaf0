"""Bringing in another store's sweeps: what is missing here, a replicate at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from storage.errors import RecordError, SweepNotFoundError
from storage.leases import FREED, batches, is_claimable
from storage.merged_files import KeptCopy, merge_kept
from storage.merged_plans import MergedPlan, check_mergeable, merge_plan
from storage.pack_copies import insert_copy, read_blobs
from storage.packs import touch
from storage.places import encode_places
from storage.planning import not_found
from storage.schema import packs, places, replicates

if TYPE_CHECKING:
    from storage.store import Store

_PACKS_AT_ONCE = 100


class _Result(NamedTuple):
    pack_index: int
    cell_id: int
    seed: int
    state: str
    reason: str | None
    objective: float | None
    attempts: int


class _Pack(NamedTuple):
    row: dict[str, Any]
    results: list[_Result]


@dataclass(frozen=True, kw_only=True)
class SweepMerge:
    """What was brought in of one sweep.

    Attributes:
        name: the sweep's name there.
        merged_as: its name here.
        cells_added: cells that this store did not have.
        replicates_added: planned replicates that this store did not have.
        results_taken: finished replicates that were open here.
        results_present: replicates finished in both stores; this store's are kept.
        results_differing: those of them whose state or objective differs.
        running: replicates finished there that a run is working on here; merge again later.
        files: kept files that were copied, and those whose file was missing or damaged.
    """

    name: str
    merged_as: str
    cells_added: int
    replicates_added: int
    results_taken: int
    results_present: int
    results_differing: int
    running: int
    files: Sequence[KeptCopy]


def merge(
    store: Store,
    other: Store,
    names: Sequence[str] | None,
    rename: Mapping[str, str],
) -> list[SweepMerge]:
    """Bring in sweeps of another store; see `Store.merge`."""
    if store.url == other.url:
        raise RecordError(
            f"A store is merged with another one, but got {store.masked_url} twice. "
            "Give the other store's URL."
        )
    known = other.sweep_names()
    chosen = list(dict.fromkeys(names)) if names is not None else known
    for name in [*chosen, *rename]:
        if name not in known:
            raise SweepNotFoundError(not_found("sweep", name, known))
    targets = [rename.get(name, name) for name in chosen]
    if len(set(targets)) != len(targets):
        raise RecordError(f"Sweeps are merged under distinct names, but got {targets}.")
    pairs = list(zip(chosen, targets, strict=True))
    # All sweeps are compared before the first change.
    for name, target in pairs:
        check_mergeable(store, other, name, target)
    return [_merge_sweep(store, other, name, target) for name, target in pairs]


def _merge_sweep(store: Store, other: Store, name: str, target: str) -> SweepMerge:
    other_id = other.sweep_id(name)
    plan = merge_plan(store, other, name, target)
    counts = Counter[str]()
    with other.reading() as connection:
        query = sa.select(packs.c.id).where(packs.c.sweep_id == other_id).order_by(packs.c.id)
        pack_ids = list(connection.execute(query).scalars())
    for start in range(0, len(pack_ids), _PACKS_AT_ONCE):
        batch = pack_ids[start : start + _PACKS_AT_ONCE]
        with other.reading() as connection:
            finished = _read_packs(connection, batch)
            blobs = read_blobs(connection, batch)

        def take(
            connection: sa.Connection,
            now: datetime,
            finished: Sequence[_Pack] = finished,
            blobs: Mapping[int, Any] = blobs,
        ) -> Counter[str]:
            return _take(connection, plan, finished, blobs, now)

        counts += store.change(take)
    return SweepMerge(
        name=name,
        merged_as=target,
        cells_added=plan.cells_added,
        replicates_added=plan.replicates_added,
        results_taken=counts["taken"],
        results_present=counts["present"],
        results_differing=counts["differing"],
        running=counts["running"],
        files=merge_kept(store, other, name, target),
    )


def _read_packs(connection: sa.Connection, pack_ids: Sequence[int]) -> list[_Pack]:
    r = replicates.c
    found = {
        row["id"]: _Pack(dict(row), [])
        for row in connection.execute(sa.select(packs).where(packs.c.id.in_(pack_ids))).mappings()
    }
    query = (
        sa.select(
            r.pack_id, r.pack_index, r.cell_id, r.seed, r.state, r.reason, r.objective, r.attempts
        )
        .where(r.pack_id.in_(pack_ids))
        .order_by(r.pack_id, r.pack_index)
    )
    for pack_id, *values in connection.execute(query):
        found[pack_id].results.append(_Result(*values))
    return list(found.values())


def _take(
    connection: sa.Connection,
    plan: MergedPlan,
    finished: Sequence[_Pack],
    blobs: Mapping[int, Any],
    now: datetime,
) -> Counter[str]:
    """Write the results of those replicates that are open here."""
    counts = Counter[str]()
    r = replicates.c
    wanted = sorted({plan.cell_ids[result.cell_id] for pack in finished for result in pack.results})
    here: dict[tuple[int, int], Any] = {}
    for ids in batches(wanted):
        query = (
            sa.select(r.id, r.cell_id, r.seed, r.state, r.objective, is_claimable(now))
            .where(r.cell_id.in_(ids))
            .order_by(r.id)
            .with_for_update()
        )
        here.update({(row.cell_id, row.seed): row for row in connection.execute(query)})
    for pack in finished:
        chosen: list[tuple[int, _Result]] = []
        for result in pack.results:
            row = here[plan.cell_ids[result.cell_id], result.seed]
            if row[5]:
                chosen.append((row.id, result))
                counts["taken"] += 1
            elif row.state == "running":
                counts["running"] += 1
            else:
                counts["present"] += 1
                same = (row.state, row.objective) == (result.state, result.objective)
                counts["differing"] += not same
        if chosen:
            _write(connection, plan, pack, blobs[pack.row["id"]], chosen)
    if counts["taken"]:
        touch(connection, [plan.sweep_id], now)
    return counts


def _write(
    connection: sa.Connection,
    plan: MergedPlan,
    pack: _Pack,
    blobs: Any,
    chosen: Sequence[tuple[int, _Result]],
) -> None:
    indices = [result.pack_index for _, result in chosen]
    pack_id = insert_copy(connection, plan.sweep_id, pack.row, blobs, indices)
    rows = [
        {
            "b_id": replicate_id,
            "state": result.state,
            "reason": result.reason,
            "objective": result.objective,
            "attempts": result.attempts,
            "pack_index": index,
        }
        for index, (replicate_id, result) in enumerate(chosen)
    ]
    statement = replicates.update().where(replicates.c.id == sa.bindparam("b_id"))
    connection.execute(statement.values(pack_id=pack_id, **FREED), rows)
    data = encode_places(
        [plan.cell_ids[result.cell_id] for _, result in chosen],
        [result.seed for _, result in chosen],
        [result.state for _, result in chosen],
    )
    connection.execute(places.insert(), {"pack_id": pack_id, "data": data})
