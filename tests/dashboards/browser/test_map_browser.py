"""The map in a real browser: every drawing, what the address keeps, a click through to the cell."""

from __future__ import annotations

from urllib.parse import parse_qs, urlparse

import pytest

from dashboards.figures import heatmap_traces
from storage.store import Store

pytestmark = pytest.mark.browser

READY = "main .js-plotly-plot .heatmaplayer image"
ADDRESS = (
    "/map?sweep=movie-genres&loss=sigmoid_f1&metric=micro_f1&split=test&t=0.05&x=eta&y=beta"
    "&map.agg=iqm&map.seeds=0%2C2%2C3&map.xs=true&map.outline=plateau&map.low=0.1&map.high=0.6"
)


def wait_for_text(page, selector: str, text: str) -> None:
    page.wait_for_function(
        "([s, t]) => (document.querySelector(s)?.textContent || '').includes(t)",
        arg=[selector, text],
    )


def test_a_link_reproduces_the_whole_view(visit, serve_app, store_url) -> None:
    page = visit(serve_app(store_url)).open(ADDRESS)
    page.wait_for_selector(READY, state="attached")
    wait_for_text(page, "#map-facts", "test split · t = 0.05 · interquartile mean over seeds 0, 2")
    wait_for_text(page, "#map-caption", "fixed at 0.100 to 0.600")
    wait_for_text(page, "#map-caption", "Plateau:")
    wait_for_text(page, "#map-title", "over offset η and slope β")
    assert page.locator("#map-low").input_value() == "0.1"
    asked = parse_qs(urlparse(ADDRESS).query)
    shown = parse_qs(urlparse(page.url).query)
    threshold = float(shown.pop("t")[0])
    assert threshold == pytest.approx(float(asked.pop("t")[0]), rel=0.1)
    assert shown == asked
    assert page.locator("#map-agg").input_value() == "interquartile mean"


def test_a_large_map_asks_for_the_text_under_the_pointer(
    visit, serve_app, store_url, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heatmap_traces, "MOST_TEXTS", 10)
    # A view that no other test draws: drawings are kept.
    address = "/map?sweep=movie-genres&x=beta&y=eta&metric=macro_f1&split=test"
    page = visit(serve_app(store_url)).open(address)
    page.wait_for_selector(READY, state="attached")
    wait_for_text(page, "#map-facts", "mean over")
    trace = page.evaluate("() => document.querySelector('#map-graph .js-plotly-plot').data[0]")
    assert trace["hoverinfo"] == "none"
    assert "customdata" not in trace
    box = page.locator(READY).first.bounding_box()
    # The failed cell at β = 30, η = 2, and one in the middle.
    page.mouse.move(box["x"] + box["width"] * 32.5 / 33, box["y"] + box["height"] * 0.5 / 7)
    wait_for_text(page, "#map-hover", "β 30, η 2")
    wait_for_text(page, "#map-hover", "seed 0: failed, out of memory <on the device>")
    page.mouse.move(box["x"] + box["width"] * 16.5 / 33, box["y"] + box["height"] * 3.5 / 7)
    wait_for_text(page, "#map-hover", "95 % interval of the mean over seeds")
    page.mouse.move(1, 1)
    page.wait_for_selector("#map-hover", state="hidden")


