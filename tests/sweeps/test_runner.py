"""Real sweeps through Ray Tune into a real store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest

from storage.errors import StoreError
from storage.frames import load_cells, load_replicates, load_scores
from storage.optuna_mirror import study_name
from storage.store import Store
from sweeps.pack_training import head_config
from sweeps.plan import make_plan
from sweeps.runner import RunOptions, run_sweep
from sweeps.spec import load_spec

OPTIONS = RunOptions(workers=1)
SIGMOIDF1 = Path(sys.executable).with_name("sigmoidf1")


def replicates_of(url: str, name: str) -> pd.DataFrame:
    with Store.open(url, create=False, read_only=True) as store:
        return load_replicates(store, name)


def test_a_sweep_from_nothing_to_optuna(tmp_path, make_spec):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    spec = load_spec(make_spec())
    summary = run_sweep(spec, url, options=OPTIONS)
    assert (summary.plan.total, summary.plan.open, summary.interrupted) == (16, 16, False)
    assert sum(summary.trained.values()) == 16
    assert summary.trained["failed"] == 0

    frame = replicates_of(url, "small")
    assert len(frame) == 16
    assert set(frame["state"]) <= {"complete", "diverged"}
    assert not frame.duplicated(["cell_id", "seed"]).any()

    # Optuna reads the same numbers.
    with Store.open(url, create=False, read_only=True) as store:
        cells = load_cells(store, "small")
    for loss, group in frame.groupby("loss"):
        study = optuna.load_study(study_name=study_name("small", "features", loss), storage=url)
        assert len(study.trials) == group["cell_id"].nunique()
        keys = cells.set_index("key")["cell_id"]
        for trial in study.trials:
            mine = group[group["cell_id"] == keys[trial.user_attrs["cell_key"]]]
            if mine["objective"].notna().any():
                assert trial.value == np.mean(mine["objective"].dropna().to_numpy())

    # A second run finds everything done and starts no Ray.
    rows_before = frame.sort_values("replicate_id")
    again = run_sweep(spec, url, options=OPTIONS)
    assert again.plan.open == 0
    assert "ray" not in again.seconds
    rows_after = replicates_of(url, "small").sort_values("replicate_id")
    pd.testing.assert_frame_equal(rows_before, rows_after)

    # More seeds and a wider grid train the difference only.
    wider = load_spec(
        make_spec(seeds=3, losses={"sigmoid_f1": {"beta": [-5, 1, 10, 20], "eta": [0, 1]}})
    )
    extended = run_sweep(wider, url, options=OPTIONS)
    assert sum(extended.trained.values()) == 8 * 3 - 6 * 2
    after = replicates_of(url, "small").set_index("replicate_id")
    kept = rows_before.set_index("replicate_id")
    assert (after.loc[kept.index, "finished_at"] == kept["finished_at"]).all()

    # Another training under the same name is refused, and nothing changes.
    changed = load_spec(make_spec(training={"epochs": 9}))
    with pytest.raises(StoreError, match="epochs"):
        run_sweep(changed, url, options=OPTIONS)
    assert len(replicates_of(url, "small")) == len(after)


def test_stored_scores_equal_a_head_trained_alone(tmp_path, make_spec):
    from sigmoidf1.training.packed import train_heads
    from sigmoidf1.training.settings import Objective, TrainingSettings
    from sweeps.sweep_data import load_sweep_features

    url = f"sqlite:///{tmp_path / 'store.db'}"
    spec = load_spec(make_spec())
    plan = make_plan(spec)
    run_sweep(spec, url, options=OPTIONS)
    features = load_sweep_features(plan)
    cell = next(c for c in plan.cells if c.hyperparameters.get("beta") == 10)
    alone = train_heads(
        features.embeddings,
        features.targets,
        [head_config(cell)],
        [1],
        splits=features.split,
        settings=TrainingSettings(epochs=4, batch_size=32),
        objective=Objective(**plan.spec["objective"]),
    )
    with Store.open(url, create=False, read_only=True) as store:
        cell_id = load_cells(store, "small").set_index("key").loc[cell.key, "cell_id"]
        for metric in ("weighted_f1", "map", "samples_f1"):
            frame = load_scores(store, "small", split="test", metric=metric)
            mine = frame[(frame["cell_id"] == cell_id) & (frame["seed"] == 1)]
            assert mine["value"].item() == alone.scores["test", metric].item()


def test_ctrl_c_finishes_running_packs_and_the_next_run_does_the_rest(tmp_path, make_spec):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    spec = make_spec(
        training={"epochs": 150, "batch_size": 16},
        seeds=4,
        losses={"sigmoid_f1": {"beta": {"range": [1, 30], "num": 500}}},
    )
    command = [SIGMOIDF1, "sweep", "run", spec, "--store", url, "--workers", "1"]
    process = subprocess.Popen(
        [str(part) for part in command], stderr=subprocess.PIPE, text=True, process_group=0
    )
    deadline = time.monotonic() + 120
    done = 0
    while done == 0 and time.monotonic() < deadline:
        time.sleep(0.2)
        if (tmp_path / "store.db").exists():
            try:
                done = int(replicates_of(url, "small")["state"].eq("complete").sum())
            except StoreError:
                continue
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "the running packs finish" in errors
    before = replicates_of(url, "small").set_index("replicate_id")
    finished = before[before["state"] == "complete"]
    assert 0 < len(finished) < 2000
    assert set(before["state"]) == {"complete", "waiting"}

    summary = run_sweep(load_spec(spec), url, options=OPTIONS)
    assert sum(summary.trained.values()) == 2000 - len(finished)
    after = replicates_of(url, "small").set_index("replicate_id")
    assert len(after) == 2000
    assert (after["state"] == "complete").all()
    pd.testing.assert_series_equal(
        after.loc[finished.index, "finished_at"], finished["finished_at"]
    )


def test_a_worker_that_dies_costs_only_its_pack(tmp_path, make_spec):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    spec = load_spec(
        make_spec(
            training={"epochs": 150, "batch_size": 16},
            seeds=2,
            losses={"sigmoid_f1": {"beta": {"range": [1, 30], "num": 300}}},
        )
    )
    killed = []
    done = threading.Event()

    def kill_one_worker() -> None:
        import psutil

        while not done.wait(0.05):
            for process in psutil.Process().children(recursive=True):
                if "PackTrial" in " ".join(process.cmdline()):
                    process.kill()
                    killed.append(process.pid)
                    return

    class Killer:
        def embedding(self, done: int, total: int) -> None: ...
        def planned(self, counts: object) -> None: ...
        def keeping(self, done: int, total: int) -> None: ...
        def stopping(self) -> None: ...

        def training(self, status: object) -> None:
            if status.partial_heads and not killed:
                kill_one_worker()

    summary = run_sweep(spec, url, options=OPTIONS, listener=Killer())
    done.set()
    assert len(killed) == 1
    assert summary.trained == {"complete": 600, "diverged": 0, "failed": 0}


def test_a_sampler_and_halving_through_ray(tmp_path, make_spec):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    spec = load_spec(
        make_spec(
            sampler={"name": "tpe", "budget": 12, "batch": 6},
            halving={"factor": 3, "min_epochs": 2, "bracket": 6},
            losses={"sigmoid_f1": {"beta": {"range": [1, 30]}, "eta": {"range": [-1, 2]}}},
            keep=1,
        )
    )
    summary = run_sweep(spec, url, options=OPTIONS)
    assert summary.plan.total == summary.plan.open == 24
    assert summary.trained == {"complete": 8, "pruned": 16, "diverged": 0, "failed": 0}
    assert summary.kept == 2
    with Store.open(url, create=False, read_only=True) as store:
        cells = load_cells(store, "small")
    assert cells["batch"].tolist() == [0] * 6 + [1] * 6
    assert (cells["status"] == "pruned").sum() == 8
    study = optuna.load_study(study_name=study_name("small", "features", "sigmoid_f1"), storage=url)
    states = [trial.state.name for trial in study.trials]
    assert (states.count("COMPLETE"), states.count("PRUNED")) == (4, 8)
    assert study.best_trial.intermediate_values

    again = run_sweep(spec, url, options=OPTIONS)
    assert (again.plan.open, again.kept) == (0, 2)
    assert "ray" not in again.seconds


def test_every_training_setting_and_head_runs_from_a_spec(tmp_path, make_spec):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    spec = load_spec(
        make_spec(
            head={"kind": ["linear", "mlp"], "hidden": 8, "dropout": 0.1, "learn": ["beta", "eta"]},
            training={
                "epochs": 6,
                "batch_size": [16, 10_000],
                "optimizer": ["adam", "adamw"],
                "schedule": ["cosine", "onecycle"],
                "warmup_epochs": 1,
                "ema_decay": 0.5,
                "keep_epoch": "best",
                "patience": 2,
                "eval_every": 1,
                "weight_decay": 0.01,
            },
            seeds=1,
            losses={"sigmoid_f1": {"beta": [1, 5], "reduction": ["per_class", "pooled"]}},
        )
    )
    summary = run_sweep(spec, url, options=OPTIONS)
    assert summary.trained == {"complete": 2 * 2 * 2 * 2 * 4, "diverged": 0, "failed": 0}
    frame = replicates_of(url, "small")
    assert (frame["best_epoch"] >= 1).all()
    assert (frame["learned_beta_min"] <= frame["learned_beta_max"]).all()
    assert (frame["learned_beta_min"] > 0).all()
    with Store.open(url, create=False, read_only=True) as store:
        assert load_cells(store, "small")["head"].map(lambda head: head["kind"]).nunique() == 2
