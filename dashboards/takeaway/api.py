"""The store as read-only JSON under ``/api/v1``, in the words of the command line's ``--json``."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd
from flask import Flask, Response, request

from dashboards.figures.grid import FigureError
from dashboards.source import Source
from dashboards.takeaway.catalogue import draw, figure_kinds, find_sweep
from dashboards.takeaway.routes import answer
from dashboards.view import View
from storage import frames
from storage.store import Store
from sweeps.export import export_best
from sweeps.reading import listed_sweeps, sweep_details

ROOT = "/api/v1"
_MOST_ROWS = 10_000
_FIGURES = "figures"


def register_api(server: Flask, source: Source) -> None:
    """Serve the answers that `docs/api.md` lists; every one is kept until its sweep changes."""
    parts: dict[str, Callable[[str], Any]] = {
        "": lambda sweep: source.ask(sweep, ("api",), lambda store: sweep_details(store, sweep)),
        "best": lambda sweep: _best(source, sweep),
        "analysis": lambda sweep: source.analysis(sweep).to_dict(),
        "cells": lambda sweep: _page(source.cells(sweep, _loss(source, sweep))),
        "replicates": lambda sweep: _page(source.replicates(sweep, _loss(source, sweep))),
        "curves": lambda sweep: _curves(source, sweep),
    }

    @server.get(ROOT)
    def index() -> Response:
        listed = [f"{ROOT}/sweeps/NAME/{part}".rstrip("/") for part in parts]
        figures = [f"{ROOT}/sweeps/NAME/{_FIGURES}/{name}" for name in figure_kinds()]
        return answer(lambda: _json({"paths": [f"{ROOT}/sweeps", *listed, *figures]}))

    @server.get(f"{ROOT}/sweeps")
    def sweeps() -> Response:
        return answer(lambda: _json(listed_sweeps(source.sweeps())))

    @server.get(f"{ROOT}/sweeps/<name>", defaults={"part": ""})
    @server.get(f"{ROOT}/sweeps/<name>/<part>")
    def sweep(name: str, part: str) -> Response:
        def found() -> Response:
            if part not in parts:
                raise FigureError(
                    f"A sweep has {', '.join(filter(None, parts))}, but got '{part}'."
                )
            return _json(parts[part](find_sweep(source, name)))

        return answer(found)

    @server.get(f"{ROOT}/sweeps/<name>/{_FIGURES}/<figure>")
    def figure(name: str, figure: str) -> Response:
        return answer(lambda: _json(_figure(source, name, figure)))

    @server.get("/api/<path:rest>")
    def no_answer(rest: str) -> Response:
        def refused() -> Response:
            raise FigureError(f"/api/{rest[:100]} is nothing here. {ROOT} lists what there is.")

        return answer(refused)


def _best(source: Source, sweep: str) -> Any:
    def load(store: Store) -> dict[str, Any]:
        return export_best(store, sweeps=[sweep], statistics=True)

    return source.ask(sweep, ("api", "best"), load)


def _loss(source: Source, sweep: str) -> str | None:
    wanted = request.args.get("loss")
    if wanted is not None and wanted not in source.losses(sweep):
        raise FigureError(
            f"The sweep must hold the loss, but got '{wanted}'. "
            f"Known: {', '.join(source.losses(sweep))}."
        )
    return wanted


def _curves(source: Source, sweep: str) -> dict[str, Any]:
    key = request.args.get("cell", "")
    cells = source.cells(sweep)
    found = cells[cells["key"].str.startswith(key)] if len(key) >= 4 else cells[:0]
    if len(found) != 1:
        raise FigureError(
            "curves need ?cell=KEY, the key of one cell or its first letters (4 or more), but "
            f"'{key}' is that of {len(found)}. {ROOT}/sweeps/{sweep}/cells lists the keys."
        )
    cell = int(found["cell_id"].iloc[0])
    rows = source.ask(
        sweep, ("api", "curves", cell), lambda store: frames.load_curves(store, sweep, cell_id=cell)
    )
    return _page(rows)


def _page(frame: pd.DataFrame) -> dict[str, Any]:
    """Rows from ``?offset`` on, at most ``?limit``; ``total`` says how many there are."""
    offset, limit = _count("offset", 0), min(_count("limit", 1000), _MOST_ROWS)
    shown = frame.iloc[offset : offset + limit]
    return {"total": len(frame), "offset": offset, "rows": records(shown)}


def _count(name: str, default: int) -> int:
    text = request.args.get(name, str(default))
    if not text.isdecimal():
        raise FigureError(f"{name} must be a whole number from 0, but got '{text[:40]}'.")
    return int(text)


def _figure(source: Source, sweep: str, name: str) -> dict[str, Any]:
    query = {**request.args.to_dict(), "sweep": sweep}
    drawing = draw(source, name, View.parse(urlencode(query)))
    text = drawing.text
    return {
        "sweep": sweep,
        "figure": name,
        **text._asdict(),
        "rows": records(drawing.table()),
    }


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame as mappings that JSON can hold; NaN and infinities are null."""
    columns = {name: [_plain(value) for value in frame[name]] for name in frame.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is pd.NaT or value is pd.NA:
        return None
    return value.isoformat() if hasattr(value, "isoformat") else value


def _json(value: Any) -> Response:
    text = json.dumps(_plain(value), allow_nan=False, ensure_ascii=False)
    return Response(text, mimetype="application/json", headers={"Cache-Control": "no-cache"})
