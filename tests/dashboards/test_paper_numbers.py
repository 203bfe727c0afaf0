"""The paper's numbers: as printed, and named so that they do not contradict themselves."""

from __future__ import annotations

import pytest

from dashboards.figures.loss_table import is_predict_all, paper_text
from dashboards.paper_numbers import PaperTable, paper_tables

DATASETS = ("coco2014", "voc2007", "arxiv2020", "movie_posters", "cancer_hallmarks",
            "chemical_exposure")  # fmt: skip


def every_table() -> list[PaperTable]:
    return [table for dataset in DATASETS for table in paper_tables(dataset)]


def test_every_dataset_of_the_paper_has_its_numbers() -> None:
    assert [(t.dataset, t.table) for t in every_table()] == [
        ("coco2014", "Table 3"), ("voc2007", "Table 3"), ("arxiv2020", "Table 3"),
        ("arxiv2020", "Table 4"), ("movie_posters", "Table 3"), ("cancer_hallmarks", "Table 7"),
        ("chemical_exposure", "Table 7"),
    ]  # fmt: skip
    assert paper_tables("movie_genres") == ()


def test_printed_names_are_mapped_table_by_table() -> None:
    voc, hallmarks = paper_tables("voc2007")[0], paper_tables("cancer_hallmarks")[0]
    assert voc.rows["sigmoid_f1"]["macro_f1"] == 0.8770  # printed as microF1
    assert voc.rows["sigmoid_f1"]["micro_f1"] == 0.8787  # printed as macroF1
    assert voc.columns["micro_f1"] == "macroF1"
    assert hallmarks.rows["sigmoid_f1"]["micro_f1"] == 0.313
    assert hallmarks.columns["micro_f1"] == "microF1"
    assert "map" not in hallmarks.columns


@pytest.mark.parametrize("table", every_table(), ids=lambda t: f"{t.dataset}-{t.table}")
def test_a_mean_over_classes_stays_below_its_bound(table: PaperTable) -> None:
    """Each class has F1 <= 2p / (1 + p), concave in p, so the means obey it as well."""
    for scores in table.rows.values():
        precision = scores["macro_precision"]
        assert scores["macro_f1"] <= 2 * precision / (1 + precision) + 1.5e-4


def test_the_other_reading_of_each_table_breaks_the_bound() -> None:
    for dataset in ("movie_posters", "cancer_hallmarks"):
        scores = [row for table in paper_tables(dataset) for row in table.rows.values()]
        assert any(
            s["micro_f1"] > 2 * s["macro_precision"] / (1 + s["macro_precision"]) + 1.5e-4
            for s in scores
        )


def test_rows_that_are_predict_all_to_the_digit_are_told() -> None:
    found = {
        (table.dataset, table.table, loss)
        for table in every_table()
        for loss, scores in table.rows.items()
        if is_predict_all(scores)
    }
    assert found == {
        ("arxiv2020", "Table 3", "bce"),
        ("arxiv2020", "Table 3", "sigmoid_f1"),
        ("movie_posters", "Table 3", "sigmoid_f1"),
    }


def test_the_words_say_threshold_runs_and_naming() -> None:
    fixed, moved = paper_tables("arxiv2020")
    assert "t = 0.05, DistilBERT: means over 5 seeds" in paper_text(fixed)
    assert "Threshold Averaging on the training set" in paper_text(moved)
    assert "one run" in paper_text(paper_tables("chemical_exposure")[0])
