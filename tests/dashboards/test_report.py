"""The static report: complete, escaped, atomic, and quiet in a browser without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboards.report import write_report
from storage.errors import StoreError, SweepNotFoundError
from storage.store import Store


@pytest.fixture(scope="module")
def report(store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(store_url, tmp_path_factory.mktemp("report") / "report.html")


def test_all_sweeps_are_in_with_maps_boxes_tables_and_methods(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    for words in (
        '<h2>movie-genres</h2>', "<h2>finished</h2>", "<h2>not-begun</h2>",
        "No replicate is complete yet", "Weighted F1 of sigmoid_f1 over slope β and offset η",
        "t = 0.05", "The best cell of each loss, seed by seed", "predict-none",
        "Conventions and methods", "9ab19ab19ab19ab1", "no finished cell", '<html lang="en">',
    ):  # fmt: skip
        assert words in text, words
    assert text.count("plotly.js v") == 1
    assert " src=" not in text.split("</script>")[-1]
    assert "<script src" not in text
    assert '<link rel="stylesheet' not in text
    assert report.stat().st_size < 8e6


def test_a_chosen_sweep_alone(store_url: str, tmp_path: Path) -> None:
    path = write_report(store_url, tmp_path / "one.html", ["finished"])
    text = path.read_text(encoding="utf-8")
    assert "<h2>finished</h2>" in text
    assert "movie-genres" not in text


def test_stored_text_is_escaped(tmp_path: Path, dashboard_data) -> None:
    url = f"sqlite:///{tmp_path}/sweeps.db"
    name = "<script>alert(1)</script>"
    with Store.open(url) as store:
        cells = dashboard_data.make_cells([1.0, 2.0], [0.0, 1.0])
        dashboard_data.add_sweep(store, name, cells=cells, seeds=2)
    text = write_report(url, tmp_path / "r.html").read_text(encoding="utf-8")
    assert name not in text


def test_nothing_is_written_when_it_cannot_be_whole(
    store_url: str, empty_store_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    path.write_text("before")
    with pytest.raises(SweepNotFoundError):
        write_report(store_url, path, ["no-such-sweep"])
    with pytest.raises(StoreError, match="holds none"):
        write_report(empty_store_url, path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError, match="No such file"):
        write_report(store_url, tmp_path / "no" / "report.html", ["not-begun"])
