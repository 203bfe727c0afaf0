"""First paints in a browser that no debugger watches.

Playwright attaches Chromium's inspector to every page, and with it the engine collects the source
positions of every error that the libraries' feature tests throw and catch: it parses plotly.js
anew, three times. A reader's browser does not. So here a page is opened without a debugger; an
extension notes when the figure is there, and only afterwards the note is read.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_MANIFEST = {
    "manifest_version": 3,
    "name": "paint",
    "version": "1",
    "content_scripts": [
        {"matches": ["http://127.0.0.1/*"], "js": ["mark.js"], "run_at": "document_start"}
    ],
}
_SCRIPT = """
const observer = new MutationObserver(() => {
  if (document.querySelector(%s)) { performance.mark("painted"); observer.disconnect(); }
});
observer.observe(document, { childList: true, subtree: true });
"""
_PATIENCE_S = 30.0


class Browser:
    """A Chromium with a cache of its own, visited without a debugger."""

    def __init__(self, playwright: Any, port: str) -> None:
        self._playwright = playwright
        self._port = port

    def visit(self, address: str, *, settle_s: float = 3.0) -> float:
        """Return seconds from the request of a page to its figure; the page is closed again.

        Args:
            address: of the page.
            settle_s: how long the page is left alone before the note is read.
        """
        request = urllib.request.Request(f"http://{self._port}/json/new?{address}", method="PUT")
        urllib.request.urlopen(request).read()  # noqa: S310
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            time.sleep(settle_s)
            found = self._read(address)
            if found is not None:
                return found / 1000
        raise RuntimeError(f"no figure at {address} within {_PATIENCE_S:g} s")

    def _read(self, address: str) -> float | None:
        browser = self._playwright.chromium.connect_over_cdp(f"http://{self._port}")
        try:
            pages = [page for page in browser.contexts[0].pages if page.url != "about:blank"]
            times = pages[-1].evaluate(
                "performance.getEntriesByName('painted').map(mark => mark.startTime)"
            )
            if times:
                for page in pages:
                    page.close()
            return float(times[0]) if times else None
        finally:
            browser.close()


@contextmanager
def browser(playwright: Any, chromium: str, painted: str) -> Iterator[Browser]:
    """A fresh browser, its cache empty.

    Args:
        playwright: a started Playwright, which reads the notes.
        chromium: the program.
        painted: CSS selector of what is waited for.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        extension = Path(folder) / "extension"
        extension.mkdir()
        (extension / "manifest.json").write_text(json.dumps(_MANIFEST))
        (extension / "mark.js").write_text(_SCRIPT % json.dumps(painted))
        process = subprocess.Popen(
            [
                chromium, "--headless=new", "--no-sandbox", "--no-first-run", "--disable-gpu",
                "--disable-background-networking", "--window-size=1280,800",
                "--remote-debugging-port=0", f"--user-data-dir={folder}/profile",
                f"--load-extension={extension}",
                "--disable-features=DisableLoadExtensionCommandLineSwitch", "about:blank",
            ],
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if "DevTools listening" in line:
                    break
            else:
                raise RuntimeError("the browser did not start")
            time.sleep(2.0)
            yield Browser(playwright, line.split("ws://")[1].split("/")[0])
        finally:
            process.terminate()
            process.wait(10)
