"""From the controls of the map page to the map: what is asked for, and what a click means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from dash import ALL, Input, State

from dashboards.figures.cells import cell_keys
from dashboards.figures.colour_range import colour_range
from dashboards.figures.grid import FigureError
from dashboards.figures.heatmap import HeatmapData, heatmap_data
from dashboards.figures.heatmap_outlines import heatmap_outlines, mark_picked
from dashboards.naming import count_text
from dashboards.pages import map_controls
from dashboards.pages.map_controls import read_view
from dashboards.source import Source
from dashboards.view import View

ASKED = {
    "loss": Input("map-loss", "value"),
    "metric": Input("map-metric", "value"),
    "split": Input("map-split", "value"),
    "x": Input("map-x", "value"),
    "y": Input("map-y", "value"),
    "xs": Input("map-xs", "value"),
    "ys": Input("map-ys", "value"),
    "held": Input({"hold": ALL}, "value"),
    "agg": Input("map-agg", "value"),
    "seeds": Input("map-seeds", "value"),
    "kind": Input("map-kind", "value"),
    "outline": Input("map-outline", "value"),
    "low": Input("map-low", "value"),
    "high": Input("map-high", "value"),
    "position": Input("map-position", "data"),
    "names": State({"hold": ALL}, "id"),
    "picked": State("map-picked", "data"),
    "sweep": State("current", "data"),
}


def asked_view(source: Source, asked: Mapping[str, Any]) -> View:
    """Return what the controls ask for, as the address writes it; defaults are left out.

    Args:
        source: where the thresholds are read.
        asked: the values of `ASKED`.
    """
    held = {name["hold"]: value for name, value in zip(asked["names"], asked["held"], strict=True)}
    view = View(
        asked["sweep"],
        asked["loss"],
        asked["metric"],
        asked["split"],
        float(source.sweep(asked["sweep"]).thresholds[asked["position"]]),
        asked["x"],
        asked["y"],
        held,
    )
    defaults = (
        ("agg", "mean"), ("xs", "even"), ("ys", "even"), ("kind", "cells"), ("outline", "best"),
    )  # fmt: skip
    given = {f"map_{name}": asked[name] for name, usual in defaults if asked[name] != usual}
    for name in ("low", "high"):
        given[f"map_{name}"] = None if asked[name] in ("", None) else float(asked[name])
    return view.having(
        **given, map_seeds=",".join(asked["seeds"] or []) or None, cells_pick=asked["picked"]
    )


def view_data(source: Source, sweep: str, view: View) -> HeatmapData:
    """Return the map that a view asks for.

    Raises:
        FigureError, ViewError, StoreError: why there is none.
    """
    asked = read_view(view)
    data = heatmap_data(
        source,
        sweep,
        loss=map_controls.first_loss(source, sweep, view),
        metric=view.metric,
        split=view.split or source.sweep(sweep).objective["split"],
        threshold=view.threshold,
        x=view.x,
        y=view.y,
        held=view.held,
        aggregate=asked.aggregate,
        seeds=[int(seed) if seed.isdigit() else -1 for seed in asked.seeds] or None,
        spacing=asked.spacing,
    )
    low, high = asked.span
    if low is not None or high is not None:
        fitted = colour_range(data)
        span = (fitted.low if low is None else low, fitted.high if high is None else high)
        data = data._replace(span=span if span[0] < span[1] else None)
    data = mark_picked(source, data, cell_keys(view.extra.get("cells.pick")))
    return heatmap_outlines(source, data, asked.outline, epsilon=asked.epsilon)


def clicked_cell(data: HeatmapData, point: Mapping[str, Any]) -> int:
    """Return the id of the cell under a click.

    Args:
        data: the map that was clicked.
        point: Plotly's description of the place.

    Raises:
        FigureError: there is no cell, or more than one.
    """
    own = point.get("customdata")
    if isinstance(own, list) and len(own) == 1 and own[0] in data.plan.cell_ids:
        return int(own[0])
    row, column = pointed_position(data, point)
    cell_id = data.cell_at(row, column)
    if cell_id is None:
        count = int(data.cells[row, column])
        raise FigureError(
            "A click opens the page of one cell, but here "
            + ("is none." if count == 0 else f"are {count_text(count, 'cell')}. ")
            + ("" if count == 0 else "Hold a value of each other setting, or draw points.")
        )
    return cell_id


def pointed_position(data: HeatmapData, point: Mapping[str, Any]) -> tuple[int, int]:
    """Return the row and column of a map at Plotly's description of a place."""
    column = int(np.argmin(np.abs(data.x.centres - float(point.get("x", 0.0)))))
    row = int(np.argmin(np.abs(data.y.centres - float(point.get("y", 0.0)))))
    return row, column
