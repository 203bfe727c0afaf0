"""What is downloaded: ``/download/FIGURE.FORMAT``, the best cells, and the report, by address."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, request, send_file

from dashboards.figures.grid import FigureError
from dashboards.report import write_report
from dashboards.source import Source
from dashboards.takeaway.catalogue import draw, find_sweep
from dashboards.takeaway.formats import BEST_ENDINGS, FORMATS
from dashboards.takeaway.rendering import BrowserMissingError, Size, render
from dashboards.theme import THEMES
from dashboards.view import View, ViewError
from storage.errors import StoreError, SweepNotFoundError
from storage.store import Store
from sweeps.errors import SweepError
from sweeps.export import export_best
from sweeps.export_files import format_export

_BEST = "best"
_OPTIONS = ("scheme", "width", "height", "scale")


def register_downloads(server: Flask, source: Source) -> None:
    """Serve figures, best cells and the report as files.

    ``/download/map.pdf?sweep=films&loss=sigmoid_f1&t=0.05&scheme=dark&width=900`` takes the query
    of the figure's page, and ``scheme``, ``width``, ``height``, ``scale``; ``/download/best.yaml``
    takes ``sweep``, ``loss``, ``metric`` and ``rule``; ``/download/report.html`` takes ``sweep``.
    """

    @server.get("/download/<name>.<ending>")
    def download(name: str, ending: str) -> Response:
        return answer(lambda: _file(source, name, ending, request.args))

    @server.get("/download/<path:rest>")
    def no_download(rest: str) -> Response:
        return _line(f"/download/{rest[:100]} is no file of this service's.", 404)


def answer(make: Callable[[], Response]) -> Response:
    """Return what ``make()`` returns, or what went wrong as one line with its HTTP status."""
    try:
        return make()
    except (SweepNotFoundError, FigureError) as error:
        status = 501 if isinstance(error, BrowserMissingError) else 404
        return _line(str(error), status)
    except (ViewError, SweepError) as error:
        return _line(str(error), 400)
    except StoreError as error:
        return _line(str(error), 503)


def _line(text: str, status: int) -> Response:
    return Response(f"{text}\n", status, mimetype="text/plain")


def _file(source: Source, name: str, ending: str, query: Mapping[str, str]) -> Response:
    if name == _BEST:
        return _best(source, ending, query)
    if (name, ending) == ("report", "html"):
        return _report(source, query.get("sweep"))
    if ending not in FORMATS:
        raise FigureError(
            f"A download must end in one of {', '.join(FORMATS)}, but got '{name}.{ending}'."
        )
    view = View.parse(urlencode({k: v for k, v in query.items() if k not in _OPTIONS}))
    drawing = draw(source, name, view)
    content = render(drawing, ending, scheme=_scheme(query), size=_size(query))
    sweep = find_sweep(source, view.sweep)
    return _sent(content, FORMATS[ending], f"{sweep}-{name}.{ending}")


def _scheme(query: Mapping[str, str]) -> str:
    scheme = query.get("scheme", "light")
    if scheme not in THEMES:
        raise ViewError(f"The scheme must be one of {', '.join(THEMES)}, but got '{scheme}'.")
    return scheme


def _size(query: Mapping[str, str]) -> Size:
    try:
        width, height = (int(query[k]) if k in query else None for k in ("width", "height"))
        return Size(width, height, float(query.get("scale", 2.0)))
    except ValueError as error:
        raise ViewError(f"width, height and scale must be numbers: {error}.") from error


def _best(source: Source, ending: str, query: Mapping[str, str]) -> Response:
    if ending not in BEST_ENDINGS:
        raise FigureError(
            f"Best cells are given as {', '.join(BEST_ENDINGS)}, but '{ending}' was asked for."
        )
    sweep = find_sweep(source, query.get("sweep"))
    chosen: dict[str, Any] = {k: query[k] for k in ("metric", "rule") if k in query}
    losses = [query["loss"]] if "loss" in query else None
    question = ("export", *sorted(chosen.items()), query.get("loss"))
    result = source.compute(
        sweep, question, partial(export_best, sweeps=[sweep], losses=losses, **chosen)
    )
    text = format_export(result, BEST_ENDINGS[ending])
    return _sent(text.encode(), "text/plain; charset=utf-8", f"{sweep}-best.{ending}")


def _report(source: Source, wanted: str | None) -> Response:
    sweep = find_sweep(source, wanted)
    content = source.compute(sweep, ("report",), partial(_written, sweep=sweep))
    return _sent(content, "text/html", f"{sweep}-report.html")


def _written(store: Store, sweep: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write_report(store, Path(folder) / "report.html", sweeps=[sweep]).read_bytes()


def _sent(content: bytes, media: str, name: str) -> Response:
    safe = re.sub(r"[^A-Za-z0-9._@-]+", "-", name)
    return send_file(io.BytesIO(content), mimetype=media, as_attachment=True, download_name=safe)
