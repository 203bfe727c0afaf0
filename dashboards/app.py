"""The Dash app: pages over one store, read only, following it while it is written."""

from __future__ import annotations

import logging
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, ctx, no_update

from dashboards import shell
from dashboards.figures.grid import FigureError
from dashboards.pages import about, losses, parts, sweeps
from dashboards.pages import map as map_page
from dashboards.source import Source
from dashboards.view import View, ViewError
from storage.errors import StoreError, SweepNotFoundError

logger = logging.getLogger(__name__)

SWEEP_PAGES = (map_page, losses, about)
PAGES = ((sweeps.PATH, sweeps.NAME), *((page.PATH, page.NAME) for page in SWEEP_PAGES))
TITLE = "sigmoidF1 sweeps"


def make_app(store_url: str) -> Dash:
    """Make the app for one store; nothing is read until a page is asked for.

    Args:
        store_url: URL of the store. It need not exist yet: the pages say so, and follow it once
            it does.

    Returns:
        A Dash app; ``app.server`` is the WSGI application.

    Example:
        >>> app = make_app("sqlite:///sweeps.db")
        >>> app.server.test_client().get("/").status_code
        200
    """
    app = Dash(
        __name__,
        title=TITLE,
        update_title="",
        serve_locally=True,
        suppress_callback_exceptions=True,
        index_string=shell.INDEX,
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
        health_endpoint="healthz",
        on_error=_log_error,
        add_log_handler=False,
    )
    source = Source(store_url)
    app.layout = shell.shell(PAGES)
    _register_pages(app, source)
    _register_following(app, source)
    _register_browser(app)
    for page in (sweeps, *SWEEP_PAGES):
        page.register(app, source)
    return app


def _log_error(error: Exception) -> None:
    """Keep the process up: what no page foresaw is logged, and the page stays as it was."""
    logger.error("a callback failed", exc_info=error)


def _register_pages(app: Dash, source: Source) -> None:
    @app.callback(
        Output("page", "children"),
        Output("current", "data"),
        Output("sweep-menu", "children"),
        Output("page-state", "data"),
        Output("document", "data"),
        Input("url", "pathname"),
        Input("url", "search"),
        Input("catalog", "data"),
        State("page-state", "data"),
    )
    def show(path: str, search: str, _catalog: Any, state: str) -> tuple[Any, ...]:
        # The list of sweeps matters to a page that had nothing to show; any other stays.
        if ctx.triggered_id == "catalog" and state == "shown":
            return (no_update,) * 5
        return make_page(source, path or "/", search or "")


def make_page(source: Source, path: str, search: str) -> tuple[Any, ...]:
    """Return the content of a page, its sweep, the menu of sweeps, its state and its title."""
    menu = None
    try:
        names = [str(name) for name in source.sweeps()["name"]][::-1]
        if path == sweeps.PATH and names:
            return sweeps.layout(source), None, None, "shown", TITLE
        if not names:
            return _nothing_yet(), None, None, "empty", TITLE
        page = next((page for page in SWEEP_PAGES if path == page.PATH), None)
        if page is None:
            lines = [f"The address {path} is none of this service's.", _start()]
            return parts.empty_state("No such page", *lines), None, None, "error", TITLE
        view = View.parse(search)
        sweep = view.sweep or names[0]
        menu = shell.sweep_menu(names, sweep, path)
        if sweep not in names:
            raise SweepNotFoundError(
                f"The store must hold the sweep, but got '{sweep}'. Choose one of those it has."
            )
        content = page.layout(source, sweep, view)
        return content, sweep, menu, "shown", f"{page.NAME}, {sweep} – {TITLE}"
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


def _nothing_yet() -> Any:
    return parts.empty_state(
        "No sweep yet",
        "The store is there, but holds no sweep. Start one with: sigmoidf1 sweep run SPEC.yaml",
        "This page looks again every few seconds.",
    )


def _start() -> Any:
    return parts.link("/", View(), "All sweeps of the store")


def _register_following(app: Dash, source: Source) -> None:
    @app.callback(
        Output("catalog", "data"),
        Output("token", "data"),
        Output("all-tokens", "data"),
        Output("strip", "children"),
        Output("store-notice", "children"),
        Input("tick", "n_intervals"),
        Input("current", "data"),
        State("catalog", "data"),
        State("token", "data"),
        State("all-tokens", "data"),
    )
    def follow(
        _ticks: int | None, current: str | None, catalog: Any, token: Any, tokens: Any
    ) -> tuple[Any, ...]:
        """Say what changed in the store; an output that did not is left alone, so nothing moves."""
        try:
            table = source.sweeps()
        except StoreError as error:
            seen: dict[str, Any] = {"error": str(error)}
            text = "" if current is None else parts.notice(f"{error} Shown is what was read last.")
            return _if_new(seen, catalog), no_update, no_update, no_update, text
        seen = {"names": [str(name) for name in table["name"]]}
        every = "|".join(source.token(name) for name in seen["names"])
        rows = table[table["name"] == current]
        own = "" if rows.empty else source.token(str(current))
        same = own == token and ctx.triggered_id == "tick"
        strip = no_update if same else [] if rows.empty else shell.state_strip(rows.iloc[0])
        return _if_new(seen, catalog), _if_new(own, token), _if_new(every, tokens), strip, None


def _if_new(value: Any, old: Any) -> Any:
    return no_update if value == old else value


def _register_browser(app: Dash) -> None:
    """Register what the browser does by itself: address, navigation, title, width, scheme."""
    ids = [f"to-{name.lower()}" for _, name in PAGES]
    app.clientside_callback(
        ClientsideFunction("view", "address"),
        *[Output(name, "href") for name in ids],
        *[Output(name, "className") for name in ids],
        Input("view", "data"),
        Input("current", "data"),
        Input("url", "pathname"),
        Input("url", "search"),
    )
    app.clientside_callback(ClientsideFunction("view", "title"), Input("document", "data"))
    for name, store in (("width", "viewport"), ("scheme", "scheme")):
        app.clientside_callback(
            ClientsideFunction("view", name), Output(store, "data"), Input("url", "pathname")
        )
