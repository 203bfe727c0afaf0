"""The report's section on certainty, and the positives of the classes."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dashboards.figures.classes import MOST_ROWS, classes_data, classes_text, plot_classes
from dashboards.figures.grid import FigureError
from dashboards.report import write_report
from dashboards.report_certainty import certainty_section
from dashboards.source import Source
from dashboards.theme import mixed
from storage.store import Store


@pytest.fixture(scope="module")
def section(store_url: str) -> str:
    source = Source(store_url)
    try:
        return certainty_section(source.analysis("movie-genres"))
    finally:
        source.close()


def test_every_loss_and_every_topic_is_there(section: str) -> None:
    for loss in ("sigmoid_f1", "focal", "asl", "bce", "unbounded_f1", "soft_f1"):
        assert f"How sure: {loss}" in section
    for words in (
        "Hsu", "posterior with shrinkage", "Shares of the variance", "β×η", "seed × cell (noise)",
        "Winner’s curse", "Losses compared", "At an equal budget", "best 95 % lower bound",
        "less focal", "Student’s t", "over seeds with the split fixed",
    ):  # fmt: skip
        assert words in section, words


def test_what_cannot_be_given_is_said_in_words(section: str) -> None:
    # unbounded_f1 diverged in every seed; bce has one cell.
    assert "No analysis of variance: no parameter varies" in section
    assert "unbounded_f1 is left out" in section
    assert re.search(r"unbounded_f1</b></td><td class='text none' colspan='6'>\w", section)
    assert "nan" not in re.findall(r"[a-z]+", section.lower())
    assert ">None<" not in section


def test_bars_are_shares(section: str) -> None:
    widths = [float(width) for width in re.findall(r"width:([\d.]+)%", section)]
    assert widths
    assert all(0 <= width <= 100 for width in widths)


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_and_one_loss(tmp_path: Path, dashboard_data, seeds: int) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    cells = dashboard_data.make_cells([1.0, 5.0], [0.0])
    cells = [cell for cell in cells if cell.loss == "sigmoid_f1"]
    with Store.open(url) as store:
        dashboard_data.add_sweep(store, "few", cells=cells, seeds=seeds)
    text = write_report(url, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "A single loss: nothing to pair." in text
    assert ("no interval" in text) == (seeds == 1)
    assert ("one seed: seed noise is unknown" in text) == (seeds == 1)


def fake(labels: list[str], positives: dict[str, list[int]], **sizes: int) -> Source:
    info = SimpleNamespace(
        dataset="films", features_info={"labels": labels, "positives": positives, **sizes}
    )
    return SimpleNamespace(sweep=lambda _: info)  # type: ignore[return-value]


def test_classes_are_ordered_by_their_positives() -> None:
    positives = {"train": [1, 5, 0], "validation": [1, 2, 3], "test": [0, 1, 1]}
    data = classes_data(fake(["a", "b<i>", "c"], positives, n_train=9, n_test=4), "s")
    assert data.labels == ("b<i>", "c", "a")
    assert data.positives["train"].tolist() == [5, 0, 1]
    assert data.examples == {"train": 9, "test": 4}
    assert data.without == (("c", ("train",)), ("a", ("test",)))
    text = classes_text(data)
    assert "Without a positive: c (train); a (test)." in text.caption
    assert "3 classes" in text.subtitle
    figure = plot_classes(data)
    assert [trace.name for trace in figure.data] == ["train", "validation", "test"]
    assert figure.layout.yaxis.ticktext[0] == "b&lt;i&gt;"
    assert len({trace.marker.color for trace in figure.data}) == 3


def test_many_classes_show_both_ends() -> None:
    n = 3 * MOST_ROWS
    counts = list(range(n, 0, -1))
    data = classes_data(fake([f"class {i}" for i in range(n)], {"train": counts}), "s")
    assert len(data.labels) == MOST_ROWS
    assert data.positives["train"][[0, -1]].tolist() == [n, 1]
    assert f"30 rarest of {n}" in classes_text(data).caption
    assert plot_classes(data, scheme="dark", standalone=False).layout.height < 1400


def test_one_class_and_no_record() -> None:
    one = classes_data(fake(["only"], {"train": [0]}), "s")
    assert np.array_equal(one.positives["train"], [0])
    assert "1 class" in classes_text(one).subtitle
    assert "1 classes" not in classes_text(one).subtitle
    plot_classes(one)
    with pytest.raises(FigureError, match="need to be recorded"):
        classes_data(fake(["a"], {}), "s")
    with pytest.raises(FigureError, match="train has 2 for 1 classes"):
        classes_data(fake(["a"], {"train": [1, 2]}), "s")


def test_the_report_shows_positives_or_why_not(tmp_path: Path, dashboard_data, store_url) -> None:
    text = write_report(store_url, tmp_path / "a.html", ["finished"]).read_text(encoding="utf-8")
    assert "Positives of the classes need to be recorded" in text


def test_colours_mix_between_their_ends() -> None:
    assert mixed("#1f6f78", "#ffffff", 1.0) == "#1f6f78"
    assert mixed("#1f6f78", "#ffffff", 0.0) == "#ffffff"
