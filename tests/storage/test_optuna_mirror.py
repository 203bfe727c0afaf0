from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import optuna
import pytest
import sqlalchemy as sa
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from storage import frames, optuna_bulk, optuna_mirror
from storage.errors import RecordError
from storage.optuna_mirror import mirror, study_name
from storage.store import Store

RANGES = {"sigmoid_f1": {"beta": FloatDistribution(1, 3), "eta": FloatDistribution(-1, 2)}}
NAME = study_name("movies", "movie_genres", "sigmoid_f1")


@pytest.fixture
def swept(store, make_sweep, make_cells, run_open):
    sweep_id = store.put_sweep(make_sweep())
    store.plan(sweep_id, make_cells(), [0, 1, 2])
    run_open(store)
    return sweep_id


@pytest.fixture
def load_study(store):
    opened = []

    def load(name=NAME):
        storage = optuna.storages.RDBStorage(store.url.render_as_string(hide_password=False))
        opened.append(storage)
        return optuna.load_study(study_name=name, storage=storage)

    yield load
    for storage in opened:
        storage.remove_session()
        storage.engine.dispose()


def expected_means(store):
    frame = frames.load_replicates(store, "movies")
    keys = frames.load_cells(store, "movies").set_index("cell_id")["key"]
    complete = frame[frame["state"] == "complete"]
    return {
        keys[cell_id]: float(np.mean(own["objective"].to_numpy()))
        for cell_id, own in complete.groupby("cell_id")
    }


def values_by_cell(study):
    return {trial.user_attrs["cell_key"]: trial.value for trial in study.trials}


def test_study_equals_the_store(store, swept, load_study, make_result):
    assert mirror(store, "movies", RANGES) == 4
    study = load_study()
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert study.user_attrs == {
        "sweep": "movies", "dataset": "movie_genres", "loss": "sigmoid_f1",
        "metric": "weighted_f1", "split": "validation", "threshold": 0.5,
    }  # fmt: skip
    assert values_by_cell(study) == expected_means(store)
    assert [trial.number for trial in study.trials] == [0, 1, 2, 3]
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    assert {trial.params["eta"] for trial in study.trials} == {-1.0, 0.0}
    assert all(trial.distributions == RANGES["sigmoid_f1"] for trial in study.trials)
    result = make_result([1])
    cells = frames.load_cells(store, "movies")
    replicates = frames.load_replicates(store, "movies")
    for trial, cell_id in zip(study.trials, cells["cell_id"], strict=True):
        own = replicates[replicates["cell_id"] == cell_id]
        assert trial.user_attrs == {
            "cell_key": cells.set_index("cell_id")["key"][cell_id],
            "n_seeds": 3,
            "sd": float(np.std(own["objective"], ddof=1)),
            "seeds": [0, 1, 2],
            "states": ["complete"] * 3,
            "values": own["objective"].tolist(),
        }
        assert trial.datetime_start.astimezone() == result.started_at
        assert trial.datetime_complete.astimezone() == result.finished_at
        curves = frames.load_curves(store, "movies", cell_id=int(cell_id))
        mean = curves[curves["name"] == "objective"].groupby("epoch")["value"].mean()
        assert list(trial.intermediate_values) == [1, 2, 3, 4]
        np.testing.assert_allclose(list(trial.intermediate_values.values()), mean, rtol=1e-12)
    assert study.best_value == max(expected_means(store).values())


def test_only_finished_cells_and_nothing_twice(
    store, make_sweep, make_cells, make_result, run_open, load_study
):
    sweep_id = store.put_sweep(make_sweep())
    store.plan(sweep_id, make_cells(), [0, 1, 2])
    ids = [r.replicate_id for r in store.open_replicates(sweep_id)][:7]
    store.claim(ids, "a", 60)
    store.record_pack(sweep_id, make_result(ids), "a")
    assert mirror(store, "movies", RANGES) == 2
    assert mirror(store, "movies", RANGES) == 0
    run_open(store)
    assert mirror(store, "movies", RANGES) == 2
    assert mirror(store, "movies", RANGES) == 0
    assert values_by_cell(load_study()) == expected_means(store)
    assert len(load_study().trials) == 4


def test_more_seeds_rebuild_the_study(store, swept, make_cells, run_open, load_study):
    mirror(store, "movies", RANGES)
    store.plan(swept, make_cells(), range(5))
    run_open(store, rng_seed=50)
    assert mirror(store, "movies", RANGES) == 4
    study = load_study()
    assert len(study.trials) == 4
    assert values_by_cell(study) == expected_means(store)
    assert {trial.user_attrs["n_seeds"] for trial in study.trials} == {5}


