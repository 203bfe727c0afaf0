"""Losses and datasets against each other, designs for sensitivity, how many seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from SALib.sample import sobol
from scipy import stats

from sweeps.sensitivity.analysis_data import Unavailable
from sweeps.sensitivity.analysis_variance import sobol as stored_sobol
from sweeps.sensitivity.comparison import expected_best, paired_difference
from sweeps.sensitivity.datasets import friedman_p, mean_ranks, transfer_regret
from sweeps.sensitivity.importance import NoImportanceError, parameter_importance
from sweeps.sensitivity.intervals import NO_SPREAD, ONE_SEED
from sweeps.sensitivity.seed_table import SeedTable
from sweeps.sensitivity.seeds_needed import (
    detectable_difference,
    power_of_paired_test,
    seeds_needed,
)
from sweeps.sensitivity.sobol import NoSobolError, saltelli_order, sobol_indices


def test_expected_best_is_the_mean_of_simulated_searches():
    rng = np.random.default_rng(0)
    validation, test = rng.random(12), rng.random(12)
    curve, read = expected_best(validation), expected_best(validation, test)
    draws = rng.integers(0, 12, (40_000, 5))
    picked = draws[np.arange(40_000), validation[draws].argmax(1)]
    assert curve[4] == pytest.approx(validation[picked].mean(), abs=0.005)
    assert read[4] == pytest.approx(test[picked].mean(), abs=0.01)
    assert curve[0] == pytest.approx(validation.mean())
    assert (np.diff(curve) > 0).all()
    down = expected_best(validation, higher_is_better=False)
    assert down == pytest.approx(1 - expected_best(1 - validation))
    assert len(expected_best(np.full(3, np.nan))) == 0
    assert len(expected_best(np.array([0.1, np.nan]))) == 1


def test_paired_difference_is_the_paired_t_test():
    rng = np.random.default_rng(1)
    a, b = rng.random(6), rng.random(6)
    found = paired_difference(a, b)
    wanted = stats.ttest_rel(a, b)
    assert (found.low, found.high) == pytest.approx(tuple(wanted.confidence_interval()))
    one_sided = stats.ttest_rel(a, b, alternative="less").pvalue
    assert found.p_better == pytest.approx(one_sided)
    assert found.p_better + paired_difference(b, a).p_better == pytest.approx(1)
    assert paired_difference(a, b, higher_is_better=False).p_better == pytest.approx(1 - one_sided)


def test_paired_difference_says_why_not():
    nan = np.nan
    assert paired_difference(np.array([0.5, nan]), np.array([0.4, 0.3])).reason == ONE_SEED
    assert paired_difference(np.array([0.5, 0.4]), np.array([0.4, 0.3])).reason == NO_SPREAD
    nothing = paired_difference(np.array([nan]), np.array([0.4]))
    assert nothing.n == 0
    assert "no seed" in nothing.reason
    assert paired_difference(np.array([0.5, 0.5]), np.array([0.5, 0.5])).share_better == 0.5


def test_mean_ranks_against_scipy_and_their_warning():
    rng = np.random.default_rng(2)
    scores = pd.DataFrame(
        rng.random((4, 5)), index=list("dcba"), columns=["bce", "asl", "f", "s", "u"]
    )
    found = mean_ranks(scores)
    wanted = stats.rankdata(-scores.to_numpy(), axis=1).mean(0)
    assert found.mean_rank == pytest.approx(dict(zip(scores.columns, wanted, strict=True)))
    assert found.critical_difference == pytest.approx(2.728 * np.sqrt(5 * 6 / 24), abs=2e-3)
    assert "must differ by 3.05" in found.warning
    assert "says little" in found.warning
    assert mean_ranks(scores.iloc[::-1, ::-1]) == found


def test_friedmans_test_by_permutations():
    # Two losses, three datasets, unanimous: 2 of the 8 orders are as extreme.
    unanimous = np.array([[1.0, 2.0]] * 3)
    assert friedman_p(unanimous) == pytest.approx(0.25, abs=0.02)
    # Three losses, three datasets, unanimous: 6 of 216.
    assert friedman_p(np.array([[1.0, 2.0, 3.0]] * 3)) == pytest.approx(6 / 216, abs=0.006)
    assert friedman_p(np.array([[1.5, 1.5]] * 4)) == 1.0
    # With many datasets it agrees with the chi-square approximation.
    values = np.random.default_rng(4).random((40, 3)) + np.array([0.0, 0.1, 0.15])
    wanted = stats.friedmanchisquare(*values.T).pvalue
    assert friedman_p(stats.rankdata(-values, axis=1)) == pytest.approx(wanted, abs=0.02)


def test_mean_ranks_leave_out_what_is_missing():
    scores = pd.DataFrame({"a": [0.5, np.nan], "b": [0.4, 0.3]}, index=["voc", "coco"])
    found = mean_ranks(scores)
    assert found.left_out == ("coco",)
    assert found.friedman_p is None
    assert mean_ranks(scores.iloc[1:]).losses == ()
    assert "cannot separate any two" in mean_ranks(pd.DataFrame(np.eye(2)[:, ::-1] + 0.1)).warning


def test_transfer_regret_by_hand():
    validation = {
        "voc": pd.Series({"a": 0.9, "b": 0.5, "c": 0.1}),
        "coco": pd.Series({"a": 0.2, "b": 0.6, "d": 0.99}),
    }
    test = {
        "voc": pd.Series({"a": 0.8, "b": 0.6, "c": 0.1}),
        "coco": pd.Series({"a": 0.25, "b": 0.55, "d": 0.9}),
    }
    found = transfer_regret(validation, test)
    assert found.datasets == ("coco", "voc")
    assert found.best == {"coco": "b", "voc": "a"}
    assert found.regret == pytest.approx(np.array([[0, 0.2], [0.3, 0]]))
    assert found.n_common == 2
    nothing = transfer_regret({"x": pd.Series({"a": 1.0}), "y": pd.Series({"b": 1.0})})
    assert nothing.n_common == 0
    assert "nothing can be carried over" in nothing.warning


def saltelli_design(bounds, n_blocks, *, seed, second_order=False):
    """SALib's own design, parameter to column."""
    problem = {
        "num_vars": len(bounds),
        "names": [*bounds],
        "bounds": [[*b] for b in bounds.values()],
    }
    rows = sobol.sample(problem, n_blocks, calc_second_order=second_order, seed=seed)
    return dict(zip(bounds, rows.T, strict=True))


