"""Paths of kept files that lead out of their folder: read, copied, checked and removed never."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from storage.frames import load_cells, load_kept, load_replicates
from storage.inside import locate_inside
from storage.kept_files import (
    KeptFileError,
    kept_folder,
    load_kept_scores,
    remove_kept,
    write_kept,
    write_targets,
)
from storage.records import KeptRecord
from storage.schema import kept
from storage.store import Store

SPLITS = ("validation", "test")


def fill(url: str, make_sweep, make_cells, run_open, *, keep: bool) -> str:
    """A finished sweep in a store, with one replicate kept; the key of its cell."""
    with Store.open(url) as store:
        sweep_id = store.put_sweep(make_sweep())
        store.plan(sweep_id, make_cells(), range(1))
        run_open(store)
        cell = load_cells(store, "movies").iloc[0]
        rows = load_replicates(store, "movies")
        row = rows[rows["cell_id"] == cell["cell_id"]].iloc[0]
        if keep:
            folder = kept_folder(store.url)
            targets = write_targets(
                folder,
                "movies",
                {split: np.eye(2, dtype=np.uint8) for split in SPLITS},
                {split: ["a", "b"] for split in SPLITS},
            )
            file = write_kept(
                folder,
                "movies",
                cell["key"],
                0,
                parameters={"weight": np.ones((2, 2)), "bias": np.zeros(2)},
                probs={split: np.ones((2, 2)) for split in SPLITS},
                metadata={"labels": ["x", "y"], "targets_sha256": targets},
            )
            record = KeptRecord(
                replicate_id=int(row["replicate_id"]),
                path=file.path,
                sha256=file.sha256,
                size_bytes=file.size_bytes,
            )
            store.keep(sweep_id, [record])
        return str(cell["key"])


def point_to(url: str, path: str, content: bytes) -> None:
    """Let the row of the kept file name another one, with the checksum of its content."""
    with Store.open(url) as store, store.writing() as connection:
        digest = hashlib.sha256(content).hexdigest()
        connection.execute(sa.update(kept).values(path=path, sha256=digest))


@pytest.fixture
def stores(tmp_path: Path, make_sweep, make_cells, run_open) -> tuple[str, str, str]:
    """A store with a kept file, another without, and the key of the cell."""
    mine, other = (f"sqlite:///{tmp_path}/{name}/sweeps.db" for name in ("mine", "other"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "other").mkdir()
    fill(mine, make_sweep, make_cells, run_open, keep=False)
    return mine, other, fill(other, make_sweep, make_cells, run_open, keep=True)


@pytest.fixture
def outside(stores, tmp_path: Path) -> dict[str, Path]:
    """Ways out of the folder of kept files, and where they lead."""
    folder = kept_folder(stores[1])
    secret = tmp_path / "secret.safetensors"
    secret.write_bytes(next((folder / "movies").glob("*-0.safetensors")).read_bytes())
    (folder / "movies" / "link.safetensors").symlink_to(secret)
    (folder / "up").symlink_to(tmp_path, target_is_directory=True)
    return dict.fromkeys(
        (
            "../../secret.safetensors",
            "movies/../../../secret.safetensors",
            str(secret),
            "movies/link.safetensors",
            "up/secret.safetensors",
        ),
        secret,
    )


def test_a_path_that_leads_out_is_refused_everywhere(stores, outside) -> None:
    mine, other, key = stores
    for path, secret in outside.items():
        content = secret.read_bytes()
        point_to(other, path, content)
        with pytest.raises(KeptFileError, match="leads out of it") as caught:
            locate_inside(kept_folder(other), path)
        assert "\n" not in str(caught.value)
        with Store.open(other, read_only=True) as store:
            with pytest.raises(KeptFileError, match="leads out of it"):
                load_kept_scores(store, "movies", key, "test")
            assert any("leads out" in each.example for each in store.check().problems)
        with Store.open(mine) as store, Store.open(other, read_only=True) as there:
            (merged,) = store.merge(there)
            assert "leads out" in str(merged.files[-1].problem)
            assert load_kept(store, "movies").empty
        assert remove_kept(kept_folder(other), [path]) == 0
        assert secret.read_bytes() == content
    assert not list(kept_folder(mine).rglob("*-*.safetensors"))


def test_odd_names_inside_are_no_way_out(tmp_path: Path) -> None:
    for path in ("", ".", "..", "a/..", "/", "a\0b", "movies/../.."):
        with pytest.raises(KeptFileError, match="leads out of it"):
            locate_inside(tmp_path, path)
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    assert locate_inside(tmp_path, "a/../b") == tmp_path / "a/../b"
    linked = tmp_path / "linked"
    linked.symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "real").mkdir()
    assert locate_inside(linked, "x.safetensors") == linked / "x.safetensors"
