"""Commands on stored sweeps: status, stop, retry, delete, merge, revisions, exports, the store."""

from __future__ import annotations

import io
import json
import os
import socket
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
import yaml

from storage.frames import load_replicates
from storage.optuna_mirror import mirror
from storage.store import Store
from sweeps.scheduling.identity import this_run


@pytest.fixture
def facts(sigmoidf1: Callable[..., Any]) -> Callable[..., Any]:
    """The JSON that a command prints."""

    def read(*arguments: object) -> Any:
        done = sigmoidf1(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return read


def write_spec(folder: Path, features: Path, **changes: Any) -> Path:
    spec = {
        "sweep": "small",
        "data": {"dataset": "features", "path": str(features)},
        "training": {"epochs": 4, "batch_size": 32, "lr": 0.01},
        "seeds": 2,
        "keep": "none",
        "losses": {"sigmoid_f1": {"beta": [-5, 1, 10], "eta": [0, 1]}, "bce": {}},
        **changes,
    }
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(spec), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, features_file: Path, train_sweep: Any
) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    url = f"sqlite:///{folder / 'store.db'}"
    spec = write_spec(folder, features_file)
    train_sweep(spec, url)
    with Store.open(url) as store:
        mirror(store, "small", {})
    return folder / "store.db"


@pytest.fixture
def url(tmp_path: Path, finished: Path) -> str:
    """A copy of a finished sweep of 14 replicates."""
    target = tmp_path / "store.db"
    with closing(sqlite3.connect(finished)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
    return f"sqlite:///{target}"


def reopen(url: str, count: int = 4) -> list[int]:
    """Let some replicates be as before they were trained; their ids."""
    with Store.open(url) as store, store.writing() as connection:
        text = "SELECT id FROM sweep_replicates ORDER BY id LIMIT ?"
        ids = [row[0] for row in connection.exec_driver_sql(text, (count,))]
        places = ", ".join("?" * len(ids))
        connection.exec_driver_sql(
            "UPDATE sweep_replicates SET state = 'waiting', reason = NULL, objective = NULL, "
            f"pack_id = NULL, pack_index = NULL WHERE id IN ({places})",
            tuple(ids),
        )
    return ids


def fail(url: str, reason: str = "RuntimeError: [no] memory") -> None:
    ids = reopen(url)
    with Store.open(url) as store:
        assert store.claim(ids, "owner", 60) == ids
        assert store.fail(ids, "owner", reason) == len(ids)


def test_status_of_a_finished_sweep(sigmoidf1, facts, url):
    status = facts("sweep", "status", "small", "--store", url)
    assert (status["total"], status["done"], status["progress"]) == (14, 14, 1.0)
    assert status["states"]["complete"] == 14
    assert status["runs"] == []
    assert status["left_s"] is None
    assert "14 / 14 (100 %)" in sigmoidf1("sweep", "status", "--store", url).stdout
    watched = sigmoidf1("sweep", "status", "small", "--watch", "--store", url)
    assert watched.returncode == 0
    assert watched.stdout == "small: 14 / 14 (100 %), done\n"


def test_status_shows_live_runs_and_errors(sigmoidf1, facts, url):
    fail(url)
    run = this_run()
    with Store.open(url) as store:
        sweep_id = store.sweep_id("small")
        store.begin_run(sweep_id, run.owner, host=run.host, pid=run.pid, workers=3)
        killed = run.owner.replace(f"/{run.pid}/", "/999999999/")
        store.begin_run(sweep_id, killed, host=run.host, pid=999999999, workers=3)
    status = facts("sweep", "status", "small", "--store", url)
    assert status["errors"] == [{"reason": "RuntimeError: [no] memory", "replicates": 4}]
    (live,) = status["runs"]
    assert (live["host"], live["pid"], live["workers"]) == (socket.gethostname(), os.getpid(), 3)
    assert live["heartbeat_age_s"] < 60
    shown = sigmoidf1("sweep", "status", "small", "--store", url).stdout
    assert "RuntimeError: [no] memory" in shown
    assert "4 failed" in shown


def test_retry_lets_failed_replicates_wait_again(sigmoidf1, facts, url):
    fail(url)
    assert sigmoidf1("sweep", "retry", "small", "--store", url).returncode == 2
    assert facts("sweep", "retry", "small", "--failed", "--store", url)["replicates"] == 4
    status = facts("sweep", "status", "small", "--store", url)
    assert (status["states"]["failed"], status["states"]["waiting"]) == (0, 4)
    again = sigmoidf1("sweep", "retry", "small", "--failed", "--diverged", "--store", url)
    assert "nothing was changed" in again.stdout


def test_stop_tells_live_runs_and_frees_what_killed_ones_held(sigmoidf1, facts, url):
    ids = reopen(url)
    run = this_run()
    dead = run.owner.replace(f"/{run.pid}/", "/999999999/")
    with Store.open(url) as store:
        sweep_id = store.sweep_id("small")
        store.begin_run(sweep_id, dead, host=run.host, pid=999999999, workers=1)
        assert store.claim(ids, dead, 60) == ids
        nothing = sigmoidf1("sweep", "stop", "small", "--store", url)
        assert "4 replicates of a run that was killed wait again" in nothing.stdout
        assert "nothing to stop" in nothing.stdout
        assert store.counts(sweep_id)["waiting"] == 4
        store.begin_run(sweep_id, run.owner, host=run.host, pid=run.pid, workers=1)
        assert facts("sweep", "stop", "small", "--store", url)["told"] == 1
        assert store.heartbeat(run.owner) == "finish"
        assert facts("sweep", "stop", "small", "--abandon", "--store", url)["told"] == 1
        assert store.heartbeat(run.owner) == "abandon"


def test_delete_asks_and_refuses_while_a_run_is_live(sigmoidf1, facts, url):
    refused = sigmoidf1("sweep", "delete", "small", "--store", url, typed="n\n")
    assert refused.returncode == 130
    run = this_run()
    with Store.open(url) as store:
        sweep_id = store.sweep_id("small")
        store.begin_run(sweep_id, run.owner, host=run.host, pid=run.pid, workers=1)
        live = sigmoidf1("sweep", "delete", "small", "--yes", "--store", url)
        assert live.returncode == 1
        assert "sigmoidf1 sweep stop small" in live.stderr
    report = facts("sweep", "delete", "small", "--yes", "--force", "--store", url)
    assert (report["replicates"], report["cells"]) == (14, 7)
    assert facts("sweep", "list", "--store", url) == []
    assert facts("store", "info", "--store", url)["studies"] == 0


def test_merge_brings_in_what_is_missing(sigmoidf1, facts, url, tmp_path):
    ids = reopen(url)
    other = f"sqlite:///{tmp_path / 'other.db'}"
    (taken,) = facts("sweep", "merge", url, "--store", other)
    assert (taken["cells_added"], taken["results_taken"]) == (7, 10)
    with Store.open(other) as store:
        assert len(store.open_replicates(store.sweep_id("small"))) == len(ids)
    (study,) = optuna.get_all_study_summaries(other)
    assert (study.study_name, study.n_trials) == ("small/features/sigmoid_f1", 5)
    (renamed,) = facts("sweep", "merge", url, "--rename", "small=mine", "--store", other)
    assert renamed["sweep"] == "mine"
    missing = sigmoidf1("sweep", "merge", "sqlite:////nowhere/x.db", "--store", other)
    assert missing.returncode == 1


def test_a_changed_spec_is_refused_or_becomes_a_revision(
    sigmoidf1, facts, url, tmp_path, features_file
):
    changed = write_spec(tmp_path, features_file, training={"epochs": 2, "lr": 0.01}, seeds=1)
    refused = sigmoidf1("sweep", "run", changed, "--store", url)
    assert refused.returncode == 1
    assert "epochs: 4 -> 2" in refused.stderr
    assert "--revision" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) <= 2
    run = sigmoidf1("sweep", "run", changed, "--store", url, "--revision", "--workers", 1)
    assert run.returncode == 0, run.stderr
    names = [row["sweep"] for row in facts("sweep", "list", "--store", url)]
    assert names == ["small", "small.r2"]
    again = sigmoidf1("sweep", "run", changed, "--store", url, "--revision")
    assert "small.r2: all 7 replicates were done" in again.stderr


