from __future__ import annotations

import hashlib
import sqlite3

import pytest
import sqlalchemy as sa

from storage import frames, schema
from storage.errors import StoreError, StoreNotFoundError, StoreUnwritableError
from storage.kept_files import kept_folder
from storage.optuna_mirror import mirror
from storage.records import KeptRecord
from storage.store import Store


@pytest.fixture
def swept(store, make_sweep, make_cells, run_open, tmp_path, monkeypatch):
    monkeypatch.setenv("SIGMOIDF1_KEPT", str(tmp_path / "kept"))
    sweep_id = store.put_sweep(make_sweep())
    store.plan(sweep_id, make_cells(), [0, 1])
    run_open(store)
    store.extend_plan(sweep_id, make_cells(betas=(8.0,)), [0])
    return sweep_id


def test_info(store, swept, make_sweep):
    mirror(store, "movies", {})
    store.put_sweep(make_sweep("empty"))
    store.begin_run(swept, "me", host="h", pid=1, workers=2)
    ids = frames.load_replicates(store, "movies")["replicate_id"].tolist()
    store.keep(swept, [KeptRecord(replicate_id=ids[0], path="m/a", sha256="0" * 64, size_bytes=9)])
    info = store.info()
    assert info.schema == schema.REVISION
    assert info.studies == 1
    assert info.url == store.masked_url
    assert info.database.startswith(("SQLite 3.", "PostgreSQL "))
    assert info.size_bytes > 50_000
    assert info.bytes_per_replicate == pytest.approx((info.size_bytes - info.free_bytes) / 8)
    movies, empty = info.sweeps
    assert (movies.cells, movies.packs, movies.states["complete"]) == (6, 2, 8)
    assert (movies.kept_files, movies.kept_bytes, movies.live_runs) == (1, 9, 1)
    with store.reading() as connection:
        blobs = sum(
            len(data)
            for table in ("scores", "slices", "curves", "diagnostics", "places")
            for data in connection.execute(sa.text(f"SELECT data FROM sweep_{table}")).scalars()
        )
    assert movies.result_bytes == blobs
    assert movies.bytes_per_replicate == blobs / 8
    assert (empty.cells, empty.result_bytes, empty.bytes_per_replicate) == (0, 0, None)


def change(store, text, **values):
    with store.writing() as connection:
        connection.execute(sa.text(text), values)


DAMAGE = {
    "a cell is planned": "DELETE FROM sweep_replicates WHERE state = 'waiting' AND seed = 0",
    "a pack has results": (
        "INSERT INTO sweep_packs (sweep_id, n_replicates, finished_at, worker, curve_epochs) "
        "SELECT sweep_id, 1, finished_at, worker, '[]' FROM sweep_packs LIMIT 1"
    ),
    "only a running": "UPDATE sweep_replicates SET lease_token = 'x' WHERE state = 'waiting'",
    "the columns of cells": "DELETE FROM sweep_cell_columns WHERE part = 1",
    "a pack's places name": "UPDATE sweep_replicates SET seed = 77 WHERE pack_index = 1",
    "every place of a pack": "UPDATE sweep_packs SET n_replicates = n_replicates + 1",
    "a complete replicate's": "UPDATE sweep_replicates SET objective = 0.5 WHERE pack_index = 2",
    "every block decodes": "UPDATE sweep_curves SET data = (SELECT data FROM sweep_places LIMIT 1)",
}


@pytest.mark.parametrize("rule", DAMAGE)
def test_damage_is_found_and_named(store, swept, rule):
    assert store.check().problems == []
    change(store, DAMAGE[rule])
    report = store.check()
    assert not report.clean
    found = [p for p in report.problems if p.rule.startswith(rule)]
    assert [p.sweep for p in found] == ["movies"]
    assert found[0].count > 0
    assert found[0].example


def test_check_looks_at_everything(store, swept):
    report = store.check()
    assert report.clean
    # 2 packs with 3 scores, 4 × 3 slices, 2 curves, 1 diagnostic and the places each.
    assert report.checked == {
        "sweeps": 1, "cells": 6, "replicates": 10, "packs": 2, "blocks": 2 * 19 + 2 * 2,
        "kept_files": 0,
    }  # fmt: skip