def test_sobol_indices_of_ishigami():
    """a = 7, b = 0.1: S = (.314, .442, 0), T = (.558, .442, .244), S_xz = .244."""
    bounds = dict.fromkeys(("x", "y", "z"), (-np.pi, np.pi))
    design = saltelli_design(bounds, 1024, seed=1)
    values = np.sin(design["x"]) + 7 * np.sin(design["y"]) ** 2
    values += 0.1 * design["z"] ** 4 * np.sin(design["x"])
    found = sobol_indices({n: c.tolist() for n, c in design.items()}, values, seed=0)
    wanted = {"x": (0.3139, 0.5576), "y": (0.4424, 0.4424), "z": (0.0, 0.2437)}
    for name, (first, total) in wanted.items():
        for (index, half), truth in ((found.first[name], first), (found.total[name], total)):
            assert index == pytest.approx(truth, abs=0.03)
            assert abs(index - truth) <= 1.5 * half + 1e-3
    again = sobol_indices({n: c.tolist() for n, c in design.items()}, values, seed=0)
    assert again == found
    assert found.second == {}


def test_second_order_indices_of_ishigami():
    design = saltelli_design(
        dict.fromkeys(("x", "y", "z"), (-np.pi, np.pi)), 1024, seed=2, second_order=True
    )
    values = np.sin(design["x"]) + 7 * np.sin(design["y"]) ** 2
    values += 0.1 * design["z"] ** 4 * np.sin(design["x"])
    columns = {n: c.tolist() for n, c in design.items()}
    assert saltelli_order(columns) == 2
    found = sobol_indices(columns, values, seed=0)
    assert found.first["y"][0] == pytest.approx(0.4424, abs=0.03)
    for pair, truth in (("x×y", 0.0), ("x×z", 0.2437), ("y×z", 0.0)):
        index, half = found.second[pair]
        assert index == pytest.approx(truth, abs=0.05)
        assert abs(index - truth) <= 1.5 * half + 1e-3
    assert found.n_blocks == 1024