def test_changed_distributions_rebuild_the_study(store, swept, load_study):
    mirror(store, "movies", RANGES)
    wider = {"sigmoid_f1": {"beta": FloatDistribution(1, 9), "eta": FloatDistribution(-1, 2)}}
    assert mirror(store, "movies", wider) == 4
    mixed = {
        "sigmoid_f1": {
            "beta": FloatDistribution(1, 9),
            "eta": CategoricalDistribution([None, -1.0, 0.0]),
        }
    }
    assert mirror(store, "movies", mixed) == 4
    study = load_study()
    assert len(study.trials) == 4
    assert {trial.params["eta"] for trial in study.trials} == {-1.0, 0.0}


def test_killed_half_way_is_completed_without_duplicates(store, swept, load_study, monkeypatch):
    add = optuna_bulk.add_trials

    def die_after_two(study, storage, trials):
        add(study, storage, trials[:2])
        raise KeyboardInterrupt

    monkeypatch.setattr(optuna_mirror, "add_trials", die_after_two)
    with pytest.raises(KeyboardInterrupt):
        mirror(store, "movies", RANGES)
    assert len(load_study().trials) == 2
    monkeypatch.undo()
    assert mirror(store, "movies", RANGES) == 2
    assert values_by_cell(load_study()) == expected_means(store)
    assert len(load_study().trials) == 4


def test_foreign_and_running_trials_are_replaced(store, swept, load_study):
    mirror(store, "movies", RANGES)
    study = load_study()
    study.ask()
    assert mirror(store, "movies", RANGES) == 4
    study = load_study()
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 4
    study.add_trial(study.trials[0])
    assert mirror(store, "movies", RANGES) == 4
    assert len(load_study().trials) == 4


def test_failed_diverged_and_nan_cells(store, make_sweep, make_cells, make_result, load_study):
    sweep_id = store.put_sweep(make_sweep())
    store.plan(sweep_id, make_cells(), [0, 1, 2])
    ids = [r.replicate_id for r in store.open_replicates(sweep_id)]
    store.claim(ids, "a", 60)
    states = ["diverged"] * 3 + ["complete", "failed", "diverged"] + ["complete"] * 3
    objective = np.linspace(0.1, 0.9, 9)
    objective[7] = np.nan
    reasons = [None if state == "complete" else "why" for state in states]
    result = make_result(ids[:9], states=states, reasons=reasons, objective=objective)
    store.record_pack(sweep_id, result, "a")
    store.fail(ids[9:], "a", "worker died")
    mirror(store, "movies", RANGES)
    trials = load_study().trials
    assert [trial.state for trial in trials] == [
        TrialState.FAIL, TrialState.COMPLETE, TrialState.FAIL, TrialState.FAIL,
    ]  # fmt: skip
    assert trials[1].value == objective[3]
    assert [trial.user_attrs["n_seeds"] for trial in trials] == [0, 1, 3, 0]
    assert trials[1].user_attrs["states"] == ["complete", "failed", "diverged"]
    assert trials[1].user_attrs["values"] == [objective[3], None, None]
    assert trials[1].user_attrs["sd"] is None
    assert trials[3].datetime_complete is not None


def test_mixed_parameters_and_a_study_per_loss(store, make_sweep, make_cells, run_open, load_study):
    sweep_id = store.put_sweep(
        make_sweep(objective={"metric": "hamming_loss", "split": "test", "threshold": 0.5})
    )
    alphas = [None, 0.25, "auto"]
    focal = [
        replace(cell, loss="focal", key=f"focal/{alpha}", parameters={"alpha": alpha, "gamma": 2})
        for cell, alpha in zip(make_cells(), alphas, strict=False)
    ]
    bce = replace(make_cells()[3], loss="bce", key="bce", parameters={})
    store.plan(sweep_id, [*focal, bce], [0])
    run_open(store)
    space = {"alpha": CategoricalDistribution(alphas), "gamma": IntDistribution(1, 5)}
    assert mirror(store, "movies", {"focal": space}) == 4  # bce is of an earlier plan
    study = load_study(study_name("movies", "movie_genres", "focal"))
    assert study.direction == optuna.study.StudyDirection.MINIMIZE
    assert [trial.params["alpha"] for trial in study.trials] == alphas
    assert load_study(study_name("movies", "movie_genres", "bce")).trials[0].params == {}
    assert mirror(store, "movies", {"focal": space, "bce": {}}) == 0


