from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from storage import arrays, frames
from storage.errors import RecordError, SweepNotFoundError
from storage.store import Store

SWEEP_TYPES = {
    "sweep_id": "int64", "name": "str", "dataset": "str", "encoder": "str",
    "created_at": "datetime64[us, UTC]", "updated_at": "datetime64[us, UTC]",
    "n_cells": "int64", "n_replicates": "int64", "waiting": "int64", "running": "int64",
    "complete": "int64", "diverged": "int64", "failed": "int64", "pruned": "int64",
}  # fmt: skip
CELL_TYPES = {
    "cell_id": "int64", "key": "str", "ordinal": "int64", "loss": "str",
    "hyperparameters": "object", "training": "object", "head": "object", "parameters": "object",
    "status": "str", "note": "object", "batch": "Int64",
}  # fmt: skip
REPLICATE_TYPES = {
    "replicate_id": "int64", "cell_id": "int64", "loss": "str", "seed": "int64", "state": "str",
    "reason": "str", "attempts": "int64", "objective": "float64", "pack_id": "Int64",
    "pack_index": "Int64", "started_at": "datetime64[us, UTC]",
    "finished_at": "datetime64[us, UTC]", "worker": "str",
}  # fmt: skip
SCORE_TYPES = {
    "replicate_id": "int64", "cell_id": "int64", "loss": "str", "seed": "int64", "state": "str",
    "value": "float64",
}  # fmt: skip
CURVE_TYPES = {
    "replicate_id": "int64", "seed": "int64", "epoch": "int64", "name": "str", "value": "float64",
}  # fmt: skip


def types(frame: pd.DataFrame) -> dict[str, str]:
    return {name: str(kind) for name, kind in frame.dtypes.items()}


@pytest.fixture
def results(store, make_sweep, make_cells, make_result):
    """Three packs recorded, out of order; the results by replicate id."""
    sweep_id = store.put_sweep(make_sweep())
    focal = [
        {"gamma": 2, "alpha": None, "input": "logits"},
        {"gamma": 3, "alpha": 0.25, "input": "probabilities"},
    ]
    cells = make_cells() + [
        type(cell)(**asdict(cell) | {"loss": "focal", "hyperparameters": h, "ordinal": 4 + k})
        for k, (cell, h) in enumerate(
            zip(make_cells(betas=(7.0, 8.0), etas=(0.0,)), focal, strict=True)
        )
    ]
    store.plan(sweep_id, cells, [0, 1, 2])
    ids = [r.replicate_id for r in store.open_replicates(sweep_id)]
    shuffled = np.random.default_rng(3).permutation(ids)[:16].tolist()
    recorded = {}
    for k, part in enumerate((shuffled[:7], shuffled[7:8], shuffled[8:])):
        store.claim(part, "a", 60)
        result = make_result(part, rng_seed=k)
        store.record_pack(sweep_id, result, "a")
        recorded |= {i: (result, index) for index, i in enumerate(part)}
    return recorded


def test_empty_store_and_empty_sweep_have_every_column(store, make_sweep):
    assert types(frames.load_sweeps(store)) == SWEEP_TYPES
    assert len(frames.load_sweeps(store)) == 0
    store.put_sweep(make_sweep())
    assert types(frames.load_cells(store, "movies")) == CELL_TYPES
    assert types(frames.load_replicates(store, "movies")) == REPLICATE_TYPES
    scores = frames.load_scores(store, "movies", split="test", metric="micro_f1")
    assert types(scores) == SCORE_TYPES
    slices = frames.load_scores(store, "movies", split="test", metric="micro_f1", threshold=0.01)
    assert types(slices) == SCORE_TYPES
    assert types(frames.load_curves(store, "movies", cell_id=1)) == CURVE_TYPES
    row = frames.load_sweeps(store).iloc[0]
    assert (row["n_cells"], row["n_replicates"], row["waiting"]) == (0, 0, 0)


