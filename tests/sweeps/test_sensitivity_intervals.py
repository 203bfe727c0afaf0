"""Moments, intervals over seeds and their coverage, seed noise, collapse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from sweeps.errors import SweepError
from sweeps.sensitivity.cell_summary import cell_moments, saturation
from sweeps.sensitivity.collapse import collapse_flags, rate_from_scores
from sweeps.sensitivity.intervals import AT_BOUND, NO_SEED, NO_SPREAD, ONE_SEED, seed_intervals
from sweeps.sensitivity.seed_table import SeedTable, levels_of, seed_table
from sweeps.sensitivity.variances import homogeneity_p, moderate, seed_noise


def table_of(values) -> SeedTable:
    """A table of cells × seeds; NaN is a diverged replicate."""
    values = np.asarray(values, float)
    k, s = values.shape
    counts = dict.fromkeys(("waiting", "running", "failed", "missing"), np.zeros(k, np.int64))
    counts["complete"] = np.isfinite(values).sum(1)
    counts["diverged"] = s - counts["complete"]
    return SeedTable(np.arange(k), np.arange(s), values, counts, {})


def own_intervals(values, **options):
    table = table_of(values)
    return seed_intervals(table.means, table.variances, table.n, **options)


def test_moments_by_hand():
    moments = cell_moments(
        table_of([[0.1, 0.9, 0.2, 0.3, 0.4], [0.5, np.nan, 0.7, np.nan, np.nan]])
    )
    assert moments["n"].tolist() == [5, 2]
    assert moments["mean"] == pytest.approx([0.38, 0.6])
    assert moments["median"] == pytest.approx([0.3, 0.6])
    assert moments["iqm"] == pytest.approx([0.3, 0.6])
    assert moments["sd"] == pytest.approx(
        [np.std([0.1, 0.9, 0.2, 0.3, 0.4], ddof=1), np.sqrt(0.02)]
    )
    assert moments["minimum"].tolist() == [0.1, 0.5]
    assert moments["maximum"].tolist() == [0.9, 0.7]


@pytest.mark.parametrize("n", [1, 3, 4, 5, 8, 11])
def test_iqm_is_scipys_trimmed_mean(n):
    values = np.random.default_rng(n).random((4, n))
    assert cell_moments(table_of(values))["iqm"] == pytest.approx(
        stats.trim_mean(values, 0.25, axis=1)
    )


def test_moments_of_nothing_are_nan_without_warnings():
    moments = cell_moments(table_of([[np.nan, np.nan]]))
    assert moments["n"].tolist() == [0]
    assert all(np.isnan(moments[name]).all() for name in moments if name != "n")


def test_equal_values_have_variance_zero_exactly():
    assert table_of([[0.1, 0.1, 0.1]]).variances.tolist() == [0.0]


@pytest.mark.parametrize("n", [5, 10, 20])
@pytest.mark.parametrize("spread", [0.02, 0.3, 0.6])
@pytest.mark.parametrize("mean", [0.005, 0.02, 0.5, 0.98, 0.995])
@pytest.mark.parametrize("model", ["beta", "logit-normal"])
def test_coverage_of_the_mean_is_93_to_97_percent(n, mean, spread, model):
    """Seeds independent, Beta or logit-normal; sd of the logit about ``spread``; truth E[x]."""
    rng = np.random.default_rng([n, int(1000 * mean), int(100 * spread)])
    cells = 12_000
    if model == "beta":
        size = 1 / (spread**2 * mean * (1 - mean)) - 1
        values, truth = rng.beta(mean * size, (1 - mean) * size, (cells, n)), mean
    else:
        nodes, weights = np.polynomial.hermite_e.hermegauss(60)
        truth = float(weights @ special.expit(special.logit(mean) + spread * nodes) / weights.sum())
        values = special.expit(special.logit(mean) + spread * rng.standard_normal((cells, n)))
    found = own_intervals(values)
    coverage = np.mean((found.low <= truth) & (truth <= found.high))
    assert 0.93 <= coverage <= 0.97
    assert ((found.low > 0) & (found.high < 1)).all()


@pytest.mark.parametrize("seed_share", [0.0, 0.5])
@pytest.mark.parametrize("n", [5, 10])
def test_coverage_of_pooled_and_moderated_intervals(n, seed_share):
    """30 cells share their seeds; sd .02 about means .2 to .5; half the variance in the block."""
    from sweeps.sensitivity.analysis_parts import shared_intervals, shared_variance

    rng = np.random.default_rng([n, int(10 * seed_share)])
    truth = rng.uniform(0.2, 0.5, 30)
    for spread in (np.full(30, 0.02), rng.uniform(0.003, 0.03, 30)):
        covered = []
        for _ in range(250):
            noise = np.sqrt(1 - seed_share) * rng.standard_normal((30, n))
            noise += np.sqrt(seed_share) * rng.standard_normal(n)
            table = table_of(truth[:, None] + spread[:, None] * noise)
            shared = shared_variance(table, np.zeros(30, bool), seed=0)
            found = shared_intervals(table, shared, level=0.95, bounded=True)
            covered.append(np.mean((found.low <= truth) & (truth <= found.high)))
        assert 0.93 <= np.mean(covered) <= 0.975


@pytest.mark.parametrize("n", [5, 10, 20])
def test_coverage_near_0_where_single_seeds_are_0(n):
    """Four seeds of ten find nothing at all, the rest Beta values: wide rather than short."""
    rng = np.random.default_rng([n, 40])
    values = rng.beta(3, 87, (12_000, n)) * (rng.random((12_000, n)) < 0.6)
    found = own_intervals(values)
    truth = 0.6 * 3 / 90
    known = np.isfinite(found.low)
    assert known.mean() > 0.98
    coverage = np.mean((found.low <= truth)[known] & (truth <= found.high)[known])
    assert coverage >= 0.93


def test_what_gives_no_interval_says_why():
    found = own_intervals(
        [
            [0.5, np.nan],
            [np.nan, np.nan],
            [0.3, 0.3],
            [0.0, 0.0],
            [1.0, 1.0],
            [0.0, 0.5],
            [0.2, 0.4],
        ]
    )
    assert found.reasons == [ONE_SEED, NO_SEED, NO_SPREAD, AT_BOUND, AT_BOUND, None, None]
    assert np.isnan(found.low[:5]).all()
    assert np.isfinite(found.high[5:]).all()
    assert found.over == "seeds"


def test_outside_the_unit_interval_it_is_students_t():
    values = np.array([[3.0, 4.0, 8.0]])
    found = own_intervals(values, bounded=False)
    wanted = stats.t.interval(0.95, 2, values.mean(), stats.sem(values[0]))
    assert (found.low[0], found.high[0]) == pytest.approx(wanted)
    assert "logit" not in found.method


def test_one_sided_bound_is_that_of_a_90_percent_interval():
    values = [[0.2, 0.3, 0.25, 0.4]]
    one = own_intervals(values, one_sided=True)
    assert one.low == pytest.approx(own_intervals(values, level=0.9).low)


def test_seed_noise_finds_the_components():
    rng = np.random.default_rng(0)
    values = (
        rng.random((300, 1))
        + 0.03 * rng.standard_normal(40)
        + 0.02 * rng.standard_normal((300, 40))
    )
    noise = seed_noise(values)
    assert noise.residual == pytest.approx(0.02**2, rel=0.05)
    assert noise.seed == pytest.approx(0.03**2, rel=0.5)
    assert noise.within == pytest.approx(values.var(axis=1, ddof=1).mean())
    assert noise.homogeneous
    assert 39 <= noise.df_within < 100


def test_noisy_cells_do_not_leak_into_quiet_ones():
    rng = np.random.default_rng(1)
    spread = np.array([0.09] * 8 + [0.002] * 30)
    noise = seed_noise(0.4 + spread[:, None] * rng.standard_normal((38, 5)))
    assert not noise.homogeneous
    assert 0.0014 < np.sqrt(np.median(noise.cell_residual[8:])) < 0.0026


def test_seed_noise_refuses_what_it_cannot_split():
    for values in (np.ones((1, 3)), np.ones((3, 1)), np.array([[1.0, np.nan], [1.0, 2.0]])):
        with pytest.raises(ValueError, match="without gaps"):
            seed_noise(values)


def test_homogeneity_rejects_a_twentieth_of_equal_variances():
    rng = np.random.default_rng(2)
    draws = rng.chisquare(4, (300, 50))
    rejected = np.mean([homogeneity_p(row, 4, seed=i) < 0.05 for i, row in enumerate(draws)])
    assert 0.01 <= rejected <= 0.09
    assert homogeneity_p(np.r_[np.full(25, 1.0), np.full(25, 100.0)], 4) < 0.01
    assert homogeneity_p(np.zeros(5), 4) == 1.0


def test_moderation_recovers_its_prior():
    """Scaled inverse chi-square prior of 10 df and scale 4."""
    rng = np.random.default_rng(3)
    variances = 4.0 * 10 / rng.chisquare(10, 20_000) * rng.chisquare(4, 20_000) / 4
    moderated, d0 = moderate(variances, 4)
    assert d0 == pytest.approx(10, rel=0.15)
    assert moderated.std() < variances.std()
    assert moderate(np.full(5, 2.0), 4)[0].tolist() == [2.0] * 5


def test_saturation():
    probs = special.expit(np.array([[0.0, 1.0], [4.0, -5.0]]))
    assert saturation(probs, beta=1.0, eta=0.0) == pytest.approx(0.25)
    assert saturation(probs, beta=-1.0, eta=0.0) == pytest.approx(0.25)
    assert saturation(probs, beta=10.0, eta=0.0, input="probabilities") == pytest.approx(0.75)


def test_collapse_is_relative_to_the_base_rate():
    table = table_of(np.random.default_rng(0).random((4, 2)))
    rate = np.array([[0.0, 0.0], [0.0, 0.2], [0.9991, 1.0], [0.012, 0.013]])
    flags = collapse_flags(table, rate, positive_rate=0.012)
    assert flags.predicts_none.tolist() == [True, False, False, False]
    assert flags.predicts_all.tolist() == [False, False, True, False]
    exact = collapse_flags(table, rate)
    assert exact.predicts_all.tolist() == [False] * 4
    assert not collapse_flags(table, None).known


def test_stuck_cells_equal_two_others_in_every_seed():
    flags = collapse_flags(
        table_of([[0.1, 0.2], [0.1, 0.2], [0.1, 0.2], [0.3, 0.2], [0.3, 0.2]]), None
    )
    assert flags.stuck.tolist() == [True, True, True, False, False]
    assert not collapse_flags(table_of([[0.1]] * 5), None).stuck.any()


def test_predicted_rate_from_precision_and_recall():
    # 10 positives of 100 pairs, 20 predicted, 5 hit
    assert rate_from_scores(
        np.array([5 / 20, 0.0]), np.array([5 / 10, 0.0]), positive_rate=0.1
    ) == (pytest.approx([0.2, 0.0]))


def test_levels_are_ordered_numbers_first():
    levels, place = levels_of(["b", None, 2.0, -1, "a", 2])
    assert levels == [-1, 2, "a", "b", None]
    assert place.tolist() == [3, 4, 1, 0, 2, 1]


def test_a_cell_stopped_on_purpose_misses_nothing_and_is_marked():
    cells = pd.DataFrame(
        {"cell_id": [1, 2, 3], "ordinal": [0, 1, 2], "status": [None, "raced_out", "pruned"]}
    )
    rows = pd.DataFrame(
        [
            (1, 0, "complete", 0.3), (1, 1, "complete", 0.4), (2, 0, "complete", 0.2),
            (3, 0, "pruned", 0.1), (3, 1, "pruned", 0.1),
        ],
        columns=["cell_id", "seed", "state", "objective"],
    )  # fmt: skip
    table = seed_table(cells, rows)
    assert table.counts["missing"].tolist() == [0, 0, 0]
    assert table.counts["pruned"].tolist() == [0, 0, 2]
    assert table.stopped.tolist() == [False, True, True]
    assert table.stopped_by() == {"raced_out": 1, "pruned": 1}
    assert table.n.tolist() == [2, 1, 0]
    assert table.take(np.array([2, 0])).status == ("pruned", None)
    assert not seed_table(cells.drop(columns="status"), rows).stopped.any()


def test_table_counts_missing_and_refuses_duplicates():
    cells = pd.DataFrame({"cell_id": [7, 3], "ordinal": [0, 1], "param_eta": [0.0, 1.0]})
    rows = pd.DataFrame(
        [(3, 1, "complete", 0.3), (7, 0, "complete", 0.1), (7, 1, "diverged", 0.9)],
        columns=["cell_id", "seed", "state", "objective"],
    )
    table = seed_table(cells, rows)
    assert table.cell_ids.tolist() == [7, 3]
    assert np.array_equal(table.values, [[0.1, np.nan], [np.nan, 0.3]], equal_nan=True)
    assert table.counts["missing"].tolist() == [0, 1]
    assert table.parameters == {"eta": [0.0, 1.0]}
    with pytest.raises(SweepError, match="occurs twice"):
        seed_table(cells, pd.concat([rows, rows]))
