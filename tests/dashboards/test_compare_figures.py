"""Two sweeps side by side, the statistics of datasets, and the shape of the loss."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from dashboards.figures.co_occurrence_plot import plot_co_occurrence
from dashboards.figures.compare import (
    best_rows,
    common_losses,
    compare_data,
    compare_text,
    transfer_data,
    transfer_sentences,
)
from dashboards.figures.compare_plot import plot_compare
from dashboards.figures.dataset_statistics import (
    co_occurrence,
    co_occurrence_text,
    count_together,
    dataset_statistics,
)
from dashboards.figures.grid import FigureError
from dashboards.figures.loss_shape import loss_shape_data, loss_shape_text, shape_sentences
from dashboards.figures.loss_shape_plot import plot_loss_shape
from dashboards.figures.loss_shape_scores import (
    Scores,
    coarse,
    score_range,
    shape_numbers,
    sigmoid,
    sigmoid_gradient,
)
from dashboards.pages.compare import _axes_of_both, _not_kept
from dashboards.source import Source
from dashboards.takeaway.catalogue import draw
from dashboards.view import View

A, B = "movie-genres", "finished"


def seeds_at(source: Source, sweep: str, beta: float, eta: float) -> np.ndarray:
    cells = source.cells(sweep, "sigmoid_f1")
    own = cells[(cells["param_beta"] == beta) & (cells["param_eta"] == eta)]["cell_id"].item()
    rows = source.scores(sweep, "sigmoid_f1", "weighted_f1", "test", None)
    return rows[(rows["cell_id"] == own) & (rows["state"] == "complete")]["value"].to_numpy()


def test_axes_and_slices_are_those_asked_for_in_both(source: Source) -> None:
    chosen = {"x": "gamma_neg", "y": "clip", "held": {"gamma_pos": 1.0}}
    data = compare_data(source, A, B, loss="asl", split="test", **chosen)
    for each in (data.a, data.b):
        assert (each.x.parameter, each.y.parameter) == ("gamma_neg", "clip")
        assert each.held["gamma_pos"] == 1.0
    other = compare_data(
        source, A, B, loss="asl", split="test", **{**chosen, "held": {"gamma_pos": 0.0}}
    )
    assert not np.allclose(data.a.mean, other.a.mean, equal_nan=True)
    view = View(A, "asl", split="test", **chosen).having(compare_with=B)
    assert "γ⁺ 1" in draw(source, "compare", view).text.caption
    # The page drops what another loss or sweep, chosen since, does not have.
    asked = {"x": "gamma_neg", "y": "beta", "held": {"gamma_pos": "1.0", "clip": "0.3"}}
    kept = _axes_of_both(source, (A, B), "asl", asked)
    assert kept == {"x": "gamma_neg", "y": None, "held": {"gamma_pos": "1.0"}}
    assert _not_kept(asked, kept) == ["y", "hold.clip"]  # gone from the address as well
    with pytest.raises(FigureError, match="clip"):
        compare_data(source, A, B, loss="asl", x="gamma_neg", held={"clip": 0.3})


def test_a_figure_is_found_by_other_words(source: Source) -> None:
    with pytest.raises(FigureError, match=r"no figure 'curves'\. Did you mean 'thresholds'"):
        draw(source, "curves", View(A))


def test_the_difference_is_over_common_settings_with_welchs_interval(source: Source) -> None:
    data = compare_data(source, A, B, loss="sigmoid_f1", split="test")
    assert data.x == (1.0, 5.0, 10.0)
    assert data.y == (0.0, 1.0)
    assert data.same_data
    assert data.reading == "value"
    for row, eta in enumerate(data.y):
        for column, beta in enumerate(data.x):
            a, b = seeds_at(source, A, beta, eta), seeds_at(source, B, beta, eta)
            assert data.difference[row, column] == pytest.approx(b.mean() - a.mean())
            found = stats.ttest_ind(b, a, equal_var=False)
            assert data.sure[row, column] == (found.pvalue < 0.05)
    low, high = data.span
    for values in data.values:
        known = values[np.isfinite(values)]
        assert low <= known.min() <= known.max() <= high
    figure = plot_compare(data)
    assert [trace.coloraxis for trace in figure.data if trace.type == "heatmap"][:2] == [
        "coloraxis", "coloraxis",
    ]  # fmt: skip


def test_other_data_are_read_below_their_own_best(source: Source, monkeypatch) -> None:
    infos = {name: source.sweep(name) for name in (A, B)}
    infos[B] = dataclasses.replace(infos[B], dataset_fingerprint="0" * 64)
    monkeypatch.setattr(source, "sweep", infos.__getitem__)
    data = compare_data(source, A, B, loss="sigmoid_f1")
    assert data.reading == "regret"
    assert max(np.nanmax(values) for values in data.values) == 0.0
    assert not data.sure.any()
    assert "different data" in compare_text(data).caption


def test_best_cells_and_transfer(source: Source) -> None:
    data = compare_data(source, A, B, loss="asl")
    rows = best_rows(data)
    assert [row["sweep"] for row in rows] == [A, B]
    assert rows[1]["best"].n == 3
    found = transfer_data(source, A, B, "sigmoid_f1", "weighted_f1")
    lines = transfer_sentences(found)
    assert len(lines) == 3
    # Six settings are common; one of them has a failed seed in the first sweep.
    assert lines[-1] == "Among the 5 cells that both datasets have, read on test."
    assert np.diag(found.regret).tolist() == [0.0, 0.0]


def test_what_cannot_be_compared_is_a_sentence(source: Source) -> None:
    with pytest.raises(FigureError, match="a loss that both hold, but got 'hinge'"):
        compare_data(source, A, B, loss="hinge")
    with pytest.raises(FigureError, match="value or regret"):
        compare_data(source, A, B, loss="bce", reading="rank")  # type: ignore[arg-type]
    assert common_losses(source, A, B) == source.losses(A)


@pytest.mark.parametrize("other", ["not-begun", "finished"])
@pytest.mark.parametrize("loss", ["sigmoid_f1", "bce", "unbounded_f1"])
def test_every_state_is_drawn(source: Source, other: str, loss: str) -> None:
    data = compare_data(source, A, other, loss=loss, metric="map")
    for stacked in (False, True):
        figure = plot_compare(data, stacked=stacked, scheme="dark", width=360)
        assert figure.layout.height > 200


FEATURES = {
    "n_train": 6, "n_validation": 2, "n_test": 2, "labels": ["a", "b", "c"], "dim": 8,
    "positives": {"train": [4, 2, 0], "validation": [1, 1, 1], "test": [1, 0, 1]},
    "dropped_classes": [{"label": "d", "reason": "rare", "examples": 1}],
}  # fmt: skip


def test_statistics_of_a_dataset_by_hand(source: Source, monkeypatch) -> None:
    info = dataclasses.replace(source.sweep(A), features_info=FEATURES)
    monkeypatch.setattr(source, "sweep", lambda _name: info)
    found = dataset_statistics(source, A)
    assert [(row.split, row.examples, row.without_positive) for row in found.splits] == [
        ("train", 6, 1), ("validation", 2, 0), ("test", 2, 1),
    ]  # fmt: skip
    assert found.splits[0].labels_per_example == 1.0
    assert found.splits[0].density == pytest.approx(1 / 3)
    assert [(row.label, row.total, row.imbalance_ratio) for row in found.classes] == [
        ("a", 6, 1.0), ("b", 3, 2.0), ("c", 2, 3.0),
    ]  # fmt: skip
    assert (found.mean_imbalance, found.max_imbalance) == (2.0, 3.0)
    assert found.dropped == (("d", "rare", 1),)


def test_a_dataset_whose_positives_were_not_recorded(source: Source) -> None:
    found = dataset_statistics(source, A)
    assert found.classes == ()
    assert np.isnan(found.mean_imbalance)
    assert all(row.without_positive == -1 for row in found.splits)
    assert co_occurrence(source, A) is None


def test_labels_that_occur_together_are_counted() -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((200, 50)) < np.linspace(0.5, 0.0, 50)).astype(np.uint8)
    pairs = count_together(targets, [f"<label {c}>" for c in range(50)], "test")
    assert len(pairs.labels) == 40
    first, second = (int(pairs.labels[i][7:-1]) for i in (0, 1))
    both = int((targets[:, first] & targets[:, second]).sum())
    assert pairs.together[0, 1] == both
    assert pairs.given[0, 1] == both / targets[:, first].sum()
    figure = plot_co_occurrence(pairs, dataset="films")
    assert "<label" not in json.dumps(figure.to_plotly_json()["layout"]["xaxis"]["ticktext"])
    assert "40 most frequent of 50" in co_occurrence_text(pairs, "films").caption


@pytest.mark.parametrize("beta", [-2.0, 0.1, 9.0, 60.0])
@pytest.mark.parametrize("eta", [0.0, -3.0, 1.5])
def test_the_sigmoid_and_its_gradient(beta: float, eta: float) -> None:
    u = np.linspace(-6, 6, 2001)
    s = sigmoid(u, beta, eta)
    assert np.allclose(s, 1 / (1 + np.exp(np.clip(-beta * (u + eta), -700, 700))))
    numeric = np.gradient(s, u)
    own = sigmoid_gradient(u, beta, eta)
    assert np.allclose(own, numeric, atol=1.5e-4 * abs(beta) ** 3 + 1e-5)
    assert np.abs(own).max() <= abs(beta) / 4 + 1e-12


def test_shares_of_scores_are_those_of_the_counts() -> None:
    edges = np.array([-3.0, -1.0, 1.0, 3.0])
    scores = Scores(edges, np.array([0.0, 1.0, 3.0]), np.array([4.0, 0.0, 0.0]))
    numbers = shape_numbers(scores, beta=5.0, eta=0.0)
    assert numbers.saturated == {"positives": 0.75, "negatives": 1.0}
    assert numbers.gradient["positives"] == pytest.approx(0.25, abs=1e-3)
    assert numbers.counted == pytest.approx(
        {"positives": (0.5 + 3 * sigmoid(np.array(2.0), 5.0, 0.0)) / 4,
         "negatives": float(sigmoid(np.array(-2.0), 5.0, 0.0))}
    )  # fmt: skip
    assert coarse(scores, -3.0, 3.0, bins=3).negatives.tolist() == [4.0, 0.0, 0.0]
    low, high = score_range(scores, "logits")
    assert low < -1 < 1 < high
    assert score_range(scores, "probabilities") == (0.0, 1.0)


def test_a_cell_that_is_not_kept_gives_its_command(source: Source) -> None:
    data = loss_shape_data(source, A)
    assert data.kept is None
    assert data.keep_command.startswith("sigmoidf1 sweep keep movie-genres --cell cell-")
    figure = plot_loss_shape(data, beta=-1.0, eta=0.0, scheme="dark")
    assert "not kept" in figure.layout.annotations[0].text
    assert "inverted" in " ".join(shape_sentences(data, -1.0, 0.0, "logits"))
    bce = loss_shape_data(source, A, key=source.cells(A, "bce")["key"].item())
    assert "what sigmoidF1 would see" in loss_shape_text(bce).caption
    assert loss_shape_data(source, "not-begun").key == ""


@pytest.mark.parametrize("beta", [0.0, float("nan"), float("inf")])
def test_a_slope_of_zero_is_refused(source: Source, beta: float) -> None:
    with pytest.raises(FigureError, match="a number other than 0"):
        shape_sentences(loss_shape_data(source, A), beta, 0.0, "logits")


def test_the_browsers_formulas_name_every_moving_trace() -> None:
    script = Path(plot_loss_shape.__code__.co_filename).parents[1] / "assets/loss_shape.js"
    text = script.read_text(encoding="utf-8")
    for name in ("S", "step", "line", "gradient"):
        assert f"{name}: function (u, beta, eta)" in text
