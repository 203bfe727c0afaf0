"""Results of other tools, written as replicates of a sweep."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from storage.errors import RecordError
from storage.records import FINISHED_STATES, CellRecord, PackResult, SweepRecord
from storage.schema import dump_json

if TYPE_CHECKING:
    from storage.store import Store

_PACK_SIZE = 500
_LEASE_S = 300.0


@dataclass(frozen=True, kw_only=True)
class ImportedResult:
    """One finished run of another tool.

    Attributes:
        loss: the loss, or what stands for it.
        parameters: the setting; values that JSON can hold.
        seed: what tells repetitions of a setting apart, in 0 … 2^63 - 1.
        state: "complete", "diverged", "failed" or "pruned".
        reason: why it is not complete, else None.
        scores: (split, metric) -> value; NaN where there is none.
        curve: epoch -> objective while it trained; empty without one.
        started_at: when it began (UTC).
        finished_at: when it ended (UTC).
        where: its place in the source, for messages.
    """

    loss: str
    parameters: Mapping[str, Any]
    seed: int
    state: str
    reason: str | None
    scores: Mapping[tuple[str, str], float]
    curve: Mapping[int, float]
    started_at: datetime
    finished_at: datetime
    where: str


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What an import did.

    Attributes:
        sweep_id: the sweep.
        cells: cells of the source.
        taken: results that were written, by state.
        present: results that the sweep had already, which stay as they are.
        skipped: rows or trials that are not finished.
    """

    sweep_id: int
    cells: int
    taken: Mapping[str, int]
    present: int
    skipped: int


def take_results(
    store: Store, record: SweepRecord, results: Sequence[ImportedResult], skipped: int
) -> ImportReport:
    """Write imported results into a sweep; those that it has stay as they are.

    Raises:
        RecordError: there are no results, or a setting has one seed twice.
        SweepChangedError: the stored sweep of this name is another one.
    """
    if not results:
        raise RecordError(
            f"An import needs at least one finished result, but got none ({skipped} unfinished)."
        )
    keys = [_key(result) for result in results]
    places: dict[tuple[str, int], ImportedResult] = {}
    for key, result in zip(keys, results, strict=True):
        twice = places.setdefault((key, result.seed), result)
        if twice is not result:
            raise RecordError(
                f"A setting has each seed once, but {twice.where} and {result.where} have the "
                f"same setting and seed {result.seed}. Give a column of seeds, or all parameters."
            )
    cells = {
        key: CellRecord(
            key=key,
            loss=result.loss,
            hyperparameters=dict(result.parameters),
            training={},
            head={},
            ordinal=0,
            parameters=dict(result.parameters),
        )
        for key, result in zip(keys, results, strict=True)
    }
    sweep_id = store.put_sweep(record)
    store.extend_plan(sweep_id, list(cells.values()), [])
    store.add_replicates(sweep_id, list(places))
    taken = dict.fromkeys(FINISHED_STATES, 0)
    owner = f"import/{uuid.uuid4().hex}"
    waiting = {(w.cell_key, w.seed): w.replicate_id for w in store.open_replicates(sweep_id)}
    try:
        for pack in _packs([place for place in places if place in waiting], places):
            ids = store.claim([waiting[place] for place in pack], owner, _LEASE_S)
            by_id = {waiting[place]: places[place] for place in pack}
            own = [by_id[i] for i in ids]
            if own:
                store.record_pack(sweep_id, _pack_result(record, ids, own), owner)
            for result in own:
                taken[result.state] += 1
    finally:
        store.release(owner)
    return ImportReport(
        sweep_id=sweep_id,
        cells=len(cells),
        taken=taken,
        present=len(places) - sum(taken.values()),
        skipped=skipped,
    )


def _key(result: ImportedResult) -> str:
    setting = dict(sorted(result.parameters.items()))
    return hashlib.sha256(dump_json([result.loss, setting]).encode()).hexdigest()


def _packs(
    wanted: Sequence[tuple[str, int]], places: Mapping[tuple[str, int], ImportedResult]
) -> list[list[tuple[str, int]]]:
    """Results that have curves of the same epochs share a pack."""
    groups: dict[tuple[int, ...], list[tuple[str, int]]] = {}
    for place in wanted:
        groups.setdefault(tuple(places[place].curve), []).append(place)
    return [
        group[start : start + _PACK_SIZE]
        for group in groups.values()
        for start in range(0, len(group), _PACK_SIZE)
    ]


def _pack_result(
    record: SweepRecord, ids: Sequence[int], own: Sequence[ImportedResult]
) -> PackResult:
    goal = (record.objective["split"], record.objective["metric"])
    names = dict.fromkeys([goal, *(key for result in own for key in result.scores)])
    scores = {key: np.array([r.scores.get(key, np.nan) for r in own]) for key in names}
    started, finished = min(r.started_at for r in own), max(r.finished_at for r in own)
    epochs = list(own[0].curve)
    curves = {"objective": np.array([list(r.curve.values()) for r in own]).T} if epochs else {}
    return PackResult(
        replicate_ids=ids,
        states=[result.state for result in own],
        reasons=[result.reason for result in own],
        objective=scores[goal],
        scores=scores,
        slices={},
        curves=curves,
        curve_epochs=epochs,
        diagnostics={},
        started_at=started,
        finished_at=finished,
        duration_s=sum((r.finished_at - r.started_at).total_seconds() for r in own),
        worker="imported",
    )
