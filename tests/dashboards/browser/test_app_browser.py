"""The app in a real browser: what is seen, kept in the address, and followed while it changes."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest

from storage.store import Store

pytestmark = pytest.mark.browser

READY = "main .js-plotly-plot .heatmaplayer image"


def view_of(page) -> dict[str, str]:
    return {key: value[0] for key, value in parse_qs(urlparse(page.url).query).items()}


def wait_for_text(page, selector: str, text: str) -> None:
    page.wait_for_function(
        "([s, t]) => (document.querySelector(s)?.textContent || '').includes(t)",
        arg=[selector, text],
    )


def background(page) -> str:
    return page.evaluate("document.querySelector('.js-plotly-plot .main-svg').style.background")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_map_is_drawn_with_its_words_and_state(visit, serve_app, store_url, scheme) -> None:
    page = visit(serve_app(store_url), color_scheme=scheme).open("/map?sweep=movie-genres")
    page.wait_for_selector(READY, state="attached")
    wait_for_text(page, "#map-facts", "movie-genres · validation split · t = 0.5")
    wait_for_text(page, "#strip", "1,270 replicates: 1,237 complete, 11 diverged, 6 failed")
    assert page.locator("#map-legend li").count() == 10
    assert page.title().startswith("Map, movie-genres")
    expected = "rgb(255, 255, 255)" if scheme == "light" else "rgb(27, 31, 35)"
    page.wait_for_function(
        "c => document.querySelector('.main-svg').style.background === c", arg=expected
    )
    assert "data-mantine-color-scheme" in page.content()


def test_the_slider_redraws_and_the_address_restores_the_view(visit, serve_app, store_url) -> None:
    watched = visit(serve_app(store_url))
    page = watched.open("/map?sweep=movie-genres&split=test&metric=micro_f1")
    page.wait_for_selector(READY, state="attached")
    wait_for_text(page, "#map-title", "Micro F1")
    page.locator("#map-threshold [role=slider]").focus()
    for _ in range(6):
        page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => Number(new URLSearchParams(location.search).get('t')) < 0.3")
    view = view_of(page)
    facts = page.locator("#map-facts").inner_text()
    again = watched.open(urlparse(page.url).path + "?" + urlparse(page.url).query)
    again.wait_for_selector(READY, state="attached")
    wait_for_text(again, "#map-facts", facts)
    assert view_of(again) == view
    assert "test split" in facts


def test_another_loss_brings_its_own_axes_and_slices(visit, serve_app, store_url) -> None:
    page = visit(serve_app(store_url)).open("/map?sweep=finished")
    page.wait_for_selector(READY, state="attached")
    page.locator("#map-loss").click()
    page.get_by_role("option", name="asl").click()
    wait_for_text(page, "#map-title", "asl over γ⁻ and γ⁺")
    assert page.locator("#map-holds input:visible").count() == 2
    page.get_by_label("learning rate").first.click()
    page.get_by_role("option", name="average over all").click()
    wait_for_text(page, "#map-facts", "then over learning rate")
    page.wait_for_function("() => location.search.includes('hold.lr=average')")
    page.locator("#map-x").click()
    page.get_by_role("option", name="clip").click()
    wait_for_text(page, "#map-title", "asl over clip and γ⁺")


def test_pages_are_reached_by_links_that_keep_the_view(visit, serve_app, store_url) -> None:
    page = visit(serve_app(store_url)).open("/")
    page.wait_for_selector(".cards article")
    assert page.locator(".cards article").count() == 3
    page.get_by_role("article", name="finished").get_by_role("link", name="Map").click()
    page.wait_for_selector(READY, state="attached")
    page.wait_for_function("() => location.search.includes('x=beta')")
    page.get_by_role("navigation").get_by_role("link", name="Losses").click()
    page.wait_for_function("() => location.pathname === '/losses'")
    wait_for_text(page, "header .is-current", "Losses")
    assert view_of(page)["sweep"] == "finished"
    assert view_of(page)["x"] == "beta"
    page.get_by_role("navigation").get_by_role("link", name="About").click()
    wait_for_text(page, "main h1", "finished")
    page.go_back()
    wait_for_text(page, "header .is-current", "Losses")
    page.get_by_role("navigation").get_by_role("link", name="Map").click()
    page.wait_for_selector(READY, state="attached")
    page.get_by_role("button", name=re.compile("Sweep finished")).click()
    page.get_by_role("menuitem", name="movie-genres").click()
    wait_for_text(page, "#map-facts", "movie-genres")


def test_light_and_dark_are_switched_without_a_reload(visit, serve_app, store_url) -> None:
    page = visit(serve_app(store_url)).open("/map?sweep=finished")
    page.wait_for_selector(READY, state="attached")
    before = background(page)
    page.locator("#scheme-toggle").click()
    page.wait_for_function(
        "b => document.querySelector('.main-svg').style.background !== b", arg=before
    )


@pytest.mark.parametrize("path", ["/", "/map", "/cell", "/about"])
def test_a_phone_scrolls_down_only(visit, serve_app, store_url, path: str) -> None:
    page = visit(serve_app(store_url), viewport={"width": 390, "height": 800}).open(path)
    page.wait_for_selector("main h1, main h2:not(:empty)")
    page.wait_for_timeout(700)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/map?sweep=nope", 404, "got 'nope'"),
        ("/map?metric=%3Cimg%20src%3Dx%3E", 404, "got '<img src=x>'"),
        ("/map?map.agg=best", 400, "must be one of mean, median"),
        ("/nowhere", 404, "No such page"),
    ],
)
def test_bad_addresses_are_sentences(visit, serve_app, store_url, path, status, said) -> None:
    watched = visit(serve_app(store_url))
    assert watched.page.goto(watched.base + path).status == status
    page = watched.page
    wait_for_text(page, "main", said)
    page.get_by_role("link", name="All sweeps of the store").click()
    page.wait_for_selector(".cards article")
    # The browser reports the status itself: that, once, is all there was to complain of.
    assert len([text for text in watched.complaints if str(status) in text]) == 2
    watched.complaints.clear()


@pytest.mark.parametrize("path", ["/map", "/about"])
def test_a_sweep_that_has_not_begun(visit, serve_app, store_url, path) -> None:
    page = visit(serve_app(store_url)).open(f"{path}?sweep=not-begun")
    wait_for_text(page, "#strip", "210 replicates: 210 waiting")
    page.wait_for_selector("main h1, main h2:not(:empty)")


def test_a_store_that_comes_and_a_sweep_that_grows_are_followed(
    visit, serve_app, tmp_path: Path, dashboard_data
) -> None:
    url = f"sqlite:///{tmp_path}/sweeps.db"
    watched = visit(serve_app(url))
    page = watched.open("/map")
    wait_for_text(page, "main", "The store cannot be read")
    assert any(text.startswith("503") for text in watched.complaints)
    watched.complaints.clear()
    cells = dashboard_data.make_cells([1.0, 5.0], [0.0, 1.0])
    with Store.open(url) as store:
        wait_for_text(page, "main", "No sweep yet")
        sweep_id = dashboard_data.add_sweep(store, "grows", cells=cells, seeds=2, record=False)
        wait_for_text(page, "#strip", "waiting")
        wait_for_text(page, "#map-facts", "no finished seed yet")
        page.evaluate("window.stays = true")
        dashboard_data.record_results(store, sweep_id, cells)
        wait_for_text(page, "#map-facts", "mean over 2 seeds")
        wait_for_text(page, "#strip", "finished")
    assert page.evaluate("window.stays") is True
