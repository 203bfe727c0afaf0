"""Sampled sweeps from their first cell to their last, killed and resumed, without Ray."""

from __future__ import annotations

import shutil

import optuna
import pytest

from storage.errors import SweepChangedError
from storage.frames import load_cells, load_replicates
from storage.optuna_mirror import mirror, study_name
from storage.store import Store
from sweeps.plan import make_plan
from sweeps.samplers.pareto import pareto_cells
from sweeps.samplers.planning import make_growth
from sweeps.spec import load_spec

RANGES = {"sigmoid_f1": {"beta": {"range": [-5, 20]}, "eta": {"range": [-1, 2]}}, "bce": {}}
SAMPLERS = {
    "tpe": {"budget": 18, "batch": 6, "startup": 6},
    "gp": {"budget": 9, "batch": 3, "startup": 3},
    "cmaes": {"budget": 18, "batch": 6},
    "nsga2": {
        "budget": 18,
        "batch": 6,
        "objectives": [{"metric": "weighted_f1", "threshold": 0.2}, {"metric": "hamming_loss"}],
    },
}


def sampled(make_spec, name: str, **changes):
    sampler = {"name": name, **SAMPLERS.get(name, {}), **changes.pop("sampler", {})}
    return load_spec(make_spec(**{"losses": RANGES, "sampler": sampler, **changes}))


def results(url: str) -> dict[tuple[str, int], tuple[str, float]]:
    """(cell key, seed) to state and objective."""
    with Store.open(url, create=False, read_only=True) as store:
        keys = load_cells(store, "small").set_index("cell_id")["key"]
        frame = load_replicates(store, "small")
    return {
        (keys[row.cell_id], row.seed): (row.state, row.objective)
        for row in frame.itertuples(index=False)
    }


def cells_of(url: str):
    with Store.open(url, create=False, read_only=True) as store:
        return load_cells(store, "small")


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_killed_run_goes_on_as_one_that_was_not(tmp_path, make_spec, run_locally, name):
    spec = sampled(make_spec, name)
    budget = SAMPLERS[name]["budget"]
    whole = f"sqlite:///{tmp_path / 'whole.db'}"
    counts = run_locally(spec, whole)
    assert counts.total == counts.open == (budget + 1) * 2
    expected = results(whole)
    assert len(expected) == (budget + 1) * 2
    cells = cells_of(whole)
    assert cells["loss"].value_counts().to_dict() == {"sigmoid_f1": budget, "bce": 1}
    assert set(cells.loc[cells["loss"] == "sigmoid_f1", "batch"]) == {0, 1, 2}

    # Killed before the first pack, then after the first batch was asked and before it trained, …
    killed = f"sqlite:///{tmp_path / 'killed.db'}"
    for packs in (0, 1, 4):
        run_locally(spec, killed, packs=packs)
        states = [state for state, _ in results(killed).values()]
        assert "waiting" in states  # what was asked is in the plan before it trains
    rest = run_locally(spec, killed)
    assert 0 < rest.done < rest.total == counts.total
    assert results(killed) == expected
    assert cells_of(killed)["key"].tolist() == cells["key"].tolist()

    again = run_locally(spec, killed)
    assert (again.added, again.open) == (0, 0)


def test_optuna_has_no_running_trial_after_a_kill(tmp_path, make_spec, run_locally):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    spec = sampled(make_spec, "tpe")
    run_locally(spec, url, packs=3)
    with Store.open(url) as store:
        mirror(store, "small", make_plan(spec).distributions)
    study = optuna.load_study(study_name=study_name("small", "features", "sigmoid_f1"), storage=url)
    assert 0 < len(study.trials) < 18
    assert all(trial.state.is_finished() for trial in study.trials)
    run_locally(spec, url)
    with Store.open(url) as store:
        mirror(store, "small", make_plan(spec).distributions)
    study = optuna.load_study(study_name=study_name("small", "features", "sigmoid_f1"), storage=url)
    assert len(study.trials) == 18
    assert study.best_trial.distributions["beta"].low == -5


