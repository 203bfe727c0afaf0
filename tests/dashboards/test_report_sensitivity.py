"""The report's figures of the statistics, its threshold rules, and its section on datasets."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from dashboards.report import write_report
from dashboards.report_sensitivity import datasets_section, effects_panels, rules_table
from dashboards.source import Source
from storage.store import Store
from sweeps.sensitivity.analysis_data import RuleLine, RuleTable
from sweeps.sensitivity.example_bootstrap import ExampleInterval


def interval(estimate: float, low: float, high: float) -> ExampleInterval:
    return ExampleInterval(estimate, low, high, 1.0, 300, 5, 0.95, "examples", "bootstrap")


def test_effects_and_budgets_of_every_grid(source) -> None:
    panels = effects_panels(source, "finished")
    # Main effects and interaction of three losses, then the budgets; one-cell losses have none.
    assert len(panels) == 7
    assert sum("Main effects" in panel for panel in panels) == 3
    assert "Losses at equal budgets" in panels[-1]


def test_threshold_rules_are_a_table_with_intervals_over_examples() -> None:
    lines = [
        RuleLine("fixed", "validation", 0.5, interval(0.41, 0.38, 0.44), None, 0.5),
        RuleLine(
            "global", "holdout", 0.52, interval(0.4, 0.37, 0.43), interval(-0.01, -0.02, 0.0), 0.33
        ),
    ]
    text = rules_table(RuleTable(7, lines, 200, 100, 300))
    assert "<td class='text'>fixed</td><td class='text'>not tuned</td>" in text
    assert "<td class='text'>best global</td><td class='text'>holdout</td>" in text
    assert "−0.010 <span class='sd'>[−0.020, 0.000]</span>" in text
    assert "over 300 test examples" in text


@pytest.fixture
def two_datasets(tmp_path: Path, dashboard_data) -> str:
    url = f"sqlite:///{tmp_path}/two.db"
    cells = dashboard_data.make_cells([1.0, 5.0, 20.0], [0.0, 1.0])
    with Store.open(url) as store:
        for name in ("films", "posters"):
            dashboard_data.add_sweep(store, name, cells=cells, seeds=3)
    with sqlite3.connect(tmp_path / "two.db") as connection:
        connection.execute("update sweep_sweeps set dataset = '<b>posters' where name = 'posters'")
    return url


def test_several_datasets_get_a_section_with_ranks_intervals_and_transfer(two_datasets) -> None:
    source = Source(two_datasets)
    text = datasets_section(source, ["posters", "films"])
    assert "Losses on every dataset" in text
    assert "mean ranks must differ by" in text
    assert "Carrying the best cell to another dataset: sigmoid_f1" in text
    assert "bce: No transfer" in text
    assert "&lt;b&gt;posters" in text
    assert "<b>posters" not in text
    assert "nan" not in text.split("plotly")[0].lower().split()
    assert datasets_section(source, ["posters"]) == ""
    source.close()
    path = write_report(two_datasets, Path(source_path(two_datasets)).with_suffix(".html"))
    assert "<h2>Across datasets</h2>" in path.read_text(encoding="utf-8")


def source_path(url: str) -> str:
    """The file of a store's URL."""
    return url.removeprefix("sqlite:///")


def test_one_dataset_has_no_such_section(source) -> None:
    assert datasets_section(source, ["finished", "movie-genres", "not-begun"]) == ""
