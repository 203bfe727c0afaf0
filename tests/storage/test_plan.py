from __future__ import annotations

import time

import pytest

from storage import frames
from storage.errors import RecordError, SweepChangedError, SweepNotFoundError
from storage.records import PlanCounts


def test_put_sweep_is_idempotent_and_updates_the_spec(store, make_sweep):
    first = store.put_sweep(make_sweep())
    assert store.put_sweep(make_sweep(spec={"sweep": "movies", "seeds": 5})) == first
    info = store.sweep("movies")
    assert info.sweep_id == first
    assert info.spec == {"sweep": "movies", "seeds": 5}
    assert info.updated_at > info.created_at
    assert store.sweep_names() == ["movies"]


def test_changed_identity_is_refused_with_the_difference(store, make_sweep):
    store.put_sweep(make_sweep())
    changed = make_sweep(
        identity={"training": {"lr": 0.01, "epochs": 4}, "data": {"dataset": "movie_genres"}},
        spec={"changed": True},
    )
    with pytest.raises(SweepChangedError, match=r"training\.lr: 0\.001 -> 0\.01") as caught:
        store.put_sweep(changed)
    assert caught.value.differences == ["training.lr: 0.001 -> 0.01"]
    assert "\n" not in str(caught.value)
    assert store.sweep("movies").spec == make_sweep().spec


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("thresholds", [0.1, 0.5]),
        ("dataset_fingerprint", "beef"),
        ("objective", {"metric": "micro_f1", "split": "validation", "threshold": 0.5}),
    ],
)
def test_what_stored_numbers_depend_on_cannot_change(store, make_sweep, field, value):
    store.put_sweep(make_sweep())
    with pytest.raises(SweepChangedError, match=field):
        store.put_sweep(make_sweep(**{field: value}))


def test_equal_numbers_of_another_type_are_no_change(store, make_sweep):
    store.put_sweep(make_sweep(identity={"lr": 1, "missing": None}))
    store.put_sweep(make_sweep(identity={"lr": 1.0, "missing": None}))
    with pytest.raises(SweepChangedError, match=r"lr: 1\.0 -> true"):
        store.put_sweep(make_sweep(identity={"lr": True}))


def test_unknown_sweep_names_the_nearest(store, make_sweep):
    store.put_sweep(make_sweep())
    with pytest.raises(SweepNotFoundError, match="Did you mean 'movies'"):
        store.sweep_id("moves")
    with pytest.raises(SweepNotFoundError):
        store.plan(999, [], [0])


@pytest.mark.parametrize("name", ["", "x" * 201])
def test_sweep_name_length(store, make_sweep, name):
    with pytest.raises(RecordError, match="1 to 200"):
        store.put_sweep(make_sweep(name))


def test_plan_is_idempotent(store, make_sweep, make_cells):
    sweep_id = store.put_sweep(make_sweep())
    cells = make_cells()
    assert store.plan(sweep_id, cells, [0, 1, 2]) == PlanCounts(12, 12, 0, 0, 12)
    before = store.open_replicates(sweep_id)
    assert store.plan(sweep_id, cells, [0, 1, 2]) == PlanCounts(12, 0, 0, 0, 12)
    assert store.open_replicates(sweep_id) == before
    assert [(r.cell_key, r.seed) for r in before] == [
        (cell.key, seed) for cell in cells for seed in range(3)
    ]


def test_wider_grid_and_more_seeds_plan_only_the_difference(
    store, make_sweep, make_cells, run_open
):
    sweep_id = store.put_sweep(make_sweep())
    store.plan(sweep_id, make_cells(), [0, 1, 2])
    assert run_open(store) == 12
    finished = frames.load_replicates(store, "movies")

    more_seeds = store.plan(sweep_id, make_cells(), range(5))
    assert more_seeds == PlanCounts(20, 8, 0, 12, 8)
    wider = store.plan(sweep_id, make_cells(betas=(0.5, 1.0, 2.0)), range(5))
    assert wider == PlanCounts(30, 10, 0, 12, 18)
    assert run_open(store, rng_seed=100) == 18

    after = frames.load_replicates(store, "movies").set_index("replicate_id")
    kept = after.loc[finished["replicate_id"]].reset_index()
    assert kept.equals(finished)
    assert frames.load_cells(store, "movies")["ordinal"].tolist() == list(range(6))


