"""The map's data against numbers recomputed from the frames, and its drawing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dashboards.figures import marks
from dashboards.figures.axes import Axis
from dashboards.figures.colour_range import colour_range
from dashboards.figures.grid import FigureError, thin_labels
from dashboards.figures.heatmap import heatmap_data
from dashboards.figures.heatmap_marks import heatmap_marks, mark_masks
from dashboards.figures.heatmap_plot import plot_heatmap
from dashboards.figures.heatmap_text import heatmap_text
from dashboards.source import Source
from dashboards.theme import SCALE
from storage import frames
from storage.store import Store

SWEEP = "movie-genres"


def place(data, beta, eta):
    return data.y.values.index(eta), data.x.values.index(beta)


def test_axes_hold_every_real_value_with_zero_and_negative_ones(source: Source) -> None:
    data = heatmap_data(source, SWEEP, loss="sigmoid_f1")
    assert (data.x.parameter, data.y.parameter) == ("beta", "eta")
    assert data.x.values == (-10.0, -5.0, -1.0, *map(float, range(1, 31)))
    assert data.y.values == (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
    assert data.mean.shape == (7, 33)
    assert np.isfinite(data.mean[2]).all()  # eta = 0


@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize("at", [None, 0.05])
def test_mean_sd_and_n_equal_the_replicates(store_url: str, source: Source, split, at) -> None:
    data = heatmap_data(source, SWEEP, loss="sigmoid_f1", split=split, threshold=at)
    with Store.open(store_url, read_only=True) as store:
        cells = frames.load_cells(store, SWEEP, losses=["sigmoid_f1"])
        scores = frames.load_scores(
            store, SWEEP, split=split, metric="weighted_f1", threshold=at, losses=["sigmoid_f1"]
        )
    by_cell = scores[scores["state"] == "complete"].groupby("cell_id")["value"]
    for cell in cells.itertuples():
        row, column = place(data, cell.param_beta, cell.param_eta)
        values = by_cell.get_group(cell.cell_id) if cell.cell_id in by_cell.groups else []
        assert data.n[row, column] == len(values)
        if len(values):
            assert data.mean[row, column] == pytest.approx(np.mean(values), abs=1e-12)
            assert data.sd[row, column] == pytest.approx(np.std(values, ddof=1), abs=1e-12)
        else:
            assert math.isnan(data.mean[row, column])


def test_every_state_has_its_own_mark_and_none_is_a_colour(source: Source) -> None:
    data = heatmap_data(source, SWEEP, loss="sigmoid_f1")
    masks = mark_masks(data)
    expected = {
        "failed": [(30.0, 2.0)],
        "diverged": [(29.0, 2.0)],
        "waiting": [(28.0, -1.0), (29.0, -1.0), (30.0, -1.0)],
        "missing": [(-5.0, 0.5)],
        "some_diverged": [(20.0, 0.0)],
        "some_failed": [(5.0, 0.0)],
        "some_waiting": [(6.0, -1.0)],
    }
    for kind, cells in expected.items():
        assert sorted(map(tuple, np.argwhere(masks[kind]))) == sorted(
            place(data, *cell) for cell in cells
        ), kind
        if not kind.startswith("some"):
            assert np.isnan(data.mean[masks[kind]]).all()
    assert not masks["undefined"].any()
    assert data.n[place(data, 20.0, 0.0)] == 4
    figure = plot_heatmap(data, standalone=False)
    for trace in figure.data[1:]:
        assert trace.marker.color not in SCALE
        assert trace.fillcolor not in SCALE


def test_collapsed_cells_predict_nothing_or_everything(source: Source) -> None:
    data = heatmap_data(source, SWEEP, loss="sigmoid_f1")
    masks = mark_masks(data)
    assert masks["nothing"][place(data, -10.0, -1.0)]
    assert masks["everything"][place(data, -10.0, 2.0)]
    assert masks["nothing"][place(data, 30.0, 1.5)]
    assert not data.collapsed[place(data, 8.0, 0.5)]
    low = heatmap_data(source, SWEEP, loss="sigmoid_f1", threshold=0.0001)
    assert low.everything.sum() > data.everything.sum()
    scores = heatmap_data(source, SWEEP, loss="sigmoid_f1", metric="map")
    assert scores.threshold is None
    assert not scores.collapsed.any()


def test_best_cell_is_chosen_by_the_objective_whatever_is_shown(source: Source) -> None:
    data = heatmap_data(source, SWEEP, loss="sigmoid_f1")
    best = np.unravel_index(np.nanargmax(np.where(data.n == 5, data.mean, np.nan)), data.mean.shape)
    assert data.best_position == tuple(best)
    assert data.best is not None
    assert data.best.mean == pytest.approx(data.mean[data.best_position], abs=1e-12)
    other = heatmap_data(source, SWEEP, loss="sigmoid_f1", split="test", threshold=0.05)
    assert other.best_position == data.best_position
    assert "on validation at t = 0.5" in heatmap_text(other).caption


def test_other_axes_are_sliced_through_the_best_cell_or_averaged_and_said(source: Source) -> None:
    data = heatmap_data(source, "finished", loss="asl")
    assert set(data.held) == {"clip", "lr"}
    assert data.best_is_of_loss
    assert (data.cells == 1).all()
    assert "learning rate" not in heatmap_text(data).title
    assert "lr = " in heatmap_text(data).subtitle
    averaged = heatmap_data(source, "finished", loss="asl", held={"lr": "average", "clip": "0.05"})
    assert (averaged.cells == 2).all()
    assert (averaged.n == 6).all()
    assert averaged.held["clip"] == 0.05
    assert "then over learning rate" in heatmap_text(averaged).subtitle
    one = heatmap_data(source, "finished", loss="asl", held={"lr": 1e-4, "clip": 0.05})
    two = heatmap_data(source, "finished", loss="asl", held={"lr": 1e-3, "clip": 0.05})
    assert averaged.mean == pytest.approx((one.mean + two.mean) / 2, abs=1e-12)


def test_a_loss_without_axes_is_one_cell(source: Source) -> None:
    data = heatmap_data(source, SWEEP, loss="bce")
    assert data.mean.shape == (1, 1)
    assert plot_heatmap(data).layout.xaxis.ticktext == ("",)


def test_a_sweep_that_has_not_begun_is_all_waiting(source: Source) -> None:
    data = heatmap_data(source, "not-begun", loss="sigmoid_f1")
    assert heatmap_marks(data) == ["waiting"]
    assert data.best is None
    assert "no finished seed yet" in heatmap_text(data).subtitle
    plot_heatmap(data)


def test_a_loss_that_diverged_everywhere_is_marked(source: Source) -> None:
    data = heatmap_data(source, SWEEP, loss="unbounded_f1")
    assert heatmap_marks(data) == ["diverged"]


def test_the_scale_ignores_collapsed_cells_and_outliers(source: Source) -> None:
    data = heatmap_data(source, SWEEP, loss="sigmoid_f1")
    scale = colour_range(data)
    useful = data.mean[(data.n > 0) & ~data.collapsed]
    assert scale.high == useful.max()
    assert useful.min() <= scale.low < scale.high
    assert scale.below == (data.mean < scale.low).sum() > 0
    ruined = data.mean.copy()
    ruined[place(data, 8.0, 1.0)] = -1e9
    assert colour_range(data._replace(value=ruined)).low > -10
    many = data.mean.copy()
    many[2] = -1.0
    assert colour_range(data._replace(value=many)).low == -1.0
    flat = colour_range(data._replace(value=np.where(data.n > 0, 0.5, np.nan)))
    assert flat.low < 0.5 < flat.high


def test_hover_says_n_spread_seeds_and_reasons(source: Source) -> None:
    data = heatmap_data(source, SWEEP, loss="sigmoid_f1")
    texts = plot_heatmap(data).data[0].customdata
    partial = texts[place(data, 20.0, 0.0)]
    assert "n = 4 of 5 seeds" in partial
    assert "seed 4: diverged, loss is nan in epoch 9" in partial
    assert "(sd over seeds)" in partial
    assert "95 % interval of the mean over seeds" in partial
    assert "&lt;on the device&gt;" in texts[place(data, 30.0, 2.0)]
    assert "not in the plan" in texts[place(data, -5.0, 0.5)]
    assert data.best_position is not None
    assert "best cell: validation weighted F1" in texts[data.best_position]


def test_words_state_metric_aggregation_split_threshold_sweep_and_conventions(
    source: Source,
) -> None:
    data = heatmap_data(source, SWEEP, loss="sigmoid_f1", split="test", threshold=0.05)
    text = heatmap_text(data)
    assert text.title == "Weighted F1 of sigmoid_f1 over slope β and offset η"
    assert text.subtitle == "movie-genres · test split · t = 0.05 · mean over 4 to 5 seeds"
    for words in ("scikit-learn", "at least t", "predict-all 0.261", "Eq. 6", "collapsed"):
        assert words in text.caption


def test_a_metric_kept_at_one_threshold_says_that_one(source: Source) -> None:
    data = heatmap_data(source, SWEEP, loss="sigmoid_f1", metric="hamming_loss", threshold=0.05)
    assert data.threshold == 0.5
    assert not data.higher_is_better
    colours = plot_heatmap(data).data[0].colorscale
    assert colours[0][1] == SCALE[-1]


def test_levels_are_marked_on_the_bar_or_at_its_ends(source: Source) -> None:
    data = heatmap_data(source, SWEEP, loss="sigmoid_f1")
    figure = plot_heatmap(data)
    words = [note.text for note in figure.layout.annotations]
    assert words == ["◂ predict-none 0.000", "▾ predict-all 0.261"]
    lines = [shape for shape in figure.layout.shapes if shape.type == "line"]
    assert [line.x0 for line in lines] == [
        pytest.approx(colour_range(data).fraction(0.26087), abs=0.01)
    ]


def test_labels_are_thinned_only_when_they_would_not_fit(source: Source) -> None:
    data = heatmap_data(source, SWEEP, loss="sigmoid_f1")
    wide = plot_heatmap(data, width=1150).layout
    assert len(wide.xaxis.ticktext) == 33
    assert len(wide.yaxis.ticktext) == 7
    assert "0" in wide.yaxis.ticktext
    narrow = plot_heatmap(data, width=360).layout
    assert len(narrow.xaxis.ticktext) < 33
    assert "one label in" in narrow.xaxis.title.text
    assert thin_labels(["a", "b", "c"], 2) == ([0, 2], ["a", "c"], 2)


def test_a_figure_alone_carries_title_and_legend_and_a_page_does_not(source: Source) -> None:
    data = heatmap_data(source, SWEEP, loss="sigmoid_f1")
    alone = plot_heatmap(data)
    assert "Weighted F1" in alone.layout.title.text
    names = [trace.name for trace in alone.data if trace.name]
    assert names == [marks.MARKS[kind].name for kind in heatmap_marks(data)]
    assert plot_heatmap(data, standalone=False).layout.title.text is None


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"loss": "sigmoidf1"}, "Known: sigmoid_f1, focal"),
        ({"metric": "weighted_f2"}, "Did you mean 'weighted_f1'"),
        ({"x": "gamma"}, "Choose one of: beta, eta"),
        ({"x": "beta", "y": "beta"}, "must differ"),
        ({"threshold": 1.5}, "between 0 and 1"),
        ({"held": {"alpha": 1}}, "must name a setting"),
        ({"loss": "asl", "held": {"clip": 0.3}}, "Known: 0, 0.05"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_line(source: Source, asked, words) -> None:
    with pytest.raises(FigureError) as caught:
        heatmap_data(source, SWEEP, **{"loss": "sigmoid_f1", **asked})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", list(marks.MARKS))
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_mark_has_a_legend_picture(kind, scheme) -> None:
    from xml.etree import ElementTree

    from dashboards.theme import get_theme

    ElementTree.fromstring(marks.legend_svg(kind, get_theme(scheme)))


def test_long_values_are_written_in_three_digits_where_these_tell_them_apart() -> None:
    assert Axis("lr", (0.0001, 0.000316228, 0.001)).labels == ["0.0001", "0.000316", "0.001"]
    assert Axis("beta", (1.23456, 1.23478)).labels == ["1.23456", "1.23478"]
    assert Axis("beta", (0.1001, 0.10012, 0.5)).labels == ["0.1001", "0.10012", "0.5"]
    assert Axis("input", ("logits", "tanh_logits")).labels == ["logits", "tanh_logits"]
