"""Races: the best cell is rarely lost, and rounds go on where they were."""

from __future__ import annotations

import math

import numpy as np
import pytest

from storage.errors import SweepChangedError
from storage.frames import load_cells, load_replicates
from storage.store import Store
from sweeps.plan import make_plan
from sweeps.samplers.planning import make_growth
from sweeps.sensitivity.racing import look_at_race, spending_plan
from sweeps.spec import load_spec

ROUNDS = (3, 5, 7, 9, 11)
ALPHA = 0.1
RACING = {"first": 3, "step": 2, "most": 7}


def survivors(values, alpha=ALPHA, rounds=ROUNDS) -> np.ndarray:
    """The cells of (K, S) values that are in the race to the end."""
    left = np.arange(len(values))
    for share, seeds in zip(spending_plan(rounds, alpha), rounds, strict=True):
        left = left[~look_at_race(values[left, :seeds], share).out]
    return left


@pytest.mark.parametrize(
    ("means", "noise"),
    [
        (np.zeros(12), np.full(12, 0.01)),
        (np.zeros(2), np.full(2, 0.01)),
        (np.zeros(16), np.geomspace(0.002, 0.03, 16)),
        (np.zeros(16), np.geomspace(0.03, 0.002, 16)),
        (np.r_[np.zeros(8), np.full(8, -0.3)], np.r_[np.full(8, 0.01), np.zeros(8)]),
        (np.zeros(12), np.r_[0.05, np.full(11, 0.005)]),
    ],
    ids=["equal", "two", "quiet best", "noisy best", "half collapsed", "one noisy"],
)
def test_the_best_cell_is_lost_with_probability_alpha_at_most(means, noise):
    rng = np.random.default_rng(0)
    runs, lost = 150, 0
    for _ in range(runs):
        block = 0.02 * rng.standard_normal(ROUNDS[-1])
        own = noise[:, None] * rng.standard_normal((len(means), ROUNDS[-1]))
        lost += 0 not in survivors(means[:, None] + block + own)
    # Three standard errors of a share of runs beyond what is allowed.
    assert lost / runs <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / runs)


def test_cells_that_are_clearly_worse_leave_early():
    rng = np.random.default_rng(0)
    means = np.r_[0.0, 0.0, -np.linspace(0.03, 0.3, 30)]
    block = 0.05 * rng.standard_normal(11)
    values = means[:, None] + block + 0.01 * rng.standard_normal((32, 11))
    first = look_at_race(values[:, :3], spending_plan(ROUNDS, ALPHA)[0])
    assert 20 <= first.out.sum() <= 30
    assert not first.out[:2].any()
    assert len(survivors(values)) <= 4


def test_less_is_better_for_a_loss():
    values = np.random.default_rng(0).normal(scale=0.01, size=(6, 5)) + np.arange(6)[:, None]
    down = look_at_race(values, 0.05, higher_is_better=False)
    up = look_at_race(-values, 0.05)
    np.testing.assert_array_equal(down.out, up.out)
    np.testing.assert_allclose(down.p, up.p)
    assert down.out.tolist() == [False] + [True] * 5


@pytest.mark.parametrize(
    ("values", "out"),
    [
        (np.array([[0.1, 0.2]]), [False]),
        (np.array([[0.1, 0.2], [np.nan, 0.1]]), [False, False]),
        (np.full((3, 3), 0.4), [False] * 3),
        (np.array([[0.4] * 3, [0.3] * 3]), [False, True]),
        (np.array([[0.4, 0.5, 0.6], [0.3, 0.4, 0.5], [np.nan] * 3]), [False, True, False]),
    ],
)
def test_races_of_few_cells_or_no_noise(values, out):
    look = look_at_race(values, 0.05)
    assert look.out.tolist() == out
    assert np.isnan(look.p).tolist() == np.isnan(values).any(axis=1).tolist()


def test_the_shares_are_fixed_by_the_plan_and_sum_to_alpha():
    shares = spending_plan((3, 5, 7, 9, 11, 13, 15), 0.05)
    assert sum(shares) == pytest.approx(0.05)
    assert shares[-1] == 0
    assert shares[0] == pytest.approx(0.05 * 3 / 13)
    assert spending_plan((3, 15), 0.05) == (pytest.approx(0.05), 0.0)


def stored(url):
    with Store.open(url, create=False, read_only=True) as store:
        cells = load_cells(store, "small")
        frame = load_replicates(store, "small")
        design = store.design(store.sweep_id("small"))
    rows = {
        (r.cell_id, r.seed): (r.state, r.objective) for r in frame.itertuples() if r.state != "?"
    }
    return cells, rows, design


