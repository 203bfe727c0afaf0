"""A small sweep on made-up features, small enough to train in a second."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml

from storage.records import OpenReplicate, PlanCounts
from storage.store import Store
from sweeps.packs import PackTask, Throughput, make_packs
from sweeps.plan import make_plan
from sweeps.samplers.growth import check_unchanged
from sweeps.samplers.halving import pruning
from sweeps.samplers.planning import make_growth
from sweeps.samplers.source import GrowingPlan
from sweeps.scheduling.source import SharedPlan
from sweeps.spec import SweepSpec


@pytest.fixture(scope="session")
def features_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features with four learnable classes, splits given by column."""
    generator = np.random.default_rng(0)
    embeddings = generator.normal(size=(240, 12)).astype(np.float32)
    targets = (embeddings[:, :4] + 0.2 * generator.normal(size=(240, 4)) > 0.9).astype(np.uint8)
    split = np.array(["train"] * 140 + ["validation"] * 50 + ["test"] * 50)
    path = tmp_path_factory.mktemp("features") / "features.npz"
    np.savez(path, X=embeddings, Y=targets, split=split, labels=np.array(list("abcd")))
    return path


@pytest.fixture
def run_locally() -> Any:
    """Run a sweep in this process: the real plan, store and training, without Ray."""
    return _run_locally


def _run_locally(
    spec: SweepSpec, url: str, *, packs: int | None = None, tile_heads: int = 4, workers: int = 1
) -> PlanCounts:
    """Train a sweep to its end, or as if killed when pack number ``packs`` was about to train."""
    from sweeps.pack_training import PackTrainer
    from sweeps.sweep_data import load_sweep_features, pack_data, pack_limits, sweep_record

    plan = make_plan(spec)
    features = load_sweep_features(plan)
    trainer = PackTrainer(pack_data(features, plan, "cpu"))
    with Store.open(url) as store:
        check_unchanged(store, plan)
        sweep_id = store.put_sweep(sweep_record(plan, features))
        growth = make_growth(store, sweep_id, plan)
        counts = growth.begin()

        def make(left: Sequence[OpenReplicate]) -> Iterable[PackTask]:
            if not left:
                return []
            cells = {cell.key: cell for cell in store.cells(sweep_id)}
            limits = pack_limits(
                features, plan, list(cells.values()), device="cpu", memory_bytes=2**28
            )
            limits = replace(limits, tile_heads=tile_heads)
            return make_packs(left, cells, limits, Throughput(workers))

        source = GrowingPlan(growth, lambda: SharedPlan(store, sweep_id, make))
        trained = 0
        while not source.finished:
            task = source.next_pack()
            if task is None:
                continue
            if trained == packs:
                break
            claimed = set(store.claim([r for r, _, _ in task.replicates], "test", 60))
            told = pruning(task, claimed, plan.spec.get("halving"), maximize=True)
            result = trainer.train(task, claimed, worker="test", **told)
            store.record_pack(sweep_id, result, "test")
            source.ended(task)
            trained += 1
    return counts


@pytest.fixture
def make_spec(tmp_path: Path, features_file: Path) -> Any:
    """Write a spec file; keyword arguments replace its top-level keys."""

    def make(name: str = "small", **changes: Any) -> Path:
        spec = {
            "sweep": name,
            "data": {"dataset": "features", "path": str(features_file)},
            "training": {"epochs": 4, "batch_size": 32, "lr": 0.01},
            "seeds": 2,
            "losses": {
                "sigmoid_f1": {"beta": [-5, 1, 10], "eta": [0, 1]},
                "bce": {},
                "unbounded_f1": {},
            },
            **changes,
        }
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(spec), encoding="utf-8")
        return path

    return make


@pytest.fixture(scope="session")
def train_sweep() -> Any:
    """Run a sweep in this process, without Ray: the same packs, the same rows."""

    def run(spec_path: Path, url: str) -> str:
        from storage.store import Store
        from sweeps.pack_training import PackTrainer
        from sweeps.packs import PackLimits, Throughput, make_packs
        from sweeps.plan import make_plan
        from sweeps.spec import load_spec
        from sweeps.sweep_data import load_sweep_features, pack_data, sweep_record

        plan = make_plan(load_spec(spec_path))
        features = load_sweep_features(plan)
        with Store.open(url) as store:
            sweep_id = store.put_sweep(sweep_record(plan, features))
            store.plan(sweep_id, plan.cells, plan.seeds)
            trainer = PackTrainer(pack_data(features, plan, "cpu"))
            limits = PackLimits(tile_heads=16, max_heads=1000)
            cells = {cell.key: cell for cell in plan.cells}
            left = store.open_replicates(sweep_id)
            for pack in make_packs(left, cells, limits, Throughput(workers=1)):
                ids = [replicate for replicate, _, _ in pack.replicates]
                claimed = set(store.claim(ids, "test", 600))
                store.record_pack(sweep_id, trainer.train(pack, claimed, worker="test"), "test")
        return plan.sweep

    return run


class Done(NamedTuple):
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def sigmoidf1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """Run a command in this process, where all that it imports is there already."""
    from sweeps.cli.main import main

    def run(*arguments: object, typed: str = "") -> Done:
        monkeypatch.setattr(sys, "argv", ["sigmoidf1", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(ended.value.code, *capsys.readouterr())

    return run
