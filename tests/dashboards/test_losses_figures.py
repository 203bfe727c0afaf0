"""Tuned thresholds, intervals and paired differences against numbers computed another way."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from dashboards.figures.boxplots import boxplot_data, boxplot_text
from dashboards.figures.boxplots_plot import plot_boxplots, row_label
from dashboards.figures.differences_plot import plot_differences
from dashboards.figures.grid import FigureError
from dashboards.figures.loss_table import differences_text, loss_score, loss_table
from dashboards.figures.tuned import tuned_cells
from dashboards.pages.losses_rows import table_rows
from dashboards.source import Source
from storage import frames
from storage.store import Store
from storage.threshold_curves import load_cell_curves

SWEEP = "movie-genres"


def test_tuned_cells_are_the_best_over_cells_and_thresholds(store_url: str, source: Source) -> None:
    # The unbounded loss diverged with every seed there.
    assert list(tuned_cells(source, SWEEP)) == ["sigmoid_f1", "focal", "asl", "bce", "soft_f1"]
    assert tuned_cells(source, "not-begun") == {}
    found = tuned_cells(source, "finished")
    with Store.open(store_url, read_only=True) as store:
        info = frames.load_sweep(store, "finished")
        best: dict[str, tuple[float, int, float]] = {}
        for threshold in info.thresholds:
            rows = frames.load_scores(
                store, "finished", split="validation", metric="weighted_f1", threshold=threshold
            )
            whole = rows.groupby("cell_id")["state"].agg(lambda s: (s == "complete").all())
            means = rows.groupby(["loss", "cell_id"])["value"].mean()
            for (loss, cell_id), mean in means.items():
                if whole[cell_id] and mean > best.get(loss, (-1.0, 0, 0.0))[0] + 1e-5:
                    best[loss] = (mean, cell_id, threshold)
    assert set(found) == set(best)
    for loss, cell in found.items():
        assert cell.mean == pytest.approx(best[loss][0], abs=1e-4)


def test_tuned_rows_are_read_at_their_own_threshold(store_url: str, source: Source) -> None:
    data = boxplot_data(source, SWEEP, rule="tuned")
    row = data.rows[0]
    with Store.open(store_url, read_only=True) as store:
        scores = frames.load_scores(
            store, SWEEP, split="test", metric="micro_f1", threshold=row.threshold
        )
    values = scores[scores["cell_id"] == row.best.cell_id].set_index("seed")["value"]
    panel = next(panel for panel in data.panels if panel.metric == "micro_f1")
    assert panel.seeds["sigmoid_f1"].set_index("seed")["value"].to_dict() == values.to_dict()
    assert panel.threshold is None
    assert f"t = {row.threshold:.3f}".rstrip("0") in row_label(row, own_threshold=True)
    assert "thresholds tuned on validation" in boxplot_text(data).subtitle
    assert data.leader == max(data.rows, key=lambda r: np.nan_to_num(r.chosen_by)).loss


def test_a_metric_without_curve_cannot_be_tuned(source: Source, monkeypatch) -> None:
    info = source.sweep(SWEEP)
    changed = dataclasses.replace(info, objective={**info.objective, "metric": "map"})
    monkeypatch.setattr(source, "sweep", lambda _name: changed)
    with pytest.raises(FigureError, match="kept at every threshold, but the objective is mAP"):
        tuned_cells(source, SWEEP)


def test_intervals_and_differences_equal_those_of_scipy(source: Source) -> None:
    boxes = boxplot_data(source, SWEEP)
    table = loss_table(boxes, reference="asl")
    panel = boxes.panels[1]
    own = panel.seeds["focal"]["value"].to_numpy()
    base = panel.seeds["asl"]["value"].to_numpy()
    score = table.rows[1].scores[panel.metric]
    relative = own.std(ddof=1) / (own.mean() * (1 - own.mean()))
    squared = relative**2 / 5 + (1 - 2 * own.mean()) ** 2 * relative**4 / 4
    width = stats.t.ppf(0.975, 4) * np.sqrt(squared)
    centre = np.log(own.mean() / (1 - own.mean()))
    assert score.low == pytest.approx(1 / (1 + np.exp(-(centre - width))), rel=1e-12)
    assert score.high == pytest.approx(1 / (1 + np.exp(-(centre + width))), rel=1e-12)
    difference = table.differences[panel.metric]["focal"]
    expected = stats.ttest_rel(own, base).confidence_interval(0.95)
    assert (difference.low, difference.high) == pytest.approx((expected.low, expected.high))
    assert "less asl" in differences_text(table).title
    assert "asl" not in table.differences[panel.metric]


@pytest.mark.parametrize(
    ("values", "why"),
    [([], "no seed"), ([0.4], "one seed"), ([0.4, 0.4], "same value"), ([0.0, 0.0], "0 or 1")],
)
def test_a_missing_interval_says_why(values: list[float], why: str) -> None:
    score = loss_score(np.array([*values, np.nan]))
    assert np.isnan(score.low)
    assert score.n == len(values)
    assert why in str(score.reason)


def test_an_unknown_reference_is_refused(source: Source) -> None:
    with pytest.raises(FigureError, match="but got 'hinge'"):
        loss_table(boxplot_data(source, SWEEP), reference="hinge")


@pytest.mark.parametrize(("sweep", "rule"), [(SWEEP, "tuned"), ("not-begun", "fixed")])
def test_every_state_of_a_sweep_is_drawn(source: Source, sweep: str, rule: str) -> None:
    boxes = boxplot_data(source, sweep, rule=rule)
    table = loss_table(boxes)
    assert len(plot_boxplots(boxes, columns=2).data) >= 5
    figure = plot_differences(table, scheme="dark")
    assert figure.layout.height > 100
    if sweep == "not-begun":
        assert table.reference is None
        assert {row["settings"] for row in table_rows(table) if row["kind"] == "loss"} == {
            "no finished cell"
        }


def test_the_papers_rows_stand_below_their_loss(source: Source) -> None:
    boxes = boxplot_data(source, SWEEP)._replace(dataset="movie_posters")
    rows = table_rows(loss_table(boxes))
    at = [row["kind"] for row in rows].index("paper")
    assert [row["loss"] for row in rows[:3]] == ["sigmoid_f1", "paper", "focal"]
    assert rows[at]["micro_f1"] == "0.1057"
    assert rows[at]["micro_f1-tip"] == "printed as macroF1 for moviePosters"
    assert rows[at]["settings"] == "Table 3 ≈ all"
    assert [row["loss"] for row in rows if row["kind"] == "level"] == [
        "predict-all", "predict-none",
    ]  # fmt: skip


def test_curves_of_cells_equal_the_scores_at_each_threshold(store_url: str) -> None:
    with Store.open(store_url, read_only=True) as store:
        ids = frames.load_cells(store, SWEEP, losses=["bce", "unbounded_f1"])["cell_id"].tolist()
        found = load_cell_curves(store, SWEEP, [*ids, 10**9], metrics=["macro_recall"])
        assert sorted(set(found.states)) == ["complete", "diverged"]
        for index in (0, 20, 50, 99):
            rows = frames.load_scores(
                store, SWEEP, split="test", metric="macro_recall",
                threshold=found.thresholds[index], losses=["bce", "unbounded_f1"],
            )  # fmt: skip
            values = found.values["test", "macro_recall"][:, index]
            assert np.array_equal(values, rows["value"].to_numpy(), equal_nan=True)
