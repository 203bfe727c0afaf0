"""How the app's files reach a browser: which at first, how long it keeps them, how small."""

from __future__ import annotations

import gzip
import ipaddress
import re
import threading
from pathlib import Path
from typing import Any

from dash import Dash
from flask import Response, request

# Folder of the scripts that a page names itself, in the place where it needs them.
EARLY = "early"
_FOREVER = "public, max-age=31536000, immutable"
_FILES = ("/assets/", "/_dash-component-suites/")
# What is fetched when a page needs it; assets/grid-load.js does so.
_GRID = re.compile(r'<script src="([^"]*/dash_ag_grid\.[^"]*)"></script>')
# Old browsers need the whole of it, those that this app is for (see docs/dashboard.md) one part.
_POLYFILL = re.compile(r'<script src="[^"]*/polyfill@[^"]*"></script>')
_GRAPH_READY = "graph-ready.js"
_RUNTIME = "regenerator-runtime.js"
# Dash's own table: the pages use AG Grid.
_TABLE = re.compile(r'<script src="[^"]*/dash_table/[^"]*"></script>')
# Draws every figure: without it the first one waits for one request more.
_GRAPH = "dash/dcc/async-graph.js"
_SHORT, _LEVEL = 1024, 6
_TEXT = ("text/", "application/javascript", "application/json", "image/svg+xml")
# Each file is packed once; the scripts of all pages together are a megabyte and a half.
_MOST_PACKED = 8 * 2**20


class LeanDash(Dash):
    """A Dash app whose first page carries only the scripts that it needs."""

    def interpolate_index(self, **kwargs: Any) -> str:  # type: ignore[override]
        """Return the page that carries the app; AG Grid is named in it, and fetched later."""
        scripts = str(kwargs["scripts"])
        found = _GRID.search(scripts)
        if found is not None:
            scripts = scripts.replace(found[0], "")
            kwargs["metas"] = f'{kwargs["metas"]}\n<meta name="grid-script" content="{found[1]}">'
        runtime = f'<script src="{self.early_asset(_RUNTIME)}"></script>'
        scripts = _TABLE.sub("", _POLYFILL.sub(runtime, scripts))
        prefix = self.config.requests_pathname_prefix
        graph = f'<script src="{prefix}_dash-component-suites/{_GRAPH}"></script>'
        ready = f'<script src="{self.early_asset(_GRAPH_READY)}"></script>'
        return str(super().interpolate_index(**kwargs | {"scripts": scripts + graph + ready}))

    def early_asset(self, name: str) -> str:
        """Return the address of a script of `assets/early`, which changes when the file does."""
        changed = int((Path(__file__).parent / "assets" / EARLY / name).stat().st_mtime)
        return f"{self.get_asset_url(f'{EARLY}/{name}')}?m={changed}"


def register_delivery(app: Dash) -> None:
    """Let browsers keep files whose address names their version, and send text packed."""
    packed = _Packed()

    @app.server.after_request
    def deliver(response: Response) -> Response:
        if request.method != "GET" and request.path != "/_dash-update-component":
            return response
        is_file = request.path.startswith(_FILES)
        if is_file and response.status_code == 200 and _names_version():
            response.headers["Cache-Control"] = _FOREVER
        if response.status_code == 200 and _is_text(response):
            response.vary.add("Accept-Encoding")
            if request.accept_encodings["gzip"] > 0 and (is_file or not _is_near()):
                packed.pack(response, key=request.full_path if is_file else None)
        return response


def _names_version() -> bool:
    """Whether another version of the file would have another address."""
    name = request.path.rsplit("/", 1)[-1]
    return "m" in request.args or re.search(r"\.v\d+_\d+_\d+m\d+\.", name) is not None


def _is_text(response: Response) -> bool:
    return (
        "Content-Encoding" not in response.headers
        and (response.mimetype or "").startswith(_TEXT)
        and (response.content_length or _SHORT) >= _SHORT
    )


def _is_near() -> bool:
    """Whether the browser runs on this machine: packing numbers takes longer than sending them."""
    try:
        return ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False


class _Packed:
    """Packed bodies of files, each made once; numbers are packed quickly and not kept."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], bytes] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def pack(self, response: Response, key: str | None) -> None:
        """Pack the body of a response.

        Args:
            response: it is changed.
            key: address of a file; None for an answer that is made for this request alone.
        """
        if key is None:
            response.set_data(gzip.compress(response.get_data(), 1))
        else:
            response.direct_passthrough = False
            known = (key, response.headers.get("ETag", ""))
            with self._lock:
                body = self._kept.get(known)
            if body is None:
                body = gzip.compress(response.get_data(), _LEVEL, mtime=0)
                self._keep(known, body)
            # The file behind the response is not read to its end by anyone else.
            unread = response.response
            response.set_data(body)
            if hasattr(unread, "close"):
                unread.close()
        response.headers["Content-Encoding"] = "gzip"

    def _keep(self, key: tuple[str, str], body: bytes) -> None:
        with self._lock:
            if self._bytes + len(body) <= _MOST_PACKED and key not in self._kept:
                self._kept[key] = body
                self._bytes += len(body)
