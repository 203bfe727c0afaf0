"""What a page opens with: its content, the sweep's state and, where it can, the figure drawn.

A page that came as an empty frame would be filled by one request after another: the layout, the
page, its figure. So the app's layout is made for the address that asks for it, figure included.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import urlsplit

from flask import has_request_context, request

from dashboards import shell
from dashboards.addresses import make_page
from dashboards.pages import map as map_page
from dashboards.pages.parts import WIDTHS
from dashboards.source import Source
from dashboards.view import View
from storage.errors import StoreError

# Set by assets/early/scheme.js: width and colour scheme, as "wide.dark".
_COOKIE = "look"
_SCHEMES = ("light", "dark")


class Look(NamedTuple):
    """What a browser says of itself: a name of `parts.WIDTHS`, and the colour scheme."""

    viewport: str
    scheme: str


class Opening(NamedTuple):
    """The first state of a page, in the order of the outputs of the callback that shows it.

    ``view`` is what `parts.address` gives of a figure that is already drawn, else None.
    """

    content: Any
    sweep: str | None
    menu: Any
    state: str
    title: str
    token: str
    strip: list[Any]
    strip_of: list[Any]
    view: dict[str, Any] | None


def open_page(source: Source, path: str, search: str, look: Look | None) -> Opening:
    """Return what the page of an address opens with.

    Args:
        source: where it is read.
        path, search: of the address.
        look: for which the figure is drawn at once; None leaves that to the page's callbacks.
    """
    content, sweep, menu, state, title = make_page(source, path, search)
    if sweep is None:
        return Opening(content, None, menu, state, title, "", [], [None, ""], None)
    token, drawn = source.token(sweep), None
    if path == map_page.PATH and state == "shown" and look is not None:
        context = {"viewport": look.viewport, "scheme": look.scheme, "token": token}
        drawn = map_page.draw_at_once(source, sweep, View.parse(search), content, context)
    table = source.sweeps()
    rows = table[table["name"] == sweep]
    strip = [] if rows.empty else shell.state_strip(rows.iloc[0])
    word = [sweep, source.word(sweep)]
    return Opening(content, sweep, menu, state, title, token, strip, word, drawn)


def read_look(viewport: Any, scheme: Any) -> Look | None:
    """Return what a browser says of itself, or None if it is not one of the known words."""
    known = viewport in WIDTHS and scheme in _SCHEMES
    return Look(str(viewport), str(scheme)) if known else None


def fill_shell(source: Source, frame: Any) -> Any:
    """Return the frame of every page, filled for the address from which it is asked.

    The address is that of the page that asks (the request's Referer). Without one, or where the
    store cannot be read, the frame stays as it is and the browser asks for the page.

    Args:
        source: where the page is read.
        frame: from `shell.shell`; it is changed.
    """
    if not has_request_context() or not request.referrer:
        return frame
    address = urlsplit(request.referrer)
    if address.netloc != request.host:
        return frame
    search = f"?{address.query}" if address.query else ""
    try:
        frame["catalog"].data = {"names": [str(name) for name in source.sweeps()["name"]]}
    except StoreError as error:
        frame["catalog"].data = {"error": str(error)}
        return frame
    viewport, _, scheme = request.cookies.get(_COOKIE, "").partition(".")
    look = read_look(viewport, scheme)
    try:
        opened = open_page(source, address.path or "/", search, look)
    except StoreError:
        return frame
    if opened.state == "error":
        return frame
    frame["page"].children = opened.content
    frame["sweep-menu"].children = opened.menu
    frame["strip"].children = opened.strip
    first: dict[str, Any] = {
        "current": opened.sweep,
        "token": opened.token,
        "strip-of": opened.strip_of,
        "page-state": opened.state,
        "document": opened.title,
        "view": opened.view,
        "shown": [address.path or "/", search],
    }
    if look is not None:
        first |= {"viewport": look.viewport, "scheme": look.scheme}
    for name, value in first.items():
        frame[name].data = value
    return frame