def test_two_runs_ask_for_the_same_cells(tmp_path, make_spec, run_locally):
    run_locally(sampled(make_spec, "tpe", sampler={"budget": 6}), f"sqlite:///{tmp_path}/one.db")
    shutil.copy(tmp_path / "one.db", tmp_path / "two.db")
    plan = make_plan(sampled(make_spec, "tpe"))
    asked = []
    for name in ("one", "two"):
        with Store.open(f"sqlite:///{tmp_path / name}.db") as store:
            sweep_id = store.sweep_id("small")
            before = len(store.cells(sweep_id))
            growth = make_growth(store, sweep_id, plan)
            assert growth.grow()
            asked.append(store.cells(sweep_id)[before:])
            # The other run's ask of the same batch, committed second, adds nothing.
            again = store.extend_plan(sweep_id, asked[0], plan.seeds, batch=1)
            assert again.added == 0
            # Nor does one that finds the batch there already: it is trained before the next.
            assert make_growth(store, sweep_id, plan).grow()
            assert len(store.cells(sweep_id)) == before + 6
    assert asked[0] == asked[1]
    assert len(asked[0]) == 6


@pytest.mark.parametrize("name", ["random", "sobol", "tpe"])
def test_a_larger_budget_asks_for_the_difference(tmp_path, make_spec, run_locally, name):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    run_locally(sampled(make_spec, name, sampler={"budget": 12}), url)
    before = results(url)
    keys = cells_of(url).query("loss == 'sigmoid_f1'")["key"].tolist()
    counts = run_locally(sampled(make_spec, name, sampler={"budget": 20}), url)
    assert counts.open == 8 * 2
    after = results(url)
    assert len(after) == len(before) + 16
    assert {key: after[key] for key in before} == before
    longer = cells_of(url).query("loss == 'sigmoid_f1'").sort_values("ordinal")["key"].tolist()
    assert set(keys) < set(longer)
    if name != "tpe":
        assert longer[:12] == keys


def test_a_saltelli_design_doubles_and_is_recoverable(tmp_path, make_spec, run_locally):
    from sweeps.sensitivity.sweep_analysis import analyse_sweep

    url = f"sqlite:///{tmp_path / 'store.db'}"
    losses = {"sigmoid_f1": {**RANGES["sigmoid_f1"], "reduction": "pooled"}}
    for n in (4, 8):
        spec = sampled(make_spec, "saltelli", sampler={"n": n}, losses=losses, seeds=1)
        counts = run_locally(spec, url)
        assert counts.total == n * 4
        assert counts.open == 16  # of 8, the first half is there
    with Store.open(url, create=False, read_only=True) as store:
        design = store.design(store.sweep_id("small"))
        cells = {cell.key: cell for cell in store.cells(store.sweep_id("small"))}
        assert (design["sampler"], design["n"], design["second_order"]) == ("saltelli", 8, False)
        assert design["names"] == ["beta", "eta"]
        assert design["bounds"] == [[-5, 20], [-1, 2]]
        rows = [cells[key].hyperparameters for key in design["rows"]]
        sobol = analyse_sweep(store, "small").losses["sigmoid_f1"].sobol
    for start in range(0, 32, 4):
        a, ab_beta, ab_eta, b = rows[start : start + 4]
        assert (ab_beta["beta"], ab_beta["eta"]) == (b["beta"], a["eta"])
        assert (ab_eta["beta"], ab_eta["eta"]) == (a["beta"], b["eta"])
    assert set(sobol.total) == {"beta", "eta"}
    assert sobol.n_blocks == 8


def test_more_seeds_are_for_every_cell_that_was_asked(tmp_path, make_spec, run_locally):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    run_locally(sampled(make_spec, "tpe", seeds=3), url)
    before = results(url)
    counts = run_locally(sampled(make_spec, "tpe", seeds=5), url)
    assert (counts.added, counts.open, counts.done) == (19 * 2, 19 * 2, 19 * 3)
    after = results(url)
    assert len(after) == 19 * 5
    assert {key: after[key] for key in before} == before


