"""Maps against numbers recomputed from raw SQL: every aggregate, seed subset, axis and outline."""

from __future__ import annotations

import json
import math
import sqlite3
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboards.figures.axes import BINS, make_axis, needs_bins
from dashboards.figures.colour_range import colour_range
from dashboards.figures.grid import FigureError
from dashboards.figures.heatmap import heatmap_data
from dashboards.figures.heatmap_cells import best_row, load_plan
from dashboards.figures.heatmap_hover import hover_numbers
from dashboards.figures.heatmap_marks import mark_masks
from dashboards.figures.heatmap_outlines import heatmap_outlines
from dashboards.figures.heatmap_plot import plot_heatmap
from dashboards.figures.heatmap_text import heatmap_text
from dashboards.figures.selection import best_cell
from dashboards.figures.settings import arrange_settings, read_settings
from dashboards.pages.map_view import clicked_cell
from dashboards.source import Source
from storage.store import Store
from sweeps.sensitivity.intervals import seed_intervals

SWEEP = "movie-genres"


@pytest.fixture(scope="module")
def raw(store_url: str) -> dict[tuple[float, float], list[float]]:
    """The objective of every complete replicate of sigmoidF1 by β and η, straight from the file."""
    found: dict[tuple[float, float], list[float]] = {}
    with sqlite3.connect(store_url.removeprefix("sqlite:///")) as connection:
        rows = connection.execute(
            "SELECT c.hyperparameters, r.objective FROM sweep_cells c "
            "JOIN sweep_sweeps s ON s.id = c.sweep_id AND s.name = ? "
            "LEFT JOIN sweep_replicates r ON r.cell_id = c.id AND r.state = 'complete' "
            "WHERE c.loss = 'sigmoid_f1' ORDER BY c.ordinal, r.seed",
            (SWEEP,),
        )
        for text, objective in rows:
            settings = json.loads(text)
            values = found.setdefault((settings["beta"], settings["eta"]), [])
            if objective is not None:
                values.append(objective)
    return found


def iqm(values: list[float]) -> float:
    cut = len(values) // 4
    return statistics.fmean(sorted(values)[cut : len(values) - cut])


def bound(values: list[float]) -> float:
    table = np.array([values])
    one = seed_intervals(
        table.mean(axis=1), table.var(axis=1, ddof=1), np.array([len(values)]), one_sided=True
    )
    return float(one.low[0])


AGGREGATES: dict[str, Any] = {
    "mean": statistics.fmean,
    "median": statistics.median,
    "iqm": iqm,
    "worst": min,
    "sd": statistics.stdev,
    "n": len,
    "bound": bound,
}


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_each_aggregate_equals_raw_sql_with_zero_and_negative_settings(
    source: Source, raw: dict[tuple[float, float], list[float]], aggregate: Any
) -> None:
    data = heatmap_data(source, SWEEP, loss="sigmoid_f1", aggregate=aggregate)
    compared = set()
    for (beta, eta), values in raw.items():
        shown = data.value[data.y.values.index(eta), data.x.values.index(beta)]
        if not values:
            assert math.isnan(shown)
        elif statistics.pstdev(values) > 0 or aggregate not in ("bound", "sd"):
            assert shown == pytest.approx(AGGREGATES[aggregate](values), abs=1e-9), (beta, eta)
            compared.add((beta, eta))
    assert any(eta == 0 for _, eta in compared)
    assert any(beta < 0 for beta, _ in compared) or aggregate in ("bound", "sd")
    assert len(compared) > 100
    said = heatmap_text(data).subtitle.split(" · ")[3]
    assert said.startswith("mean over ") == (aggregate == "mean")


def test_some_seeds_alone_are_aggregated_and_named(source: Source, store_url: str) -> None:
    data = heatmap_data(source, SWEEP, loss="sigmoid_f1", seeds=[1, 3])
    whole = heatmap_data(source, SWEEP, loss="sigmoid_f1")
    assert (data.n <= 2).all()
    assert "seeds 1, 3 alone" in heatmap_text(data).subtitle
    row, column = whole.y.values.index(0.0), whole.x.values.index(5.0)
    cell = data.rows[data.place == row * len(data.x.values) + column][0]
    own = data.plan.objective[cell][[1, 3]]
    assert data.value[row, column] == pytest.approx(own.mean(), abs=1e-12)
    assert data.best_position == whole.best_position
    with pytest.raises(FigureError, match="got seed 9"):
        heatmap_data(source, SWEEP, loss="sigmoid_f1", seeds=[9])


