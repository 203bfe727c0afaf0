"""The Dash app: pages over one store, read only, following it while it is written."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from dash import ALL, ClientsideFunction, Dash, Input, Output, State, ctx, no_update

from dashboards import shell
from dashboards.addresses import TITLE, make_page, register_statuses
from dashboards.pages import parts, sweeps
from dashboards.pages.listing import NAVIGATION, every_page
from dashboards.source import Source
from dashboards.takeaway.api import register_api
from dashboards.takeaway.routes import register_downloads
from storage.errors import StoreError

logger = logging.getLogger(__name__)

_SCHEME_SCRIPT = "early/scheme.js"


def make_app(store_url: str) -> Dash:
    """Make the app for one store; nothing is read until a page is asked for.

    Args:
        store_url: URL of the store. It need not exist yet: the pages say so, and follow it once
            it does.

    Returns:
        A Dash app; ``app.server`` is the WSGI application.

    Example:
        >>> app = make_app("sqlite:///sweeps.db")
        >>> app.server.test_client().get("/").status_code   # no store there yet
        503
    """
    app = Dash(
        __name__,
        title=TITLE,
        update_title="",
        serve_locally=True,
        suppress_callback_exceptions=True,
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
        assets_ignore=Path(_SCHEME_SCRIPT).name,
        health_endpoint="healthz",
        on_error=_log_error,
        add_log_handler=False,
    )
    app.index_string = shell.index_string(app.get_asset_url(_SCHEME_SCRIPT))
    source = Source(store_url)
    pages = ((sweeps.PATH, sweeps.NAME), *((page.PATH, page.NAME) for page in NAVIGATION))
    app.layout = shell.shell(pages)
    _register_pages(app, source)
    _register_following(app, source)
    _register_browser(app)
    register_statuses(app, source)
    register_downloads(app.server, source)
    register_api(app.server, source)
    sweeps.register(app, source)
    for page in every_page():
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
        # At once with the page: else its figures would be drawn now, and again at the next tick.
        Output("token", "data", allow_duplicate=True),
        Output("strip", "children", allow_duplicate=True),
        Output("strip-of", "data", allow_duplicate=True),
        Input("url", "pathname"),
        Input("url", "search"),
        Input("catalog", "data"),
        State("page-state", "data"),
        prevent_initial_call="initial_duplicate",
    )
    def show(path: str, search: str, _catalog: Any, state: str) -> tuple[Any, ...]:
        # The list of sweeps matters to a page that had nothing to show; any other stays.
        if ctx.triggered_id == "catalog" and state == "shown":
            return (no_update,) * 8
        page = make_page(source, path or "/", search or "")
        sweep = page[1]
        if sweep is None:
            return *page, "", [], [None, ""]
        table = source.sweeps()
        rows = table[table["name"] == sweep]
        strip = [] if rows.empty else shell.state_strip(rows.iloc[0])
        return *page, source.token(sweep), strip, [sweep, source.word(sweep)]


def _register_following(app: Dash, source: Source) -> None:
    @app.callback(
        Output("catalog", "data"),
        Output("token", "data"),
        Output("strip", "children"),
        Output("strip-of", "data"),
        Output("store-notice", "children"),
        Input("tick", "n_intervals"),
        Input("current", "data"),
        State("catalog", "data"),
        State("token", "data"),
        State("strip-of", "data"),
    )
    def follow(
        _ticks: int | None, current: str | None, catalog: Any, token: Any, drawn: Any
    ) -> tuple[Any, ...]:
        """Say what changed in the store; an output that did not is left alone, so nothing moves."""
        try:
            table = source.sweeps()
        except StoreError as error:
            seen: dict[str, Any] = {"error": str(error)}
            text = "" if current is None else parts.notice(f"{error} Shown is what was read last.")
            return _if_new(seen, catalog), no_update, no_update, no_update, text
        seen = {"names": [str(name) for name in table["name"]]}
        rows = table[table["name"] == current]
        own = "" if rows.empty else source.token(str(current))
        # What the strip shows is kept beside it: an answer that comes late is put right.
        shown = [current, "" if rows.empty else source.word(str(current))]
        strip: Any = [] if rows.empty else shell.state_strip(rows.iloc[0])
        if shown == drawn:
            strip = no_update
        return _if_new(seen, catalog), _if_new(own, token), strip, _if_new(shown, drawn), None


def _if_new(value: Any, old: Any) -> Any:
    return no_update if value == old else value


def _register_browser(app: Dash) -> None:
    """Register what the browser does by itself: address, navigation, title, width, scheme."""
    app.clientside_callback(
        ClientsideFunction("view", "address"),
        Output({"nav": ALL}, "href"),
        Output({"nav": ALL}, "className"),
        Output("copy-link", "value"),
        Input("view", "data"),
        Input("current", "data"),
        Input("url", "pathname"),
        Input("url", "search"),
        State({"nav": ALL}, "id"),
    )
    app.clientside_callback(ClientsideFunction("view", "title"), Input("document", "data"))
    app.clientside_callback(ClientsideFunction("view", "go"), Input("go", "data"))
    for name, store in (("width", "viewport"), ("scheme", "scheme")):
        app.clientside_callback(
            ClientsideFunction("view", name), Output(store, "data"), Input("url", "pathname")
        )
