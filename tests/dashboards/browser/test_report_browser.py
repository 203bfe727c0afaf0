"""The static report in a real browser, from a file and without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboards.report import write_report

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report(store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(store_url, tmp_path_factory.mktemp("report") / "report.html")


@pytest.mark.parametrize("width", [1280, 390])
def test_it_opens_from_a_file_without_a_complaint(report: Path, visit, width: int) -> None:
    watched = visit(f"file://{report}", viewport={"width": width, "height": 800})
    page = watched.open("")
    page.wait_for_selector(".heatmaplayer image", state="attached")
    assert page.locator(".js-plotly-plot").count() == page.locator(".draw").count() > 5
    assert page.evaluate("document.documentElement.scrollWidth") <= width
