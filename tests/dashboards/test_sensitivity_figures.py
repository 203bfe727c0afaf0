"""The figures of the statistics: their data against raw rows, on every kind of sweep, and drawn."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from dashboards.figures.grid import FigureError
from dashboards.figures.sensitivity import analysis_of, effect_name
from dashboards.figures.sensitivity_budget import budget_data, budget_text, plot_budget
from dashboards.figures.sensitivity_cells import MOST_CELLS, best_cells_data, best_cells_text
from dashboards.figures.sensitivity_cells_plot import plot_best_cells
from dashboards.figures.sensitivity_effects import (
    effects_data,
    effects_text,
    interaction_data,
    interaction_text,
)
from dashboards.figures.sensitivity_effects_plot import plot_effects, plot_interaction
from dashboards.figures.sensitivity_seeds import plot_seeds, seeds_data, seeds_text
from dashboards.figures.sensitivity_shares import Bar, SharesData, shares_data, shares_text
from dashboards.figures.sensitivity_shares_plot import plot_shares
from dashboards.figures.sensitivity_transfer import plot_transfer, transfer_data, transfer_text
from dashboards.source import Source
from storage.store import Store
from sweeps.sensitivity.analysis_data import Question

OF_LOSS = (
    (shares_data, shares_text, plot_shares),
    (best_cells_data, best_cells_text, plot_best_cells),
    (effects_data, effects_text, plot_effects),
    (interaction_data, interaction_text, plot_interaction),
    (seeds_data, seeds_text, plot_seeds),
    (transfer_data, transfer_text, plot_transfer),
)


def means_of(source: Source, sweep: str, loss: str) -> dict[tuple[float, float], float]:
    """(β, η) to the mean objective over complete seeds, from the raw rows."""
    cells = source.cells(sweep, loss).set_index("cell_id")
    rows = source.replicates(sweep, loss)
    means = rows[rows["state"] == "complete"].groupby("cell_id")["objective"].mean()
    beta, eta = cells["param_beta"], cells["param_eta"]
    return {(beta[cell], eta[cell]): value for cell, value in means.items()}


@pytest.mark.parametrize("sweep", ["movie-genres", "finished", "not-begun"])
@pytest.mark.parametrize("loss", ["sigmoid_f1", "asl", "bce", "unbounded_f1"])
def test_every_figure_of_every_kind_of_loss_is_drawn(source, sweep, loss) -> None:
    """Finished, running, all diverged, one cell, nothing begun: a figure, words without gaps."""
    for data_of, text_of, plot in OF_LOSS:
        data = data_of(source, sweep, loss=loss)
        text = text_of(data)
        assert text.title
        assert loss in text.subtitle
        assert "nan" not in text.caption.lower().split()
        assert "None" not in text.caption
        for scheme, width in (("light", 1150), ("dark", 360)):
            figure = plot(data, scheme=scheme, width=width)
            assert figure.layout.height >= 60
            assert "title" in figure.to_plotly_json()["layout"]
            plot(data, scheme=scheme, width=width, standalone=False)
    budgets = budget_data(source, sweep)
    plot_budget(budgets, scheme="dark")
    assert budget_text(budgets).title == "Losses at equal budgets"


def test_best_cells_are_the_best_means_of_the_raw_rows(source) -> None:
    data = best_cells_data(source, "finished", loss="sigmoid_f1")
    wanted = sorted(means_of(source, "finished", "sigmoid_f1").values(), reverse=True)
    assert [cell.mean for cell in data.cells] == pytest.approx(wanted[:MOST_CELLS])
    assert data.n_cells == len(wanted) == 6
    assert data.cells[0].tied
    assert sum(cell.tied for cell in data.cells) == data.n_tied
    assert sum(cell.probability for cell in data.cells) == pytest.approx(1, abs=0.01)
    assert all(cell.low < cell.mean < cell.high for cell in data.cells)
    test = source.scores("finished", "sigmoid_f1", "weighted_f1", "test", None)
    own = test[test["cell_id"] == data.cells[0].cell_id]["value"]
    assert data.cells[0].test == pytest.approx(own.mean())
    drawn = plot_best_cells(data)
    x = np.concatenate([np.asarray(trace.x, float) for trace in drawn.data[:-1]])
    assert sorted(x, reverse=True) == pytest.approx(wanted)


def test_main_effects_are_means_of_the_raw_rows(source) -> None:
    data = effects_data(source, "finished", loss="sigmoid_f1")
    raw = means_of(source, "finished", "sigmoid_f1")
    by_name = {effect.parameter: effect for effect in data.effects}
    assert set(by_name) == {"beta", "eta"}
    for place, name in ((0, "beta"), (1, "eta")):
        effect = by_name[name]
        wanted = [
            np.mean([v for key, v in raw.items() if key[place] == level]) for level in effect.levels
        ]
        assert effect.means == pytest.approx(wanted)
    figure = plot_effects(data)
    assert [list(trace.y) for trace in figure.data] == [list(e.means) for e in data.effects]


def test_lines_of_the_interaction_are_cells_of_the_raw_rows(source) -> None:
    data = interaction_data(source, "finished", loss="sigmoid_f1", x="beta", by="eta")
    raw = means_of(source, "finished", "sigmoid_f1")
    assert (data.x, data.by, data.levels) == ("beta", "eta", (1.0, 5.0, 10.0))
    assert [line.name for line in data.lines] == ["η 0", "η 1"]
    for line, eta in zip(data.lines, (0.0, 1.0), strict=True):
        both = np.where(np.isfinite(line.mean), line.mean, line.collapsed)
        assert both == pytest.approx([raw[beta, eta] for beta in data.levels])
    swapped = interaction_data(source, "finished", loss="sigmoid_f1", x="eta")
    assert (swapped.x, swapped.by) == ("eta", "beta")
    # ASL varies in four: the two others are averaged over, and no interval is drawn.
    averaged = interaction_data(source, "finished", loss="asl", x="gamma_neg", by="lr")
    assert set(averaged.averaged) == {"gamma_pos", "clip"}
    assert all(np.isnan(line.low).all() for line in averaged.lines)
    assert "Averaged over" in interaction_text(averaged).caption
    with pytest.raises(FigureError, match="must vary, but got 'dropout'"):
        interaction_data(source, "finished", loss="asl", x="dropout")


def test_shares_add_up_and_collapsed_cells_are_named(source) -> None:
    data = shares_data(source, "movie-genres", loss="sigmoid_f1")
    assert data.kind == "shares"
    assert sum(bar.value for bar in data.bars) == pytest.approx(1)
    assert [bar.label for bar in data.bars] == ["β", "η", "β×η", "seed", "seed × cell (noise)"]
    assert all(bar.low <= bar.value <= bar.high for bar in data.bars if bar.low is not None)
    caption = shares_text(data).caption
    assert "collapsed cells (predict nothing or everything" in caption
    assert "over seeds with the split fixed" in caption
    assert list(plot_shares(data).data[0].x) == pytest.approx([b.value for b in data.bars])


@pytest.mark.parametrize("kind", ["sobol", "estimates"])
def test_other_designs_have_bars_of_their_own(kind) -> None:
    question = Question(sweep="s", loss="asl", metric="micro_f1", split="test", threshold=0.5)
    if kind == "sobol":
        bars = [
            Bar("beta", "β", "alone", 0.4, 0.3, 0.5), Bar("beta", "β", "with interactions",
            0.6, 0.5, 0.7), Bar("eta", "η", "alone", -0.02, -0.1, 0.06),
            Bar("eta", "η", "with interactions", 0.2, 0.1, 0.3), Bar("beta×eta", "β×η", "alone",
            0.15, 0.05, 0.25),
        ]  # fmt: skip
    else:
        bars = [
            Bar("beta", "β", group, value, None, None, 0.5)
            for group, value in (("PED-ANOVA", 0.8), ("fANOVA", 0.6))
        ]
    data = SharesData(question, kind, tuple(bars), 64, 3, "by a method", ("a note.",), "no grid")
    figure = plot_shares(data, scheme="dark")
    assert len(figure.data) == 2
    assert figure.layout.showlegend
    assert {note.text for note in figure.layout.annotations} >= {"0.60"}
    caption = shares_text(data).caption
    assert "By a method" in caption
    assert ("No shares of variance: no grid" in caption) == (kind == "estimates")


def test_one_seed_says_why_there_is_nothing(tmp_path: Path, dashboard_data) -> None:
    url = f"sqlite:///{tmp_path}/one.db"
    with Store.open(url) as store:
        cells = dashboard_data.make_cells([1.0, 5.0], [0.0, 1.0])
        dashboard_data.add_sweep(store, "one", cells=cells, seeds=1)
    source = Source(url)
    shares = shares_data(source, "one", loss="sigmoid_f1")
    assert shares.kind == "none"
    assert "do not vary over seeds" in (shares.reason or "")
    assert "Not drawn" in plot_shares(shares).layout.annotations[0].text
    best = best_cells_data(source, "one", loss="sigmoid_f1")
    assert best.n_tied is None
    assert "one seed" in best_cells_text(best).caption
    assert np.isnan(best.cells[0].low)
    effects = effects_data(source, "one", loss="sigmoid_f1")
    assert "no intervals" in effects_text(effects).caption
    assert np.isnan(effects.effects[0].low).all()
    assert "two cells with the same two seeds" in (seeds_data(source, "one").reason or "")
    source.close()


def test_transfer_takes_the_latest_sweep_of_each_other_dataset(
    tmp_path: Path, dashboard_data
) -> None:
    url = f"sqlite:///{tmp_path}/two.db"
    cells = dashboard_data.make_cells([1.0, 5.0, 20.0], [0.0, 1.0])
    with Store.open(url) as store:
        for name in ("films", "films again"):
            dashboard_data.add_sweep(store, name, cells=cells, seeds=3)
    source = Source(url)
    alone = transfer_data(source, "films", loss="sigmoid_f1")
    assert "on one dataset only" in (alone.reason or "")
    assert "Not drawn" in plot_transfer(alone).layout.annotations[0].text
    source.close()
    with Store.open(url) as store:
        dashboard_data.add_sweep(store, "posters", cells=cells, seeds=3)
    with sqlite3.connect(tmp_path / "two.db") as connection:
        connection.execute(
            "update sweep_sweeps set dataset = 'movie_posters' where name = 'posters'"
        )
    source = Source(url)
    data = transfer_data(source, "films", loss="sigmoid_f1")
    assert data.sweeps == ("films", "posters")
    assert data.datasets == ("movie_genres", "movie_posters")
    assert data.n_common == 6
    assert np.diag(data.regret).tolist() == [0, 0]
    assert set(data.paired) == {
        ("movie_genres", "movie_posters"), ("movie_posters", "movie_genres"),
    }  # fmt: skip
    figure = plot_transfer(data, width=360)
    assert np.asarray(figure.data[0].z).shape == (2, 2)
    assert "each at its own threshold" in transfer_text(data).caption
    source.close()


def test_bad_names_are_refused_and_answers_kept(source) -> None:
    with pytest.raises(FigureError, match="must hold the loss, but got 'dice'"):
        shares_data(source, "finished", loss="dice")
    with pytest.raises(FigureError, match="A metric must be one the sweep kept"):
        seeds_data(source, "finished", metric="f2")
    with pytest.raises(FigureError, match="between 0 and 1"):
        effects_data(source, "finished", threshold=1.5)
    one = analysis_of(source, "finished", loss="asl")
    assert analysis_of(source, "finished", loss="asl") is one
    assert analysis_of(source, "finished", loss="asl", threshold=0.2) is not one
    assert effect_name("gamma_neg×clip") == "γ⁻×clip"
