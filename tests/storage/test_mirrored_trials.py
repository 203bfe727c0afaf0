from __future__ import annotations

import numpy as np
import pytest
import sqlalchemy as sa
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from storage import optuna_bulk
from storage.mirror_trials import widen
from storage.optuna_mirror import mirror, study_name


@pytest.mark.parametrize(
    ("distribution", "values", "expected"),
    [
        (FloatDistribution(0, 1), [0.0, 0.5], FloatDistribution(0, 1)),
        (FloatDistribution(0, 1), [-2.0], FloatDistribution(-2, 1)),
        (FloatDistribution(0.1, 1, log=True), [2.0], FloatDistribution(0.1, 2, log=True)),
        (FloatDistribution(0.1, 1, log=True), [0.0], FloatDistribution(0, 1)),
        (FloatDistribution(0, 1, step=0.25), [0.75], FloatDistribution(0, 1, step=0.25)),
        (FloatDistribution(0, 1, step=0.25), [0.3], FloatDistribution(0, 1)),
        (IntDistribution(1, 4), [3, 9], IntDistribution(1, 9)),
        (IntDistribution(1, 4), [2.5], FloatDistribution(1, 4)),
        (FloatDistribution(0, 1), [None, 0.5], CategoricalDistribution([None, 0.5])),
        (CategoricalDistribution(["a"]), ["a"], CategoricalDistribution(["a"])),
        (CategoricalDistribution(["a"]), ["b", "a", "b"], CategoricalDistribution(["a", "b"])),
        (None, [1, 3], FloatDistribution(1, 3)),
        (None, ["x", "x"], CategoricalDistribution(["x"])),
    ],
)
def test_widening(distribution, values, expected):
    widened = widen(distribution, values)
    assert widened == expected
    for value in values:
        assert widened.to_external_repr(widened.to_internal_repr(value)) == value


def rows_of_study(store, name):
    """Every row that Optuna keeps of a study, row numbers apart."""
    ids = "SELECT study_id FROM studies WHERE study_name = :n"
    queries = {
        "trials": "number, state, datetime_start, datetime_complete FROM trials t "
        f"WHERE study_id IN ({ids})",
        "values": "t.number, v.objective, v.value, v.value_type FROM trial_values v",
        "params": "t.number, v.param_name, v.param_value, v.distribution_json FROM trial_params v",
        "attributes": "t.number, v.key, v.value_json FROM trial_user_attributes v",
        "steps": "t.number, v.step, v.intermediate_value, v.intermediate_value_type "
        "FROM trial_intermediate_values v",
        "system": "t.number, v.key, v.value_json FROM trial_system_attributes v",
    }
    found = {}
    with store.reading() as connection:
        for key, text in queries.items():
            join = "" if key == "trials" else (
                f" JOIN trials t ON t.trial_id = v.trial_id WHERE t.study_id IN ({ids})"
            )  # fmt: skip
            rows = connection.execute(sa.text(f"SELECT {text}{join} ORDER BY 1, 2"), {"n": name})
            found[key] = [tuple(row) for row in rows]
    return found


def test_bulk_rows_equal_those_of_add_trial(
    store, make_sweep, make_cells, make_result, monkeypatch
):
    for name, known in (("bulk", True), ("single", False)):
        sweep_id = store.put_sweep(make_sweep(name))
        store.plan(sweep_id, make_cells(), [0, 1])
        ids = [r.replicate_id for r in store.open_replicates(sweep_id)]
        store.claim(ids, "a", 60)
        states = ["complete"] * 6 + ["diverged"] * 2
        objective = np.array([0.5, np.inf, *np.linspace(-1, 0, 6)])
        curve = np.full((4, 8), np.nan, np.float32)
        curve[1:3] = [[np.inf], [0.25]]
        result = make_result(ids, states=states, objective=objective, curves={"objective": curve})
        store.record_pack(sweep_id, result, "a")
        if not known:
            monkeypatch.setattr(optuna_bulk, "TESTED_REVISION", "of another Optuna")
        space = {"beta": FloatDistribution(1, 3), "eta": CategoricalDistribution([-1.0, 0.0])}
        assert mirror(store, name, {"sigmoid_f1": space}) == 4
    bulk, single = (
        rows_of_study(store, study_name(name, "movie_genres", "sigmoid_f1"))
        for name in ("bulk", "single")
    )
    assert bulk == single
    assert len(bulk["steps"]) == 12