def test_cells_of_an_earlier_plan_stay(store, swept, make_cells, load_study):
    store.plan(swept, make_cells(betas=(2.0,), etas=(0.0,)), [0, 1, 2])
    narrow = {"sigmoid_f1": {"beta": FloatDistribution(2, 3), "eta": FloatDistribution(0, 1)}}
    assert mirror(store, "movies", narrow) == 4
    distributions = load_study().trials[0].distributions
    assert distributions == {"beta": FloatDistribution(1, 3), "eta": FloatDistribution(-1, 1)}
    assert mirror(store, "movies", narrow) == 0


def test_two_mirrors_at_once_add_nothing_twice(store, store_url, swept, load_study):
    code = (
        "import sys\nfrom optuna.distributions import FloatDistribution as F\n"
        "from storage.store import Store\nfrom storage.optuna_mirror import mirror\n"
        "with Store.open(sys.argv[1]) as store:\n"
        "    mirror(store, 'movies', {'sigmoid_f1': {'beta': F(1, 3), 'eta': F(-1, 2)}})\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, store_url], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert errors == [b""] * 3
    assert values_by_cell(load_study()) == expected_means(store)
    assert len(load_study().trials) == 4


def test_lease_of_a_killed_mirror_expires(store, swept, monkeypatch):
    monkeypatch.setattr(optuna_mirror, "LEASE_S", 0.3)
    lease = optuna_mirror._lease(store, swept)
    lease.__enter__()
    started = time.perf_counter()
    assert mirror(store, "movies", RANGES) == 4
    assert time.perf_counter() - started > 0.2
    lease.__exit__(None, None, None)


def test_optuna_is_quiet_and_its_verbosity_restored(store, swept, capfd):
    before = optuna.logging.get_verbosity()
    mirror(store, "movies", RANGES)
    assert optuna.logging.get_verbosity() == before
    out, err = capfd.readouterr()
    assert out + err == ""


def test_optunas_own_command_reads_the_store(store, swept):
    mirror(store, "movies", RANGES)
    url = store.url.render_as_string(hide_password=False)
    for arguments, shown in ((["studies"], NAME), (["trials", "--study-name", NAME], "COMPLETE")):
        code = "import sys; from optuna.cli import main; sys.exit(main())"
        run = subprocess.run(
            [sys.executable, "-c", code, *arguments, "--storage", url, "-f", "json"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert shown in run.stdout


def test_objective_that_is_no_metric(store, make_sweep):
    store.put_sweep(
        make_sweep(objective={"metric": "accuracy", "split": "validation", "threshold": 0.5})
    )
    with pytest.raises(RecordError, match="accuracy"):
        mirror(store, "movies", {})


def test_odd_path_is_the_same_store_to_optuna(tmp_path, make_sweep, make_cells, run_open):
    url = sa.URL.create("sqlite", database=str(tmp_path / "a {b} 100%.db"))
    with Store.open(url) as store:
        store.plan(store.put_sweep(make_sweep()), make_cells(), [0])
        run_open(store)
        assert mirror(store, "movies", RANGES) == 4
        with store.reading() as connection:
            count = connection.execute(sa.text("SELECT count(*) FROM trials")).scalar_one()
    assert count == 4


def test_cells_that_were_pruned(store, make_sweep, make_cells, make_result, load_study):
    sweep_id = store.put_sweep(make_sweep())
    store.plan(sweep_id, make_cells(), [0, 1])
    ids = [r.replicate_id for r in store.open_replicates(sweep_id)]
    store.claim(ids, "a", 60)
    states = ["pruned", "pruned", "complete", "pruned", "pruned", "diverged", *["complete"] * 2]
    result = make_result(ids, states=states, reasons=[None] * 8)
    result.curves["objective"][2:, [0, 1, 3, 4]] = np.nan
    store.record_pack(sweep_id, result, "a")
    assert mirror(store, "movies", RANGES) == 4
    trials = load_study().trials
    assert [trial.state for trial in trials] == [
        TrialState.PRUNED, TrialState.COMPLETE, TrialState.PRUNED, TrialState.COMPLETE,
    ]  # fmt: skip
    curve = result.curves["objective"].astype(np.float64)
    assert trials[0].intermediate_values == {epoch: curve[epoch - 1, :2].mean() for epoch in (1, 2)}
    assert trials[1].value == result.objective[2]
    assert sorted(trials[1].intermediate_values) == [1, 2, 3, 4]
    assert trials[2].intermediate_values == {epoch: curve[epoch - 1, 4] for epoch in (1, 2)}
    assert trials[2].user_attrs["states"] == ["pruned", "diverged"]
    assert mirror(store, "movies", RANGES) == 0