def test_sweeps(store, results, make_sweep):
    store.put_sweep(make_sweep("later"))
    frame = frames.load_sweeps(store)
    assert types(frame) == SWEEP_TYPES
    assert frame["name"].tolist() == ["movies", "later"]
    row = frame.iloc[0]
    assert (row["n_cells"], row["n_replicates"]) == (6, 18)
    assert (row["complete"], row["waiting"], row["running"]) == (16, 2, 0)


def test_sweep_record_survives_the_round_trip(store, results, make_sweep):
    info = asdict(frames.load_sweep(store, "movies"))
    assert {key: info[key] for key in asdict(make_sweep())} == asdict(make_sweep())
    assert info["created_at"].tzinfo is not None


def test_cells(store, results):
    frame = frames.load_cells(store, "movies")
    assert types(frame) == CELL_TYPES | {
        "param_beta": "float64", "param_eta": "float64", "param_reduction": "object",
        "param_gamma": "float64", "param_alpha": "float64", "param_input": "object",
        "param_epochs": "int64", "param_lr": "float64",
    }  # fmt: skip
    assert frame["param_eta"].tolist()[:4] == [-1.0, 0.0, -1.0, 0.0]
    assert frame["hyperparameters"][4] == {"gamma": 2, "alpha": None, "input": "logits"}
    focal = frames.load_cells(store, "movies", losses=["focal"])
    assert focal["param_input"].tolist() == ["logits", "probabilities"]
    assert focal["param_alpha"].isna().tolist() == [True, False]
    assert str(focal["param_gamma"].dtype) == "int64"
    assert "param_beta" not in focal
    assert frames.load_cells(store, "movies", losses=[]).empty


def test_replicates(store, results, make_result):
    frame = frames.load_replicates(store, "movies")
    assert types(frame) == REPLICATE_TYPES | {"train_loss": "float64"}
    assert len(frame) == 18
    assert frame["seed"].tolist() == [0, 1, 2] * 6
    assert frame["loss"].tolist() == ["sigmoid_f1"] * 12 + ["focal"] * 6
    done = frame.set_index("replicate_id").loc[list(results)]
    expected = [result.objective[index] for result, index in results.values()]
    np.testing.assert_array_equal(done["objective"], expected)
    losses = [result.diagnostics["train_loss"][index] for result, index in results.values()]
    np.testing.assert_array_equal(done["train_loss"], losses)
    result = make_result([1])
    assert set(done["started_at"]) == {pd.Timestamp(result.started_at)}
    assert set(done["finished_at"]) == {pd.Timestamp(result.finished_at)}
    waiting = frame[frame["state"] == "waiting"]
    assert len(waiting) == 2
    assert (
        waiting[["objective", "pack_id", "started_at", "worker", "train_loss"]]
        .isna()
        .to_numpy()
        .all()
    )
    focal = frames.load_replicates(store, "movies", losses=["focal"])
    assert focal.equals(frame[frame["loss"] == "focal"].reset_index(drop=True))


def test_scores_at_the_objective_threshold_are_exact(store, results):
    for split, metric in (("validation", "weighted_f1"), ("test", "micro_f1")):
        for threshold in (None, 0.5):
            frame = frames.load_scores(
                store, "movies", split=split, metric=metric, threshold=threshold
            )
            assert types(frame) == SCORE_TYPES
            done = frame.set_index("replicate_id").loc[list(results), "value"]
            expected = [r.scores[split, metric][index] for r, index in results.values()]
            np.testing.assert_array_equal(done, expected)
            assert frame["value"].isna().sum() == 2


@pytest.mark.parametrize("index", [0, 10, 11, 21, 22, 25])
def test_scores_at_kept_thresholds(store, results, make_sweep, index):
    threshold = make_sweep().thresholds[index]
    frame = frames.load_scores(
        store, "movies", split="test", metric="micro_f1", threshold=threshold + 1e-10
    )
    done = frame.set_index("replicate_id").loc[list(results), "value"]
    expected = [r.slices["test", "micro_f1"][i, index] for r, i in results.values()]
    np.testing.assert_allclose(done, expected, rtol=0, atol=8e-6)
    focal = frames.load_scores(
        store, "movies", split="test", metric="micro_f1", threshold=threshold, losses=["focal"]
    )
    assert focal.equals(frame[frame["loss"] == "focal"].reset_index(drop=True))