def test_a_race_from_its_first_round_to_its_last(tmp_path, make_spec, run_locally):
    losses = {
        "sigmoid_f1": {"beta": [-5, 1, 5, 10, 20], "eta": [0, 1]},
        "bce": {},
        "unbounded_f1": {},
    }
    spec = load_spec(make_spec(losses=losses, racing=RACING, seeds=7))
    url = f"sqlite:///{tmp_path / 'race.db'}"
    counts = run_locally(spec, url)
    assert (counts.added, counts.total) == (12 * 3, 12 * 7)
    cells, rows, design = stored(url)
    assert design["race"]["seeds_by_round"] == [3, 5, 7]
    assert sum(design["race"]["alpha_by_round"]) == pytest.approx(0.05)
    out = cells[cells["status"] == "raced_out"]
    assert 0 < len(out) < 10
    assert (out["loss"] == "sigmoid_f1").all()
    seeds_of = {
        cell_id: sorted(seed for other, seed in rows if other == cell_id)
        for cell_id in cells["cell_id"]
    }
    for row in cells.itertuples():
        if row.status == "raced_out":
            assert seeds_of[row.cell_id] == list(range(row.note["seeds"]))
            assert row.note["seeds"] == design["race"]["seeds_by_round"][row.note["round"] - 1]
            assert row.note["p"] < row.note["alpha"]
        else:
            assert seeds_of[row.cell_id] == list(range(7))
    means = {
        cell_id: np.mean([rows[cell_id, seed][1] for seed in seeds])
        for cell_id, seeds in seeds_of.items()
    }
    own = cells[cells["loss"] == "sigmoid_f1"]
    best = max(own["cell_id"], key=means.get)
    assert best not in set(out["cell_id"])

    # Killed at any pack, the same cells leave in the same rounds.
    killed = f"sqlite:///{tmp_path / 'killed.db'}"
    for packs in (1, 2, 3, 3, 4):
        run_locally(spec, killed, packs=packs)
    run_locally(spec, killed)
    again, others, _ = stored(killed)
    assert others == rows
    assert again[["key", "status", "note"]].to_dict() == cells[["key", "status", "note"]].to_dict()

    assert run_locally(spec, url).open == 0
    wider = {**losses, "sigmoid_f1": {"beta": [-5, 1, 5, 10, 20, 30], "eta": [0, 1]}}
    with pytest.raises(SweepChangedError, match="beta"):
        run_locally(load_spec(make_spec(losses=wider, racing=RACING, seeds=7)), url)
    fewer = {"bce": {}}
    with pytest.raises(SweepChangedError, match=r"losses: .*unbounded_f1.* -> bce"):
        run_locally(load_spec(make_spec(losses=fewer, racing=RACING, seeds=7)), url)
    other = RACING | {"alpha": 0.2}
    with pytest.raises(SweepChangedError, match="alpha"):
        run_locally(load_spec(make_spec(losses=losses, racing=other, seeds=7)), url)


def test_a_round_that_was_killed_while_deciding_decides_the_same(
    tmp_path, make_spec, run_locally, monkeypatch
):
    losses = {"sigmoid_f1": {"beta": [-5, 1, 5, 10, 20], "eta": [0, 1]}}
    spec = load_spec(make_spec(losses=losses, racing=RACING, seeds=7))
    url = f"sqlite:///{tmp_path / 'race.db'}"
    run_locally(spec, url)
    cells, rows, _ = stored(url)
    assert sum((note or {}).get("round") == 1 for note in cells["note"]) >= 2

    killed = f"sqlite:///{tmp_path / 'killed.db'}"
    mark = Store.set_cell_status

    def mark_and_die(*arguments: object) -> None:
        mark(*arguments)
        raise KeyboardInterrupt

    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(Store, "set_cell_status", mark_and_die)
            with pytest.raises(KeyboardInterrupt):
                run_locally(spec, killed)
    assert (stored(killed)[0]["status"] == "raced_out").sum() == 2
    run_locally(spec, killed)
    again, others, _ = stored(killed)
    assert others == rows
    assert again[["key", "status", "note"]].to_dict() == cells[["key", "status", "note"]].to_dict()


def test_a_run_does_not_decide_a_round_that_another_has_just_planned(
    tmp_path, make_spec, run_locally
):
    losses = {"sigmoid_f1": {"beta": [-5, 1, 5, 10, 20], "eta": [0, 1]}}
    spec = load_spec(make_spec(losses=losses, racing=RACING, seeds=7))
    url = f"sqlite:///{tmp_path / 'race.db'}"
    whole = f"sqlite:///{tmp_path / 'whole.db'}"
    run_locally(spec, whole)
    run_locally(spec, url, packs=0)
    with Store.open(url) as store:
        before = stored(url)
        # Both runs have seen the end of a round; this one comes second.
        assert make_growth(store, store.sweep_id("small"), make_plan(spec)).grow()
    assert set(stored(url)[1]) == set(before[1])
    run_locally(spec, url)
    again, rows, _ = stored(url)
    cells, expected, _ = stored(whole)
    assert rows == expected
    assert again[["key", "status", "note"]].to_dict() == cells[["key", "status", "note"]].to_dict()
