"""ANOVA against statsmodels, ω² of noise, intervals of shares, simple effects."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from sweeps.sensitivity.anova import NoAnovaError, anova
from sweeps.sensitivity.noncentral import noncentrality_interval
from sweeps.sensitivity.simple_effects import simple_effects


def grid(*sizes: int) -> dict[str, list[float]]:
    """Levels of every cell of a full grid; the second factor has 0, the first goes negative."""
    names = ("beta", "eta", "lr")[: len(sizes)]
    cells = list(itertools.product(*(range(-1, size - 1) for size in sizes)))
    return {name: [float(cell[i]) for cell in cells] for i, name in enumerate(names)}


def long_frame(factors, values) -> pd.DataFrame:
    k, s = values.shape
    frame = pd.DataFrame({name: np.repeat(levels, s) for name, levels in factors.items()})
    return frame.assign(seed=np.tile(np.arange(s), k), y=values.ravel())


@pytest.mark.parametrize("sizes", [(4, 3), (6, 2), (3, 2, 4)])
def test_balanced_table_is_statsmodels(sizes):
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    rng = np.random.default_rng(sum(sizes))
    factors = grid(*sizes)
    k = len(factors["beta"])
    values = 0.4 + 0.05 * rng.standard_normal((k, 1)) + 0.02 * rng.standard_normal((k, 5))
    frame = long_frame(factors, values)
    formula = "y ~ C(seed) + " + " * ".join(f"C({name})" for name in factors)
    wanted = anova_lm(ols(formula, frame).fit(), typ=2)
    found = anova(factors, values)
    assert found.balanced
    for effect in found.effects:
        row = {"seed": "C(seed)", "residual": "Residual"}.get(
            effect.name, ":".join(f"C({name})" for name in effect.name.split("×"))
        )
        assert effect.ss == pytest.approx(wanted.loc[row, "sum_sq"], rel=1e-8, abs=1e-12)
        assert effect.df == wanted.loc[row, "df"]
        if effect.f is not None:
            assert effect.f == pytest.approx(wanted.loc[row, "F"], rel=1e-8)
            assert effect.p == pytest.approx(wanted.loc[row, "PR(>F)"], rel=1e-8, abs=1e-14)
    assert sum(effect.ss for effect in found.effects) == pytest.approx(found.total_ss)
    assert sum(effect.share for effect in found.effects) == pytest.approx(1)


def test_a_grid_with_holes_is_type_two():
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    rng = np.random.default_rng(0)
    full = grid(5, 4)
    keep = [i for i in range(20) if i not in (3, 7, 18)]
    factors = {name: [levels[i] for i in keep] for name, levels in full.items()}
    values = 0.4 + 0.05 * rng.standard_normal((17, 1)) + 0.02 * rng.standard_normal((17, 5))
    frame = long_frame(factors, values)
    # The main effects of type II: each after the other, by comparison of nested fits.
    both = ols("y ~ C(seed) + C(beta) + C(eta)", frame).fit()
    cells = ols("y ~ C(seed) + C(cell)", frame.assign(cell=np.repeat(np.arange(17), 5))).fit()
    found = anova(factors, values)
    assert not found.balanced
    for name, other in (("beta", "eta"), ("eta", "beta")):
        table = anova_lm(ols(f"y ~ C(seed) + C({other})", frame).fit(), both)
        assert found.effect(name).ss == pytest.approx(table["ss_diff"].iloc[1], rel=1e-8)
        assert found.effect(name).df == table["df_diff"].iloc[1]
    assert found.effect("beta×eta").ss == pytest.approx(both.ssr - cells.ssr, rel=1e-8)
    assert found.effect("beta×eta").df == 12 - 3
    assert found.effect("residual").ss == pytest.approx(cells.ssr, rel=1e-8)
    assert found.effect("residual").df == 16 * 4


def test_omega_squared_of_noise_is_about_zero_where_eta_squared_is_not():
    rng = np.random.default_rng(0)
    factors = grid(30, 9)
    tables = [anova(factors, rng.standard_normal((270, 5))) for _ in range(40)]
    interaction = [table.effect("beta×eta") for table in tables]
    assert np.mean([e.ss / t.total_ss for e, t in zip(interaction, tables, strict=True)]) == (
        pytest.approx(0.17, abs=0.01)
    )
    for name in ("beta", "eta", "beta×eta"):
        omegas = [table.effect(name).omega2 for table in tables]
        assert abs(np.mean(omegas)) < 0.005
        assert max(map(abs, omegas)) < 0.05
        rejected = np.mean([table.effect(name).p < 0.05 for table in tables])
        assert rejected <= 0.2


def test_share_interval_covers_a_known_share():
    """β×η fixed, residual sd 1: the share of the interaction is known; nominal 95 %."""
    rng = np.random.default_rng(1)
    factors = grid(6, 5)
    effect = rng.standard_normal((6, 5))
    effect -= effect.mean(0) + effect.mean(1, keepdims=True) - effect.mean()
    effect *= np.sqrt(0.5 / (effect**2).mean())
    truth = 0.5 / 1.5
    covered = []
    for _ in range(300):
        found = anova(factors, effect.reshape(-1, 1) + rng.standard_normal((30, 5)))
        line = found.effect("beta×eta")
        covered.append(line.share_low <= truth <= line.share_high)
    assert 0.91 <= np.mean(covered) <= 0.98


def test_seed_component_and_its_interval():
    rng = np.random.default_rng(2)
    covered, shares = [], []
    for _ in range(200):
        values = rng.standard_normal((12, 8)) + rng.standard_normal(8)
        found = anova(grid(4, 3), values).effect("seed")
        shares.append(found.component)
        covered.append(found.share_low <= 0.5 <= found.share_high)
    assert np.mean(shares) == pytest.approx(1, rel=0.15)
    assert 0.91 <= np.mean(covered) <= 0.99


def test_noncentrality_interval_inverts_the_distribution():
    for f, d1, d2 in [(3.0, 4, 40), (12.0, 8, 1000), (350.0, 29, 1076)]:
        low, high = noncentrality_interval(f, d1, d2)
        if low:
            assert special.ncfdtr(d1, d2, low, f) == pytest.approx(0.975, abs=1e-6)
        else:
            assert special.fdtr(d1, d2, f) <= 0.975
        assert special.ncfdtr(d1, d2, high, f) == pytest.approx(0.025, abs=1e-6)
    low, high = noncentrality_interval(1e7, 8, 1076)
    assert 7e7 < low < 8e7 < high < 9e7
    assert noncentrality_interval(0.3, 5, 50)[0] == 0.0


def test_one_seed_gives_sums_of_squares_and_no_test():
    found = anova(grid(3, 2), np.random.default_rng(0).random((6, 1)))
    assert [effect.name for effect in found.effects] == ["beta", "eta", "beta×eta"]
    assert all(effect.f is None and effect.share is None for effect in found.effects)


@pytest.mark.parametrize(
    ("factors", "values", "reason"),
    [
        ({"beta": [1.0], "eta": [0.0]}, [[0.1, 0.2]], "no parameter varies"),
        (grid(3, 2), np.full((6, 3), 0.5), "all values are equal"),
        (grid(3, 2), np.full((6, 3), np.nan), "no cell has a value"),
        ({"beta": [1, 2, 3, 4.0], "eta": [1, 2, 3, 4.0]}, np.eye(4), "no grid"),
        ({"beta": [1, 1, 2, 2.0]}, np.eye(4), "share all levels"),
    ],
)
def test_no_table_says_why(factors, values, reason):
    with pytest.raises(NoAnovaError, match=reason):
        anova(factors, np.asarray(values, float))


@pytest.mark.parametrize("sizes", [(5, 1), (1, 5)])
def test_a_single_row_or_column_is_a_one_way_layout(sizes):
    values = np.random.default_rng(0).random((5, 4))
    found = anova(grid(*sizes), values)
    assert [effect.name for effect in found.effects][1:] == ["seed", "residual"]
    f, p = stats.f_oneway(*(values - values.mean(0)))
    assert found.effects[0].f == pytest.approx(f * 12 / 15)
    assert found.effects[0].ss == pytest.approx(4 * ((values.mean(1) - values.mean()) ** 2).sum())
    assert p < 1


def test_order_of_cells_changes_nothing():
    rng = np.random.default_rng(3)
    factors, values = grid(6, 4), rng.random((24, 3))
    order = rng.permutation(24)
    shuffled = {name: [levels[i] for i in order] for name, levels in factors.items()}
    one, two = anova(factors, values), anova(shuffled, values[order])
    for a, b in zip(one.effects, two.effects, strict=True):
        assert a.ss == pytest.approx(b.ss, rel=1e-12)


def test_simple_effects_find_the_row_that_matters():
    rng = np.random.default_rng(4)
    factors = grid(5, 3)
    values = 0.01 * rng.standard_normal((15, 4))
    values[np.array(factors["eta"]) == 0.0] += np.array([0, 0, 0, 0, 1.0])[:, None]
    found = simple_effects(
        ("beta", factors["beta"]), ("eta", factors["eta"]), values, residual=1e-4, df_residual=42
    )
    assert [effect.at for effect in found] == [-1.0, 0.0, 1.0]
    assert found[1].p_holm < 1e-6 < min(found[0].p_holm, found[2].p_holm)
    assert found[1].best == 3.0
    assert found[1].spread == pytest.approx(1, abs=0.05)
    assert (
        simple_effects(("b", [1, 2]), ("e", [0, 0]), values[:2], residual=0.0, df_residual=3) == []
    )
