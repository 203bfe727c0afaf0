"""The table of cells, its filters, and the parallel coordinates."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest

from dashboards.figures.cells_filter import (
    filter_cells,
    filter_text,
    order_text,
    parse_filter,
    parse_order,
    sort_cells,
)
from dashboards.figures.cells_table import cells_data, cells_text
from dashboards.figures.grid import FigureError
from dashboards.figures.parallel import brushed, parallel_data, parallel_text
from dashboards.figures.parallel_plot import plot_parallel
from dashboards.pages.cells_rows import cells_columns, page_of_rows, picked_links
from dashboards.source import Source
from dashboards.view import View

SWEEP = "movie-genres"


def test_means_states_and_settings_equal_the_raw_rows(store_url: str, source: Source) -> None:
    data = cells_data(source, SWEEP)
    with sqlite3.connect(store_url.removeprefix("sqlite:///")) as base:
        rows = base.execute(
            "select c.id, avg(r.objective), count(r.objective), count(*), "
            "sum(r.state = 'diverged'), sum(r.state = 'failed'), sum(r.state = 'waiting'), "
            "json_extract(c.hyperparameters, '$.beta'), json_extract(c.hyperparameters, '$.eta') "
            "from sweep_cells c join sweep_replicates r on r.cell_id = c.id "
            "join sweep_sweeps s on s.id = c.sweep_id where s.name = ? "
            "group by c.id order by c.ordinal",
            (SWEEP,),
        ).fetchall()
    frame = data.frame
    assert len(frame) == len(rows) == 254
    assert frame["cell_id"].tolist() == [row[0] for row in rows]
    means = [np.nan if row[1] is None else row[1] for row in rows]
    assert np.allclose(frame["mean"], means, atol=1e-12, equal_nan=True)
    for column, place in (("n", 2), ("planned", 3), ("diverged", 4), ("failed", 5), ("waiting", 6)):
        assert frame[column].tolist() == [row[place] for row in rows], column
    assert [None if v is None else v for v in frame["beta"].where(frame["beta"].notna(), None)] == [
        row[7] for row in rows
    ]
    assert {(row[7], row[8]) for row in rows} >= {(-10.0, 0.0), (-1.0, -1.0)}
    assert frame["rank"].min() == 1
    assert frame.loc[frame["rank"] == 1, "mean"].item() == frame["mean"].max()


def test_collapse_and_intervals_follow_the_threshold(source: Source) -> None:
    half, low = (cells_data(source, SWEEP, threshold=t).frame for t in (0.5, 1e-4))
    assert (low["collapsed"] == "predicts everything").sum() > 40
    assert (half["collapsed"] == "predicts everything").sum() < 40
    whole = half[half["n"] == 5]
    known = whole[whole["low"].notna()]
    assert len(known) > 100
    assert ((known["low"] < known["mean"]) & (known["mean"] < known["high"])).all()
    none = half[half["n"] == 0]
    assert none["low"].isna().all()
    assert none["rank"].isna().all()


def test_filters_and_orders_are_those_of_the_table(source: Source) -> None:
    frame = cells_data(source, SWEEP).frame
    model = parse_filter("beta:-5..0.5;loss:sigmoid_f1|asl")
    found = filter_cells(frame, model)
    assert set(found["beta"]) == {-5.0, -1.0}
    assert filter_text(model) == "beta:-5..0.5;loss:sigmoid_f1|asl"
    assert set(filter_cells(frame, parse_filter("eta:..-0.5"))["eta"]) == {-1.0, -0.5}
    zero = filter_cells(frame, {"eta": {"filterType": "number", "type": "equals", "filter": 0}})
    assert set(zero["eta"]) == {0.0}
    assert set(filter_cells(frame, parse_filter("loss:~F1"))["loss"]) == {
        "sigmoid_f1", "unbounded_f1", "soft_f1",
    }  # fmt: skip
    ordered = sort_cells(frame, [{"colId": "mean", "sort": "desc"}])
    values = ordered["mean"].to_numpy()
    assert (np.diff(values[np.isfinite(values)]) <= 0).all()
    assert np.isnan(values[-1])
    by_gamma = sort_cells(frame, [{"colId": "gamma", "sort": "asc"}])["gamma"].tolist()
    assert by_gamma[0] == 1.0
    assert by_gamma[-1] is None


@pytest.mark.parametrize(
    ("text", "said"),
    [("beta", "column:low..high"), ("beta:a..b", "but got 'beta:a..b'"), ("beta:..", "but got")],
)
def test_a_filter_that_cannot_be_read_is_a_sentence(text: str, said: str) -> None:
    with pytest.raises(FigureError, match=said):
        parse_filter(text)


def test_unknown_columns_and_filters_are_refused(source: Source) -> None:
    frame = cells_data(source, SWEEP).frame
    with pytest.raises(FigureError, match="by a column, but got 'zeta'"):
        filter_cells(frame, parse_filter("zeta:1..2"))
    with pytest.raises(FigureError, match="cannot be filtered by 'blank'"):
        filter_cells(frame, {"beta": {"filterType": "number", "type": "blank"}})
    with pytest.raises(FigureError, match="Known: sigmoid_f1"):
        cells_data(source, SWEEP, loss="hinge")


def test_a_page_of_rows_is_written_with_links(source: Source) -> None:
    data = cells_data(source, SWEEP)
    request = {"startRow": 10, "endRow": 20, "sortModel": [], "filterModel": {}}
    page = page_of_rows(source, data, request)
    assert page["rowCount"] == 254
    row = page["rowData"][0]
    assert row["rank"] == "11"
    assert row["href"].startswith("/cell?sweep=movie-genres")
    assert f"cell.key={row['key']}" in row["href"]
    fields = {column["field"] for column in cells_columns(data)}
    assert fields <= {*row, "interval"}
    links = picked_links(source, data, [row["key"]], View(sweep=SWEEP))
    assert "1 cell selected." in str(links[0])
    assert picked_links(source, data, [], View()) == []


def test_a_box_over_an_axis_is_a_filter(source: Source) -> None:
    lines = parallel_data(cells_data(source, SWEEP, loss="sigmoid_f1"))
    assert [axis.column for axis in lines.axes] == ["beta", "eta", "mean"]
    places = lines.axes[1].places
    eta = lines.cells.frame["eta"].to_numpy(float)
    low, high = places[eta == 0.0][0], places[eta == 1.0][0]
    model = brushed(lines, {"x": [0.7, 1.3], "y": [low - 0.01, high + 0.01]})
    assert model == {
        "eta": {"filterType": "number", "type": "inRange", "filter": 0.0, "filterTo": 1.0}
    }
    every = parallel_data(cells_data(source, SWEEP))
    words = brushed(every, {"x": [-0.3, 0.3], "y": [-0.1, 0.25]})
    assert [c["filter"] for c in words["loss"]["conditions"]] == ["asl", "bce"]
    assert brushed(every, {"x": [0.2, 0.8], "y": [0, 1]}) == {}


def test_lines_are_drawn_with_the_best_on_top_and_the_selected_above(source: Source) -> None:
    data = cells_data(source, SWEEP)
    best = int(data.frame.loc[data.frame["rank"] == 1, "cell_id"].item())
    matches = filter_cells(data.frame, parse_filter("loss:asl")).index
    lines = parallel_data(data, matches=matches, selected=(best,))
    assert data.frame["rank"].iloc[lines.rows[-1]] == 1
    figure = plot_parallel(lines, scheme="dark")
    widths = [trace.line.width for trace in figure.data if trace.mode == "lines"]
    assert widths[-2:] == [6.0, 3.0]
    assert "cells without a complete seed have no line" in parallel_text(lines).caption
    assert "12 of 254 cells" in cells_text(data, len(matches)).subtitle


def test_very_many_cells_are_thinned_and_said_to_be(source: Source, monkeypatch) -> None:
    monkeypatch.setattr("dashboards.figures.parallel.MOST_LINES", 60)
    monkeypatch.setattr("dashboards.figures.parallel.BEST_LINES", 20)
    data = cells_data(source, SWEEP)
    worst = int(data.frame.loc[data.frame["rank"].idxmax(), "cell_id"])
    lines = parallel_data(data, selected=(worst,))
    ranks = data.frame["rank"].iloc[lines.rows]
    assert set(range(1, 15)) <= set(ranks)
    assert data.frame["cell_id"].iloc[lines.rows].tolist().count(worst) == 1
    assert 55 <= len(lines.rows) <= 61
    assert f"of {lines.n_cells:,} cells drawn" in parallel_text(lines).subtitle


@pytest.mark.parametrize("sweep", ["not-begun", "finished"])
def test_other_states_of_a_sweep_are_drawn(source: Source, sweep: str) -> None:
    data = cells_data(source, sweep, metric="map", split="test")
    assert data.threshold is None
    lines = parallel_data(data)
    assert (len(lines.rows) == 0) == (sweep == "not-begun")
    for turned in (False, True):
        assert plot_parallel(lines, standalone=False, turned=turned).layout.height > 300


def test_an_order_is_written_and_read_back() -> None:
    model = [{"colId": "mean", "sort": "desc"}, {"colId": "beta", "sort": "asc"}]
    assert parse_order(order_text(model)) == model
    assert parse_order("") == []
    with pytest.raises(FigureError, match=r"COLUMN:asc or COLUMN:desc.*got 'mean'"):
        parse_order("mean")
