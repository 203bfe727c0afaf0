from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeps.errors import SweepError
from sweeps.sensitivity.best import best_cells, rank_cells
from sweeps.sensitivity.summary import summarise_cells

NAN = math.nan


def make(cells: dict[int, tuple[str, list]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Frames of cells, given as id -> (loss, seeds' values; a text is a state without value)."""
    cell_rows = [(cell_id, place, loss) for place, (cell_id, (loss, _)) in enumerate(cells.items())]
    rows = [
        (cell_id, loss, seed, value if isinstance(value, str) else "complete",
         NAN if isinstance(value, str) else value)
        for cell_id, (loss, values) in cells.items()
        for seed, value in enumerate(values)
    ]  # fmt: skip
    return (
        pd.DataFrame(cell_rows, columns=["cell_id", "ordinal", "loss"]),
        pd.DataFrame(rows, columns=["cell_id", "loss", "seed", "state", "objective"]),
    )


def test_summary_counts_and_moments():
    _, replicates = make(
        {
            3: ("a", [0.1, 0.2, 0.6]),
            1: ("a", [0.5, "diverged", "failed"]),
            2: ("a", ["waiting", "running", 0.4]),
            4: ("a", ["diverged"]),
            5: ("a", [NAN, 0.5]),
        }
    )
    summary = summarise_cells(replicates)
    assert list(summary.index) == [1, 2, 3, 4, 5]
    three = summary.loc[3]
    assert three["n"] == three["n_planned"] == three["n_complete"] == 3
    assert three["mean"] == pytest.approx(0.3)
    assert three["sd"] == pytest.approx(np.std([0.1, 0.2, 0.6], ddof=1))
    assert (three["minimum"], three["maximum"]) == (0.1, 0.6)
    assert summary["n"].tolist() == [1, 1, 3, 0, 1]
    assert summary["sd"].isna().tolist() == [True, True, False, True, True]
    assert summary["mean"].isna().tolist() == [False, False, False, True, False]
    assert summary["n_diverged"].tolist() == [1, 0, 0, 1, 0]
    assert summary["n_failed"].tolist() == [1, 0, 0, 0, 0]
    assert summary["n_waiting"].tolist() == [0, 1, 0, 0, 0]
    assert summary["n_running"].tolist() == [0, 1, 0, 0, 0]
    assert summary["finished"].tolist() == [True, False, True, True, True]
    assert summary["clean"].tolist() == [False, False, True, False, False]


def test_a_value_beside_another_state_does_not_count():
    _, replicates = make({1: ("a", [0.5, 0.7])})
    replicates.loc[1, "state"] = "diverged"
    assert summarise_cells(replicates).loc[1, "mean"] == 0.5


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=6), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_order_of_rows_changes_nothing(values, random):
    cells, replicates = make({i: ("a", row) for i, row in enumerate(values)})
    order = list(range(len(replicates)))
    random.shuffle(order)
    shuffled = replicates.iloc[order]
    pd.testing.assert_frame_equal(
        summarise_cells(shuffled), summarise_cells(replicates), check_exact=True
    )
    pd.testing.assert_frame_equal(
        best_cells(cells.iloc[::-1], shuffled), best_cells(cells, replicates), check_exact=True
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.booleans())
def test_best_of_single_seeds_is_the_extreme(values, higher):
    cells, replicates = make({i: ("a", [value]) for i, value in enumerate(values)})
    best = best_cells(cells, replicates, higher_is_better=higher)
    wanted = max(values) if higher else min(values)
    assert best.loc["a", "mean"] == wanted
    assert best.loc["a", "ordinal"] == values.index(wanted)


def test_one_row_a_loss_in_the_order_of_the_plan():
    cells, replicates = make(
        {1: ("z", [0.1]), 2: ("z", [0.3]), 3: ("b", [0.9]), 4: ("m", [0.5]), 5: ("m", [0.4])}
    )
    best = best_cells(cells, replicates)
    assert best["cell_id"].to_dict() == {"z": 2, "b": 3, "m": 4}
    assert list(best.index) == ["z", "b", "m"]


def test_mean_over_seeds_decides_not_the_best_seed():
    cells, replicates = make({1: ("a", [0.9, 0.1]), 2: ("a", [0.55, 0.55])})
    assert best_cells(cells, replicates).loc["a", "cell_id"] == 2


def test_direction():
    cells, replicates = make({1: ("a", [0.3]), 2: ("a", [0.2])})
    assert best_cells(cells, replicates, higher_is_better=True).loc["a", "cell_id"] == 1
    assert best_cells(cells, replicates, higher_is_better=False).loc["a", "cell_id"] == 2


@pytest.mark.parametrize("higher", [True, False])
def test_equal_means_go_to_the_first_in_the_plan(higher):
    cells, replicates = make({7: ("a", [0.5]), 3: ("a", [0.5]), 5: ("a", [0.5])})
    assert best_cells(cells, replicates, higher_is_better=higher).loc["a", "cell_id"] == 7


@pytest.mark.parametrize("state", ["diverged", "failed"])
def test_a_cell_that_lost_a_seed_does_not_beat_a_clean_one(state):
    cells, replicates = make({1: ("a", [0.9, state]), 2: ("a", [0.2, 0.3])})
    best = best_cells(cells, replicates).loc["a"]
    assert best["cell_id"] == 2
    assert best["clean"]


def test_without_a_clean_cell_the_surviving_seeds_decide():
    cells, replicates = make({1: ("a", [0.4, "diverged"]), 2: ("a", [0.5, "failed", 0.6])})
    best = best_cells(cells, replicates).loc["a"]
    assert best["cell_id"] == 2
    assert best["n"] == 2
    assert best["mean"] == pytest.approx(0.55)
    assert not best["clean"]


@pytest.mark.parametrize("state", ["waiting", "running"])
def test_an_unfinished_cell_does_not_compete(state):
    cells, replicates = make({1: ("a", [0.9, state]), 2: ("a", [0.2, "diverged"])})
    assert best_cells(cells, replicates).loc["a", "cell_id"] == 2


def test_a_loss_without_a_result_is_left_out():
    cells, replicates = make(
        {1: ("a", ["diverged", "failed"]), 2: ("b", ["waiting"]), 3: ("c", [0.1]), 4: ("d", [NAN])}
    )
    assert list(best_cells(cells, replicates).index) == ["c"]


def test_nothing_at_all():
    cells, replicates = make({1: ("a", ["waiting"])})
    assert best_cells(cells, replicates).empty
    assert best_cells(cells.iloc[:0], replicates.iloc[:0]).empty
    assert "mean" in best_cells(cells, replicates).columns


def test_ranking_lists_clean_cells_first():
    cells, replicates = make(
        {
            1: ("a", [0.9, "failed"]),
            2: ("a", [0.2, 0.2]),
            3: ("a", [0.4, 0.4]),
            4: ("a", ["waiting"]),
        }
    )
    assert rank_cells(cells, replicates)["cell_id"].tolist() == [3, 2, 1]


def test_another_column_decides():
    cells, replicates = make({1: ("a", [0.9]), 2: ("a", [0.2])})
    replicates["value"] = 1 - replicates["objective"]
    assert best_cells(cells, replicates, value="value").loc["a", "cell_id"] == 2


def test_missing_columns_are_named():
    cells, replicates = make({1: ("a", [0.5])})
    with pytest.raises(SweepError) as caught:
        best_cells(cells, replicates.drop(columns=["seed", "state"]))
    assert str(caught.value) == (
        "replicates must have the columns cell_id, seed, state, objective, but lack seed, state. "
        "Load them with storage.frames."
    )
    with pytest.raises(SweepError, match="cells must have the columns cell_id, ordinal, loss, but"):
        best_cells(cells.drop(columns="ordinal"), replicates)
