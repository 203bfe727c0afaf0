"""From an address to its page, and to the HTTP status that says whether there is one."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from dash import Dash, html
from dash.exceptions import DependencyException
from flask import Response, request

from dashboards import shell
from dashboards.figures.grid import FigureError
from dashboards.figures.selection import describe_metric
from dashboards.pages import parts, sweeps
from dashboards.pages.listing import OWN_HEADING, Page, every_page
from dashboards.source import Source
from dashboards.view import View, ViewError
from storage.errors import StoreError, SweepNotFoundError

logger = logging.getLogger(__name__)

TITLE = "sigmoidF1 sweeps"
_FILES = ("/download/", "/api/", "/login")


class PageNotFoundError(LookupError):
    """No page has this address."""


class Asked(NamedTuple):
    """What an address asks for; ``page`` is None for the list of sweeps."""

    page: Page | None
    sweep: str | None
    names: list[str]
    view: View


def make_page(source: Source, path: str, search: str) -> tuple[Any, ...]:
    """Return the content of a page, its sweep, the menu of sweeps, its state and its title."""
    menu = None
    try:
        asked = _find(source, path, search)
        if not asked.names:
            return _nothing_yet(), None, None, "empty", TITLE
        if asked.page is None:
            return sweeps.layout(source), None, None, "shown", TITLE
        sweep = asked.sweep or asked.names[0]
        menu = shell.sweep_menu(asked.names, sweep, path)
        _check(source, asked)
        content = asked.page.layout(source, sweep, asked.view)
        if asked.page not in OWN_HEADING:
            content = [html.H1(f"{asked.page.NAME}, {sweep}", className="unseen"), content]
        return content, sweep, menu, "shown", f"{asked.page.NAME}, {sweep} – {TITLE}"
    except PageNotFoundError as error:
        content = parts.empty_state("No such page", str(error), _start())
        return content, None, None, "error", TITLE
    except (SweepNotFoundError, FigureError, ViewError) as error:
        content = parts.empty_state("This view cannot be shown", str(error), _start())
        return content, None, menu, "error", TITLE
    except StoreError as error:
        content = parts.empty_state(
            "The store cannot be read", str(error), "This page looks again every few seconds."
        )
        return content, None, None, "error", TITLE
    except Exception as error:
        content = parts.empty_state("This page cannot be shown", parts.sentence(error), _start())
        return content, None, menu, "error", TITLE


def judge(source: Source, path: str, search: str) -> int:
    """Return the HTTP status of a page's address, without making the page.

    200 for what can be shown (an empty store too), 400 for an address that breaks a rule, 404
    for a page, sweep, loss, metric or cell that is not there, 503 for a store that cannot be
    read, 500 for what nobody foresaw.
    """
    try:
        _check(source, _find(source, path, search))
    except (PageNotFoundError, SweepNotFoundError, FigureError):
        return 404
    except ViewError:
        return 400
    except StoreError:
        return 503
    except Exception as error:
        logger.error("an address could not be judged", exc_info=error)
        return 500
    return 200


def register_statuses(app: Dash, source: Source) -> None:
    """Give each page the status of what it shows: Dash itself answers 200 to every address."""

    @app.server.after_request
    def status(response: Response) -> Response:
        file = request.path.startswith(_FILES)  # it has judged itself
        shown = request.method in ("GET", "HEAD") and response.mimetype == "text/html" and not file
        if shown and response.status_code == 200:
            response.status_code = judge(source, request.path, request.query_string.decode())
            response.headers["Cache-Control"] = "no-cache"
        return response

    @app.server.errorhandler(DependencyException)
    def no_such_script(_error: DependencyException) -> tuple[str, int, dict[str, str]]:
        return "There is no such script.\n", 404, {"Content-Type": "text/plain; charset=utf-8"}


def _find(source: Source, path: str, search: str) -> Asked:
    """Return what an address asks for.

    Raises:
        PageNotFoundError, ViewError, StoreError: what is wrong with it.
    """
    page = next((page for page in every_page() if path == page.PATH), None)
    if page is None and path != sweeps.PATH:
        raise PageNotFoundError(f"The address {path} is none of this service's.")
    view = View.parse(search)
    names = [str(name) for name in source.sweeps()["name"]][::-1]
    return Asked(page, view.sweep or (names[0] if names else None), names, view)


def _check(source: Source, asked: Asked) -> None:
    """Refuse a sweep, loss or metric that is not there, and what the page itself refuses.

    Raises:
        SweepNotFoundError, FigureError, ViewError, StoreError: what is wrong.
    """
    sweep, view = asked.sweep, asked.view
    if asked.page is None or sweep is None:
        return
    if sweep not in asked.names:
        raise SweepNotFoundError(
            f"The store must hold the sweep, but got '{sweep}'. Choose one of those it has."
        )
    if view.loss is not None and view.loss not in source.losses(sweep):
        raise FigureError(
            f"The sweep must hold the loss, but got '{view.loss}'. "
            f"Known: {', '.join(source.losses(sweep))}."
        )
    if view.metric is not None:
        describe_metric(source.sweep(sweep), view.metric)
    check = getattr(asked.page, "check", None)
    if check is not None:
        check(source, sweep, view)


def _nothing_yet() -> Any:
    return parts.empty_state(
        "No sweep yet",
        "The store is there, but holds no sweep. Start one with: sigmoidf1 sweep run SPEC.yaml",
        "This page looks again every few seconds.",
    )


def _start() -> Any:
    return parts.link("/", View(), "All sweeps of the store")