def test_a_grid_from_30_by_7_to_40_by_9_and_3_to_5_seeds(tmp_path, make_spec):
    eta = [-1, -0.5, 0, 0.5, 1, 1.5, 2]

    def counts_of(betas, etas, seeds, store):
        losses = {"sigmoid_f1": {"beta": {"range": [1, betas], "num": betas}, "eta": etas}}
        spec = load_spec(make_spec(losses=losses, seeds=seeds))
        return make_growth(store, planned_sweep(store, spec), make_plan(spec)).begin()

    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as store:
        assert counts_of(30, eta, 3, store)[:3] == (630, 630, 0)
        assert counts_of(30, eta, 5, store)[:3] == (1050, 420, 0)
        assert counts_of(40, [*eta, 2.5, 3], 5, store)[:3] == (1800, 750, 0)
        assert counts_of(40, [*eta, 2.5, 3], 5, store) == (1800, 0, 0, 0, 1800)
        assert counts_of(30, eta, 5, store)[:3] == (1050, 0, 750)


def test_a_space_that_was_sampled_is_not_changed(tmp_path, make_spec, run_locally):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    run_locally(sampled(make_spec, "random", sampler={"budget": 4}), url)
    before = results(url)
    wider = {**RANGES, "sigmoid_f1": {"beta": {"range": [-5, 30]}, "eta": {"range": [-1, 2]}}}
    with pytest.raises(SweepChangedError, match=r"sigmoid_f1.beta: .*20.* -> .*30"):
        run_locally(sampled(make_spec, "random", sampler={"budget": 4}, losses=wider), url)
    with pytest.raises(SweepChangedError, match="sampler"):
        run_locally(sampled(make_spec, "random", sampler={"budget": 4, "seed": 1}), url)
    assert results(url) == before
    # Another loss is sampled beside.
    more = {**RANGES, "focal": {"gamma": {"range": [0, 5]}}}
    counts = run_locally(sampled(make_spec, "random", sampler={"budget": 4}, losses=more), url)
    assert counts.added == 4 * 2


def test_the_pareto_set_is_what_no_cell_dominates(tmp_path, make_spec, run_locally):
    from sweeps.reading import sweep_details

    url = f"sqlite:///{tmp_path / 'store.db'}"
    run_locally(sampled(make_spec, "nsga2"), url)
    with Store.open(url, create=False, read_only=True) as store:
        rows = pareto_cells(store, "small")
    own = [
        tuple(objective["mean"] for objective in row["objectives"])
        for row in rows
        if row["loss"] == "sigmoid_f1"
    ]
    assert own == sorted(own, reverse=True)  # more F1 …
    assert [loss for _, loss in own] == sorted((loss for _, loss in own), reverse=True)  # … costs
    assert sum(row["loss"] == "bce" for row in rows) == 1
    assert sweep_details(url, "small")["pareto"] == rows
    assert rows[0]["objectives"][0]["threshold"] == 0.2


def planned_sweep(store: Store, spec) -> int:
    from sweeps.sweep_data import load_sweep_features, sweep_record

    plan = make_plan(spec)
    return store.put_sweep(sweep_record(plan, load_sweep_features(plan)))


def test_show_and_dry_run_say_how_cells_are_chosen(tmp_path, make_spec, run_locally, capsys):
    from sweeps.cli.sweep_choices import axes_text, print_choices
    from sweeps.reading import plan_rows, sweep_details

    url = f"sqlite:///{tmp_path / 'store.db'}"
    spec = sampled(make_spec, "nsga2")
    rows = plan_rows(make_plan(spec))
    assert [axes_text(row) for row in rows] == ["", "beta: -5 to 20 × eta: -1 to 2"]
    run_locally(spec, url)
    print_choices(sweep_details(url, "small"))
    shown = capsys.readouterr().out
    assert "Cells from the sampler name nsga2, budget 18, seed 0, batch 6" in shown
    assert "Pareto set of each loss" in shown
    assert "hamming_loss (t = 0.5)" in shown

    halving = {"factor": 3, "min_epochs": 1, "bracket": 6}
    other = f"sqlite:///{tmp_path / 'other.db'}"
    run_locally(sampled(make_spec, "tpe", halving=halving), other)
    details = sweep_details(other, "small")
    assert details["stopped"]["pruned"] >= 9
    print_choices(details)
    assert f"{details['stopped']['pruned']} cells were stopped early" in capsys.readouterr().out