def test_a_click_opens_the_page_of_the_cell(visit, serve_app, store_url) -> None:
    page = visit(serve_app(store_url)).open("/map?sweep=movie-genres&x=beta&y=eta")
    page.wait_for_selector(READY, state="attached")
    wait_for_text(page, "#map-facts", "mean over")
    box = page.locator(READY).first.bounding_box()
    # The seventh of seven rows is η = 2, the last of 33 columns β = 30: it failed.
    page.mouse.click(box["x"] + box["width"] * 32.5 / 33, box["y"] + box["height"] * 0.5 / 7)
    page.wait_for_function("() => location.pathname === '/cell'")
    wait_for_text(page, "main h1", "sigmoid_f1 β 30, η 2")
    wait_for_text(page, "main .cell-head", "5 failed")
    page.wait_for_selector("#cell-seeds .ag-cell")
    assert "out of memory <on the device>" in page.locator("#cell-seeds").inner_text()
    wait_for_text(page, "main", "sigmoidf1 sweep keep movie-genres --cell cell-")
    page.get_by_role("link", name="cell with slope β 29").click()
    wait_for_text(page, "main h1", "β 29, η 2")
    page.go_back()
    wait_for_text(page, "main h1", "β 30, η 2")
    page.get_by_role("link", name="Map of sigmoid_f1").click()
    page.wait_for_selector(READY, state="attached")


def test_every_drawing_and_the_whole_bundle_on_demand(visit, serve_app, store_url) -> None:
    watched = visit(serve_app(store_url), color_scheme="dark")
    asked: list[str] = []
    watched.page.on("request", lambda request: asked.append(request.url))
    page = watched.open("/map?sweep=movie-genres&map.kind=contour")
    page.wait_for_selector(
        "main .contourlayer .contourfill, main .contourlayer image", state="attached"
    )
    page.locator("#map-kind").get_by_text("points").click()
    page.wait_for_selector("main .scatterlayer .point", state="attached")
    wait_for_text(page, "#map-caption", "A point is a cell")
    assert not any("plotly.min.js" in url for url in asked)
    page.locator("#map-kind").get_by_text("3-D").click()
    page.wait_for_selector("main .gl-container canvas", state="attached", timeout=60_000)
    assert sum("plotly.min.js" in url for url in asked) == 1
    page.locator("#map-kind").get_by_text("cells").click()
    page.wait_for_selector(READY, state="attached")
    page.wait_for_function("() => !location.search.includes('map.kind')")


def test_the_scale_is_fixed_and_fitted_again_by_a_button(visit, serve_app, store_url) -> None:
    page = visit(serve_app(store_url)).open("/map?sweep=finished")
    page.wait_for_selector(READY, state="attached")
    wait_for_text(page, "#map-fix", "Fix the scale")
    page.wait_for_load_state("networkidle")
    page.locator("#map-fix").click()
    wait_for_text(page, "#map-caption", "The scale was fixed at")
    page.wait_for_function("() => location.search.includes('map.low=')")
    wait_for_text(page, "#map-fix", "Fit the scale to the map")
    page.locator("#map-fix").click()
    page.wait_for_function("() => !location.search.includes('map.low=')")


def test_a_running_sweep_is_told_with_who_works_on_it(
    visit, serve_app, tmp_path, dashboard_data
) -> None:
    url = f"sqlite:///{tmp_path}/sweeps.db"
    cells = dashboard_data.make_cells([1.0, 5.0], [0.0, 1.0])
    with Store.open(url) as store:
        sweep_id = dashboard_data.add_sweep(store, "runs", cells=cells, seeds=2, record=False)
        store.begin_run(sweep_id, "elsewhere/1", host="elsewhere", pid=1, workers=4)
        ids = [each.replicate_id for each in store.open_replicates(sweep_id)]
        store.claim(ids[:6], "elsewhere/1", 600.0)
        page = visit(serve_app(url)).open("/")
        wait_for_text(page, ".cards", "1 run on elsewhere, 4 workers")
        wait_for_text(page, ".cards .card-state", "running")
        page.evaluate("document.querySelector('.cards').dataset.same = 'yes'")
        page.get_by_role("link", name="Map").first.click()
        wait_for_text(page, "#map-legend", "still running")
        page.get_by_role("navigation").get_by_role("link", name="Sweeps").click()
        store.release("elsewhere/1")
        dashboard_data.record_results(store, sweep_id, cells)
        wait_for_text(page, ".cards .card-state", "finished")
        wait_for_text(page, ".cards .card-state", "100 %")
