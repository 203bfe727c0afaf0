"""Box plots and the table of best cells against numbers recomputed from the frames."""

from __future__ import annotations

import numpy as np
import pytest

from dashboards.figures.best_table import best_table, best_table_text
from dashboards.figures.boxplots import boxplot_data, boxplot_text
from dashboards.figures.boxplots_plot import panel_range, plot_boxplots, row_label
from dashboards.source import Source
from storage import frames
from storage.store import Store

SWEEP = "movie-genres"
LOSSES = ["sigmoid_f1", "focal", "asl", "bce", "unbounded_f1", "soft_f1"]


def test_rows_are_losses_and_panels_the_papers_metrics(source: Source) -> None:
    data = boxplot_data(source, SWEEP)
    assert [row.loss for row in data.rows] == LOSSES
    assert [panel.metric for panel in data.panels] == [
        "weighted_f1", "micro_f1", "macro_f1", "macro_precision", "map",
    ]  # fmt: skip
    assert [panel.threshold for panel in data.panels] == [0.5, 0.5, 0.5, 0.5, None]
    assert data.split == "test"


@pytest.mark.parametrize("threshold", [None, 0.05])
def test_every_seed_of_the_best_cell_is_drawn(store_url: str, source: Source, threshold) -> None:
    data = boxplot_data(source, SWEEP, threshold=threshold)
    best = next(row.best for row in data.rows if row.loss == "focal")
    with Store.open(store_url, read_only=True) as store:
        replicates = frames.load_replicates(store, SWEEP, losses=["focal"])
        scores = frames.load_scores(
            store, SWEEP, split="test", metric="macro_f1", threshold=threshold, losses=["focal"]
        )
    means = replicates.groupby("cell_id")["objective"].mean()
    assert best.cell_id == means.idxmax()
    values = scores[scores["cell_id"] == best.cell_id].set_index("seed")["value"]
    panel = data.panels[2]
    assert panel.seeds["focal"].set_index("seed")["value"].to_dict() == values.to_dict()
    traces = [trace for trace in plot_boxplots(data).data if trace.name == "focal"]
    assert [len(trace.x) for trace in traces] == [5] * 5
    assert all(trace.boxpoints == "all" for trace in traces)


def test_a_loss_without_a_value_keeps_its_row_and_says_why(source: Source) -> None:
    data = boxplot_data(source, SWEEP)
    row = next(row for row in data.rows if row.loss == "unbounded_f1")
    assert row.best is None
    assert row.states == {"diverged": 5}
    assert "5 seeds diverged" in row_label(row)
    notes = [note.text for note in plot_boxplots(data).layout.annotations]
    assert notes.count("no complete seed") == 5


def test_the_names_of_the_paper_are_given_with_scikit_learns(source: Source) -> None:
    data = boxplot_data(source, SWEEP)
    notes = " ".join(note.text for note in plot_boxplots(data).layout.annotations)
    assert "<b>micro F1</b><br><span style='font-size:11px'>paper: macroF1" in notes
    assert "macro F1 is the paper's microF1" in boxplot_text(data).caption


def test_predict_all_is_a_line_where_it_is_near_and_words_where_not(source: Source) -> None:
    data = boxplot_data(source, SWEEP)
    panel = data.panels[0]
    low, high = panel_range(panel)
    assert not low <= panel.levels["predict_all"] <= high
    near = panel._replace(levels={"predict_all": low - 0.001})
    low, high = panel_range(near)
    assert low < near.levels["predict_all"] < high
    figure = plot_boxplots(data._replace(panels=(near,)))
    assert [shape.x0 for shape in figure.layout.shapes] == [near.levels["predict_all"]]


def test_a_sweep_that_has_not_begun_draws_empty_panels(source: Source) -> None:
    data = boxplot_data(source, "not-begun")
    assert all(row.best is None for row in data.rows)
    assert len(plot_boxplots(data).data) == 5
    assert "30 seeds waiting" in row_label(data.rows[0])


def test_narrow_pages_stack_the_panels(source: Source) -> None:
    data = boxplot_data(source, SWEEP)
    wide, narrow = plot_boxplots(data), plot_boxplots(data, columns=1)
    assert narrow.layout.height > 3 * wide.layout.height


def test_the_table_gives_both_splits_n_and_the_levels(store_url: str, source: Source) -> None:
    table = best_table(source, SWEEP)
    assert [row.loss for row in table.rows] == LOSSES
    row = table.rows[0]
    assert (row.n, row.planned) == (5, 5)
    assert set(row.settings) == {"beta", "eta"}
    assert {"beta", "eta", "input", "reduction", "lr"} <= set(row.hyperparameters)
    with Store.open(store_url, read_only=True) as store:
        for split in ("validation", "test"):
            scores = frames.load_scores(store, SWEEP, split=split, metric="map")
            values = scores[scores["cell_id"] == row.cell_id]["value"]
            score = row.scores[split, "map"]
            assert score.mean == pytest.approx(values.mean(), abs=1e-12)
            assert score.sd == pytest.approx(values.std(), abs=1e-12)
            assert score.n == 5
    assert table.levels["predict_all"]["test", "weighted_f1"] == pytest.approx(0.26087, abs=1e-4)
    missing = next(row for row in table.rows if row.loss == "unbounded_f1")
    assert missing.cell_id is None
    assert "compare losses on test" in best_table_text(table).caption


def test_the_table_follows_the_threshold_but_not_its_choice(source: Source) -> None:
    half, low = best_table(source, SWEEP), best_table(source, SWEEP, threshold=0.05)
    assert [row.cell_id for row in half.rows] == [row.cell_id for row in low.rows]
    key = ("test", "weighted_f1")
    assert half.rows[0].scores[key].mean != low.rows[0].scores[key].mean
    assert half.rows[0].scores["test", "map"] == low.rows[0].scores["test", "map"]
    assert np.isclose(low.threshold, 0.05)
