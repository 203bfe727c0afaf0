"""Rules of choice, tied set, probability of being best: identical cells, planted winners, ties."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sweeps.sensitivity.mcb import hsu_critical_value, tied_with_best
from sweeps.sensitivity.probability import probability_best, selection_frequency
from sweeps.sensitivity.rules import choose, neighbourhood, plateau


def noise(rng, k, s=5, sd=0.01):
    """k identical cells: a shared seed effect and noise of one sd."""
    return 0.4 + sd * rng.standard_normal((k, s)) + sd * rng.standard_normal(s)


@pytest.mark.parametrize(("rivals", "df"), [(1, 8), (3, 10), (5, 40), (9, 1e9)])
def test_critical_value_is_dunnetts(rivals, df):
    d = hsu_critical_value(rivals, df)
    shape = np.full((rivals, rivals), 0.5) + 0.5 * np.eye(rivals)
    if rivals == 1:
        assert d == pytest.approx(stats.t.ppf(0.95, df), abs=1e-4)
    elif df > 1e6:
        inside = stats.multivariate_normal(cov=shape).cdf(np.full(rivals, d))
        assert inside == pytest.approx(0.95, abs=1e-3)
    else:
        inside = stats.multivariate_t(shape=shape, df=df, seed=0).cdf(np.full(rivals, d))
        assert inside == pytest.approx(0.95, abs=1e-3)


def test_270_identical_cells_share_the_probability_and_stay_tied():
    """Error rate: a given (here: any) truly best cell is left out in at most 5 % of sweeps."""
    rng = np.random.default_rng(0)
    largest, kept, frequencies = [], [], []
    for i in range(25):
        values = noise(rng, 270)
        found = probability_best(values, seed=i, draws=1000)
        assert found.probability.sum() == pytest.approx(1)
        largest.append(found.probability.max())
        kept.append(tied_with_best(values, seed=i).tied.mean())
        frequencies.append(selection_frequency(values, seed=i).max())
    assert np.median(largest) < 0.03
    assert np.mean(largest) < 0.06
    assert np.mean(kept) > 0.92
    # What the plain bootstrap says of the luckiest of the same cells.
    assert np.mean(frequencies) > 0.15


@pytest.mark.parametrize("spread", ["equal", "unequal"])
@pytest.mark.parametrize("design", ["identical", "top of ten", "slope"])
def test_the_truly_best_cell_is_a_member_in_95_percent(spread, design):
    """40 cells, 5 seeds; unequal: sds from .002 to .03 at random, unrelated to the means."""
    rng = np.random.default_rng([len(spread), len(design)])
    k = 40
    truth = {
        "identical": np.zeros(k),
        "top of ten": np.r_[np.zeros(30), np.full(10, 0.02)],
        "slope": np.linspace(0, 0.05, k),
    }[design]
    best = int(np.flatnonzero(truth == truth.max())[0])
    members, sizes = [], []
    for i in range(200):
        sd = np.full(k, 0.01) if spread == "equal" else np.exp(rng.uniform(-6.2, -3.5, k))
        values = 0.4 + truth[:, None] + sd[:, None] * rng.standard_normal((k, 5))
        values += 0.01 * rng.standard_normal(5)
        tied = tied_with_best(values, seed=i).tied
        members.append(tied[best])
        sizes.append(tied.sum())
    assert np.mean(members) >= 0.92
    if design != "identical":
        assert np.mean(sizes) < k


def test_a_planted_winner_is_found():
    rng = np.random.default_rng(1)
    alone, probabilities = [], []
    for i in range(20):
        values = noise(rng, 270)
        values[137] += 0.05
        tied = tied_with_best(values, seed=i).tied
        assert tied[137]
        alone.append(tied.sum() == 1)
        probabilities.append(probability_best(values, seed=i, draws=500).probability[137])
    assert np.mean(alone) > 0.9
    assert np.mean(probabilities) > 0.95


def test_planted_ties_share():
    """20 equal cells far above 250 others."""
    rng = np.random.default_rng(2)
    kept, largest = [], []
    for i in range(15):
        values = noise(rng, 270)
        values[:20] += 0.08
        tied = tied_with_best(values, seed=i).tied
        assert not tied[20:].any()
        kept.append(tied[:20].mean())
        probability = probability_best(values, seed=i, draws=1000).probability
        assert probability[:20].sum() == pytest.approx(1)
        largest.append(probability.max())
    assert np.mean(kept) > 0.9
    assert np.mean(largest) < 0.25


def test_probability_is_calibrated():
    """Cells drawn from the model: what is given probability p is the best in a share p."""
    rng = np.random.default_rng(3)
    given, right = [], []
    for i in range(400):
        truth = 0.01 * rng.standard_normal(15)
        values = 0.4 + truth[:, None] + 0.015 * rng.standard_normal((15, 5))
        given.append(probability_best(values, seed=i, draws=500).probability)
        right.append(np.arange(15) == truth.argmax())
    p, hit = np.concatenate(given), np.concatenate(right)
    for low, high in [(0.02, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1.01)]:
        among = (p >= low) & (p < high)
        error = np.sqrt(hit[among].mean() * (1 - hit[among].mean()) / among.sum())
        assert hit[among].mean() == pytest.approx(p[among].mean(), abs=0.02 + 3 * error)


def test_a_far_and_noisy_cell_is_marked_and_gets_no_probability():
    rng = np.random.default_rng(4)
    values = 0.4 + 0.002 * rng.standard_normal((30, 5))
    values[0] = [0.15, 0.40, 0.40, 0.15, 0.25]
    tied = tied_with_best(values)
    assert "unequal" in tied.method
    assert tied.tied[0]
    assert tied.noisy.tolist() == [True] + [False] * 29
    assert tied.tied[1:].mean() > 0.8
    assert probability_best(values, seed=0).probability[0] == 0


def test_lower_is_better_mirrors():
    values = noise(np.random.default_rng(5), 12)
    values[3] += 0.2
    up, down = tied_with_best(values), tied_with_best(-values, higher_is_better=False)
    assert np.array_equal(up.tied, down.tied)
    a = probability_best(values, seed=0).probability
    assert np.array_equal(a, probability_best(-values, seed=0, higher_is_better=False).probability)
    assert selection_frequency(-values, seed=0, higher_is_better=False).argmax() == 3


def test_one_cell_and_no_noise():
    assert tied_with_best(np.array([[0.5, 0.6]])).tied.tolist() == [True]
    assert probability_best(np.array([[0.5, 0.6]]), seed=0).probability.tolist() == [1.0]
    parallel = np.array([[0.1, 0.2], [0.3, 0.4], [0.3, 0.4]])
    assert tied_with_best(parallel).tied.tolist() == [False, True, True]
    assert probability_best(parallel, seed=0).probability.tolist() == [0, 0.5, 0.5]
    assert selection_frequency(np.full((4, 3), 0.5), seed=0).tolist() == [0.25] * 4


def test_same_seed_same_result_and_order_of_cells_is_immaterial_to_the_tied_set():
    values = noise(np.random.default_rng(6), 50)
    one, two = probability_best(values, seed=7), probability_best(values, seed=7)
    assert np.array_equal(one.probability, two.probability)
    order = np.random.default_rng(0).permutation(50)
    assert np.array_equal(tied_with_best(values).tied[order], tied_with_best(values[order]).tied)


def test_hsu_intervals_bracket_zero():
    found = tied_with_best(noise(np.random.default_rng(8), 10))
    assert (found.low <= 0).all()
    assert (found.high >= 0).all()
    assert np.array_equal(found.tied, found.high > 0)


def test_choice_prefers_clean_cells_and_the_first_of_equals():
    values = np.array([0.9, 0.5, 0.5, np.nan])
    eligible, clean = np.ones(4, bool), np.array([False, True, True, True])
    assert choose("mean", values, eligible, clean).row == 1
    assert choose("mean", values, eligible, np.zeros(4, bool)).row == 0
    assert choose("mean", values, eligible, clean, higher_is_better=False).row == 1
    nothing = choose("mean", values, np.zeros(4, bool), clean)
    assert nothing.row is None
    assert nothing.reason == "no finished cell has this number"
    assert choose("lower-bound", None, eligible, clean, reason="one seed").reason == "one seed"


def test_neighbourhood_by_hand():
    beta, eta = np.meshgrid([-5.0, 1.0, 2.0], [0.0, 1.0], indexing="ij")
    values = np.array([0.1, 0.2, 0.3, 0.4, 0.5, np.nan])
    parameters = {"beta": beta.ravel().tolist(), "eta": eta.ravel().tolist()}
    worst = neighbourhood(parameters, values)
    assert np.array_equal(worst, [0.1, 0.1, np.nan, np.nan, np.nan, np.nan], equal_nan=True)
    mean = neighbourhood(parameters, values, statistic="mean")
    assert mean[0] == pytest.approx(0.25)
    assert mean[2] == pytest.approx(0.3)
    assert np.isnan(mean[5])
    down = neighbourhood(parameters, values, higher_is_better=False)
    assert down[0] == pytest.approx(0.4)


def test_neighbours_do_not_cross_categories():
    parameters = {
        "eta": [0.0, 1.0, 0.0, 1.0],
        "input": ["logits", "logits", "probabilities", "probabilities"],
    }
    values = np.array([0.5, 0.4, 0.1, 0.2])
    assert neighbourhood(parameters, values).tolist() == [0.4, 0.4, 0.1, 0.1]


def test_plateau_counts_lost_cells_in_the_grid():
    inside, share = plateau(np.array([0.50, 0.49, 0.3, np.nan]), 0.01)
    assert inside.tolist() == [True, True, False, False]
    assert share == 0.5
    assert plateau(np.full(3, np.nan), 0.01)[1] == 0.0
    assert plateau(np.array([0.1, 0.2]), 0.01, higher_is_better=False)[0].tolist() == [True, False]