def test_expired_leases_are_noted_and_not_a_fault(store, swept):
    ids = [r.replicate_id for r in store.open_replicates(swept)]
    store.claim(ids, "gone", 60)
    assert store.check().notes == []
    change(store, "UPDATE sweep_replicates SET lease_expires_at = '2020-01-01 00:00:00.000000' "
           "WHERE state = 'running'")  # fmt: skip
    report = store.check()
    assert report.clean
    assert [(note.count, note.example) for note in report.notes] == [(2, "gone")]


def test_kept_files_are_checked(store, swept):
    ids = frames.load_replicates(store, "movies")["replicate_id"].tolist()
    folder = kept_folder(store.url)
    folder.mkdir(parents=True)
    (folder / "a").write_bytes(b"weights")
    sha256 = hashlib.sha256(b"weights").hexdigest()
    record = KeptRecord(replicate_id=ids[0], path="a", sha256=sha256, size_bytes=7)
    store.keep(swept, [record])
    assert store.check().clean
    assert store.check().checked["kept_files"] == 1
    (folder / "movies").mkdir()
    for name in ("x.safetensors", "targets.safetensors"):
        (folder / "movies" / name).touch()
    report = store.check()
    assert report.clean
    assert [(note.count, note.example) for note in report.notes] == [
        (1, str(folder / "movies" / "x.safetensors"))
    ]
    (folder / "a").write_bytes(b"weightz")
    assert "checksum" in store.check().problems[0].example
    (folder / "a").unlink()
    assert "No such file" in store.check().problems[0].example


def test_a_damaged_file_is_found(tmp_path, make_sweep, make_cells, run_open):
    path = tmp_path / "sweeps.db"
    with Store.open(f"sqlite:///{path}") as store:
        store.plan(store.put_sweep(make_sweep()), make_cells(), [0, 1])
        run_open(store)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("DELETE FROM sweep_packs WHERE id = 2")
    connection.close()
    with Store.open(f"sqlite:///{path}") as store:
        rules = [problem.rule for problem in store.check().problems]
    assert "every row refers to rows that exist" in rules


def test_backup_is_a_store_of_one_moment(tmp_path, make_sweep, make_cells, run_open):
    target = tmp_path / "copies" / "today.db"
    with Store.open(f"sqlite:///{tmp_path / 'sweeps.db'}") as store:
        sweep_id = store.put_sweep(make_sweep())
        store.plan(sweep_id, make_cells(), [0, 1])
        run_open(store)
        with pytest.raises(StoreUnwritableError, match="existing folder"):
            store.backup(target)
        target.parent.mkdir()
        with store.writing() as connection:
            connection.execute(sa.text("UPDATE sweep_sweeps SET encoder = 'not committed'"))
            assert store.backup(target) == target.stat().st_size
        before = target.read_bytes()
        with pytest.raises(StoreUnwritableError, match="overwrites nothing"):
            store.backup(target)
        assert target.read_bytes() == before
        assert [path.name for path in target.parent.iterdir()] == ["today.db"]
        with Store.open(f"sqlite:///{target}") as copy:
            assert copy.check().clean
            assert copy.sweep("movies").encoder == "minilm"
            for load in (frames.load_cells, frames.load_replicates):
                assert load(copy, "movies").equals(load(store, "movies"))


def test_postgres_is_backed_up_by_its_own_tool(postgres_database, tmp_path):
    with (
        Store.open(postgres_database) as store,
        pytest.raises(StoreError, match=r"pg_dump.*merge"),
    ):
        store.backup(tmp_path / "a.db")
    assert not (tmp_path / "a.db").exists()


def test_upgrade_needs_a_store(store_url, tmp_path):
    with pytest.raises(StoreNotFoundError):
        Store.upgrade(store_url)
    assert not list(tmp_path.glob("*.db"))
