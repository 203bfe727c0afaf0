"""The paper beside a store: tables, differences, cost, figures, in every format and on the page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboards import report_paper
from dashboards.addresses import judge, make_page
from dashboards.figures.grid import FigureError
from dashboards.figures.loss_table import loss_score
from dashboards.pages.paper import document_parts
from dashboards.paper.choosing import choose_sweeps, find_dataset
from dashboards.paper.cost import machine_words, sweep_cost, wall_minutes
from dashboards.paper.documents import TABLES, paper_document
from dashboards.paper.figures import FIGURES, paper_figure
from dashboards.paper.formats import FORMATS, format_document
from dashboards.paper.protocol import protocol_differences
from dashboards.paper.scores import blocks_of, compare_block
from dashboards.paper_numbers import paper_datasets, paper_minutes, paper_protocol, paper_tables
from dashboards.report_paper import paper_section
from dashboards.source import Source
from storage import frames
from storage.errors import StoreError, SweepNotFoundError
from storage.store import Store
from sweeps.errors import SweepError

SWEEP = "paper-cancer_hallmarks-minilm"
COMMITTED = {
    "spec": {
        "data": {"dataset": "cancer_hallmarks", "split": "random", "parsing": "authors"},
        "encoder": {"name": "minilm"},
        "description": "The paper's protocol; encoder minilm.",
    },
    "features_info": {
        "options": {"min_examples": 10, "split_seed": 0},
        "n_examples": 1580,
        "n_classes": 34,
        "positives": {"train": [100, 50], "validation": [30, 20], "test": [40, 10]},
        "n_train": 100, "n_validation": 30, "n_test": 70,
    },
    "dataset": "cancer_hallmarks",
    "provenance": {
        "embedding_s": 90.0,
        "machine": {"processor": "EPYC <2>", "cores": 2, "memory_bytes": 1, "gpus": []},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, dashboard_data: Any) -> str:
    """Two sweeps of hallmarks, one of them the paper's protocol, and one of films."""
    place = f"sqlite:///{tmp_path_factory.mktemp('paper') / 'sweeps.db'}"
    cells = dashboard_data.make_cells([1.0, 9.0, 30.0], [0.0, 2.0])
    with Store.open(place) as store:
        dashboard_data.add_sweep(store, SWEEP, cells=cells, seeds=3, changes=COMMITTED)
        other = {**COMMITTED, "spec": {"encoder": {"name": "minilm"}}}
        dashboard_data.add_sweep(store, "hallmarks", cells=cells, seeds=5, changes=other)
        dashboard_data.add_sweep(store, "films", cells=cells, seeds=2)
    return place


@pytest.fixture
def source(url: str) -> Iterator[Source]:
    opened = Source(url)
    yield opened
    opened.close()


def test_the_reference_numbers_are_whole() -> None:
    assert len(paper_datasets()) == 6
    assert paper_protocol().losses == ("bce", "focal", "asl", "unbounded_f1", "sigmoid_f1")
    assert {name: sum(paper_minutes(name).values()) for name in ("coco2014", "voc2007")} == {
        "coco2014": 856 + 851 + 856 + 858 + 858, "voc2007": 112 + 108 + 109 + 116 + 111,
    }  # fmt: skip
    assert paper_minutes("cancer_hallmarks") == {}
    assert [len(blocks_of(name)) for name in ("Table 3", "Table 4", "Table 7")] == [4, 1, 2]
    for known in paper_datasets():
        for block in paper_tables(known.name):
            if block.threshold is not None:
                assert (block.threshold, block.encoder) == (known.threshold, known.encoder)


def test_sweeps_are_chosen_by_dataset_the_papers_protocol_first(source: Source) -> None:
    assert choose_sweeps(source) == {"cancer_hallmarks": SWEEP}
    assert choose_sweeps(source, ["hallmarks"]) == {"cancer_hallmarks": "hallmarks"}
    chosen = choose_sweeps(source, ["arxiv2020=films"])
    assert chosen == {"cancer_hallmarks": SWEEP, "arxiv2020": "films"}
    with pytest.raises(SweepNotFoundError, match="no sweep 'nope'"):
        choose_sweeps(source, ["nope"])
    with pytest.raises(FigureError, match="Say which of its datasets"):
        choose_sweeps(source, ["films"])
    assert find_dataset("coco2017").name == "coco2014"
    with pytest.raises(FigureError, match="one of the paper's, but got 'films'"):
        find_dataset("films")


