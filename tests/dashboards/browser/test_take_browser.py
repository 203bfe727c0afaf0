"""Taking figures, best cells and the report away from the pages, in a real browser."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
import yaml
from PIL import Image

from dashboards.theme import DARK

pytestmark = pytest.mark.browser

READY = "main .js-plotly-plot .heatmaplayer image"
VIEW = "sweep=movie-genres&loss=sigmoid_f1&metric=micro_f1&split=test&t=0.05&map.agg=median"


def taken(page, menu: str, item: str, *, keyboard: bool = True) -> tuple[str, bytes]:
    """Open a menu and take one of its items; the file's name and content."""
    button = page.locator(f"#{menu} button")
    with page.expect_download() as waiting:
        if keyboard:
            button.focus()
            page.keyboard.press("Enter")
            page.get_by_role("menu").wait_for()
            entry = page.get_by_role("menuitem", name=item, exact=True)
            for _ in range(8):
                page.keyboard.press("ArrowDown")
                if entry.evaluate("e => e === document.activeElement"):
                    break
            page.keyboard.press("Enter")
        else:
            button.click()
            page.get_by_role("menuitem", name=item, exact=True).click()
    page.get_by_role("menu").wait_for(state="hidden")
    download = waiting.value
    assert download.failure() is None
    return download.suggested_filename, Path(download.path()).read_bytes()


def test_a_figure_is_taken_as_it_is_shown(visit, serve_app, store_url) -> None:
    page = visit(serve_app(store_url), color_scheme="dark").open(f"/map?{VIEW}")
    page.wait_for_selector(READY, state="attached")
    page.wait_for_function("() => document.querySelector('#map-facts').textContent")
    name, content = taken(page, "map-take", "Numbers, CSV")
    assert name == "movie-genres-map.csv"
    lines = [line for line in content.decode().splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(io.StringIO("\n".join(lines))))
    shown = page.evaluate(
        "() => document.querySelector('#map-graph .js-plotly-plot')._fullData"
        ".filter(t => t.type === 'heatmap').map(t => Array.from(t.z, r => Array.from(r)).flat())"
    )
    values = {round(v, 6) for trace in shown for v in trace if isinstance(v, int | float)}
    own = {round(float(row["value"]), 6) for row in rows if row["value"]}
    assert len(own) > 50
    assert own <= values
    assert {row["metric"] for row in rows} == {"micro_f1"}
    assert {row["split"] for row in rows} == {"test"}
    name, content = taken(page, "map-take", "Picture, SVG")
    assert name == "movie-genres-map.svg"
    svg = content.decode()
    assert "Micro F1 of sigmoid_f1" in svg
    assert "median over" in svg
    name, content = taken(page, "map-take", "Picture, PNG", keyboard=False)
    assert name == "movie-genres-map.png"
    corner = Image.open(io.BytesIO(content)).convert("RGB").getpixel((2, 2))
    assert corner == tuple(bytes.fromhex(DARK.surface[1:]))
    name, content = taken(page, "map-take", "Interactive page, HTML", keyboard=False)
    assert name == "movie-genres-map.html"
    assert b"plotly" in content
    assert page.url.split("?")[0].endswith("/map")


def test_best_cells_and_the_report_are_taken_from_the_header(visit, serve_app, store_url) -> None:
    page = visit(serve_app(store_url)).open("/losses?sweep=finished")
    page.wait_for_selector(".boxlayer .point", state="attached")
    name, content = taken(page, "sweep-take", "YAML")
    assert name == "finished-best.yaml"
    assert "finished" in str(yaml.safe_load(content))
    name, content = taken(page, "sweep-take", "Report, one HTML file", keyboard=False)
    assert name == "finished-report.html"
    assert b"<html" in content[:400].lower()
    assert b"finished" in content


def test_menus_keep_their_place_on_a_phone(visit, serve_app, store_url) -> None:
    page = visit(serve_app(store_url), viewport={"width": 390, "height": 800}).open(f"/map?{VIEW}")
    page.wait_for_selector(READY, state="attached")
    page.wait_for_function("() => document.querySelector('#map-title').textContent")
    title, button = (
        page.locator(selector).bounding_box() for selector in ("#map-title", "#map-take button")
    )
    assert title["width"] > 180
    assert title["x"] + title["width"] <= button["x"]
    assert abs(title["y"] - button["y"]) < 8
    assert button["x"] + button["width"] <= 390
    page.locator("#map-take button").click()
    opened = page.get_by_role("menu").bounding_box()
    assert opened["x"] >= 0
    assert opened["x"] + opened["width"] <= 390
