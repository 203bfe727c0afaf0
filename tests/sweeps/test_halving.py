"""Halving: what the pruner stops, whole brackets in one pack, the same whatever the machine."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.frames import load_cells, load_replicates
from storage.records import CellRecord, OpenReplicate
from storage.store import Store
from sweeps.errors import SweepError
from sweeps.packs import PackLimits, Throughput, halve, make_packs
from sweeps.samplers.halving import BracketPruner
from sweeps.spec import load_spec

HALVING = {"factor": 3, "min_epochs": 2, "bracket": 9}
GRID = {
    "sigmoid_f1": {"beta": {"range": [1, 30], "num": 6}, "eta": [-1, 0, 1]},
    "bce": {},
}


def pruner(cells: int, seeds: int, *, maximize=True, brackets=None, **halving) -> BracketPruner:
    return BracketPruner(
        {"factor": 3, "min_epochs": 5} | halving,
        maximize=maximize,
        cells=np.repeat(np.arange(cells), seeds).tolist(),
        brackets=brackets or [0] * cells,
    )


@pytest.mark.parametrize("maximize", [True, False])
@pytest.mark.parametrize("cells", [1, 2, 3, 4, 9, 11, 26])
def test_one_cell_in_three_goes_on_at_each_rung(cells, maximize):
    means = np.random.default_rng(cells).random(cells)
    noise = np.random.default_rng(1).normal(scale=0.5, size=(cells, 4))
    objective = (means[:, None] + noise - noise.mean(axis=1, keepdims=True)).ravel()
    prune = pruner(cells, 4, maximize=maximize)
    alive = np.arange(cells)
    for epoch in (5, 15, 45):
        stopped = prune(epoch, objective).reshape(cells, 4)
        assert (stopped.all(axis=1) == stopped.any(axis=1)).all()  # all seeds of a cell, or none
        order = alive[np.argsort(-means[alive] if maximize else means[alive])]
        expected = order[: max(len(alive) // 3, 1)]
        left = alive[~stopped.any(axis=1)[alive]]
        assert sorted(left) == sorted(expected)
        objective = np.where(stopped.ravel(), np.nan, objective)
        alive = left


def test_the_median_pruner_keeps_the_better_half():
    objective = np.arange(8.0)
    assert pruner(8, 1, pruner="median")(5, objective).tolist() == [True] * 4 + [False] * 4


def test_brackets_are_judged_apart_and_some_cells_not_at_all():
    prune = pruner(7, 1, brackets=[0, 0, 0, 1, 1, 1, -1])
    objective = np.array([0.1, 0.2, 0.3, 0.7, 0.8, 0.9, 0.0])
    assert prune(5, objective).tolist() == [True, True, False, True, True, False, False]


def test_a_seed_that_diverged_is_left_out_of_its_cell():
    objective = np.array([0.3, np.nan, 0.2, 0.1, np.nan, np.nan])
    assert pruner(3, 2)(5, objective).tolist() == [False, False, True, True, False, False]


def cell(ordinal: int, loss: str = "bce") -> CellRecord:
    return CellRecord(
        key=f"{ordinal * 7919 % 1009:04d}",
        loss=loss,
        hyperparameters={},
        training={"epochs": 9, "batch_size": 8, "lr": 1e-3, "weight_decay": 0.0},
        head={"kind": "linear"},
        ordinal=ordinal,
        parameters={},
    )


def packs_of(cells, present, *, seeds, workers=2, max_heads=10**6, bracket=4):
    records = {c.key: c for c in cells}
    replicates = [
        OpenReplicate(10 * c.ordinal + seed, c.key, seed)
        for c in cells
        for seed in range(seeds)
        if (c.ordinal, seed) in present
    ]
    limits = PackLimits(tile_heads=4, max_heads=max_heads, bracket=bracket, n_seeds=seeds)
    return replicates, list(make_packs(replicates, records, limits, Throughput(workers)))


def brackets_of(packs) -> set[frozenset[str]]:
    return {
        frozenset(c.key for c, number in zip(p.cells, p.brackets, strict=True) if number == b)
        for p in packs
        for b in set(p.brackets) - {-1}
    }


@settings(deadline=None)
@given(
    n=st.integers(1, 40),
    seeds=st.integers(1, 3),
    workers=st.integers(1, 8),
    bracket=st.integers(2, 9),
    begun=st.sets(st.integers(0, 40)),
)
def test_brackets_are_whole_and_nothing_is_lost(n, seeds, workers, bracket, begun):
    cells = [cell(k, "bce" if k % 3 else "focal") for k in range(n)]
    present = {(k, s) for k in range(n) for s in range(seeds) if not (k in begun and s == 0)}
    replicates, packs = packs_of(cells, present, seeds=seeds, workers=workers, bracket=bracket)
    packed = Counter(r for pack in packs for r, _, _ in pack.replicates)
    assert packed == Counter(r.replicate_id for r in replicates)
    loss = {c.key: c.loss for c in cells}
    for group in brackets_of(packs):
        assert len(group) <= bracket
        assert len({loss[key] for key in group}) == 1
    judged = {key for group in brackets_of(packs) for key in group}
    whole = {c.key for c in cells if c.ordinal not in begun}
    assert judged == whole
    # Nothing about the machine: other workers, the same brackets.
    _, others = packs_of(cells, present, seeds=seeds, workers=9 - workers, bracket=bracket)
    assert brackets_of(others) == brackets_of(packs)


def test_what_is_left_after_a_kill_has_the_same_brackets():
    cells = [cell(k) for k in range(30)]
    present = {(k, s) for k in range(30) for s in range(2)}
    _, packs = packs_of(cells, present, seeds=2, workers=1)
    done = {r for pack in packs[::2] for r, _, _ in pack.replicates}
    left = {(k, s) for k, s in present if 10 * k + s not in done}
    _, again = packs_of(cells, left, seeds=2, workers=4)
    assert brackets_of(again) < brackets_of(packs)


def test_a_pack_out_of_memory_is_divided_between_brackets():
    cells = [cell(k) for k in range(12)]
    # Four cells lack a seed and are not judged; the others are two brackets.
    present = {(k, s) for k in range(12) for s in range(2) if k < 8 or s}
    replicates, packs = packs_of(cells, present, seeds=2, workers=1, bracket=4)
    whole = next(pack for pack in packs if len(set(pack.brackets)) == 1)
    assert halve(whole) == [whole]
    rest = [pack for pack in packs if -1 in pack.brackets]
    while any(len(halve(pack)) > 1 for pack in rest):
        rest = [part for pack in rest for part in halve(pack)]
    parts = [pack for pack in packs if -1 not in pack.brackets] + rest
    assert brackets_of(parts) == brackets_of(packs)
    assert sum(part.brackets == (-1,) for part in parts) == 4
    packed = Counter(r for part in parts for r, _, _ in part.replicates)
    assert packed == Counter(r.replicate_id for r in replicates)


def test_a_bracket_that_fits_no_pack_is_refused():
    cells = [cell(k) for k in range(8)]
    present = {(k, s) for k in range(8) for s in range(2)}
    with pytest.raises(SweepError, match=r"memory \(7\), but it has 8. Lower halving.bracket"):
        packs_of(cells, present, seeds=2, max_heads=7)


def stored(url):
    with Store.open(url, create=False, read_only=True) as store:
        cells = load_cells(store, "small")
        frame = load_replicates(store, "small")
    frame["key"] = cells.set_index("cell_id")["key"].reindex(frame["cell_id"]).array
    rows = {(r.key, r.seed): (r.state, r.objective) for r in frame.itertuples()}
    return cells.set_index("key")[["status", "note"]], rows


def test_a_halved_sweep_from_begin_to_end(tmp_path, make_spec, run_locally):
    training = {"epochs": 12, "batch_size": 32, "lr": 0.01}
    changes = {"losses": GRID, "training": training, "seeds": 2}
    spec = load_spec(make_spec(**changes, halving=HALVING))
    url = f"sqlite:///{tmp_path / 'halved.db'}"
    run_locally(spec, url)
    cells, rows = stored(url)
    states = Counter(state for state, _ in rows.values())
    assert states == {"pruned": 16 * 2, "complete": 3 * 2}  # 2 of 18 in two brackets, and bce
    assert Counter(str(note) for note in cells["note"] if note) == {
        "{'epoch': 2, 'rung': 0}": 12,
        "{'epoch': 6, 'rung': 1}": 4,
    }
    pruned = set(cells.index[cells["status"] == "pruned"])
    assert {key for (key, _), (state, _) in rows.items() if state == "pruned"} == pruned

    # Killed and packed otherwise, the same cells stop and the others end with the same bits.
    other = f"sqlite:///{tmp_path / 'killed.db'}"
    for packs in (1, 2):
        run_locally(spec, other, packs=packs, workers=3, tile_heads=2)
    run_locally(spec, other, workers=1)
    np.testing.assert_equal(stored(other)[1], rows)
    assert stored(other)[0].to_dict() == cells.to_dict()

    # Cells that go on are what they would have been without halving.
    whole = f"sqlite:///{tmp_path / 'whole.db'}"
    run_locally(load_spec(make_spec(**changes)), whole)
    unhalved = stored(whole)[1]
    for place, (state, objective) in rows.items():
        if state == "complete":
            assert unhalved[place] == (state, objective)

    # More seeds are for those that went to the end.
    counts = run_locally(load_spec(make_spec(**changes | {"seeds": 3}, halving=HALVING)), url)
    assert (counts.added, counts.total) == (3, 16 * 2 + 3 * 3)
    assert Counter(state for state, _ in stored(url)[1].values()) == {"pruned": 32, "complete": 9}
