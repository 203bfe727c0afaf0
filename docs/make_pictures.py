"""Writes docs/images: a picture of every page of the dashboard, light and dark. Needs Chromium.

python docs/make_pictures.py sqlite:///demo/sweeps.db
python docs/make_pictures.py sqlite:///demo/sweeps.db --sweep films --with other-sweep --only map

The store is only read. For the page of the loss it should hold kept cells of the sweep, and for
the comparison a second sweep (`--with`; by default the first other one of the store).
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from playwright.sync_api import Page, sync_playwright
from waitress.server import create_server

from dashboards.app import make_app
from dashboards.theme import THEMES
from storage.errors import StoreError
from storage.frames import load_sweeps
from storage.store import Store

FOLDER = Path(__file__).with_name("images")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Without a graphics card; a container's root cannot have the sandbox.
FLAGS = ("--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader")
WIDTH, HEIGHT, TALLEST = 1280, 800, 1500
MOST_BYTES = 400_000
DRAWN = "main .js-plotly-plot .plotly .main-svg"


class Shot(NamedTuple):
    """One picture.

    Attributes:
        name: of its files, before ``-light.png``.
        path: address; ``{sweep}`` and ``{other}`` are filled in.
        ready: selector of what is there once the page is drawn.
    """

    name: str
    path: str
    ready: str = DRAWN


SHOTS = (
    Shot("sweeps", "/", ".cards article"),
    Shot("map", "/map?sweep={sweep}&loss=sigmoid_f1"),
    Shot("map-contours", "/map?sweep={sweep}&loss=sigmoid_f1&map.kind=contour"),
    Shot("map-3d", "/map?sweep={sweep}&loss=sigmoid_f1&map.kind=surface", "main .gl-container"),
    Shot("cell", "/cell?sweep={sweep}&loss=sigmoid_f1"),
    Shot("losses", "/losses?sweep={sweep}", "main .boxlayer .point"),
    Shot("sensitivity", "/sensitivity?sweep={sweep}&loss=sigmoid_f1"),
    Shot("curves", "/curves?sweep={sweep}"),
    Shot("cells", "/cells?sweep={sweep}&loss=sigmoid_f1", "#cells-grid .cell-link"),
    Shot("datasets", "/datasets?sweep={sweep}"),
    Shot("compare", "/compare?sweep={sweep}&compare.with={other}"),
    Shot("shape", "/shape?sweep={sweep}&loss=sigmoid_f1"),
    Shot("paper", "/paper?sweep={sweep}"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pictures; the exit status."""
    asked = _parser().parse_args(arguments)
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        return _refuse(f"Pictures need a browser, but the PATH has none of {', '.join(BROWSERS)}.")
    try:
        with Store.open(asked.store, create=False, read_only=True) as store:
            names = [str(name) for name in load_sweeps(store)["name"]]
    except StoreError as error:
        return _refuse(str(error))
    sweep = asked.sweep or (names[0] if names else "")
    others = [name for name in names if name != sweep]
    other = asked.other or (others[0] if others else sweep)
    missing = sorted({sweep, other} - set(names))
    if missing:
        known = ", ".join(names) or "none"
        return _refuse(f"The sweep must be one of the store's ({known}), but got '{missing[0]}'.")
    shots = [shot for shot in SHOTS if not asked.only or shot.name in asked.only]
    asked.folder.mkdir(parents=True, exist_ok=True)
    with served(asked.store) as base, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=list(FLAGS))
        for scheme in THEMES:
            context = chromium.new_context(
                viewport={"width": WIDTH, "height": HEIGHT},
                color_scheme=scheme,  # type: ignore[arg-type]
                reduced_motion="reduce",
            )
            for shot in shots:
                file = asked.folder / f"{shot.name}-{scheme}.png"
                address = base + shot.path.format(sweep=sweep, other=other)
                file.write_bytes(picture(context.new_page(), address, shot.ready))
                print(f"{file}: {file.stat().st_size / 1000:.0f} kB")  # noqa: T201
            context.close()
        chromium.close()
    return 0


@contextmanager
def served(store_url: str) -> Iterator[str]:
    """The address of a dashboard of the store, served from a thread while the block lasts."""
    server = create_server(make_app(store_url).server, host="127.0.0.1", port=0, threads=4)
    threading.Thread(target=server.run, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}"
    finally:
        server.task_dispatcher.shutdown(cancel_pending=True, timeout=20)
        server.close()


def picture(page: Page, address: str, ready: str) -> bytes:
    """The page at ``address`` as PNG: from its top, at most ``TALLEST`` pixels high.

    Args:
        page: of the browser; closed afterwards.
        address: of the app.
        ready: selector of what is there once it is drawn.
    """
    page.goto(address)
    page.wait_for_selector(ready, state="attached")
    page.wait_for_load_state("networkidle")
    # Figures of which the page has several are drawn one after the other.
    page.wait_for_function(SETTLED)
    page.wait_for_timeout(400)
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": WIDTH, "height": max(HEIGHT, min(height, TALLEST))})
    page.wait_for_timeout(600)
    taken = page.screenshot()
    page.close()
    return smaller(taken)


SETTLED = """() => {
  const graphs = [...document.querySelectorAll('main .dash-graph')];
  return graphs.every(g => g.querySelector('.main-svg, .gl-container'))
    && !document.querySelector('[data-dash-is-loading=true]');
}"""


def smaller(png: bytes) -> bytes:
    """The same picture; where it is too large, in a palette of 256 colours, or of fewer."""
    whole = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in (None, 256, 128, 64):
        buffer = io.BytesIO()
        drawn = whole if colours is None else whole.quantize(colours, dither=Image.Dither.NONE)
        drawn.save(buffer, "PNG", optimize=True)
        if buffer.tell() < MOST_BYTES:
            break
    return buffer.getvalue()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("store", help="URL of the store, such as sqlite:///demo/sweeps.db")
    parser.add_argument("--sweep", help="the sweep shown; default: the store's first")
    parser.add_argument("--with", dest="other", help="the sweep it is compared with")
    parser.add_argument(
        "--only", nargs="+", choices=[shot.name for shot in SHOTS], help="these pictures alone"
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="default: docs/images")
    return parser


def _refuse(text: str) -> int:
    print(text, file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