def test_ours_is_the_chosen_cell_on_test_less_the_printed_number(source: Source, url: str) -> None:
    (block,) = paper_tables("cancer_hallmarks")
    found = compare_block(source, block, SWEEP)
    row = next(loss for loss in found.losses if loss.loss == "focal")
    with Store.open(url, read_only=True) as store:
        replicates = frames.load_replicates(store, SWEEP, losses=["focal"])
        best = replicates.groupby("cell_id")["objective"].mean().idxmax()
        rows = frames.load_scores(
            store, SWEEP, split="test", metric="micro_f1", threshold=0.05, losses=["focal"]
        )
    score = loss_score(rows.loc[rows["cell_id"] == best, "value"].to_numpy())
    assert row.here["micro_f1"].mean == pytest.approx(score.mean)
    assert row.less["micro_f1"].value == pytest.approx(score.mean - 0.19)
    assert row.less["micro_f1"].low == pytest.approx(score.low - 0.19)
    assert row.n == 3
    assert set(found.levels) == {"predict_all", "predict_none"}
    without = compare_block(source, block, None)
    assert all(not loss.here and loss.missing == "no sweep" for loss in without.losses)


def test_differences_follow_from_the_stored_spec(source: Source) -> None:
    info, known = source.sweep(SWEEP), find_dataset("cancer_hallmarks")
    found = {one.what: one for one in protocol_differences(info, known, source.losses(SWEEP))}
    assert found["encoder"].here == "minilm"
    assert "DistilBERT" in found["encoder"].paper
    assert (found["classes"].paper, found["classes"].here) == ("33", "34")
    assert (found["epochs"].paper, found["epochs"].here) == ("500", "60")
    assert (found["learning rate"].paper, found["learning rate"].here) == ("1e-05", "0.001")
    assert (found["seeds"].here, found["threshold of the choice"].here) == ("3", "0.5")
    assert "split" not in found
    assert "reading of the labels" not in found
    plain = source.sweep("hallmarks")
    other = {one.what: one for one in protocol_differences(plain, known, ["bce"])}
    assert other["split"].here == "stratified"
    assert other["reading of the labels"].here == "plain"
    assert other["losses"].here == "without focal, asl, unbounded_f1, sigmoid_f1"


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("kind", FORMATS)
def test_every_table_is_written_in_every_format(source: Source, name: str, kind: str) -> None:
    document = paper_document(source, name, choose_sweeps(source))
    text = format_document(document, kind)
    assert text.endswith("\n")
    assert document.title.split(":")[0] in text
    for block in document.blocks:
        assert all(len(row.cells) == len(block.columns) for row in block.rows)
    if kind == "latex":
        rows = [line for line in text.splitlines() if line.endswith("\\\\")]
        assert rows
        assert "≈" not in "".join(rows)
        assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}")
    if kind == "html":
        assert "<2>" not in text


def test_a_table_says_what_is_missing_marked_and_different(source: Source) -> None:
    text = " ".join(format_document(paper_document(source, "table7", choose_sweeps(source)),
                                    "text").split())  # fmt: skip
    assert "here − paper" in text
    assert "predict-all here" in text
    assert "predict-none here 0.00" in text
    assert "sigmoidf1 paper run --dataset chemical_exposure --root DIR" in text
    assert "Of itself it says: The paper's protocol; encoder minilm." in text
    assert "encoder minilm (paper: DistilBERT" in text
    assert "scikit-learn's names" in text
    third = paper_document(source, "table3", {}, datasets=["arxiv2020", "movie_posters"])
    marked = [row.cells[0] for block in third.blocks for row in block.rows if "≈" in row.cells[1]]
    assert marked == ["bce", "sigmoid_f1", "sigmoid_f1"]
    with pytest.raises(FigureError, match="one of table2, table3"):
        paper_document(source, "table5", {})


