"""The Dash app: pages over one store, read only, following it while it is written."""

from __future__ import annotations

import logging
from typing import Any

from dash import ALL, ClientsideFunction, Dash, Input, Output, State, ctx, no_update
from dash.exceptions import PreventUpdate

from dashboards import shell
from dashboards.addresses import TITLE, register_statuses
from dashboards.auth.access import Access
from dashboards.auth.gate import register_gate
from dashboards.auth.headers import register_headers
from dashboards.auth.visitor import current_user
from dashboards.delivery import EARLY, LeanDash, register_delivery
from dashboards.health import register_health
from dashboards.metrics import Metrics
from dashboards.opening import fill_shell, open_page, read_look
from dashboards.pages import parts, sweeps
from dashboards.pages.listing import NAVIGATION, every_page
from dashboards.source import Source
from dashboards.takeaway.api import register_api
from dashboards.takeaway.routes import register_downloads
from storage.errors import StoreError

STORE = "sigmoidf1.store"
"""Where the app's `Source` is among its server's extensions, for whoever closes it."""

logger = logging.getLogger(__name__)


def make_app(store_url: str, access: Access | None = None, *, local_only: bool = False) -> Dash:
    """Make the app for one store; nothing is read until a page is asked for.

    Args:
        store_url: URL of the store. It need not exist yet: the pages say so, and follow it once
            it does.
        access: what opens the doors; None leaves them open to everyone who can reach the app.
        local_only: answer only requests for a name of this machine itself, see `register_gate`.

    Returns:
        A Dash app; ``app.server`` is the WSGI application.

    Example:
        >>> app = make_app("sqlite:///sweeps.db")
        >>> app.server.test_client().get("/").status_code   # no store there yet
        503
    """
    metrics = Metrics()
    app = LeanDash(
        __name__,
        title=TITLE,
        update_title="",
        serve_locally=True,
        suppress_callback_exceptions=True,
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
        assets_path_ignore=[EARLY],
        on_error=metrics.observing(_log_error),
        add_log_handler=False,
    )
    app.index_string = shell.index_string(app.early_asset("scheme.js"))
    source = Source(store_url, apart=True)
    app.server.extensions[STORE] = source
    metrics.register(app.server, source)
    register_gate(app.server, access, local_only=local_only)
    register_health(app.server, store_url)
    pages = ((sweeps.PATH, sweeps.NAME), *((page.PATH, page.NAME) for page in NAVIGATION))
    app.layout = lambda: fill_shell(source, shell.shell(pages, current_user()))
    _register_pages(app, source)
    _register_following(app, source)
    _register_browser(app)
    register_statuses(app, source)
    register_delivery(app)
    register_downloads(app.server, source)
    register_api(app.server, source)
    sweeps.register(app, source)
    for page in every_page():
        page.register(app, source)
    register_headers(app)
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
        Output("view", "data", allow_duplicate=True),
        Input("shown", "data"),
        Input("catalog", "data"),
        State("page-state", "data"),
        State("viewport", "data"),
        State("scheme", "data"),
        prevent_initial_call=True,
    )
    def show(
        shown: list[str] | None, _catalog: Any, state: str, viewport: Any, scheme: Any
    ) -> tuple[Any, ...]:
        # The list of sweeps matters to a page that had nothing to show; any other stays.
        if shown is None or (ctx.triggered_id == "catalog" and state == "shown"):
            raise PreventUpdate
        opened = open_page(source, shown[0], shown[1], read_look(viewport, scheme))
        return *opened[:-1], no_update if opened.view is None else opened.view


def _register_following(app: Dash, source: Source) -> None:
    @app.callback(
        Output("catalog", "data"),
        Output("token", "data"),
        Output("strip", "children"),
        Output("strip-of", "data"),
        Output("store-notice", "children"),
        Input("tick", "n_intervals"),
        # Not an input: the page that sets it waits for the catalog, and each would wait for the
        # other while a drawing is under way. An answer for the sweep before may so come late; the
        # next tick puts it right.
        State("current", "data"),
        State("catalog", "data"),
        State("token", "data"),
        State("strip-of", "data"),
        prevent_initial_call=True,
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
        Input("view-beside", "data"),
        Input("current", "data"),
        Input("url", "pathname"),
        Input("url", "search"),
        State({"nav": ALL}, "id"),
    )
    app.clientside_callback(
        ClientsideFunction("view", "asked"),
        Output("shown", "data"),
        Input("url", "pathname"),
        Input("url", "search"),
        State("shown", "data"),
    )
    app.clientside_callback(ClientsideFunction("view", "title"), Input("document", "data"))
    app.clientside_callback(ClientsideFunction("view", "go"), Input("go", "data"))
    for name, store in (("width", "viewport"), ("scheme", "scheme")):
        app.clientside_callback(
            ClientsideFunction("view", name), Output(store, "data"), Input("url", "pathname")
        )
