"""Axe-core on every page, light and dark: no violation of WCAG 2.1 A and AA or best practice."""

from __future__ import annotations

import pytest

from dashboards.pages.listing import every_page

axe = pytest.importorskip("axe_playwright_python.sync_playwright")

pytestmark = pytest.mark.browser

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
# What is there once a page's tables and controls are; figures are waited for where it has them.
SETTLED = """() => document.querySelector('main h1')
  && [...document.querySelectorAll('main h2')].some(h => h.textContent || h.offsetParent)
  && [...document.querySelectorAll('main .ag-root-wrapper')].every(
       g => g.querySelector('.ag-row') || g.querySelector('.ag-overlay-wrapper'))
  && [...document.querySelectorAll('main .dash-graph')].every(
       g => g.querySelector('.main-svg, .gl-container'))
  && !document.querySelector('main [data-dash-is-loading=true]')"""
PATHS = {page.PATH: f"{page.PATH}?sweep=movie-genres" for page in every_page()}
PATHS["/compare"] += "&compare.with=finished"


def violations(page) -> list[str]:
    found = (
        axe.Axe()
        .run(page, options={"resultTypes": ["violations"], "runOnly": RULES})
        .response["violations"]
    )
    return [
        f"{rule['id']} ({rule['impact']}): {node['target']} {node['html'][:160]}"
        for rule in found
        for node in rule["nodes"]
    ]


def both_schemes(page) -> dict[str, list[str]]:
    """The violations of a page in light, and then, switched as a reader does, in dark."""
    found = {"light": violations(page)}
    page.locator("#scheme-toggle").click()
    page.wait_for_function("() => document.documentElement.dataset.mantineColorScheme === 'dark'")
    page.wait_for_timeout(400)  # Mantine fades colours; figures are drawn anew
    page.mouse.move(0, 0)
    found["dark"] = violations(page)
    page.locator("#scheme-toggle").click()
    return found


def test_every_page_of_a_sweep_is_accessible(visit, serve_app, store_url) -> None:
    watched = visit(serve_app(store_url), color_scheme="light")
    found = {}
    for path in ("/", *PATHS.values(), "/map?sweep=movie-genres&map.kind=surface"):
        page = watched.open(path)
        page.wait_for_function(SETTLED)
        found[path] = both_schemes(page)
    assert len(found) == len(PATHS) + 2
    assert not any(rules for schemes in found.values() for rules in schemes.values()), found


def test_empty_stores_and_refused_addresses_are_accessible(
    visit, serve_app, store_url, empty_store_url, tmp_path
) -> None:
    found = {}
    for base, path, status in (
        (serve_app(empty_store_url), "/", 200),
        (serve_app(store_url), "/nowhere", 404),
        (serve_app(store_url), "/map?sweep=nope", 404),
        (serve_app(store_url), "/map?sweep=finished&map.agg=best", 400),
        (serve_app(f"sqlite:///{tmp_path}/missing.db"), "/map", 503),
    ):
        watched = visit(base, color_scheme="light")
        page = watched.open(path)
        page.wait_for_selector("main h1")
        found[path, status] = both_schemes(page)
        # The browser's own remark that the address was refused, once each.
        said = [text for text in watched.complaints if str(status) in text]
        assert bool(said) == (status != 200)
        watched.complaints[:] = [text for text in watched.complaints if text not in said]
    assert not any(rules for schemes in found.values() for rules in schemes.values()), found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_opens_is_accessible_and_said(visit, serve_app, store_url, scheme) -> None:
    watched = visit(serve_app(store_url), color_scheme=scheme)
    page = watched.open("/map?sweep=movie-genres")
    page.set_default_timeout(15_000)
    page.wait_for_function(SETTLED)
    for name, role in (
        ("Take away the figure map", "menu"),
        ("Export best cells or the report", "menu"),
        ("Sweep movie-genres; choose another", "menu"),
        ("What is this: aggregation over seeds", "dialog"),
    ):
        button = page.get_by_role("button", name=name)
        assert button.get_attribute("aria-expanded") == "false"
        button.focus()
        page.keyboard.press("Enter")
        page.get_by_role(role).wait_for()
        assert button.get_attribute("aria-expanded") == "true"
        page.wait_for_timeout(250)  # until it is opaque, or its colours are read half mixed
        assert violations(page) == [], name
        page.keyboard.press("Escape")
        page.get_by_role(role).wait_for(state="hidden")
    page.locator("#map-loss").click()
    page.get_by_role("option", name="asl").wait_for()
    page.wait_for_timeout(250)
    assert violations(page) == []
