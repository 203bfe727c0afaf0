"""Losses, curves, cells, datasets, comparisons and the loss in a real browser."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest

from dashboards.figures.loss_shape_scores import sigmoid, sigmoid_gradient

pytestmark = pytest.mark.browser

DRAWN = "main .js-plotly-plot .plotly .main-svg"


def wait_for_text(page, selector: str, text: str) -> None:
    page.wait_for_function(
        "([s, t]) => (document.querySelector(s)?.textContent || '').includes(t)",
        arg=[selector, text],
    )


def query(page) -> dict[str, str]:
    found = parse_qs(urlparse(page.url).query, keep_blank_values=True)
    return {key: value[0] for key, value in found.items()}


def test_losses_are_tuned_and_compared_and_the_address_keeps_it(
    visit, serve_app, store_url
) -> None:
    watched = visit(serve_app(store_url))
    page = watched.open("/losses?sweep=movie-genres")
    page.wait_for_selector(".boxlayer .point", state="attached")
    # Five seeds of five losses in five panels; the sixth loss has no complete seed.
    assert page.locator("#losses-graph .boxlayer .point").count() == 125
    wait_for_text(page, "#losses-grid", "no finished cell")
    wait_for_text(page, "#losses-grid", "predict-all")
    page.locator("#losses-mode").get_by_text("tuned", exact=True).click()
    wait_for_text(page, "#losses-facts", "thresholds tuned on validation")
    page.locator("#losses-ref").click()
    page.get_by_role("option", name="bce").click()
    wait_for_text(page, "#losses-differences-title", "Each loss less bce")
    page.wait_for_function("() => location.search.includes('losses.ref=bce')")
    again = watched.open(urlparse(page.url).path + "?" + urlparse(page.url).query)
    wait_for_text(again, "#losses-differences-title", "Each loss less bce")
    wait_for_text(again, "#losses-facts", "thresholds tuned on validation")


def test_cells_are_filtered_selected_and_kept_in_the_address(visit, serve_app, store_url) -> None:
    watched = visit(serve_app(store_url), color_scheme="dark")
    page = watched.open("/cells?sweep=movie-genres&cells.filter=loss:sigmoid_f1;eta:0..0.5")
    wait_for_text(page, "#cells-facts", "65 of 254 cells")
    page.wait_for_selector("#cells-grid .cell-link")
    page.locator("#cells-grid [role=row] input[type=checkbox]").first.click()
    wait_for_text(page, "#cells-picked", "1 cell selected.")
    page.wait_for_function("() => new URLSearchParams(location.search).get('cells.pick')")
    view = query(page)
    assert view["cells.filter"] == "loss:sigmoid_f1;eta:0..0.5"
    again = watched.open(f"/cells?{urlparse(page.url).query}")
    wait_for_text(again, "#cells-picked", "1 cell selected.")
    wait_for_text(again, "#cells-facts", "65 of 254 cells")
    again.get_by_role("link", name="map through it").click()
    wait_for_text(again, "#map-caption", "Selected on the Cells page: 1 cell.")
    wait_for_text(again, "#map-legend", "selected on the Cells page")
    again.wait_for_function("() => new URLSearchParams(location.search).get('cells.pick')")
    again.get_by_role("navigation").get_by_role("link", name="Cells", exact=True).click()
    wait_for_text(again, "#cells-picked", "1 cell selected.")
    again.get_by_role("link", name="Draw their curves").click()
    wait_for_text(again, "#curves-learning-facts", "1 chosen cell")


def test_the_order_of_the_table_is_kept_in_the_address(visit, serve_app, store_url) -> None:
    watched = visit(serve_app(store_url))
    page = watched.open("/cells?sweep=finished&loss=sigmoid_f1&cells.sort=beta:desc,eta:asc")
    first = "#cells-grid .ag-center-cols-container [row-index='0'] [col-id='{}']"
    wait_for_text(page, first.format("beta"), "10")
    page.locator("#cells-grid .ag-header-cell[col-id='mean'] .ag-header-cell-text").click()
    page.wait_for_function(
        "() => new URLSearchParams(location.search).get('cells.sort') === 'mean:asc'"
    )
    assert query(page)["loss"] == "sigmoid_f1"


def test_a_box_over_an_axis_filters_the_table(visit, serve_app, store_url) -> None:
    page = visit(serve_app(store_url)).open("/cells?sweep=finished&loss=sigmoid_f1")
    page.wait_for_selector("#cells-parallel-graph .scatterlayer .trace", state="attached")
    wait_for_text(page, "#cells-facts", "6 cells")
    plot = page.locator("#cells-parallel-graph .nsewdrag").first.bounding_box()
    # Axes: slope, offset, metric. The lower half of the offset's is η = 0.
    x, y = plot["x"] + plot["width"] / 2, plot["y"] + plot["height"]
    page.mouse.move(x - 40, y - 2)
    page.mouse.down()
    page.mouse.move(x + 40, y - plot["height"] * 0.4, steps=6)
    page.mouse.up()
    wait_for_text(page, "#cells-facts", "3 of 6 cells")
    page.wait_for_function("() => location.search.includes('eta%3A0..0')")
    page.locator("#cells-clear").click()
    wait_for_text(page, "#cells-facts", "finished · 6 cells")
    # Another split: the rows are read anew.
    row = "#cells-grid .ag-center-cols-container [row-index='0']"
    before = page.locator(row).inner_text()
    page.locator("#cells-split").get_by_text("test", exact=True).click()
    page.wait_for_function(
        "([s, t]) => ![t, ''].includes(document.querySelector(s)?.innerText ?? '')",
        arg=[row, before],
    )


def test_the_address_keeps_what_two_callbacks_say_at_once(visit, serve_app, store_url) -> None:
    page = visit(serve_app(store_url)).open("/cells?sweep=finished&loss=sigmoid_f1")
    wait_for_text(page, "#cells-facts", "6 cells")
    # What the page itself says of its address comes first.
    page.wait_for_function("() => location.search.includes('cells.sort=')")
    page.wait_for_load_state("networkidle")
    page.evaluate(
        """() => ["view", "view-beside"].forEach((store, i) =>
            dash_clientside.set_props(store, {data: {
              path: "/cells", whole: false,
              query: ["?cells.filter=eta%3A0..0", "?cells.sort=slope.desc"][i]
            }}))"""
    )
    page.wait_for_function("() => location.search.includes('cells.sort=slope.desc')")
    assert query(page)["cells.filter"] == "eta:0..0"
    assert query(page)["loss"] == "sigmoid_f1"


@pytest.mark.parametrize(
    ("path", "drawing"),
    [
        ("/compare?sweep=movie-genres&compare.with=finished", "compare-graph.figure"),
        ("/sensitivity?sweep=movie-genres", "sensitivity-tiles.children"),
    ],
)
def test_another_page_does_not_wait_for_a_drawing(
    visit, serve_app, store_url, path, drawing
) -> None:
    watched = visit(serve_app(store_url))
    page, held = watched.open("/about?sweep=movie-genres"), []

    def hold(route: Any) -> None:
        if drawing in json.loads(route.request.post_data)["output"]:
            held.append(route)
        else:
            route.continue_()

    page.route("**/_dash-update-component*", hold)
    name = path[1:].partition("?")[0].capitalize()
    navigation = page.get_by_role("navigation")
    navigation.get_by_role("link", name=name, exact=True).click()
    first = {"Compare": "#compare-graph", "Sensitivity": "#sensitivity-tiles"}[name]
    page.wait_for_selector(first, state="attached")
    end = time.monotonic() + 30
    while not held:
        assert time.monotonic() < end
        page.wait_for_timeout(50)
    page.wait_for_timeout(2500)  # the store is looked at every two seconds
    assert len(held) < 4  # a browser has six connections
    navigation.get_by_role("link", name="Losses", exact=True).click()
    page.wait_for_selector("#losses-graph .boxlayer", state="attached")
    page.unroute_all(behavior="ignoreErrors")


def test_the_sliders_of_the_loss_redraw_in_the_browser_as_numpy_does(
    visit, serve_app, store_url
) -> None:
    page = visit(serve_app(store_url)).open("/shape?sweep=movie-genres")
    page.wait_for_selector("#shape-graph .scatterlayer .trace", state="attached")
    wait_for_text(page, "#shape-keep", "sigmoidf1 sweep keep movie-genres --cell cell-")
    page.locator("#shape-beta").fill("-2.5")
    page.locator("#shape-eta").fill("0.75")
    wait_for_text(page, "#shape-words", "β is negative")
    page.wait_for_function("() => location.search.includes('shape.eta=0.75')")
    read = (
        "name => { const t = document.querySelector('#shape-graph .js-plotly-plot').data"
        ".find(t => t.name === name); return [Array.from(t.x), Array.from(t.y)]; }"
    )
    for name, formula in (("S", sigmoid), ("gradient", sigmoid_gradient)):
        u, own = (np.array(values) for values in page.evaluate(read, name))
        assert len(u) == 481
        assert np.allclose(own, formula(u, -2.5, 0.75), atol=1e-12)
    page.locator("#shape-beta-slider [role=slider]").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => !location.search.includes('shape.beta=-2.5&')")
    assert -2.6 < float(query(page)["shape.beta"]) < -2.2


def test_pages_are_drawn_on_a_phone_whatever_the_sweep(visit, serve_app, store_url) -> None:
    watched = visit(serve_app(store_url), viewport={"width": 390, "height": 800})
    for path, selector, said in (
        ("/curves?sweep=movie-genres", "#curves-thresholds-facts", "best cell of each loss"),
        ("/datasets?sweep=movie-genres", "#datasets-pairs-caption", "sigmoidf1 sweep keep"),
        (
            "/compare?sweep=movie-genres&compare.with=finished",
            "#compare-transfer",
            "cells that both datasets have",
        ),
        ("/losses?sweep=not-begun", "#losses-grid", "no finished cell"),
        ("/curves?sweep=not-begun", "#curves-learning-facts", "not-begun"),
        ("/cells?sweep=not-begun", "#cells-facts", "42 cells"),
        ("/shape?sweep=not-begun", "#shape-facts", "no finished cell yet"),
    ):
        page = watched.open(path)
        wait_for_text(page, selector, said)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


def test_the_papers_tables_and_figures_are_chosen_and_kept_in_the_address(
    visit, serve_app, store_url
) -> None:
    page = visit(serve_app(store_url)).open("/paper?sweep=movie-genres&paper.table=table7")
    wait_for_text(page, "#paper-table-title", "Table 7")
    wait_for_text(page, "#paper-document", "sigmoidf1 paper run --dataset cancer_hallmarks")
    wait_for_text(page, "#paper-facts", "t = 0.5")
    page.locator("#paper-table").click()
    page.get_by_role("option", name="Table 6: what training costs").click()
    wait_for_text(page, "#paper-document", "Pascal-VOC 2007, Table 6")
    page.locator("#paper-figure").click()
    page.get_by_role("option", name="Figure 4: the losses on MS-COCO").click()
    wait_for_text(page, "#paper-facts", "every seed drawn")
    page.wait_for_function("() => location.search.includes('paper.figure=figure4')")
    assert query(page)["paper.table"] == "table6"