def test_the_best_cell_is_that_of_the_shared_rule(source: Source) -> None:
    info = source.sweep(SWEEP)
    for loss in source.losses(SWEEP):
        plan = load_plan(source, SWEEP, loss)
        found = best_row(plan, np.arange(len(plan.cell_ids)), higher_is_better=True)
        expected = best_cell(info, source.cells(SWEEP, loss), source.replicates(SWEEP, loss))
        assert (found is None) == (expected is None)
        if found is not None and expected is not None:
            assert plan.cell_ids[found] == expected.cell_id


def test_a_fixed_scale_is_the_same_for_two_maps_and_said(source: Source) -> None:
    span = (0.2, 0.6)
    maps = [heatmap_data(source, SWEEP, loss=loss, span=span) for loss in ("sigmoid_f1", "focal")]
    for data in maps:
        scale = colour_range(data)
        assert (scale.low, scale.high) == span
        assert "fixed at 0.200 to 0.600" in heatmap_text(data).caption
        trace = plot_heatmap(data, standalone=False).data[0]
        assert (trace.zmin, trace.zmax) == span
    with pytest.raises(FigureError, match="from a lower to a higher"):
        heatmap_data(source, SWEEP, loss="focal", span=(0.6, 0.2))


def test_true_positions_put_borders_half_way_and_log_needs_positive_values() -> None:
    codes = np.array([0, 1, 2])
    axis, _ = make_axis("lr", (0.001, 0.01, 1.0), codes, spacing="log")
    assert axis.edges == pytest.approx([-3.5, -2.5, -1.0, 1.0])
    axis, _ = make_axis("beta", (-10.0, -1.0, 2.0), codes, spacing="true")
    assert axis.edges == pytest.approx([-14.5, -5.5, 0.5, 3.5])
    assert axis.centres.tolist() == [-10.0, -1.0, 2.0]
    assert make_axis("beta", (-10.0, 0.0, 2.0), codes, spacing="log")[0].spacing == "even"
    assert make_axis("input", ("logits", "probabilities"), codes[:2], spacing="true")[0].edges[
        0
    ] == pytest.approx(-0.5)


def test_scattered_designs_are_binned_and_grids_are_not() -> None:
    assert not needs_bins(50_000, 200, 250)
    assert needs_bins(1_000, 1_000, 1_000)
    assert not needs_bins(9, 3, 3)
    values = tuple(float(v) for v in np.geomspace(1e-5, 1e-1, 1_000))
    axis, places = make_axis("lr", values, np.arange(1_000), binned=True)
    assert axis.spacing == "log"
    assert len(axis.values) == BINS
    assert np.bincount(places).tolist() == pytest.approx([25] * BINS, abs=1)
    assert axis.label(0).startswith("1e−5 to ")


def test_settings_from_columns_equal_those_of_the_cells(source: Source) -> None:
    for loss in source.losses("finished"):
        cells = source.cells("finished", loss)
        own, plan = read_settings(cells), load_plan(source, "finished", loss)
        assert plan.cell_ids.tolist() == cells["cell_id"].tolist()
        for name in own.varying:
            assert plan.settings.values[name] == own.values[name]
            assert (plan.settings.codes[name] == own.codes[name]).all()
        assert plan.settings.varying == own.varying
    mixed = arrange_settings({"a": ["x", 2.0, None, 0]}, {"a": np.array([0, 1, 2, 3])})
    assert mixed.values["a"] == (None, 0.0, 2.0, "x")
    assert mixed.codes["a"].tolist() == [3, 2, 0, 1]


def test_the_tied_set_is_that_of_the_analysis_and_the_plateau_is_within_epsilon(
    source: Source,
) -> None:
    data = heatmap_data(source, SWEEP, loss="sigmoid_f1")
    tied = heatmap_outlines(source, data, "tied")
    analysis = source.analysis(SWEEP).losses["sigmoid_f1"]
    rows = analysis.compared["rows"]
    expected = {int(analysis.cells["cell_id"][row]) for row in rows[analysis.tied.tied]}
    assert tied.tied is not None
    members = set(data.plan.cell_ids[data.rows[tied.tied.reshape(-1)[data.place]]].tolist())
    assert members == expected
    assert "Tied with the best at 95% confidence" in heatmap_text(tied).caption
    near = heatmap_outlines(source, data, "plateau", epsilon=0.02)
    assert near.plateau is not None
    best = np.nanmax(data.mean)
    settled = (data.waiting + data.running == 0) & (data.n > 0)
    assert (near.plateau == (settled & (data.mean >= best - 0.02 - 1e-12))).all()
    assert data.best_position is not None
    assert tied.tied[data.best_position]


