"""The sensitivity page in a real browser: what it says of a loss, and what it keeps."""

from __future__ import annotations

from urllib.parse import parse_qs, urlparse

import pytest

pytestmark = pytest.mark.browser

PANELS = ("shares", "cells", "effects", "interaction", "seeds", "budget")


def ready(page) -> None:
    page.wait_for_selector("dl.words dt", timeout=120_000)
    for name in PANELS:
        page.wait_for_selector(
            f"#sensitivity-{name}-graph .main-svg", state="attached", timeout=120_000
        )


def contains(page, selector: str, text: str) -> None:
    page.wait_for_function(
        "([s, t]) => (document.querySelector(s)?.textContent || '').includes(t)",
        arg=[selector, text], timeout=120_000,
    )  # fmt: skip


def test_every_panel_is_drawn_and_the_loss_is_kept(visit, serve_app, store_url) -> None:
    """Dark, with diverged, failed and waiting cells; no complaint, by the fixture."""
    watched = visit(serve_app(store_url), color_scheme="dark")
    page = watched.open("/sensitivity?sweep=movie-genres&loss=asl")
    ready(page)
    assert page.locator(".tile").count() == 6
    contains(page, "#sensitivity-shares-facts", "asl · weighted F1 · validation split · t = 0.5")
    contains(page, "#sensitivity-words", "Hsu")
    assert page.locator("#sensitivity-shares-graph .bars path").count() > 3
    assert page.locator("#sensitivity-choices tbody tr").count() == 4
    contains(page, "#sensitivity-rules", "sigmoidf1 sweep keep movie-genres")
    contains(page, "#sensitivity-transfer-graph", "Not drawn")
    page.locator("#sensitivity-loss").click()
    page.get_by_role("option", name="unbounded_f1").click()
    contains(page, "#sensitivity-cells-caption", "No finished cell has a value yet")
    page.wait_for_function("() => location.search.includes('loss=unbounded_f1')", timeout=120_000)
    # One seed cell by cell: help is a click away, and read out.
    tip = page.get_by_role("button", name="What is this: the tied set")
    tip.first.click()
    page.get_by_text("Nelson, Swann, Goldsman & Song").first.wait_for()


def test_a_link_restores_the_view_on_a_phone(visit, serve_app, store_url) -> None:
    watched = visit(serve_app(store_url), viewport={"width": 390, "height": 844})
    page = watched.open(
        "/sensitivity?sweep=finished&loss=sigmoid_f1&metric=micro_f1&split=test&t=0.2&x=eta&y=beta"
    )
    ready(page)
    contains(page, "#sensitivity-interaction-title", "Interaction of offset η and slope β")
    contains(page, "#sensitivity-facts", "micro F1 · test split")
    contains(page, "#sensitivity-cells-caption", "for description only")
    view = parse_qs(urlparse(page.url).query)
    assert (view["x"], view["y"], view["metric"]) == (["eta"], ["beta"], ["micro_f1"])
    assert float(view["t"][0]) == pytest.approx(0.2, abs=0.05)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_loss_that_is_not_there_and_a_sweep_that_has_not_begun(
    visit, serve_app, store_url
) -> None:
    base = serve_app(store_url)
    page = visit(base).open("/sensitivity?sweep=not-begun")
    ready(page)
    contains(page, ".tiles", "no finished cell")
    response = page.request.get(f"{base}/sensitivity?sweep=finished&loss=<b>dice</b>")
    assert response.status == 404
