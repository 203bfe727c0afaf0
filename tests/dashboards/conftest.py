"""Small real stores with the numbers of a plausible sweep."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dashboards.source import Source
from storage.records import CellRecord, PackResult, SweepRecord
from storage.store import Store

N_EXAMPLES, N_CLASSES, BASE_RATE = 800, 20, 0.15
OBJECTIVE = {"metric": "weighted_f1", "split": "validation", "threshold": 0.5}
CURVES = [f"{a}_{s}" for a in ("micro", "macro", "weighted") for s in ("precision", "recall", "f1")]
POINTS = [
    *(f"samples_{s}" for s in ("precision", "recall", "f1")),
    *(f"{a}_jaccard" for a in ("micro", "macro", "weighted", "samples")),
    "map",
    "hamming_loss",
    "subset_accuracy",
]
METRICS = [
    {
        "name": name,
        "higher_is_better": name != "hamming_loss",
        "thresholded": name != "map",
        "curve": name in CURVES,
    }
    for name in (*CURVES, *POINTS)
]
_LOGITS = np.linspace(math.log(1e-4 / (1 - 1e-4)), -math.log(1e-4 / (1 - 1e-4)), 99)
THRESHOLDS = np.unique(np.append(1 / (1 + np.exp(-_LOGITS)), [0.05])).round(12)
THRESHOLDS[np.argmin(abs(THRESHOLDS - 0.5))] = 0.5


def _normal(z: np.ndarray) -> np.ndarray:
    return np.array([0.5 * (1 + math.erf(v / math.sqrt(2))) for v in np.ravel(z)]).reshape(z.shape)


def cell_model(loss: str, settings: dict[str, Any], seed: int) -> tuple[float, float, float]:
    """Shift and separation of the logits of positives, and noise, for one replicate."""
    rng = np.random.default_rng(zlib.crc32(repr((loss, sorted(settings.items()), seed)).encode()))
    noise = rng.normal(0, 0.04)
    if loss == "sigmoid_f1":
        beta, eta = settings["beta"], settings["eta"]
        if beta < 0:
            return (-9.0 if eta <= 0 else 9.0), 0.1, noise
        if beta > 22 and eta > 1.2:
            return -12.0, 0.5, noise
        sharp = math.exp(-(((math.log(beta) - 2.0) / 1.6) ** 2))
        return -0.9 - 0.9 * eta, 1.2 + 0.9 * sharp, noise
    if loss == "focal":
        return -1.6 + settings["alpha"], 2.0 - 0.1 * settings["gamma"], noise
    if loss == "asl":
        lr = settings.get("lr", 1e-3)
        return 0.1 * settings["gamma_neg"] - 1.2, 1.9 + 0.1 * (lr > 5e-4), noise
    return -1.7, 1.85, noise


def scores_of(loss: str, settings: dict[str, Any], seed: int, split: str) -> dict[str, np.ndarray]:
    """Precision, recall and F1 at every threshold by a binormal model of the logits."""
    shift, separation, noise = cell_model(loss, settings, seed)
    noise = noise - (0.03 if split == "test" else 0.0)
    cut = np.log(THRESHOLDS / (1 - THRESHOLDS))
    recall = _normal(shift + separation + noise - cut)
    fall_out = _normal(shift - noise - cut)
    recall, fall_out = np.round(recall, 4), np.round(fall_out, 4)
    predicted = BASE_RATE * recall + (1 - BASE_RATE) * fall_out
    precision = np.divide(
        BASE_RATE * recall, predicted, out=np.zeros_like(recall), where=predicted > 0
    )
    tiny = recall * BASE_RATE * N_EXAMPLES * N_CLASSES < 1
    recall, precision = np.where(tiny, 0, recall), np.where(tiny, 0, precision)
    f1 = np.divide(
        2 * precision * recall,
        precision + recall,
        out=np.zeros_like(recall),
        where=precision + recall > 0,
    )
    values = {}
    for average, factor in (("micro", 1.0), ("macro", 0.82), ("weighted", 0.95)):
        everything = recall > 0.9999
        scale = np.where(everything & (average != "micro"), 0.98, factor)
        values[f"{average}_precision"] = precision * scale
        values[f"{average}_recall"] = recall * (1.0 if average == "micro" else 0.97)
        values[f"{average}_f1"] = f1 * scale
    return values


BETAS = [-10.0, -5.0, -1.0, *map(float, range(1, 31))]
ETAS = [-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0]
TRAINING = {"epochs": 60, "batch_size": 256, "lr": 1e-3, "weight_decay": 0.0, "optimizer": "adam"}
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)

Fate = Callable[[CellRecord, int], tuple[str, str | None]]


def make_cells(
    betas: list[float] = BETAS, etas: list[float] = ETAS, *, lrs: tuple[float, ...] = (1e-3,)
) -> list[CellRecord]:
    """A plan of six losses; one β-η position is left out, ASL has three or four axes."""
    plan: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
    for beta, eta in product(betas, etas):
        if (beta, eta) != (-5.0, 0.5):
            fixed = {"input": "logits", "reduction": "per_class"}
            plan.append(("sigmoid_f1", {"beta": beta, "eta": eta, **fixed}, {}))
    for gamma, alpha in product((1.0, 2.0, 3.0), (0.25, 0.5, 0.75)):
        plan.append(("focal", {"gamma": gamma, "alpha": alpha}, {}))
    for neg, pos, clip, lr in product((2.0, 4.0, 6.0), (0.0, 1.0), (0.0, 0.05), lrs):
        settings = {"gamma_neg": neg, "gamma_pos": pos, "clip": clip}
        plan.append(("asl", settings, {"lr": lr}))
    plan += [("bce", {}, {}), ("unbounded_f1", {}, {}), ("soft_f1", {}, {})]
    return [
        CellRecord(
            key=f"cell-{ordinal:04d}",
            loss=loss,
            hyperparameters=settings,
            training=TRAINING | training,
            head={"kind": "linear"},
            ordinal=ordinal,
            parameters=settings,
        )
        for ordinal, (loss, settings, training) in enumerate(plan)
    ]


def all_fates(cell: CellRecord, seed: int) -> tuple[str, str | None]:
    """Every state at known places, whole cells and single seeds."""
    if cell.loss == "unbounded_f1":
        return "diverged", "|loss| > 10 in epoch 3"
    beta, eta = cell.hyperparameters.get("beta"), cell.hyperparameters.get("eta")
    whole = {
        (30.0, 2.0): ("failed", "out of memory <on the device>"),
        (29.0, 2.0): ("diverged", "loss is nan in epoch 1"),
        (28.0, -1.0): ("waiting", None),
        (29.0, -1.0): ("waiting", None),
        (30.0, -1.0): ("waiting", None),
    }
    if (beta, eta) in whole:
        return whole[beta, eta]
    single = {
        (20.0, 0.0, 4): ("diverged", "loss is nan in epoch 9"),
        (5.0, 0.0, 4): ("failed", "worker died"),
        (6.0, -1.0, 4): ("waiting", None),
    }
    return single.get((beta, eta, seed), ("complete", None))


def _complete(cell: CellRecord, seed: int) -> tuple[str, str | None]:
    return "complete", None


def baseline_levels() -> dict[str, dict[str, dict[str, float]]]:
    """Levels of the constant predictions, consistent with the base rate."""
    everything: dict[str, float] = {}
    for name in (*CURVES, *POINTS):
        if name.endswith("recall"):
            everything[name] = 1.0
        elif name.endswith("f1"):
            everything[name] = 2 * BASE_RATE / (1 + BASE_RATE)
        else:
            everything[name] = BASE_RATE
    everything |= {"hamming_loss": 1 - BASE_RATE, "subset_accuracy": 0.0}
    nothing = dict.fromkeys((*CURVES, *POINTS), 0.0)
    nothing |= {"hamming_loss": BASE_RATE, "map": BASE_RATE}
    return {
        "predict_all": dict.fromkeys(("validation", "test"), everything),
        "predict_none": dict.fromkeys(("validation", "test"), nothing),
    }


def add_sweep(
    store: Store,
    name: str = "movie-genres",
    *,
    cells: list[CellRecord] | None = None,
    seeds: int = 5,
    fate: Fate = _complete,
    record: bool = True,
    changes: dict[str, Any] | None = None,
) -> int:
    """Store a sweep, its plan and the results of every replicate that has a fate.

    ``changes`` replaces fields of the sweep's record; of ``spec`` and ``features_info`` keys.
    """
    cells = make_cells() if cells is None else cells
    labels = [f"genre {i}" for i in range(N_CLASSES)]
    changes = dict(changes or {})
    own_spec, own_info = changes.pop("spec", {}), changes.pop("features_info", {})
    sweep_record = SweepRecord(
        name=name,
        spec={
            "sweep": name,
            "seeds": list(range(seeds)),
            "objective": OBJECTIVE,
            "losses": {cell.loss: dict(cell.hyperparameters) for cell in cells},
            "training": dict(TRAINING),
            "head": {"kind": "linear"},
            **own_spec,
        },
        spec_hash="5f2c" * 16,
        identity={"data": {"dataset": "movie_genres", "limit": 4000}},
        dataset="movie_genres",
        encoder="minilm",
        dataset_fingerprint="9ab1" * 16,
        features_info={
            "n_train": 2400, "n_validation": N_EXAMPLES, "n_test": N_EXAMPLES,
            "dim": 384, "labels": labels, **own_info,
        },
        objective=OBJECTIVE,
        metrics=METRICS,
        thresholds=[float(t) for t in THRESHOLDS],
        baselines=baseline_levels(),
        provenance={"code_version": "0.1.0", "torch": "2.15.0"},
    )  # fmt: skip
    sweep_id = store.put_sweep(replace(sweep_record, **changes))
    store.plan(sweep_id, cells, range(seeds))
    if record:
        record_results(store, sweep_id, cells, fate)
    return sweep_id


def record_results(
    store: Store, sweep_id: int, cells: list[CellRecord], fate: Fate = _complete
) -> None:
    """Record every open replicate whose fate is not to wait, one pack a loss."""
    by_key = {cell.key: cell for cell in cells}
    packs: dict[str, list[tuple[int, CellRecord, int, str, str | None]]] = {}
    for replicate in store.open_replicates(sweep_id):
        cell = by_key[replicate.cell_key]
        state, reason = fate(cell, replicate.seed)
        if state != "waiting":
            item = (replicate.replicate_id, cell, replicate.seed, state, reason)
            packs.setdefault(cell.loss, []).append(item)
    for number, pack in enumerate(packs.values()):
        store.claim([item[0] for item in pack], "test", 60.0)
        store.record_pack(sweep_id, _pack_result(pack, number), "test")


def _pack_result(pack: list[tuple[int, CellRecord, int, str, str | None]], n: int) -> PackResult:
    at = int(np.argmin(abs(THRESHOLDS - OBJECTIVE["threshold"])))
    slices: dict[tuple[str, str], np.ndarray] = {}
    scores: dict[tuple[str, str], np.ndarray] = {}
    for split in ("validation", "test"):
        per_head = []
        for _, cell, seed, state, _reason in pack:
            settings = {**cell.hyperparameters, **cell.training}
            values = scores_of(cell.loss, settings, seed, split)
            bad = state != "complete"
            per_head.append({k: np.full_like(v, np.nan) if bad else v for k, v in values.items()})
        for metric in CURVES:
            slices[split, metric] = np.stack([values[metric] for values in per_head])
            scores[split, metric] = slices[split, metric][:, at]
        base = scores[split, "micro_f1"]
        for metric in POINTS:
            scores[split, metric] = 0.9 * base + (0.05 if metric == "map" else 0.0)
    states = [item[3] for item in pack]
    return PackResult(
        replicate_ids=[item[0] for item in pack],
        states=states,
        reasons=[item[4] for item in pack],
        objective=scores["validation", "weighted_f1"],
        scores=scores,
        slices=slices,
        curves={
            "train_loss": np.linspace(0.9, 0.4, 6)[:, None] * np.ones((1, len(pack))),
            "objective": np.linspace(0.2, 0.9, 6)[:, None] * np.ones((1, len(pack))),
        },
        curve_epochs=[1, 2, 4, 8, 30, 60],
        diagnostics={"train_loss": np.full(len(pack), 0.4)},
        started_at=START + timedelta(minutes=n),
        finished_at=START + timedelta(minutes=n, seconds=40),
        duration_s=40.0,
        worker="host/1/cpu",
    )


def sqlite_url(path: Path) -> str:
    """The URL of a store in a file."""
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with a sweep in every state, a finished one, and one that has not begun."""
    url = sqlite_url(tmp_path_factory.mktemp("store") / "sweeps.db")
    small = make_cells([1.0, 5.0, 10.0], [0.0, 1.0], lrs=(1e-4, 1e-3))
    with Store.open(url) as store:
        add_sweep(store, "not-begun", cells=small, record=False)
        add_sweep(store, "finished", cells=small, seeds=3)
        add_sweep(store, "movie-genres", fate=all_fates)
    return url


@pytest.fixture(scope="session")
def empty_store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store without a sweep."""
    url = sqlite_url(tmp_path_factory.mktemp("empty") / "sweeps.db")
    Store.open(url).close()
    return url


@pytest.fixture
def source(store_url: str) -> Iterator[Source]:
    """The store of `store_url`, opened for figures."""
    reader = Source(store_url)
    yield reader
    reader.close()


@pytest.fixture(scope="session")
def dashboard_data() -> SimpleNamespace:
    """The makers of plans and results above, for tests that need a store of their own."""
    return SimpleNamespace(
        make_cells=make_cells, add_sweep=add_sweep, record_results=record_results
    )
