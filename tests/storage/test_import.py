from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest

from storage import frames
from storage.errors import RecordError, StoreError, StoreNotFoundError, SweepChangedError
from storage.importing import import_results, import_study
from storage.maps import map_arrays
from storage.optuna_mirror import mirror
from storage.store import Store


@pytest.fixture
def quiet() -> Iterator[None]:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(verbosity)


@pytest.fixture
def file_store(tmp_path: Path) -> Iterator[Store]:
    """What is refused is refused before a store is touched: one kind of database will do."""
    with Store.open(f"sqlite:///{tmp_path / 'results.db'}") as opened:
        yield opened


TABLE = pd.DataFrame(
    {
        "beta": [1, 1, 2, 2, 3],
        "eta": [0.0, 0.0, 0.5, 0.5, np.nan],
        "seed": [0, 1, 0, 1, 0],
        "f1": [0.5, 0.625, np.nan, 0.75, 0.25],
        "f1 on test": [0.125, 0.25, np.nan, 0.375, 0.5],
    }
)
OPTIONS = {"value": "f1", "metrics": {"f1 on test": ("test", "f1")}, "loss": "sigmoid_f1"}


def test_a_table_becomes_a_sweep(store):
    report = import_results(store, "paper", TABLE, source="table5.csv", **OPTIONS)
    assert (report.cells, report.present, report.skipped) == (3, 0, 0)
    assert report.taken == {"complete": 4, "diverged": 0, "failed": 1, "pruned": 0}
    cells = frames.load_cells(store, "paper")
    assert cells["hyperparameters"].tolist() == [
        {"beta": 1, "eta": 0.0}, {"beta": 2, "eta": 0.5}, {"beta": 3},
    ]  # fmt: skip
    assert cells["param_beta"].dtype == "int64"
    replicates = frames.load_replicates(store, "paper")
    assert replicates["objective"].tolist()[:2] == [0.5, 0.625]
    assert replicates["state"].tolist() == ["complete"] * 2 + ["failed"] + ["complete"] * 2
    test = frames.load_scores(store, "paper", split="test", metric="f1", threshold=0.3)
    assert test["value"].tolist()[:2] == [0.125, 0.25]
    found = map_arrays(store, "paper", loss="sigmoid_f1", split="validation", metric="f1")
    assert found.aggregated.tolist() == [0.5625, 0.75, 0.25]
    assert store.sweep("paper").provenance["imported"]["source"] == "table5.csv"
    assert store.check().clean
    assert mirror(store, "paper", {}) == 3


def test_an_import_made_again_takes_what_is_new(store):
    import_results(store, "paper", TABLE.iloc[:3], **OPTIONS)
    before = frames.load_replicates(store, "paper")
    report = import_results(store, "paper", TABLE, **OPTIONS)
    assert (report.present, sum(report.taken.values())) == (3, 2)
    after = frames.load_replicates(store, "paper")
    assert after[after["replicate_id"].isin(before["replicate_id"])].equals(before)
    with pytest.raises(SweepChangedError, match=r"imported\.source"):
        import_results(store, "paper", TABLE, source="another", **OPTIONS)


def test_losses_states_and_no_seeds(store):
    table = pd.DataFrame(
        {
            "loss": ["focal", "bce", "bce", None],
            "state": ["COMPLETE", "diverged", "RUNNING", "FAIL"],
            "gamma": ["2", "x", "y", "z"],
            "mse": [1, 2, 3, None],
        }
    )
    report = import_results(store, "t", table, value="mse", higher_is_better=False)
    assert report.skipped == 1
    frame = frames.load_replicates(store, "t")
    assert frame[["loss", "state"]].values.tolist() == [
        ["focal", "complete"], ["bce", "diverged"], ["imported", "failed"],
    ]  # fmt: skip
    assert not store.sweep("t").metrics[0]["higher_is_better"]


@pytest.mark.parametrize(
    ("changed", "options", "pattern"),
    [
        ({}, {"value": "f2"}, r"Unknown column 'f2'\. Known: beta"),
        ({}, {"parameters": ["betas"]}, "Did you mean 'beta'"),
        ({}, {"parameters": ["seed"]}, "no other column"),
        ({}, {"metrics": {"f1 on test": ("tset", "f1")}}, "A split is one of"),
        ({}, {"split": "dev"}, "A split is one of"),
        ({"f1": ["a", 1, 2, 3, 4]}, {}, "row 1 has 'a'"),
        ({"seed": [0, 1.5, 2, 3, 4]}, {}, "row 2 has 1.5"),
        ({"seed": [0, -1, 2, 3, 4]}, {}, "row 2 has -1"),
        ({"seed": [0, 0, 2, 3, 4]}, {}, "row 1 and row 2 have the same setting and seed 0"),
        ({"state": ["complete", "lost", *["complete"] * 3]}, {}, "row 2: Unknown state 'lost'"),
        ({"state": ["complete"] * 5}, {}, "row 3 has none in 'f1'"),
        ({"state": ["running"] * 5}, {}, "at least one finished result"),
    ],
)
def test_bad_tables(file_store, changed, options, pattern):
    with pytest.raises(RecordError, match=pattern) as caught:
        import_results(file_store, "bad", TABLE.assign(**changed), **OPTIONS | options)
    assert "\n" not in str(caught.value)
    assert file_store.sweep_names() == []


