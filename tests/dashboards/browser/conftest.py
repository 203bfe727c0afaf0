"""A headless Chromium that remembers what went wrong on its pages, and the app served to it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

_CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless Chromium; tests that want it are skipped where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    path = path or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium is installed")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_CHROMIUM_FLAGS)
        yield browser
        browser.close()


class Watched:
    """A page of the browser that remembers what went wrong on it."""

    def __init__(self, browser: Any, base: str, **context: Any) -> None:
        self.base = base
        self.context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 800}, **context}
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.complaints: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._response)
        self.page.on("request", self._request)

    def _console(self, message: Any) -> None:
        # What the browser remarks of its own drawing without a graphics card is no fault of ours.
        own = "GL Driver Message" in message.text or message.text.startswith("Canvas2D:")
        if message.type in ("error", "warning") and not own:
            self.complaints.append(message.text)

    def _failed(self, request: Any) -> None:
        # A request that a newer one, or leaving the page, made void is no failure.
        if "ERR_ABORTED" not in str(request.failure):
            self.complaints.append(f"failed: {request.url} {request.failure}")

    def _response(self, response: Any) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status}: {response.url}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.base, "data:", "blob:")):
            self.complaints.append(f"outside: {request.url}")

    def open(self, path: str) -> Any:
        """Go to an address of the app and return the page."""
        self.page.goto(self.base + path)
        return self.page


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Watched]]:
    """Open watched pages; after the test none of them may have complained."""
    opened: list[Watched] = []

    def make(base: str, **context: Any) -> Watched:
        opened.append(Watched(chromium, base, **context))
        return opened[-1]

    yield make
    complaints = [complaint for watched in opened for complaint in watched.complaints]
    for watched in opened:
        watched.context.close()
    assert complaints == []


@pytest.fixture(scope="session")
def serve_wsgi() -> Iterator[Callable[[Any], str]]:
    """Serve a WSGI app by waitress in a thread until all tests are over; return its address."""
    from waitress.server import create_server

    servers = []
    over = threading.Event()

    def serve(server: Any) -> None:
        # As server.run does, but left before its sockets are closed under it.
        while not over.is_set():
            server.asyncore.loop(
                timeout=0.2, map=server._map, use_poll=server.adj.asyncore_use_poll, count=1
            )

    def start(app: Any) -> str:
        server = create_server(app, host="127.0.0.1", port=0, threads=4)
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.effective_port}"

    yield start
    for server, _ in servers:
        # What a closed page had asked for is answered first: its thread outlives the page.
        server.task_dispatcher.shutdown(cancel_pending=True, timeout=20)
    over.set()
    for server, thread in servers:
        thread.join(20)
        server.close()
        server.asyncore.close_all(server._map, ignore_all=True)  # connections kept alive


@pytest.fixture(scope="session")
def serve_app(serve_wsgi: Callable[[Any], str]) -> Callable[[str], str]:
    """Serve the app of a store; return its address, the same for the same store."""
    from dashboards.app import make_app

    addresses: dict[str, str] = {}

    def start(url: str) -> str:
        if url not in addresses:
            addresses[url] = serve_wsgi(make_app(url).server)
        return addresses[url]

    return start