def test_the_cost_is_each_packs_time_shared_by_its_heads(source: Source, url: str) -> None:
    cost = sweep_cost(source, find_dataset("cancer_hallmarks"), SWEEP)
    with Store.open(url, read_only=True) as store:
        rows = frames.load_replicates(store, SWEEP)
    span = (rows["finished_at"] - rows["started_at"]).dt.total_seconds()
    share = span / rows.groupby("pack_id")["seed"].transform("size")
    for row in cost.rows:
        own = share[rows["loss"] == row.loss].mean() / 60
        assert row.one == pytest.approx(own)
        assert row.several == pytest.approx(5 * own)
        assert row.end_to_end == pytest.approx(5 * own + 1.5)
    assert (cost.embedding, cost.replicates) == (1.5, len(rows))
    assert cost.machine.startswith("EPYC <2>, 2 cores")
    nothing = sweep_cost(source, find_dataset("voc2007"), None)
    assert [row.printed for row in nothing.rows] == [112, 108, 109, 116, 111]
    runs = pd.DataFrame({"host": ["a"], "workers": [4]})
    packs = pd.DataFrame({"worker": ["a/1", "b/2", np.nan]})
    assert machine_words({}, runs, packs) == "packs on 2 hosts; 4 workers at once"
    assert machine_words({}, runs.iloc[:0], packs.iloc[:0]) == "not recorded"


@pytest.mark.parametrize(
    ("written", "words"),
    [({"range": [10, 30]}, "10 to 30"), ({"values": [10, 30]}, "10, 30"), (500, "500")],
)
def test_epochs_of_any_axis_are_named(
    source: Source, monkeypatch: pytest.MonkeyPatch, written: Any, words: str
) -> None:
    monkeypatch.setitem(source.sweep(SWEEP).spec, "training", {"epochs": written})
    assert f"; {words} epochs; " in paper_section(source, [SWEEP])


def test_minutes_of_training_are_those_that_packs_cover() -> None:
    night = pd.Timestamp("2026-01-01T20:00Z")
    spans = [(700, 720), (0, 30), (0, 30), (5, 10), (20, 40), (40, 45)]  # minutes; one pack twice
    finished = pd.DataFrame(
        [[night + pd.Timedelta(minutes=at) for at in span] for span in spans],
        columns=["started_at", "finished_at"],
    )
    assert wall_minutes(finished) == pytest.approx(45 + 20)
    assert np.isnan(wall_minutes(finished.iloc[:0]))


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn_from_another_dataset_and_says_so(source: Source, name: str) -> None:
    drawing = paper_figure(source, name, choose_sweeps(source), dataset="cancer_hallmarks")
    assert f"Figure {name[-1]} is of {FIGURES[name].dataset}" in drawing.text.caption
    assert "encoder minilm (paper: DistilBERT" in drawing.text.caption
    figure = drawing.plot("light", True, "wide")
    assert len(figure.data) > 0
    assert drawing.plot("dark", False, "narrow").layout.title.text is None
    assert len(drawing.table()) > 0
    if name == "figure3":
        assert "t = 0.5" in drawing.text.subtitle


def test_a_figure_without_a_sweep_names_the_command(source: Source) -> None:
    with pytest.raises(FigureError, match="paper run --dataset voc2007 --root DIR"):
        paper_figure(source, "figure5", choose_sweeps(source))
    with pytest.raises(FigureError, match="one of figure2, figure3"):
        paper_figure(source, "figure1", {})


@pytest.mark.parametrize("sweep", [SWEEP, "films"])
def test_the_page_is_shown_for_every_sweep(source: Source, sweep: str) -> None:
    _, current, _, state, _ = make_page(source, "/paper", f"?sweep={sweep}")
    assert (current, state) == (sweep, "shown")
    assert judge(source, "/paper", f"?sweep={sweep}&paper.table=table5") == 400
    assert judge(source, "/paper", f"?sweep={sweep}&paper.figure=figure8") == 200
    assert len(document_parts(paper_document(source, "table7", choose_sweeps(source)))) == 7


def test_the_report_has_the_tables_of_its_datasets(source: Source) -> None:
    text = paper_section(source, ["films", SWEEP])
    assert "cancerHallmarks, Table 7" in text
    assert "chemicalExposure" not in text
    assert "EPYC &lt;2&gt;, 2 cores" in text
    assert paper_section(source, ["films"]) == ""


@pytest.mark.parametrize("error", [StoreError, SweepError, FigureError])
def test_a_table_that_cannot_be_made_is_a_sentence_of_the_report(
    source: Source, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def make(source: Source, table: str, *rest: Any, **options: Any) -> Any:
        if table == "table6":
            raise error("no <times>")
        return paper_document(source, table, *rest, **options)

    monkeypatch.setattr(report_paper, "paper_document", make)
    text = paper_section(source, [SWEEP])
    assert "<p class='panel'>no &lt;times&gt;</p>" in text
    assert "cancerHallmarks, Table 7" in text
