from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from storage import frames
from storage.cell_columns import read_columns
from storage.errors import RecordError, StoreBusyError, SweepNotFoundError
from storage.optuna_mirror import mirror
from storage.records import KeptRecord, PlanCounts

SHA = "0" * 64


def keys(cells):
    return [cell.key for cell in cells]


@pytest.fixture
def sweep_id(store, make_sweep):
    return store.put_sweep(make_sweep())


def ordinals(store):
    return frames.load_cells(store, "movies")["ordinal"].tolist()


def test_extending_adds_and_never_removes(store, sweep_id, make_cells):
    first, second = make_cells(betas=(1.0,)), make_cells(betas=(1.0, 5.0))
    assert store.extend_plan(sweep_id, first, [0], batch=0) == PlanCounts(2, 2, 0, 0, 2)
    assert store.extend_plan(sweep_id, second, [0, 1], batch=1) == PlanCounts(8, 6, 0, 0, 8)
    assert store.extend_plan(sweep_id, first, [1], batch=2) == PlanCounts(2, 0, 0, 0, 2)
    frame = frames.load_cells(store, "movies")
    assert frame["key"].tolist() == keys(second)
    assert frame["batch"].tolist() == [0, 0, 1, 1]
    assert ordinals(store) == [0, 1, 2, 3]
    assert len(store.open_replicates(sweep_id)) == 8
    with pytest.raises(SweepNotFoundError):
        store.extend_plan(99, first, [0])
    with pytest.raises(RecordError, match="twice"):
        store.extend_plan(sweep_id, first, [1, 1])


def test_cells_come_back_as_they_went_in(store, sweep_id, make_cells):
    planned = make_cells()
    store.plan(sweep_id, planned, [0])
    assert store.cells(sweep_id) == planned
    assert store.cells(sweep_id, [planned[2].key, "unknown", planned[0].key]) == planned[::2]


def test_single_replicates(store, sweep_id, make_cells):
    planned = make_cells()
    store.plan(sweep_id, planned, [0])
    pairs = [(planned[1].key, 7), (planned[1].key, 0), (planned[3].key, 8), (planned[1].key, 7)]
    assert store.add_replicates(sweep_id, pairs) == 2
    assert store.add_replicates(sweep_id, pairs) == 0
    assert [(r.cell_key, r.seed) for r in store.open_replicates(sweep_id)] == [
        (planned[0].key, 0), (planned[1].key, 0), (planned[1].key, 7),
        (planned[2].key, 0), (planned[3].key, 0), (planned[3].key, 8),
    ]  # fmt: skip
    for wrong, pattern in (([("no", 0)], "cells of the plan"), ([(planned[0].key, -1)], "lies in")):
        with pytest.raises(RecordError, match=pattern):
            store.add_replicates(sweep_id, wrong)


def test_a_plan_made_again_is_found_by_its_hash_and_still_made_equal(
    store, sweep_id, make_cells, monkeypatch
):
    planned = make_cells()
    store.plan(sweep_id, planned, [0, 1])
    from storage import plan_rows

    def slow(*_):
        raise AssertionError("the stored plan was compared cell by cell")

    with monkeypatch.context() as patch:
        patch.setattr(plan_rows, "_put_cells", slow)
        assert store.plan(sweep_id, planned, [0, 1]) == PlanCounts(8, 0, 0, 0, 8)
        with pytest.raises(AssertionError):
            store.plan(sweep_id, planned, [1, 0])
    # Whatever else touches the plan makes the next call look again.
    store.add_replicates(sweep_id, [(planned[0].key, 9)])
    assert store.plan(sweep_id, planned, [0, 1]) == PlanCounts(8, 0, 1, 0, 8)
    store.extend_plan(sweep_id, make_cells(betas=(9.0,)), [0])
    assert store.plan(sweep_id, planned, [0, 1]) == PlanCounts(8, 0, 2, 0, 8)
    assert keys(store.cells(sweep_id)) == keys(planned)