def test_exported_tables_hold_every_replicate(sigmoidf1, url, tmp_path):
    reopen(url, 1)
    files = {kind: tmp_path / f"replicates.{kind}" for kind in ("csv", "json", "parquet")}
    for path in files.values():
        assert sigmoidf1("export", "replicates", "--store", url, "-o", path).returncode == 0
    frames = [pd.read_csv(files["csv"]), pd.DataFrame(json.loads(files["json"].read_text()))]
    frames.append(pd.read_parquet(files["parquet"]))
    with Store.open(url, read_only=True) as store:
        stored = load_replicates(store, "small")
    for frame in frames:
        assert len(frame) == 14
        assert frame["objective"].isna().sum() == 1
        assert frame["objective"].dropna().tolist() == stored["objective"].dropna().tolist()
        assert frame["param_beta"].dropna().unique().tolist() == [-5, 1, 10]
        assert {"cell_key", "seed", "state", "test_map", "validation_weighted_f1"} <= set(frame)
    cells = sigmoidf1("export", "cells", "--store", url, "--loss", "bce").stdout
    assert len(cells.splitlines()) == 2
    curves = json.loads(sigmoidf1("export", "curves", "--store", url, "--format", "json").stdout)
    assert {row["epoch"] for row in curves} == {1, 2, 3, 4}
    assert len({row["replicate_id"] for row in curves}) == 13
    with Store.open(url, read_only=True) as store:
        means = stored[stored["state"] == "complete"].groupby("cell_id")["objective"].mean()
    table = pd.read_csv(io.StringIO(sigmoidf1("export", "cells", "--store", url).stdout))
    assert table["objective_mean"].dropna().tolist() == means.tolist()


