"""Logging in and out in a real browser, and no page that its content policy stops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dashboards.app import make_app
from dashboards.auth.access import open_access
from dashboards.auth.account_file import change_accounts, with_user, without

axe = pytest.importorskip("axe_playwright_python.sync_playwright")

pytestmark = pytest.mark.browser

PASSWORD = "correct horse battery"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
SHOWN = """() => document.querySelector('main h1') && document.querySelector('.log-out button')
  && [...document.querySelectorAll('main .dash-graph')].every(
       g => g.querySelector('.main-svg, .gl-container'))
  && !document.querySelector('main [data-dash-is-loading=true]')"""


@pytest.fixture
def accounts(tmp_path: Path) -> Path:
    path = tmp_path / "accounts.json"
    change_accounts(path, lambda known: with_user(known, "ann", PASSWORD, exists=False))
    return path


@pytest.fixture
def closed(serve_wsgi: Any, store_url: str, accounts: Path) -> str:
    """The address of an app that demands a log-in."""
    return str(serve_wsgi(make_app(store_url, open_access(accounts, None)).server))


def violations(page: Any) -> list[str]:
    options = {"resultTypes": ["violations"], "runOnly": RULES}
    found = axe.Axe().run(page, options=options).response["violations"]
    return [f"{rule['id']}: {[node['html'] for node in rule['nodes']]}" for rule in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_log_in_page_is_accessible_and_worked_by_keys(visit, closed, scheme) -> None:
    watched = visit(closed, color_scheme=scheme)
    page = watched.open("/losses?sweep=finished")
    assert page.title().startswith("Log in")
    assert violations(page) == []
    dark = "rgb(27, 31, 35)" if scheme == "dark" else "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('main')).background")[
        : len(dark)
    ] == (dark)
    page.keyboard.type("ann")
    page.keyboard.press("Tab")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    assert page.get_by_role("alert").inner_text() == "Name or password is wrong."
    assert page.get_by_label("Name").input_value() == "ann"
    assert page.get_by_label("Password").input_value() == ""
    assert violations(page) == []
    # The browser's own remark on the refusal, and nothing else.
    assert [text for text in watched.complaints if "401" not in text] == []
    watched.complaints.clear()
    page.keyboard.type(PASSWORD)  # the field that was wrong has the focus
    page.keyboard.press("Enter")
    page.wait_for_url("**/losses?sweep=finished**")
    page.wait_for_function(SHOWN)
    assert violations(page) == []


def test_what_needs_most_works_within_the_policy_and_a_script_does_not(visit, closed) -> None:
    """Three dimensions, a table, a picture; every other page is under the policy in every test."""
    watched = visit(closed)
    page = watched.open("/login")
    page.add_init_script(
        "document.addEventListener('securitypolicyviolation', e =>"
        " console.error('policy: ' + e.violatedDirective + ' ' + e.blockedURI))"
    )
    page.get_by_label("Name").fill("ann")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{closed}/")
    for path in ("/cells?sweep=finished", "/map?sweep=finished&map.kind=surface"):
        watched.open(path)
        page.wait_for_function(SHOWN)
    # A figure as a picture, which plotly makes by way of a blob.
    picture = page.evaluate(
        "Plotly.toImage({data: [{y: [1, 2]}]}, {format: 'png'}).then(url => url.slice(0, 14))"
    )
    assert picture == "data:image/png"
    # Within a timer: what the test itself evaluates is exempt from the policy.
    ran = page.evaluate(
        "() => new Promise(done => setTimeout(() => {"
        " try { done(eval('1')); } catch (error) { done(error.name); } }))"
    )
    assert ran == "EvalError"
    blocked = page.evaluate(
        "() => new Promise(done => {"
        " document.addEventListener('securitypolicyviolation', e => done(e.effectiveDirective));"
        " const script = document.createElement('script');"
        " script.textContent = 'window.ran = true'; document.body.append(script); })"
    )
    assert blocked == "script-src-elem"
    assert page.evaluate("window.ran") is None
    assert any("script-src" in text for text in watched.complaints)
    watched.complaints[:] = [text for text in watched.complaints if "script" not in text]
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(f"{closed}/login")
    page.go_back()
    page.wait_for_url("**/login**")
    watched.complaints[:] = [text for text in watched.complaints if "401" not in text]


def test_a_session_that_ends_leads_to_the_log_in_and_back(visit, closed, accounts) -> None:
    watched = visit(closed)
    page = watched.open("/map?sweep=finished")
    page.get_by_label("Name").fill("ann")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_function(SHOWN)
    change_accounts(accounts, lambda known: without(known, "users", "ann"))
    page.wait_for_url("**/login?next=%2Fmap%3Fsweep%3Dfinished**")
    watched.complaints[:] = [text for text in watched.complaints if "401" not in text]