def test_what_another_run_holds_of_an_old_plan_is_removed_later(store, sweep_id, make_cells):
    planned = make_cells()
    store.plan(sweep_id, planned, [0, 1])
    ids = [r.replicate_id for r in store.open_replicates(sweep_id)]
    store.claim(ids[:1], "a", 60)
    narrow = planned[1:]
    assert store.plan(sweep_id, narrow, [0, 1]).removed == 1
    store.release("a")
    assert store.plan(sweep_id, narrow, [0, 1]).removed == 1
    assert keys(store.cells(sweep_id)) == keys(narrow)


def test_columns_follow_every_change_of_the_plan(store, sweep_id, make_cells):
    def columns():
        with store.reading() as connection:
            found = read_columns(connection, sweep_id, "sigmoid_f1")
        settings = [
            tuple(found.values[name][code] for name, code in zip(("beta", "eta"), row, strict=True))
            for row in zip(found.codes["beta"], found.codes["eta"], strict=True)
        ]
        return settings, found

    planned = make_cells()
    store.plan(sweep_id, planned, [0])
    assert columns()[0] == [(1.0, -1.0), (1.0, 0.0), (2.0, -1.0), (2.0, 0.0)]
    new = replace(
        make_cells(betas=(7.0,), etas=(0.0,))[0],
        hyperparameters={"beta": 7, "eta": 0.0, "gamma": [1, None]},
    )
    store.extend_plan(sweep_id, [new], [0])
    settings, found = columns()
    assert settings[-1] == (7, 0.0)
    assert type(found.values["beta"][found.codes["beta"][4]]) is int
    assert found.values["gamma"] == [None, [1, None]]
    assert found.values["head_kind"] == ["linear"]
    store.plan(sweep_id, [replace(c, ordinal=k) for k, c in enumerate(planned[:0:-1])], [0])
    settings, found = columns()
    assert settings == [(2.0, 0.0), (2.0, -1.0), (1.0, 0.0)]
    assert found.cell_ids.tolist() == frames.load_cells(store, "movies")["cell_id"].tolist()
    assert store.check().clean


def test_status_and_design(store, sweep_id, make_cells):
    planned = make_cells()
    store.plan(sweep_id, planned, [0])
    note = {"epoch": 15, "rung": 1}
    assert store.set_cell_status(sweep_id, keys(planned)[:2], "pruned", note) == 2
    frame = frames.load_cells(store, "movies")
    assert frame["status"].fillna("").tolist() == ["pruned", "pruned", "", ""]
    assert frame["note"].tolist()[:2] == [note, note]
    store.set_cell_status(sweep_id, keys(planned)[:1], None)
    assert frames.load_cells(store, "movies")["status"].notna().sum() == 1
    with pytest.raises(RecordError, match="raced_out"):
        store.set_cell_status(sweep_id, keys(planned), "lost")
    with pytest.raises(RecordError, match="1 of 2 keys"):
        store.set_cell_status(sweep_id, [planned[0].key, "no"], "raced_out")
    assert store.design(sweep_id) is None
    design = {"sampler": {"name": "tpe", "seed": 1}, "asked": [0.1 + 0.2, None]}
    store.put_design(sweep_id, design)
    assert store.design(sweep_id) == design
    store.put_design(sweep_id, None)
    assert store.design(sweep_id) is None
    for call in (lambda: store.design(99), lambda: store.put_design(99, {})):
        with pytest.raises(SweepNotFoundError):
            call()


def test_retried_replicates_are_waiting_and_their_results_forgotten(
    store, sweep_id, make_cells, make_result
):
    store.plan(sweep_id, make_cells(), [0, 1])
    ids = [r.replicate_id for r in store.open_replicates(sweep_id)]
    store.claim(ids, "a", 60)
    states = ["complete", "failed", "diverged", "pruned"]
    reasons = [None, "no memory", "nan", None]
    store.record_pack(sweep_id, make_result(ids[:4], states=states, reasons=reasons), "a")
    store.fail(ids[4:], "a", "died")
    store.keep(sweep_id, [KeptRecord(replicate_id=ids[2], path="x/y", sha256=SHA, size_bytes=3)])
    store.set_cell_status(sweep_id, [make_cells()[1].key], "pruned", {"epoch": 2})
    before = frames.load_replicates(store, "movies")
    assert store.retry(sweep_id) == 5
    assert store.retry(sweep_id) == 0
    assert store.retry(sweep_id, ("diverged", "pruned")) == 2
    after = frames.load_replicates(store, "movies")
    kept = ["complete", *["waiting"] * 7]
    assert after["state"].tolist() == kept
    assert after.loc[0].equals(before.loc[0])
    assert after["attempts"].tolist() == [1] * 8
    assert after["reason"].isna().all()
    assert frames.load_kept(store, "movies").empty
    assert frames.load_cells(store, "movies")["status"].isna().all()
    assert store.check().clean
    store.claim(ids[1:], "b", 60)
    store.record_pack(sweep_id, make_result(ids[1:]), "b")
    assert store.counts(sweep_id)["complete"] == 8
    assert store.check().clean
    with pytest.raises(RecordError, match="'complete'"):
        store.retry(sweep_id, ("complete",))


