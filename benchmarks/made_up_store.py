"""A large made-up sweep, filled by the database itself from a few distinct packs."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import sqlalchemy as sa
from optuna.distributions import BaseDistribution, FloatDistribution

from storage.packs import encode_pack
from storage.places import encode_places
from storage.records import CellRecord, PackResult, SweepRecord
from storage.schema import packs, places, replicates
from storage.store import Store

N_SEEDS = 5
N_ETA = 40
PACK_SIZE = 250
N_TEMPLATES = 8
N_EPOCHS = 60
SPLITS = ("validation", "test")
METRICS = [
    f"{average}_{kind}"
    for kind in ("precision", "recall", "f1")
    for average in ("micro", "macro", "weighted")
]
THRESHOLDS = sorted({*(1 / (1 + np.exp(-np.linspace(-9.21, 9.21, 99)))), 0.05, 0.3, 0.4})
_START = datetime(2026, 1, 1, tzinfo=UTC)


def sweep(name: str) -> SweepRecord:
    """A sweep that keeps nine metrics at every threshold."""
    metrics = [
        {"name": metric, "higher_is_better": True, "thresholded": True, "curve": True}
        for metric in METRICS
    ]
    return SweepRecord(
        name=name,
        spec={"sweep": name},
        spec_hash="0",
        identity={"data": "made up", "name": name},
        dataset="made_up",
        encoder="none",
        dataset_fingerprint="0",
        features_info={"labels": [f"label {k}" for k in range(20)]},
        objective={"metric": "weighted_f1", "split": "validation", "threshold": 0.5},
        metrics=metrics,
        thresholds=[float(t) for t in THRESHOLDS],
    )


def cells(n: int) -> list[CellRecord]:
    """`n` cells of sigmoidF1: 40 offsets, 25 slopes, and learning rates for the rest."""
    grid = itertools.product(
        range(-(-n // (N_ETA * 25))), range(25), (float(e) for e in np.linspace(-1, 2, N_ETA))
    )
    found = []
    for k, (lr, beta, eta) in enumerate(itertools.islice(grid, n)):
        varied = {"beta": float(beta + 1), "eta": eta}
        training = {"lr": 1e-3 * 1.01**lr, "epochs": N_EPOCHS, "batch_size": 256}
        found.append(
            CellRecord(
                key=hashlib.sha256(f"{beta} {eta} {lr}".encode()).hexdigest(),
                loss="sigmoid_f1",
                hyperparameters={**varied, "input": "logits", "reduction": "per_class"},
                training=training | {"optimizer": "adam", "weight_decay": 0.0},
                head={"kind": "linear"},
                ordinal=k,
                parameters={**varied, "lr": training["lr"]},
            )
        )
    return found


def distributions() -> dict[str, dict[str, BaseDistribution]]:
    """What Optuna is told of the axes."""
    beta, eta = FloatDistribution(1.0, 25.0), FloatDistribution(-1.0, 2.0)
    return {"sigmoid_f1": {"beta": beta, "eta": eta, "lr": FloatDistribution(1e-3, 1e3, log=True)}}


def result(places_: Sequence[int], seed: int) -> Callable[[Sequence[int]], PackResult]:
    """A pack's results, given the replicates' ids: smooth curves, a little noise of their own."""
    rng = np.random.default_rng(seed)
    size = len(places_)
    t = np.asarray(THRESHOLDS)
    slices, scores = {}, {}
    for split, metric in itertools.product(SPLITS, METRICS):
        peak, width = rng.uniform(0.2, 0.5, (size, 1)), rng.uniform(0.2, 0.6, (size, 1))
        curve = 0.6 * np.exp(-(((t - peak) / width) ** 2))
        curve += 0.002 * rng.standard_normal(curve.shape)
        # Metrics of a few thousand examples step from threshold to threshold, and are exact at 0.
        slices[split, metric] = np.clip(np.round(curve, 4), 0, 1)
        scores[split, metric] = slices[split, metric][:, 50] + 1e-9 * rng.random(size)
    epochs = np.arange(1, N_EPOCHS + 1)[:, None]
    noise = 0.01 * rng.standard_normal((3, N_EPOCHS, size))
    falling = 0.7 * np.exp(-epochs / 20) + noise
    objective = scores["validation", "weighted_f1"]

    def of(ids: Sequence[int]) -> PackResult:
        return PackResult(
            replicate_ids=ids,
            states=["complete"] * size,
            reasons=[None] * size,
            objective=objective,
            scores=scores,
            slices=slices,
            curves={
                "objective": 0.6 - falling[0],
                "train_loss": falling[1],
                "validation_loss": falling[2],
            },
            curve_epochs=list(range(1, N_EPOCHS + 1)),
            diagnostics={"train_loss": falling[1][-1], "predicted_positive_rate": objective},
            started_at=_START,
            finished_at=_START + timedelta(seconds=30),
            duration_s=30.0,
            worker="made-up/1",
        )

    return of


def fill(
    url: str,
    name: str,
    n_cells: int,
    *,
    n_done: int,
    planned: Sequence[CellRecord] | None = None,
) -> None:
    """Plan a sweep and finish its first replicates, a multiple of the packs' size.

    The cells are `cells(n_cells)` unless others are given as `planned`.

    A few packs are encoded as they are recorded; the database copies their blocks to the rest.
    """
    with Store.open(url) as store:
        sweep_id = store.put_sweep(sweep(name))
        store.plan(sweep_id, planned or cells(n_cells), range(N_SEEDS))
        with store.writing() as connection:
            _finish(connection, sweep_id, n_done // PACK_SIZE)
        if url.startswith("postgresql"):
            engine = sa.create_engine(store.url, isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                connection.execute(sa.text("VACUUM ANALYZE"))
            engine.dispose()


def _finish(connection: sa.Connection, sweep_id: int, n_packs: int) -> None:
    r = replicates.c
    rows = connection.execute(
        sa.select(r.id, r.cell_id, r.seed).where(r.sweep_id == sweep_id).order_by(r.id)
    )
    first_replicate = None
    pack_ids: list[int] = []
    encoded = [
        encode_pack(result(range(PACK_SIZE), seed)(list(range(1, PACK_SIZE + 1))))
        for seed in range(N_TEMPLATES)
    ]
    for k, own in zip(range(n_packs), rows.partitions(PACK_SIZE), strict=False):
        first_replicate = own[0].id if first_replicate is None else first_replicate
        values = {"sweep_id": sweep_id, **encoded[k % N_TEMPLATES].pack}
        insert = packs.insert().returning(packs.c.id)
        pack_ids.append(connection.execute(insert, values).scalar_one())
        data = encode_places(
            [o.cell_id for o in own], [o.seed for o in own], ["complete"] * len(own)
        )
        connection.execute(places.insert(), {"pack_id": pack_ids[-1], "data": data})
    rows.close()
    first_pack = pack_ids[0]
    assert pack_ids == list(range(first_pack, first_pack + n_packs))
    for k, template in enumerate(encoded[:n_packs]):
        for table, blobs in template.blobs.items():
            new = [{**blob, "pack_id": first_pack + k} for blob in blobs]
            connection.execute(table.insert(), new)
            _copy(connection, table, first_pack, k, n_packs)
    _finish_rows(connection, sweep_id, first_replicate, first_pack, n_packs, encoded)


def _copy(connection: sa.Connection, table: sa.Table, first: int, k: int, n_packs: int) -> None:
    """Copy the template's blocks to every eighth pack after it."""
    others = [c for c in table.c if c.name != "pack_id"]
    target = packs.c.id
    query = (
        sa.select(target, *others)
        .join(table, table.c.pack_id == first + k)
        .where(target > first + k, target < first + n_packs)
        .where((target - first) % N_TEMPLATES == k)
    )
    connection.execute(table.insert().from_select(["pack_id", *(c.name for c in others)], query))


def _finish_rows(
    connection: sa.Connection,
    sweep_id: int,
    first_replicate: int | None,
    first_pack: int,
    n_packs: int,
    encoded: Sequence[object],
) -> None:
    table = sa.Table(
        "made_up_objectives",
        sa.MetaData(),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("objective", sa.Double),
        prefixes=["TEMPORARY"],
    )
    table.create(connection)
    rows = [
        {"place": k * PACK_SIZE + row["pack_index"], "objective": row["objective"]}
        for k, template in enumerate(encoded)
        for row in template.results  # type: ignore[attr-defined]
    ]
    connection.execute(table.insert(), rows)
    r = replicates.c
    number = r.id - first_replicate
    place = number % (N_TEMPLATES * PACK_SIZE)
    objective = sa.select(table.c.objective).where(table.c.place == place).scalar_subquery()
    connection.execute(
        replicates.update()
        .where(r.sweep_id == sweep_id, number < n_packs * PACK_SIZE)
        .values(
            state="complete",
            attempts=1,
            objective=objective,
            pack_id=first_pack + number // PACK_SIZE,
            pack_index=number % PACK_SIZE,
        )
    )
    table.drop(connection)