def test_the_numbers_of_a_large_map_are_those_of_a_small_one(source: Source) -> None:
    data = heatmap_data(source, "finished", loss="sigmoid_f1")
    numbers, template = hover_numbers(data)
    assert numbers[..., 0] == pytest.approx(data.n)
    assert numbers[..., 1] == pytest.approx(data.low, abs=1e-6)
    assert numbers[1, 2, 4:] == pytest.approx(
        data.numbers[data.place == 1 * len(data.x.values) + 2][0], abs=1e-6
    )
    assert "seed 2" in template


@pytest.mark.parametrize("kind", ["cells", "points", "contour", "surface"])
@pytest.mark.parametrize("loss", ["sigmoid_f1", "bce", "unbounded_f1"])
def test_every_drawing_of_every_loss_is_made(source: Source, kind: Any, loss: str) -> None:
    data = heatmap_data(source, SWEEP, loss=loss, spacing=("true", "true"))
    figure = plot_heatmap(data, kind=kind, scheme="dark")
    kinds = {"cells": "heatmap", "points": "scatter"}
    assert figure.data[0].type == kinds.get(kind, kind)
    assert figure.layout.title.text


def test_a_click_finds_the_cell_and_refuses_what_is_none(source: Source) -> None:
    data = heatmap_data(source, SWEEP, loss="sigmoid_f1")
    row, column = data.y.values.index(0.0), data.x.values.index(-10.0)
    found = clicked_cell(data, {"x": float(column), "y": float(row)})
    cells = source.cells(SWEEP, "sigmoid_f1").set_index("cell_id")
    assert cells.loc[found, "param_beta"] == -10.0
    assert cells.loc[found, "param_eta"] == 0.0
    gap = {"x": float(data.x.values.index(-5.0)), "y": float(data.y.values.index(0.5))}
    with pytest.raises(FigureError, match="here is none"):
        clicked_cell(data, gap)
    averaged = heatmap_data(source, "finished", loss="asl", held={"lr": "average"})
    with pytest.raises(FigureError, match="are 2 cells"):
        clicked_cell(averaged, {"x": 0.0, "y": 0.0})


def test_pruned_running_and_given_up_cells_have_marks_of_their_own(
    tmp_path: Path, dashboard_data: Any
) -> None:
    url = f"sqlite:///{tmp_path}/sweeps.db"
    cells = dashboard_data.make_cells([1.0, 2.0, 3.0, 4.0], [0.0, 1.0])
    fates = {(1.0, 0.0): ("pruned", "stopped at epoch 15"), (4.0, 1.0): ("waiting", None)}

    def fate(cell: Any, seed: int) -> tuple[str, str | None]:
        settings = cell.hyperparameters
        return fates.get((settings.get("beta"), settings.get("eta")), ("complete", None))

    with Store.open(url) as store:
        sweep_id = dashboard_data.add_sweep(store, "s", cells=cells, seeds=2, fate=fate)
        store.set_cell_status(sweep_id, [cells[2].key], "raced_out", {"round": 2})
        waiting = [each.replicate_id for each in store.open_replicates(sweep_id)]
        store.claim(waiting, "someone", 600.0)
        source = Source(url)
        data = heatmap_data(source, "s", loss="sigmoid_f1")
        masks = mark_masks(data)
        assert np.argwhere(masks["pruned"]).tolist() == [[0, 0]]
        assert np.argwhere(masks["running"]).tolist() == [[1, 3]]
        assert np.argwhere(masks["some_pruned"]).tolist() == [[0, 1]]
        assert np.isnan(data.value[0, 0])
        texts = plot_heatmap(data).data[0].customdata
        assert "seed 1: pruned, stopped at epoch 15" in texts[0][0]
        assert "stopped early: raced out" in texts[0][1]
        assert "seed 0: running" in texts[1][3]
        source.close()