def test_a_study_becomes_a_sweep(store, tmp_path, quiet):
    url = f"sqlite:///{tmp_path / 'study {1}.db'}"
    study = optuna.create_study(storage=url.replace("{1}", "{{1}}"), study_name="mine")

    def objective(trial):
        x = trial.suggest_float("x", -1, 1)
        trial.suggest_categorical("alpha", [None, "auto"])
        for epoch in range(3):
            trial.report(x * epoch, epoch)
            if trial.number == 4 and epoch == 1:
                raise optuna.TrialPruned
        if trial.number == 5:
            raise ValueError("no memory")
        return x

    fixed = {"x": 0.25, "alpha": None}
    study.enqueue_trial(fixed)
    study.enqueue_trial(fixed)
    study.optimize(objective, n_trials=8, catch=(ValueError,))
    study.ask()
    report = import_study(store, "from-optuna", url, "mine")
    assert report.taken == {"complete": 6, "diverged": 0, "failed": 1, "pruned": 1}
    assert (report.cells, report.skipped) == (7, 1)
    cells = frames.load_cells(store, "from-optuna")
    assert cells.loc[0, "parameters"] == fixed
    replicates = frames.load_replicates(store, "from-optuna")
    own = replicates[replicates["cell_id"] == cells.loc[0, "cell_id"]]
    assert own[["seed", "objective"]].values.tolist() == [[0, 0.25], [1, 0.25]]
    complete = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    values = replicates["objective"].dropna()
    assert sorted(values) == sorted(trial.value for trial in complete)
    curve = frames.load_curves(store, "from-optuna", cell_id=int(cells.loc[0, "cell_id"]))
    assert curve["epoch"].tolist() == [1, 2, 3] * 2
    assert curve["value"].tolist()[:3] == [0.0, 0.25, 0.5]
    sweep = store.sweep("from-optuna")
    assert sweep.objective == {"metric": "value", "split": "validation", "threshold": 0.5}
    assert not sweep.metrics[0]["higher_is_better"]
    assert store.check().clean
    assert import_study(store, "from-optuna", url, "mine").present == 8


def test_studies_of_several_objectives_seeds_and_losses(store, tmp_path, quiet):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study = optuna.create_study(storage=url, study_name="two", directions=["maximize", "minimize"])
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        study.set_metric_names(["f1", "loss_on_test"])
    for k in range(4):
        trial = study.ask()
        trial.suggest_int("seed", k, k)
        trial.suggest_categorical("loss", ["focal"])
        trial.suggest_float("gamma", 1, 1)
        study.tell(trial, [k / 4, -k])
    import_study(store, "two", url, "two", objective=1)
    frame = frames.load_replicates(store, "two")
    assert frame["seed"].tolist() == [0, 1, 2, 3]
    assert set(frame["loss"]) == {"focal"}
    assert frame["objective"].tolist() == [0, -1, -2, -3]
    other = frames.load_scores(store, "two", split="validation", metric="f1")
    assert other["value"].tolist() == [0, 0.25, 0.5, 0.75]
    with pytest.raises(RecordError, match="objectives 0 to 1"):
        import_study(store, "x", url, "two", objective=2)
    with pytest.raises(RecordError, match="Did you mean 'two'"):
        import_study(store, "x", url, "twos")


def test_bad_studies(file_store, tmp_path):
    Store.open(f"sqlite:///{tmp_path / 'plain.db'}").close()
    secret = "postgresql+psycopg://ann:s3cret@127.0.0.1:1/x"
    for url, kind, pattern in (
        (f"sqlite:///{tmp_path / 'no.db'}", StoreNotFoundError, "no file"),
        (f"sqlite:///{tmp_path / 'plain.db'}", StoreNotFoundError, "no Optuna studies"),
        ("nonsense", StoreError, "is a URL such as"),
        (secret, StoreError, r"ann:\*\*\*@"),
    ):
        with pytest.raises(kind, match=pattern) as caught:
            import_study(file_store, "x", url, "mine")
        assert "s3cret" not in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "no.db").exists()
    assert file_store.sweep_names() == []