def test_kept_rows(store, sweep_id, make_cells, run_open):
    store.plan(sweep_id, make_cells(), [0, 1])
    ids = [r.replicate_id for r in store.open_replicates(sweep_id)]
    record = KeptRecord(replicate_id=ids[3], path="movies/a-1", sha256=SHA, size_bytes=10)
    with pytest.raises(RecordError, match="is waiting"):
        store.keep(sweep_id, [record])
    run_open(store)
    before = store.sweep("movies").updated_at
    store.keep(sweep_id, [record])
    store.keep(sweep_id, [replace(record, size_bytes=11), replace(record, replicate_id=ids[0])])
    frame = frames.load_kept(store, "movies")
    assert frame[["replicate_id", "seed", "size_bytes"]].values.tolist() == [
        [ids[0], 0, 10], [ids[3], 1, 11],
    ]  # fmt: skip
    assert frame["cell_key"].tolist() == keys(make_cells())[:2]
    assert frames.load_kept(store, "movies", losses=["focal"]).empty
    assert store.sweep("movies").updated_at > before
    for wrong in ("../a", "/a", "", "a\\b"):
        with pytest.raises(RecordError, match="below the kept folder"):
            store.keep(sweep_id, [replace(record, path=wrong)])
    with pytest.raises(RecordError, match="checksum"):
        store.keep(sweep_id, [replace(record, sha256="F" * 64)])
    assert store.unkeep(sweep_id, [ids[3], ids[4]]) == ["movies/a-1"]
    assert len(frames.load_kept(store, "movies")) == 1


def test_deleting_a_sweep_deletes_all_of_it_and_nothing_else(
    store, make_sweep, make_cells, run_open
):
    for name in ("movies", "other"):
        sweep_id = store.put_sweep(make_sweep(name))
        store.plan(sweep_id, make_cells(), [0, 1])
        run_open(store, name)
        mirror(store, name, {})
    ids = frames.load_replicates(store, "movies")["replicate_id"].tolist()
    movies = store.sweep_id("movies")
    store.keep(movies, [KeptRecord(replicate_id=ids[0], path="m/a", sha256=SHA, size_bytes=1)])
    store.begin_run(movies, "me", host="h", pid=1, workers=2)
    other = frames.load_replicates(store, "other")
    assert store.delete_sweep("movies") == {
        "kept_paths": ["m/a"], "studies": 1, "replicates": 8, "packs": 2, "cells": 4, "runs": 1,
    }  # fmt: skip
    assert store.sweep_names() == ["other"]
    assert frames.load_replicates(store, "other").equals(other)
    with store.reading() as connection:
        names = connection.execute(sa.text("SELECT study_name FROM studies")).scalars().all()
        trials = connection.execute(sa.text("SELECT count(*) FROM trials")).scalar_one()
    assert names == ["other/movie_genres/sigmoid_f1"]
    assert trials == 4
    assert mirror(store, "other", {}) == 0
    assert store.check().clean
    with pytest.raises(SweepNotFoundError):
        store.delete_sweep("movies")


def test_a_sweep_at_work_is_not_deleted(store, sweep_id, make_cells):
    store.plan(sweep_id, make_cells(), [0])
    ids = [r.replicate_id for r in store.open_replicates(sweep_id)]
    store.claim(ids[:1], "host/42", 60)
    with pytest.raises(StoreBusyError, match=r"host/42.*sweep stop"):
        store.delete_sweep("movies")
    assert len(frames.load_replicates(store, "movies")) == 4
    store.release("host/42")
    store.delete_sweep("movies")
