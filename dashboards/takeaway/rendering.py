"""From a drawing to the bytes of a file: PNG, SVG, PDF, HTML or CSV."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any, NamedTuple

import plotly.graph_objects as go

from dashboards.figures.grid import FigureError
from dashboards.takeaway.drawing import Drawing
from dashboards.takeaway.formats import FORMATS

_IDLE_S, _TIMEOUT_S, _CLOSE_S = 120.0, 60.0, 5.0
_LONGEST_SIDE = 5000


class BrowserMissingError(FigureError):
    """There is no Chrome or Chromium to draw a picture with."""


class Size(NamedTuple):
    """Size of a picture in CSS pixels (1/96 inch), and pixels of a PNG to each; None: its own."""

    width: int | None = None
    height: int | None = None
    scale: float = 2.0


def check_format(name: str) -> str:
    """Return a format's name in small letters.

    Raises:
        FigureError: it is none of `FORMATS`.
    """
    if name.lower() not in FORMATS:
        raise FigureError(
            f"A figure's format must be one of {', '.join(FORMATS)}, but got '{name}'."
        )
    return name.lower()


def render(
    drawing: Drawing, file_format: str, *, scheme: str = "light", size: Size | None = None
) -> bytes:
    """Return a drawing as the bytes of a file.

    Args:
        drawing: the figure.
        file_format: one of `FORMATS`. HTML stands alone, with plotly inside; CSV has the figure's
            numbers in full precision.
        scheme: ``light`` or ``dark``; for pictures and HTML.
        size: of a picture.

    Raises:
        FigureError: unknown format, or a size that is none.
        BrowserMissingError: a picture was asked for where no browser is installed.
    """
    check_format(file_format)
    if file_format == "csv":
        return drawing.table().to_csv(index=False).encode()
    figure = drawing.plot(scheme)
    if file_format == "html":
        page = figure.to_html(include_plotlyjs=True, full_html=True, config={"displaylogo": False})
        return page.encode()
    return _RENDERER.draw(figure, file_format, size or Size())


class _Renderer:
    """One browser for all pictures of this process: started by the first, closed when idle.

    Kaleido runs on an event loop in a thread of its own, so that a browser that hangs or dies
    costs one answer, in bounded time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._kaleido: Any = None
        self._timer: threading.Timer | None = None

    def draw(self, figure: go.Figure, file_format: str, size: Size) -> bytes:
        options = _options(figure, file_format, size)
        with self._lock:
            try:
                if self._loop is None:
                    self._start()
                return bytes(self._wait(self._kaleido.calc_fig(figure, opts=options)))
            except Exception as error:
                self._stop()
                if type(error).__name__ in ("ChromeNotFoundError", "BrowserDepsError"):
                    raise BrowserMissingError(
                        "PNG, SVG and PDF are drawn by Chrome or Chromium, but none was found. "
                        "Install one (Debian: apt install chromium), or take HTML or CSV."
                    ) from error
                raise FigureError(
                    f"The browser that draws the picture failed ({type(error).__name__}). Try "
                    "again, or take HTML."
                ) from error
            finally:
                self._close_later()

    def _start(self) -> None:
        from kaleido import Kaleido

        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="pictures")
        self._thread.start()

        async def opened() -> Any:
            return await Kaleido(n=1, timeout=_TIMEOUT_S).__aenter__()

        self._kaleido = self._wait(opened())
        atexit.register(self._stop)

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        if self._loop is None:
            raise RuntimeError("the event loop is not running")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_TIMEOUT_S)

    def _stop(self) -> None:
        loop, browser, self._loop, self._kaleido = self._loop, self._kaleido, None, None
        if loop is None:
            return
        atexit.unregister(self._stop)
        if browser is not None:
            closing = asyncio.run_coroutine_threadsafe(browser.__aexit__(None, None, None), loop)
            with contextlib.suppress(Exception):  # it may be what failed
                closing.result(_CLOSE_S)
        loop.call_soon_threadsafe(loop.stop)
        if self._thread is not None:
            self._thread.join(_CLOSE_S)
        if not loop.is_running():
            loop.close()

    def _close_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(_IDLE_S, self._close_idle)
        self._timer.daemon = True
        self._timer.start()

    def _close_idle(self) -> None:
        with self._lock:
            self._stop()


_RENDERER = _Renderer()


def _options(figure: go.Figure, file_format: str, size: Size) -> dict[str, Any]:
    layout = figure.layout
    width, height = size.width or layout.width or 900, size.height or layout.height or 600
    if not (50 <= width <= _LONGEST_SIDE and 50 <= height <= _LONGEST_SIDE and 0 < size.scale <= 8):
        raise FigureError(
            f"A picture must be 50 to {_LONGEST_SIDE} pixels wide and high, at a scale up to 8, "
            f"but got {width} × {height} at {size.scale:g}."
        )
    # A PDF or SVG has no pixels; their scale stays 1, so that letters keep their size.
    scale = size.scale if file_format == "png" else 1.0
    refit(figure, height)
    return {"format": file_format, "width": width, "height": height, "scale": scale}


def refit(figure: go.Figure, height: int) -> None:
    """Let what stands above or below the axes keep its distance in pixels at another height.

    Plotly places title, legend and colour bars by fractions; a figure is made for its own height.
    """
    layout = figure.layout
    before, edges = layout.height, (layout.margin.t or 0) + (layout.margin.b or 0)
    if before is None or before == height or height <= edges:
        return
    ratio = (before - edges) / (height - edges)
    holders = (*figure.data, *(trace.marker for trace in figure.data if "marker" in trace))
    bars = [holder.colorbar for holder in holders if "colorbar" in holder]
    for part in (*bars, layout.coloraxis.colorbar, layout.legend):
        if part.y is not None and part.y > 1:
            part.y = 1 + (part.y - 1) * ratio
        elif part.y is not None and part.y < 0:
            part.y *= ratio
    if layout.title.y is not None:
        layout.title.y = 1 - (1 - layout.title.y) * before / height
    layout.height = height