def test_only_the_chunk_of_the_threshold_is_read(store, results, make_sweep, monkeypatch):
    decoded = []
    decode = arrays.codec.decode_fixed

    def counting(blob, shape, row=None):
        decoded.append((shape, row))
        return decode(blob, shape, row)

    monkeypatch.setattr(arrays.codec, "decode_fixed", counting)
    threshold = make_sweep().thresholds[23]
    frames.load_scores(store, "movies", split="test", metric="micro_f1", threshold=threshold)
    assert decoded == [((4, 7), 1), ((4, 1), 1), ((4, 8), 1)]


def test_nearest_threshold_only_when_asked(store, results, make_sweep):
    wanted = {"split": "test", "metric": "micro_f1"}
    kept = make_sweep().thresholds[1]
    with pytest.raises(RecordError, match="nearest kept one is"):
        frames.load_scores(store, "movies", **wanted, threshold=kept + 0.003)
    near = frames.load_scores(store, "movies", **wanted, threshold=kept + 0.003, nearest=True)
    assert near.equals(frames.load_scores(store, "movies", **wanted, threshold=kept))
    with pytest.raises(RecordError, match="nan"):
        frames.load_scores(store, "movies", **wanted, threshold=float("nan"), nearest=True)


def test_metrics_without_thresholds_ignore_it_and_others_refuse(store, results):
    exact = frames.load_scores(store, "movies", split="validation", metric="map")
    assert exact["value"].notna().sum() == 16
    at = frames.load_scores(store, "movies", split="validation", metric="map", threshold=0.123)
    assert at.equals(exact)
    unrecorded = frames.load_scores(store, "movies", split="test", metric="hamming_loss")
    assert unrecorded["value"].isna().all()
    with pytest.raises(RecordError, match="objective's threshold"):
        frames.load_scores(store, "movies", split="test", metric="hamming_loss", threshold=0.01)


def test_unknown_names_are_one_line(store, results):
    with pytest.raises(RecordError, match="Did you mean 'micro_f1'"):
        frames.load_scores(store, "movies", split="test", metric="micro_f2")
    with pytest.raises(RecordError, match="Did you mean 'validation'"):
        frames.load_scores(store, "movies", split="valid", metric="micro_f1")
    with pytest.raises(SweepNotFoundError, match="Did you mean 'movies'"):
        frames.load_cells(store, "movie")


def test_curves(store, results):
    cell_id = int(frames.load_cells(store, "movies")["cell_id"][0])
    frame = frames.load_curves(store, "movies", cell_id=cell_id)
    assert types(frame) == CURVE_TYPES
    ids = [i for i in frame["replicate_id"].unique() if i in results]
    assert len(frame) == len(ids) * 2 * 4
    for replicate_id in ids:
        result, index = results[replicate_id]
        for name, values in result.curves.items():
            own = frame[(frame["replicate_id"] == replicate_id) & (frame["name"] == name)]
            assert own["epoch"].tolist() == [1, 2, 3, 4]
            np.testing.assert_array_equal(own["value"], values[:, index].astype(float))
    assert frames.load_curves(store, "movies", cell_id=999_999).empty


def test_readers_work_beside_a_writer(store, store_url, results, make_sweep):
    with (
        Store.open(store_url, read_only=True) as reader,
        store.writing() as connection,
    ):
        connection.execute(sa.text("UPDATE sweep_sweeps SET encoder = 'other'"))
        assert frames.load_sweeps(reader)["encoder"].tolist() == ["minilm"]
        assert len(frames.load_replicates(reader, "movies")) == 18
    assert frames.load_sweeps(store)["encoder"].tolist() == ["other"]


def test_one_frame_sees_one_state_of_the_store(store, results):
    with store.reading() as connection:
        query = sa.text("SELECT encoder FROM sweep_sweeps")
        first = connection.execute(query).scalar_one()
        with store.writing() as writer:
            writer.execute(sa.text("UPDATE sweep_sweeps SET encoder = 'other'"))
        assert connection.execute(query).scalar_one() == first
