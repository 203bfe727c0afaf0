from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
import sqlalchemy as sa

from storage import frames, schema
from storage.errors import LeaseLostError, RecordError, StoreError


@pytest.fixture
def claimed(store, make_sweep, make_cells):
    sweep_id = store.put_sweep(make_sweep())
    store.plan(sweep_id, make_cells(), [0, 1, 2])
    ids = [r.replicate_id for r in store.open_replicates(sweep_id)]
    return sweep_id, store.claim(ids[:6], "a", 60)


def rows(store, table):
    with store.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def test_recorded_pack_is_finished_and_counted(store, claimed, make_result):
    sweep_id, ids = claimed
    states = ["complete", "diverged", "failed", "complete", "complete", "complete"]
    reasons = [None, "loss is inf", "out of memory", None, None, None]
    store.record_pack(sweep_id, make_result(ids, states=states, reasons=reasons), "a")
    assert store.counts(sweep_id) == {
        "waiting": 6, "running": 0, "complete": 4, "diverged": 1, "failed": 1, "pruned": 0,
    }  # fmt: skip
    frame = frames.load_replicates(store, "movies").set_index("replicate_id").loc[ids]
    assert frame["state"].tolist() == states
    assert frame["reason"].tolist()[1:3] == reasons[1:3]
    assert frame["objective"].notna().tolist() == [state == "complete" for state in states]
    assert frame["pack_index"].tolist() == list(range(6))
    assert store.release("a") == 0


def test_nothing_is_recorded_twice(store, claimed, make_result):
    sweep_id, ids = claimed
    store.record_pack(sweep_id, make_result(ids), "a")
    before = frames.load_replicates(store, "movies")
    with pytest.raises(LeaseLostError) as caught:
        store.record_pack(sweep_id, make_result(ids, rng_seed=9), "a")
    assert caught.value.replicate_ids == ids
    assert store.claim(ids, "b", 60) == []
    assert store.fail(ids, "a", "late") == 0
    assert frames.load_replicates(store, "movies").equals(before)
    assert rows(store, schema.packs) == 1


def test_refused_pack_leaves_no_trace(store, claimed, make_result, make_sweep):
    sweep_id, ids = claimed
    other = store.put_sweep(make_sweep("other"))
    for target, owner, replicate_ids in (
        (sweep_id, "b", ids),
        (sweep_id, "a", [*ids, 999_999]),
        (other, "a", ids),
    ):
        with pytest.raises(LeaseLostError):
            store.record_pack(target, make_result(replicate_ids), owner)
    for table in (schema.packs, schema.scores, schema.slices, schema.curves):
        assert rows(store, table) == 0
    assert store.counts(sweep_id)["running"] == 6


def test_nan_objective_is_complete_and_nan(store, claimed, make_result):
    sweep_id, ids = claimed
    objective = np.array([0.5, np.nan, 0.25, 0.1, 0.2, 0.3])
    store.record_pack(sweep_id, make_result(ids, objective=objective), "a")
    frame = frames.load_replicates(store, "movies").set_index("replicate_id").loc[ids]
    assert set(frame["state"]) == {"complete"}
    np.testing.assert_array_equal(frame["objective"].to_numpy(), objective)


def test_failing_without_results(store, claimed):
    sweep_id, ids = claimed
    assert store.fail([*ids[:2], 999_999], "a", "the worker died") == 2
    assert store.fail(ids, "b", "not mine") == 0
    assert store.fail([], "a", "nothing") == 0
    assert store.counts(sweep_id) == {
        "waiting": 6, "running": 4, "complete": 0, "diverged": 0, "failed": 2, "pruned": 0,
    }  # fmt: skip
    frame = frames.load_replicates(store, "movies").set_index("replicate_id").loc[ids[:2]]
    assert frame["reason"].tolist() == ["the worker died"] * 2
    assert frame["started_at"].isna().all()
    assert frame["finished_at"].notna().all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": np.zeros(5)}, r"objective must be numbers of shape \(6\)"),
        ({"states": ["complete"] * 5}, "as many states"),
        ({"reasons": []}, "as many reasons"),
        ({"states": ["done"] * 6}, "done"),
        ({"scores": {("dev", "map"): np.zeros(6)}}, "split is one of"),
        ({"scores": {("test", "map"): np.zeros((6, 1))}}, "scores of test map"),
        ({"slices": {("test", "micro_f1"): np.zeros((6, 3))}}, "one column per threshold"),
        ({"slices": {("test", "micro_f1"): np.full((6, 26), 1.5)}}, r"\[0, 1\] or NaN"),
        ({"slices": {("test", "micro_f1"): np.full((6, 26), np.inf)}}, r"\[0, 1\] or NaN"),
        ({"curves": {"objective": np.zeros((3, 6))}}, r"curve objective.* \(4, 6\)"),
        ({"diagnostics": {"x": ["a"] * 6}}, "diagnostic x must be numbers"),
        ({"started_at": datetime(2026, 1, 1)}, "time zone"),
    ],
)
def test_malformed_pack_is_one_line_and_changes_nothing(
    store, claimed, make_result, changes, message
):
    sweep_id, ids = claimed
    with pytest.raises(RecordError, match=message) as caught:
        store.record_pack(sweep_id, make_result(ids, **changes), "a")
    assert "\n" not in str(caught.value)
    assert store.counts(sweep_id)["running"] == 6
    assert rows(store, schema.packs) == 0


def test_packs_of_no_or_repeated_replicates(store, claimed, make_result):
    sweep_id, ids = claimed
    for replicate_ids in ([], [ids[0], ids[0]]):
        with pytest.raises(RecordError, match="distinct"):
            store.record_pack(sweep_id, make_result(replicate_ids), "a")


def test_without_keeps_the_rest_aligned(store, claimed, make_result):
    _, ids = claimed
    result = make_result(ids)
    rest = result.without([ids[0], ids[4], 999_999])
    kept = [1, 2, 3, 5]
    assert rest.replicate_ids == [ids[k] for k in kept]
    np.testing.assert_array_equal(rest.objective, result.objective[kept])
    key = ("test", "micro_f1")
    np.testing.assert_array_equal(rest.slices[key], result.slices[key][kept])
    np.testing.assert_array_equal(rest.curves["objective"], result.curves["objective"][:, kept])
    np.testing.assert_array_equal(
        rest.diagnostics["train_loss"], result.diagnostics["train_loss"][kept]
    )


@pytest.mark.parametrize(
    "change",
    [
        {"state": "done"},
        {"state": "running"},
        {"state": "complete"},
        {"lease_owner": "nobody"},
        {"objective": 0.5},
        {"cell_id": 999_999},
        {"seed": 1},
    ],
)
def test_the_database_itself_refuses_impossible_rows(store, claimed, change):
    sweep_id, _ = claimed
    waiting = next(r for r in store.open_replicates(sweep_id) if r.seed == 0)
    with pytest.raises(StoreError), store.writing() as connection:
        connection.execute(
            schema.replicates.update()
            .where(schema.replicates.c.id == waiting.replicate_id)
            .values(change)
        )
    assert len(store.open_replicates(sweep_id)) == 6


def test_a_sweep_is_deleted_with_all_it_owns(store, claimed, make_result):
    sweep_id, ids = claimed
    store.record_pack(sweep_id, make_result(ids), "a")
    with store.writing() as connection:
        connection.execute(schema.sweeps.delete().where(schema.sweeps.c.id == sweep_id))
    assert not any(rows(store, table) for table in schema.metadata.sorted_tables)
