from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from storage import frames
from storage.errors import RecordError, StoreUnwritableError, SweepChangedError, SweepNotFoundError
from storage.kept_files import TARGETS_FILE, kept_folder, kept_path
from storage.records import KeptRecord
from storage.store import Store

FRAMES = {"scores": frames.load_scores, "replicates": frames.load_replicates}


@pytest.fixture
def other(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'other.db'}") as opened:
        yield opened


def fill(store, sweep, cells, seeds, run_open, **options):
    sweep_id = store.put_sweep(sweep)
    store.plan(sweep_id, cells, seeds)
    run_open(store, sweep.name, **options)
    return sweep_id


def scores(store, name="movies", **options):
    frame = frames.load_scores(store, name, split="test", metric="micro_f1", **options)
    cells = frames.load_cells(store, name).set_index("cell_id")["key"]
    frame["key"] = cells.reindex(frame["cell_id"]).array
    return frame.set_index(["key", "seed"])[["state", "value"]].sort_index()


def curves(store, name="movies"):
    found = {}
    for row in frames.load_cells(store, name).itertuples():
        frame = frames.load_curves(store, name, cell_id=row.cell_id)
        found[row.key] = frame.drop(columns="replicate_id").values.tolist()
    return found


def test_a_sweep_of_a_new_name_is_taken_whole(store, other, make_sweep, make_cells, run_open):
    sweep_id = fill(other, make_sweep(), make_cells(), [0, 1], run_open)
    other.extend_plan(sweep_id, make_cells(betas=(9.0,)), [4], batch=3)
    other.set_cell_status(sweep_id, [make_cells()[0].key], "raced_out", {"round": 2})
    other.put_design(sweep_id, {"sampler": "tpe"})
    (report,) = store.merge(other)
    assert (report.cells_added, report.replicates_added, report.results_taken) == (6, 10, 8)
    for threshold in (None, 0.01):
        assert scores(store, threshold=threshold).equals(scores(other, threshold=threshold))
    assert curves(store) == curves(other)
    columns = ["key", "ordinal", "status", "note", "batch", "parameters"]
    ours, theirs = (frames.load_cells(each, "movies")[columns] for each in (store, other))
    assert ours.equals(theirs)
    assert store.design(store.sweep_id("movies")) == {"sampler": "tpe"}
    merged = store.sweep("movies")
    assert merged.created_at == other.sweep("movies").created_at
    assert merged.provenance["merged_from"]["sweep"] == "movies"
    assert store.check().clean
    (again,) = store.merge(other)
    assert (again.cells_added, again.replicates_added, again.results_taken) == (0, 0, 0)
    assert (again.results_present, again.results_differing) == (8, 0)


def test_what_is_missing_is_brought_in_replicate_by_replicate(
    store, other, make_sweep, make_cells, make_result, run_open
):
    ours = store.put_sweep(make_sweep())
    store.plan(ours, make_cells(), [0, 1])
    ids = [r.replicate_id for r in store.open_replicates(ours)]
    store.claim(ids[:4], "here", 60)
    store.record_pack(ours, make_result(ids[:3], rng_seed=70), "here")
    before = scores(store)
    fill(other, make_sweep(), make_cells(betas=(2.0, 1.0, 4.0)), [1, 0, 2], run_open, pack_size=7)
    (report,) = store.merge(other, ["movies"])
    assert report.cells_added == 2
    assert report.replicates_added == 18 - 8
    assert report.results_present == report.results_differing == 3
    assert report.running == 1
    assert report.results_taken == 18 - 4
    after, theirs = scores(store), scores(other)
    done = before[before["state"] == "complete"]
    assert after.loc[done.index].equals(done)
    taken = after[(after["state"] == "complete") & ~after.index.isin(done.index)]
    assert taken.equals(theirs.loc[taken.index])
    assert len(taken) == 14
    assert store.check().clean
    store.release("here")
    assert store.merge(other)[0].results_taken == 1
    assert store.counts(ours)["complete"] == 18


def test_another_identity_is_refused_or_taken_under_another_name(
    store, other, make_sweep, make_cells, run_open
):
    fill(store, make_sweep("first"), make_cells(), [0], run_open)
    fill(store, make_sweep(), make_cells(), [0], run_open)
    fill(other, make_sweep("first"), make_cells(), [0, 1], run_open)
    changed = make_sweep(identity={"training": {"lr": 0.5}})
    fill(other, changed, make_cells(), [0], run_open, rng_seed=5)
    before = scores(store)
    with pytest.raises(SweepChangedError, match=r"training\.lr: 0\.001 -> 0\.5"):
        store.merge(other)
    # Also the sweep that could have been merged was left alone.
    assert len(frames.load_replicates(store, "first")) == 4
    reports = store.merge(other, rename={"movies": "theirs"})
    assert [report.merged_as for report in reports] == ["first", "theirs"]
    assert store.sweep_names() == ["first", "movies", "theirs"]
    assert scores(store).equals(before)
    assert scores(store, "theirs").equals(scores(other))
    assert store.sweep("theirs").spec["sweep"] == "theirs"


def test_bad_input(store, store_url, other, make_sweep):
    other.put_sweep(make_sweep())
    other.put_sweep(make_sweep("second"))
    with pytest.raises(SweepNotFoundError, match="Did you mean 'movies'"):
        store.merge(other, ["moves"])
    with pytest.raises(RecordError, match="distinct names"):
        store.merge(other, rename={"second": "movies"})
    with Store.open(store_url) as same, pytest.raises(RecordError, match="twice"):
        store.merge(same)
    with (
        Store.open(store_url, read_only=True) as reader,
        pytest.raises(StoreUnwritableError, match="reading only"),
    ):
        reader.merge(other)
    assert store.sweep_names() == []


def test_kept_files_come_along(
    store, other, make_sweep, make_cells, run_open, tmp_path, monkeypatch
):
    monkeypatch.setenv("SIGMOIDF1_KEPT", str(tmp_path / "kept"))
    sweep_id = fill(other, make_sweep(), make_cells(), [0, 1], run_open)
    rows = frames.load_replicates(other, "movies").merge(frames.load_cells(other, "movies"))
    folder = kept_folder(other.url)
    records = []
    for row in rows.iloc[:3].itertuples():
        path = folder / kept_path("movies", row.key, row.seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = np.random.default_rng(row.seed).bytes(100) + row.key.encode()
        path.write_bytes(content)
        records.append(
            KeptRecord(
                replicate_id=row.replicate_id,
                path=path.relative_to(folder).as_posix(),
                sha256=hashlib.sha256(content).hexdigest(),
                size_bytes=len(content),
            )
        )
    (folder / records[0].path).with_name(TARGETS_FILE).write_bytes(b"targets")
    other.keep(sweep_id, [replace(records[0], sha256="0" * 64), *records[1:]])
    (report,) = store.merge(other, rename={"movies": "taken"})
    problems = [copy.problem for copy in report.files]
    assert problems == [None, "its checksum is not that of its row", None, None]
    kept = frames.load_kept(store, "taken")
    assert kept["sha256"].tolist() == [record.sha256 for record in records[1:]]
    here = kept_folder(store.url)
    for path, record in zip(kept["path"], records[1:], strict=True):
        assert path.startswith("taken/")
        assert (here / path).read_bytes() == (folder / record.path).read_bytes()
    assert (here / "taken" / TARGETS_FILE).read_bytes() == b"targets"
    assert store.check().clean
    other.keep(sweep_id, records)
    (again,) = store.merge(other, rename={"movies": "taken"})
    assert [copy.problem for copy in again.files] == [None, None]
    assert len(frames.load_kept(store, "taken")) == 3