def test_exports_that_cannot_be_leave_no_file(sigmoidf1, url, tmp_path):
    for arguments, words in (
        (["--format", "parquet"], "-o FILE.parquet"),
        (["-o", tmp_path / "nowhere" / "x.csv"], "nowhere"),
        (["--sweep", "smal", "-o", tmp_path / "x.csv"], "'small'"),
        (["--threshold", "0.123", "-o", tmp_path / "x.csv"], "0.123"),
    ):
        done = sigmoidf1("export", "replicates", "--store", url, *arguments)
        assert done.returncode == 1
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.glob("*x.csv*"))


def test_parquet_without_pyarrow_says_what_to_install(sigmoidf1, url, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = sigmoidf1("export", "curves", "--store", url, "-o", tmp_path / "curves.parquet")
    assert done.returncode == 1
    assert "pip install pyarrow" in done.stderr
    assert not list(tmp_path.glob("*curves*"))


def test_the_store_is_described_checked_and_copied(sigmoidf1, facts, url, tmp_path):
    info = facts("store", "info", "--store", url)
    assert [sweep["name"] for sweep in info["sweeps"]] == ["small"]
    assert info["studies"] == 2
    assert facts("store", "check", "--store", url)["clean"]
    copy = tmp_path / "copy.db"
    assert facts("store", "backup", copy, "--store", url)["size_bytes"] == copy.stat().st_size
    twice = sigmoidf1("store", "backup", copy, "--store", url)
    assert (twice.returncode, "there already" in twice.stderr) == (1, True)
    assert facts("store", "upgrade", "--store", url)["before"] == info["schema"]
    with Store.open(url) as store, store.writing() as connection:
        connection.exec_driver_sql("UPDATE sweep_replicates SET objective = 2 WHERE id = 1")
    broken = sigmoidf1("store", "check", "--store", url)
    assert broken.returncode == 1
    assert "broken: small:" in broken.stdout


def test_results_made_elsewhere_are_imported(sigmoidf1, facts, url, tmp_path):
    table = tmp_path / "results.csv"
    table.write_text("beta,eta,seed,f1,map\n1,0,0,0.5,0.2\n1,0,1,0.6,0.3\n2,0,0,,\n")
    arguments = ["sweep", "import", "earlier", "--csv", table, "--store", url]
    report = facts(*arguments, "--value", "f1", "--metric", "map=test/map")
    assert (report["cells"], report["taken"]["complete"], report["taken"]["failed"]) == (2, 2, 1)
    assert facts(*arguments, "--value", "f1", "--metric", "map=test/map")["present"] == 3
    for wrong, words in (
        ([], "--value"),
        (["--value", "f2"], "f2"),
        (["--value", "f1", "--study", "x"], "either --csv"),
        (["--value", "f1", "--metric", "map"], "SPLIT/METRIC"),
    ):
        done = sigmoidf1(*arguments, *wrong)
        assert done.returncode in (1, 2)
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    study = facts("sweep", "import", "copied", "--study", "small/features/bce", "--store", url)
    assert study["taken"]["complete"] == 1
    names = [row["sweep"] for row in facts("sweep", "list", "--store", url)]
    assert names == ["small", "earlier", "copied"]
