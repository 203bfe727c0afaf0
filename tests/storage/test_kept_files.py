"""Kept files: written whole, read only unaltered, gone when they are no longer kept."""

from __future__ import annotations

import hashlib
import os
import time

import numpy as np
import pytest

from storage.frames import load_cells, load_kept, load_replicates
from storage.kept_files import (
    KeptFileError,
    kept_folder,
    kept_path,
    load_kept_scores,
    read_kept,
    remove_abandoned,
    remove_kept,
    write_kept,
    write_targets,
)
from storage.records import KeptRecord

PARAMETERS = {"weight": np.ones((4, 2), np.float32), "bias": np.zeros(2, np.float32)}
TARGETS = {split: np.array([[0, 1], [1, 0], [1, 1]], np.uint8) for split in ("validation", "test")}
IDS = {split: ["a", "b", "ü"] for split in ("validation", "test")}


def probs(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {split: rng.random((3, 2)).astype(np.float32) for split in ("validation", "test")}


def write(folder, key="k" * 64, seed=0, sweep="movies", **metadata):
    metadata = {"labels": ["x", "ÿ"], "targets_sha256": "0", **metadata}
    return write_kept(
        folder, sweep, key, seed, parameters=PARAMETERS, probs=probs(seed), metadata=metadata
    )


def refused(call, *words):
    with pytest.raises(KeptFileError) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_where_kept_files_lie(monkeypatch, tmp_path):
    assert kept_folder("sqlite:////data/a.b.db").as_posix() == "/data/a.b.kept"
    url = "postgresql://ann:secret@db.example/sweeps"
    monkeypatch.setenv("SIGMOIDF1_KEPT", str(tmp_path))
    assert kept_folder(url) == tmp_path / "db.example-sweeps"
    monkeypatch.delenv("SIGMOIDF1_KEPT")
    assert kept_folder(url).parts[-3:] == ("sigmoidf1", "kept", "db.example-sweeps")
    for name in ("..", ".", "a/b"):
        folder, _, file = kept_path(name, "0" * 64, 1).partition("/")
        assert folder not in (".", "..")
        assert file == f"{'0' * 16}-1.safetensors"


def test_a_file_reads_back_and_equal_content_is_equal_bytes(tmp_path):
    first = write(tmp_path, seed=2, why="best")
    again = write(tmp_path / "other", seed=2, why="best")
    assert first == again
    head = read_kept(tmp_path / first.path, first.sha256)
    assert head.parameters.keys() == PARAMETERS.keys()
    assert np.array_equal(head.parameters["weight"], PARAMETERS["weight"])
    assert np.array_equal(head.probs["test"], probs(2)["test"])
    assert (head.metadata["seed"], head.metadata["labels"]) == (2, ["x", "ÿ"])
    assert (tmp_path / first.path).stat().st_size == first.size_bytes
    assert not list(tmp_path.glob("**/*.part"))


def test_altered_truncated_and_missing_files_are_refused(tmp_path):
    file = write(tmp_path)
    path = tmp_path / file.path
    whole = path.read_bytes()
    for content in (whole[:-3], whole[:-1] + b"\x7f", b""):
        path.write_bytes(content)
        refused(lambda: read_kept(path, file.sha256), "SHA-256", "sweep keep movies")
    path.unlink()
    refused(lambda: read_kept(path, file.sha256), "must be there", "sweep keep movies")
    path.write_bytes(b"no safetensors")
    digest = hashlib.sha256(b"no safetensors").hexdigest()
    refused(lambda: read_kept(path, digest), "no file of a kept head")


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "movies").write_text("a file where the folder should be")
    refused(lambda: write(tmp_path), "must be writable")
    assert (tmp_path / "movies").read_text().startswith("a file")


@pytest.fixture
def kept_store(store, monkeypatch, tmp_path, make_sweep, make_cells, run_open):
    """A store with two cells kept by two seeds each."""
    monkeypatch.setenv("SIGMOIDF1_KEPT", str(tmp_path / "kept"))
    sweep_id = store.put_sweep(make_sweep())
    store.plan(sweep_id, make_cells(betas=(1.0, 2.0), etas=(0.0,)), [0, 1])
    run_open(store)
    folder = kept_folder(store.url)
    digest = write_targets(folder, "movies", TARGETS, IDS)
    cells, replicates = load_cells(store, "movies"), load_replicates(store, "movies")
    keys = dict(zip(cells["cell_id"], cells["key"], strict=True))
    records = []
    for row in replicates.to_dict("records"):
        file = write(folder, keys[row["cell_id"]], row["seed"], targets_sha256=digest)
        records.append(
            KeptRecord(
                replicate_id=row["replicate_id"], path=file.path, sha256=file.sha256,
                size_bytes=file.size_bytes,
            )
        )  # fmt: skip
    store.keep(sweep_id, records)
    return store


def test_scores_come_back_with_seeds_targets_and_ids(kept_store):
    key = load_kept(kept_store, "movies")["cell_key"].iloc[0]
    found = load_kept_scores(kept_store, "movies", key, "test")
    assert (found.seeds, found.labels, found.ids) == ([0, 1], ["x", "ÿ"], ["a", "b", "ü"])
    assert np.array_equal(found.probs, np.stack([probs(0)["test"], probs(1)["test"]]))
    assert np.array_equal(found.targets, TARGETS["test"])
    refused(lambda: load_kept_scores(kept_store, "movies", key, "train"), "validation and test")
    refused(lambda: load_kept_scores(kept_store, "movies", "0" * 64, "test"), "is not kept")


def test_scores_of_altered_targets_are_refused(kept_store):
    key = load_kept(kept_store, "movies")["cell_key"].iloc[0]
    folder = kept_folder(kept_store.url)
    other = {split: 1 - rows for split, rows in TARGETS.items()}
    write_targets(folder, "movies", other, IDS)
    refused(lambda: load_kept_scores(kept_store, "movies", key, "test"), "SHA-256")
    write_targets(folder, "movies", TARGETS, IDS)
    assert load_kept_scores(kept_store, "movies", key, "test").seeds == [0, 1]


def test_removing_takes_the_last_targets_along(kept_store):
    folder = kept_folder(kept_store.url)
    rows = load_kept(kept_store, "movies")
    paths = kept_store.unkeep(
        kept_store.sweep_id("movies"), [int(i) for i in rows["replicate_id"][:2]]
    )
    assert remove_kept(folder, paths) == 2
    assert (folder / "movies" / "targets.safetensors").exists()
    assert remove_kept(folder, rows["path"]) == 2
    assert not (folder / "movies").exists()


def test_what_a_killed_process_left_is_removed_after_an_hour(tmp_path):
    known, left, young = (write(tmp_path, seed=seed) for seed in range(3))
    part = tmp_path / "movies" / ".x.safetensors.1.ab.part"
    part.write_bytes(b"half")
    old = time.time() - 7200
    for path in (tmp_path / known.path, tmp_path / left.path, part):
        os.utime(path, (old, old))
    assert remove_abandoned(tmp_path, "movies", [known.path]) == 2
    assert (tmp_path / known.path).exists()
    assert (tmp_path / young.path).exists()
    assert remove_abandoned(tmp_path, "never-kept", []) == 0
