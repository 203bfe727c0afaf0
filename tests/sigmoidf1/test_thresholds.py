"""Threshold grids: even on the logit scale, with the named thresholds exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmoidf1.errors import InputError
from sigmoidf1.thresholds import check_threshold, default_thresholds, logit_grid


def test_logit_grid_is_even_on_the_logit_scale_and_symmetric() -> None:
    grid = logit_grid()
    assert grid.shape == (99,)
    assert grid.dtype == np.float64
    assert (grid[0], grid[49], grid[-1]) == (1e-4, 0.5, 1 - 1e-4)
    logits = np.log(grid / (1 - grid))
    np.testing.assert_allclose(np.diff(logits), np.diff(logits)[0], rtol=1e-9)
    np.testing.assert_allclose(grid + grid[::-1], 1.0, atol=1e-12)


def test_logit_grid_takes_any_bounds() -> None:
    grid = logit_grid(5, 0.2, 0.6)
    assert (grid[0], grid[-1], len(grid)) == (0.2, 0.6, 5)
    assert np.all(np.diff(grid) > 0)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"num": 1}, "num must be an integer >= 2, but got 1"),
        ({"num": 2.5}, "num must be an integer >= 2, but got 2.5"),
        ({"num": True}, "num must be an integer"),
        ({"low": 0.0}, "0 < low < high < 1 must hold, but got low=0.0"),
        ({"low": 0.7}, "0 < low < high < 1 must hold"),
        ({"low": 0.2, "high": 1.0}, "high=1.0"),
        ({"low": float("nan")}, "low=nan"),
    ],
)
def test_logit_grid_refuses(arguments: dict, text: str) -> None:
    with pytest.raises(InputError, match=text):
        logit_grid(**arguments)


def test_default_thresholds_hold_the_papers_and_the_grid() -> None:
    thresholds = default_thresholds()
    assert len(thresholds) == 100
    assert {0.05, 0.5, 1e-4, 1 - 1e-4} <= set(thresholds.tolist())
    assert len(default_thresholds(0.3)) == 101


@given(st.floats(0, 1))
def test_default_thresholds_hold_the_objectives_own_exactly(objective: float) -> None:
    thresholds = default_thresholds(objective)
    assert objective in thresholds
    assert np.all(np.diff(thresholds) > 1e-9)
    assert 100 <= len(thresholds) <= 101
    assert thresholds.dtype == np.float64


def test_near_duplicates_of_the_objective_give_way_to_it() -> None:
    objective = 0.5 + 1e-12
    thresholds = default_thresholds(objective)
    assert objective in thresholds
    assert 0.5 not in thresholds
    assert len(thresholds) == 100


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan"), float("inf"), "0.5", True, None, [0.5]])
def test_thresholds_outside_the_unit_interval_are_refused(bad: object) -> None:
    with pytest.raises(InputError, match=r"threshold must .*but got"):
        default_thresholds(bad)  # type: ignore[arg-type]


def test_check_threshold_takes_numpy_numbers() -> None:
    assert check_threshold(np.float64(0.25)) == 0.25
    assert check_threshold(1) == 1.0
