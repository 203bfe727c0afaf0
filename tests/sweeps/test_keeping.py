"""Kept cells: the best of each loss, the very bits that were stored, and nothing half written."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import yaml

from sigmoidf1.evaluation import evaluate
from storage import frames
from storage.cell_scores import load_cell_scores
from storage.kept_files import kept_folder, load_kept_scores, read_kept
from storage.store import Store
from sweeps.errors import SweepError
from sweeps.keep_summary import KeepOptions, keep_words
from sweeps.keeping import keep_best, keep_cells
from sweeps.sensitivity.best import rank_cells

LOSSES = {
    "sigmoid_f1": {"beta": [1, 5, 10], "eta": [0, 1]},
    "focal": {"alpha": [None, 0.5]},
    "unbounded_f1": {},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, features_file, train_sweep) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    spec = folder / "spec.yaml"
    spec.write_text(
        yaml.safe_dump(
            {
                "sweep": "small",
                "data": {"dataset": "features", "path": str(features_file)},
                "training": {"epochs": 4, "batch_size": 32, "lr": [0.01, 0.05]},
                "seeds": 2,
                "losses": LOSSES,
            }
        )
    )
    train_sweep(spec, f"sqlite:///{folder / 'store.db'}")
    return folder / "store.db"


@pytest.fixture
def store(trained, tmp_path):
    shutil.copy(trained, tmp_path / "store.db")
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as opened:
        yield opened


def ranked(store):
    cells = frames.load_cells(store, "small")
    rows = rank_cells(cells, frames.load_replicates(store, "small"))
    return rows.merge(cells[["cell_id", "key"]], on="cell_id")


def files(store):
    return sorted(path.name for path in kept_folder(store.url).glob("small/*-*.safetensors"))


def test_the_best_of_each_loss_are_kept_to_the_bit(store):
    told = []
    summary = keep_best(
        store, "small", keep=2, progress=lambda done, total: told.append((done, total))
    )
    rows = frames.load_kept(store, "small")
    best = ranked(store).groupby("loss").head(2)
    assert set(rows["cell_key"]) == set(best["key"])
    assert summary.written == len(rows) == sum(best["n"])
    assert (summary.exact, summary.largest, summary.refused) == (True, 0.0, [])
    assert told[-1][0] == told[-1][1]
    assert any("to the bit" in line for line in keep_words(summary))

    exact = load_cell_scores(store, [int(i) for i in rows["cell_id"]])
    for row in rows.to_dict("records"):
        kept = load_kept_scores(store, "small", row["cell_key"], "test")
        place = kept.seeds.index(row["seed"])
        scores = evaluate(kept.probs[[place]], kept.targets, threshold=0.5).scores
        own = exact[(exact["cell_id"] == row["cell_id"]) & (exact["seed"] == row["seed"])]
        for split, metric, value in zip(own["split"], own["metric"], own["value"], strict=True):
            if split == "test":
                assert float(scores[metric][0]) == value, metric
    assert kept.labels == list("abcd")
    assert len(kept.ids) == len(kept.targets) == 50


def test_again_does_nothing_and_fewer_removes(store):
    first = keep_best(store, "small", keep=2)
    again = keep_best(store, "small", keep=2, options=KeepOptions(check=True))
    assert (again.written, again.present, again.removed) == (0, first.written, 0)
    fewer = keep_best(store, "small", keep=1)
    assert fewer.written == 0
    assert fewer.removed + fewer.present == first.written
    assert len(files(store)) == len(frames.load_kept(store, "small")) == fewer.present
    assert keep_best(store, "small", keep="none").written == 0
    assert len(files(store)) == fewer.present
    everything = keep_best(store, "small", keep="all")
    assert everything.cells == len(ranked(store))


def test_missing_and_altered_files_are_made_anew(store):
    keep_best(store, "small", keep=1)
    folder = kept_folder(store.url)
    rows = frames.load_kept(store, "small")
    lost, altered = (folder / path for path in rows["path"][:2])
    whole = altered.read_bytes()
    lost.unlink()
    altered.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert keep_best(store, "small", keep=1).written == 1  # sizes alone are looked at
    summary = keep_best(store, "small", keep=1, options=KeepOptions(check=True))
    assert (summary.written, summary.present) == (1, len(rows) - 1)
    assert altered.read_bytes() == whole


def test_cells_asked_for_stay_when_others_are_better(store):
    worst = ranked(store).query("loss == 'sigmoid_f1'")["key"].iloc[-1]
    summary = keep_cells(store, "small", [worst[:12]])
    assert summary.written == 2
    keep_best(store, "small", keep=1)
    kept = frames.load_kept(store, "small")
    assert worst in set(kept["cell_key"])
    row = kept[kept["cell_key"] == worst].iloc[0]
    head = read_kept(kept_folder(store.url) / row["path"], row["sha256"])
    assert head.metadata["why"] == "asked"
    # One of the best that is then asked for stays too.
    best = ranked(store).query("loss == 'sigmoid_f1'")["key"].iloc[0]
    assert keep_cells(store, "small", [best]).written == 2
    assert keep_cells(store, "small", [best]).present == 2


def test_stopped_in_the_middle_it_goes_on(store, monkeypatch):
    from sweeps.retraining import Retrainer

    monkeypatch.setattr(Retrainer, "_tiles_together", lambda self, size: 1)
    stop = threading.Event()
    batches = []

    def tell(done: int, total: int) -> None:
        batches.append(done)
        if done > total / 2:
            stop.set()

    first = keep_best(store, "small", keep=2, progress=tell, stop=stop)
    assert first.interrupted
    rows = frames.load_kept(store, "small")
    assert 0 < len(rows) == first.written == len(files(store))
    second = keep_best(store, "small", keep=2)
    assert (second.interrupted, second.present) == (False, first.written)
    assert set(frames.load_kept(store, "small")["cell_key"]) == set(
        ranked(store).groupby("loss").head(2)["key"]
    )


def test_what_trains_otherwise_is_not_kept(store, caplog):
    cell = frames.load_cells(store, "small", losses=["sigmoid_f1"]).iloc[0]
    import sqlalchemy as sa

    from storage.schema import cells

    with store.writing() as connection:
        changed = dict(cell["hyperparameters"]) | {"beta": -30.0}
        connection.execute(
            cells.update().where(cells.c.id == int(cell["cell_id"])).values(hyperparameters=changed)
        )
        assert connection.execute(sa.select(sa.func.count()).select_from(cells)).scalar() > 0
    with pytest.raises(SweepError, match="must train to what is stored"):
        keep_cells(store, "small", [cell["key"]])
    assert frames.load_kept(store, "small").empty
    assert files(store) == []


def test_bad_names_and_numbers(store):
    for key, words in (("zzzzzz", "none of sweep"), ("", "cells of sweep")):
        with pytest.raises(SweepError, match=words):
            keep_cells(store, "small", [key])
    with pytest.raises(SweepError, match="keep must be all, none or"):
        keep_best(store, "small", keep=-1)


def test_changed_data_are_refused(store, features_file, tmp_path):
    import json

    import sqlalchemy as sa

    from storage.schema import sweeps

    with np.load(features_file) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["Y"] = 1 - arrays["Y"]
    np.savez(tmp_path / "other.npz", **arrays)
    with store.writing() as connection:
        spec = connection.execute(sa.select(sweeps.c.spec)).scalar_one()
        spec = json.loads(spec) if isinstance(spec, str) else dict(spec)
        spec["data"] = {**spec["data"], "path": str(tmp_path / "other.npz")}
        connection.execute(sweeps.update().values(spec=spec))
    with pytest.raises(SweepError, match="data must be what 'small' was trained on"):
        keep_best(store, "small", keep=1)
