"""Main effects: means at the levels of a parameter, on full grids and on grids with holes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sweeps.sensitivity.effects import main_effects


def grid(betas, etas):
    """Two factors' columns, one entry a cell."""
    pairs = list(itertools.product(betas, etas))
    return {"beta": [b for b, _ in pairs], "eta": [e for _, e in pairs]}


def test_a_full_grid_gives_plain_means():
    rng = np.random.default_rng(0)
    factors = grid([1, 5, 10], [0.0, 1.0])
    values = rng.random((6, 4))
    beta, eta = main_effects(factors, values)
    means = values.mean(axis=1).reshape(3, 2)
    assert (beta.parameter, beta.levels) == ("beta", [1, 5, 10])
    assert beta.means == pytest.approx(means.mean(axis=1))
    assert eta.means == pytest.approx(means.mean(axis=0))
    assert beta.n_cells.tolist() == [2, 2, 2]
    assert not beta.adjusted
    assert (beta.low < beta.means).all()
    assert (beta.means < beta.high).all()


def test_holes_are_adjusted_for():
    """Additive truth; the cells missing at β = 10 are those of the good η."""
    factors = grid([1, 5, 10], [0.0, 1.0, 2.0])
    truth = np.array([0.1 * (b == 5) + 0.2 * e for b, e in zip(*factors.values(), strict=True)])
    there = np.array([not (b == 10 and e > 0) for b, e in zip(*factors.values(), strict=True)])
    kept = {
        name: [x for x, yes in zip(c, there, strict=True) if yes] for name, c in factors.items()
    }
    values = truth[there][:, None] + 0.001 * np.random.default_rng(1).standard_normal((7, 5))
    beta, eta = main_effects(kept, values)
    assert beta.adjusted
    assert beta.means == pytest.approx([0.2, 0.3, 0.2], abs=0.003)
    assert eta.means == pytest.approx(0.1 / 3 + np.array([0.0, 0.2, 0.4]), abs=0.003)
    # The plain mean of the one cell at β = 10 would have been 0.
    assert beta.n_cells.tolist() == [3, 3, 1]
    assert beta.high[2] - beta.low[2] > beta.high[0] - beta.low[0]


@pytest.mark.parametrize("holes", [False, True])
def test_intervals_cover_the_level_and_the_seeds_common_part(holes):
    """Seeds as a block of sd .05, residual .01; nominal 95 %."""
    rng = np.random.default_rng(2)
    factors = grid([1, 2, 3, 4], [0.0, 1.0, 2.0])
    beta = np.array(factors["beta"])
    there = np.arange(12) != 4 if holes else np.ones(12, bool)
    kept = {
        name: [x for x, yes in zip(c, there, strict=True) if yes] for name, c in factors.items()
    }
    truth = 0.3 + 0.02 * beta
    covered = []
    for i in range(400):
        block = 0.05 * rng.standard_normal(5)
        values = truth[:, None] + block + 0.01 * rng.standard_normal((12, 5))
        found = main_effects(kept, values[there], seed=i)[0]
        wanted = 0.3 + 0.02 * np.array([1, 2, 3, 4]) + block.mean()
        covered.append((found.low <= wanted) & (wanted <= found.high))
    assert 0.93 <= np.mean(covered) <= 0.97


def test_one_seed_has_means_without_intervals_and_one_level_is_no_factor():
    factors = grid([1, 5], [0.0, 1.0]) | {"lr": [0.1] * 4}
    found = main_effects(factors, np.arange(4.0)[:, None])
    assert [effect.parameter for effect in found] == ["beta", "eta"]
    assert found[0].means.tolist() == [0.5, 2.5]
    assert np.isnan(found[0].low).all()
    assert main_effects({"lr": [0.1, 0.1]}, np.ones((2, 3))) == []


def test_order_of_cells_changes_nothing():
    rng = np.random.default_rng(3)
    factors = grid([1, 5, 10], [0.0, 1.0])
    values = rng.random((6, 3))
    order = rng.permutation(6)
    shuffled = {name: [column[i] for i in order] for name, column in factors.items()}
    for one, other in zip(
        main_effects(factors, values), main_effects(shuffled, values[order]), strict=True
    ):
        assert other.means == pytest.approx(one.means)
        assert other.low == pytest.approx(one.low)