def test_narrower_plan_removes_waiting_and_nothing_else(store, make_sweep, make_cells, make_result):
    sweep_id = store.put_sweep(make_sweep())
    cells = make_cells()
    store.plan(sweep_id, cells, [0, 1, 2])
    ids = {(r.cell_key, r.seed): r.replicate_id for r in store.open_replicates(sweep_id)}
    done, running = ids[cells[3].key, 2], ids[cells[2].key, 2]
    store.claim([done], "a", 60)
    store.record_pack(sweep_id, make_result([done]), "a")
    store.claim([running], "b", 60)

    assert store.plan(sweep_id, cells[:1], [0, 1]) == PlanCounts(2, 0, 8, 0, 2)
    assert store.counts(sweep_id) == {
        "waiting": 2, "running": 1, "complete": 1, "diverged": 0, "failed": 0, "pruned": 0,
    }  # fmt: skip
    assert frames.load_cells(store, "movies")["key"].tolist() == [
        cells[0].key, cells[2].key, cells[3].key,
    ]  # fmt: skip
    # What comes back is planned anew, beside what had been done.
    assert store.plan(sweep_id, cells, [0, 1, 2]) == PlanCounts(12, 8, 0, 1, 11)


def test_expired_leases_are_removed_when_no_longer_planned(store, make_sweep, make_cells):
    sweep_id = store.put_sweep(make_sweep())
    store.plan(sweep_id, make_cells(), [0])
    ids = [r.replicate_id for r in store.open_replicates(sweep_id)]
    store.claim(ids, "gone", 0.05)
    time.sleep(0.1)
    assert store.plan(sweep_id, make_cells()[:1], [0]) == PlanCounts(1, 0, 3, 0, 1)


def test_empty_plan(store, make_sweep, make_cells):
    sweep_id = store.put_sweep(make_sweep())
    store.plan(sweep_id, make_cells(), [0])
    assert store.plan(sweep_id, [], []) == PlanCounts(0, 0, 4, 0, 0)
    assert frames.load_cells(store, "movies").empty


@pytest.mark.parametrize("seeds", [[0, 0], [-1], [2**63], [0.5], [True]])
def test_bad_seeds_change_nothing(store, make_sweep, make_cells, seeds):
    sweep_id = store.put_sweep(make_sweep())
    with pytest.raises(RecordError, match="seed"):
        store.plan(sweep_id, make_cells(), seeds)
    assert store.open_replicates(sweep_id) == []


def test_repeated_cell_is_refused(store, make_sweep, make_cells):
    sweep_id = store.put_sweep(make_sweep())
    with pytest.raises(RecordError, match="twice"):
        store.plan(sweep_id, make_cells() + make_cells(), [0])


def test_sweeps_do_not_mix(store, make_sweep, make_cells, run_open):
    first, second = (store.put_sweep(make_sweep(name)) for name in ("movies", "other"))
    store.plan(first, make_cells(), [0, 1])
    store.plan(second, make_cells(betas=(9.0,)), [0])
    run_open(store, "other")
    assert store.counts(first)["waiting"] == 8
    assert store.counts(second)["complete"] == 2
    assert store.plan(second, [], []).removed == 0
    assert store.plan(first, [], []).removed == 8


def test_plan_of_many(store, make_sweep, make_cells):
    sweep_id = store.put_sweep(make_sweep())
    cells = make_cells(betas=range(1, 51), etas=range(100))
    seeds = [2**63 - 1, *range(3)]
    started = time.perf_counter()
    assert store.plan(sweep_id, cells, seeds).added == 20_000
    assert store.plan(sweep_id, cells, seeds).added == 0
    assert time.perf_counter() - started < 30
    replicates = store.open_replicates(sweep_id)
    assert len(replicates) == 20_000
    ids = [replicate.replicate_id for replicate in replicates]
    assert store.claim(ids, "one", 60) == ids
    assert store.release("one") == 20_000