def test_a_stored_design_gives_its_rows_and_the_order_of_its_parameters():
    """Two rows of the design are one cell; its parameters have another order."""
    design = saltelli_design({"b": (0, 9), "a": (0, 9)}, 32, seed=3)
    rounded = {name: np.round(column) for name, column in design.items()}
    rows = list(zip(rounded["a"].tolist(), rounded["b"].tolist(), strict=True))
    settings = list(dict.fromkeys(rows))
    assert len(settings) < len(rows)
    keys = [f"{a:g}/{b:g}" for a, b in settings]
    values = np.array([[a + 0.2 * b] * 2 for a, b in settings]) / 20
    ids = np.arange(len(settings))
    counts = {"complete": np.full(len(ids), 2)}
    table = SeedTable(ids, np.arange(2), values, counts, {
        "a": [a for a, _ in settings], "b": [b for _, b in settings],
    })  # fmt: skip
    stored = {
        "sampler": "saltelli", "names": ["b", "a"], "rows": [f"{a:g}/{b:g}" for a, b in rows],
    }  # fmt: skip
    found = stored_sobol(table, 0, 0.95, stored, keys)
    assert found.first["a"][0] == pytest.approx(25 / 26, abs=0.1)
    assert found.first["b"][0] == pytest.approx(1 / 26, abs=0.1)
    assert isinstance(stored_sobol(table, 0, 0.95), Unavailable)


def test_sobol_drops_whole_blocks_and_refuses_the_rest():
    design = {
        n: c.tolist() for n, c in saltelli_design({"a": (0, 1), "b": (0, 1)}, 16, seed=0).items()
    }
    values = np.array(design["a"])
    values[5] = np.nan
    found = sobol_indices(design, values, seed=0)
    assert (found.n_blocks, found.n_dropped) == (15, 1)
    assert found.total["b"][0] == pytest.approx(0)
    with pytest.raises(NoSobolError, match="all values are equal"):
        sobol_indices(design, np.full(64, 0.5), seed=0)
    with pytest.raises(NoSobolError, match="0 of 16 blocks"):
        sobol_indices(design, np.full(64, np.nan), seed=0)
    shuffled = {name: [*column[1:], column[0]] for name, column in design.items()}
    assert saltelli_order(shuffled) is None
    assert saltelli_order({"a": [1.0, 2.0], "b": ["x", "y"]}) is None
    with pytest.raises(NoSobolError, match="Saltelli"):
        sobol_indices(shuffled, values, seed=0)


@pytest.mark.parametrize("evaluator", ["ped-anova", "fanova"])
def test_importance_finds_the_parameter_and_shows_its_noise(evaluator):
    rng = np.random.default_rng(3)
    parameters = {
        "beta": rng.uniform(-10, 30, 60).tolist(),
        "eta": rng.uniform(-1, 2, 60).tolist(),
        "input": rng.choice(["logits", "probabilities"], 60).tolist(),
    }
    means = -np.abs(np.array(parameters["eta"])) + 0.01 * rng.standard_normal(60)
    found = parameter_importance(parameters, means, evaluator=evaluator, seed=0, shuffles=1)
    assert max(found.importances, key=found.importances.get) == "eta"
    assert found.importances["eta"] > found.shuffled["eta"] + 0.2
    assert sum(found.importances.values()) == pytest.approx(1)
    assert "estimate" in found.method
    again = parameter_importance(parameters, means, evaluator=evaluator, seed=0, shuffles=1)
    assert again == found


def test_importance_says_why_not():
    ten = {"beta": [float(i) for i in range(12)]}
    cases = [
        ({"beta": [1.0, 2.0]}, np.array([0.1, 0.2]), "too few"),
        (ten, np.full(12, 0.5), "all values are equal"),
        (ten, np.full(12, np.nan), "too few"),
        ({"beta": [1.0] * 12}, np.arange(12.0), "no parameter varies"),
    ]
    for parameters, means, reason in cases:
        with pytest.raises(NoImportanceError, match=reason):
            parameter_importance(parameters, means, evaluator="ped-anova", seed=0)


def test_power_is_that_of_simulated_tests():
    rng = np.random.default_rng(4)
    differences = 0.012 + 0.01 * rng.standard_normal((20_000, 5))
    shown = stats.ttest_1samp(differences, 0, axis=1).pvalue < 0.05
    assert power_of_paired_test(0.012, 0.01, 5) == pytest.approx(shown.mean(), abs=0.01)


def test_seeds_needed_and_detectable_difference_agree():
    for n in (2, 5, 10, 40):
        difference = detectable_difference(0.01, n)
        assert seeds_needed(0.01, difference * 1.001) == n
    counts = [seeds_needed(0.0027, wanted) for wanted in (0.001, 0.002, 0.005, 0.01, 0.02, 0.1)]
    assert counts == sorted(counts, reverse=True)
    assert detectable_difference(0.01, 5, df=1000) < detectable_difference(0.01, 5)
    assert detectable_difference(0.01, 1) == np.inf
    assert detectable_difference(0.0, 5) == 0
    assert seeds_needed(1.0, 0.001) is None
    assert seeds_needed(0.0, 0.1) == 2
