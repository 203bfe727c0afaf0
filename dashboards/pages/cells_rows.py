"""Columns, rows and links of the table of cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import dash_ag_grid as dag
import pandas as pd
from dash import html

from dashboards.figures.cells import KEY_LENGTH, cell_keys, find_cells, keys_of
from dashboards.figures.cells_filter import filter_cells, parse_filter, parse_order, sort_cells
from dashboards.figures.cells_table import CellsData
from dashboards.figures.parallel import ParallelData
from dashboards.naming import (
    axis_name,
    count_text,
    metric_name,
    score_text,
    setting_text,
    settings_text,
)
from dashboards.pages import parts
from dashboards.pages.tables import GRID_THEME, number_column, text_column
from dashboards.source import Source
from dashboards.theme import SCALE
from dashboards.view import View

MOST_PICKED = 12
CELL_PATH, CURVES_PATH, MAP_PATH, SHAPE_PATH = "/cell", "/curves", "/map", "/shape"

_NUMBER: dict[str, Any] = {
    "filter": "agNumberColumnFilter",
    "filterParams": {
        "filterOptions": ["inRange", "greaterThanOrEqual", "lessThanOrEqual", "equals"],
        "maxNumConditions": 1,
        "inRangeInclusive": True,
        "buttons": ["reset"],
    },
}
_TEXT: dict[str, Any] = {
    "filter": "agTextColumnFilter",
    "filterParams": {
        "filterOptions": ["equals", "contains"],
        "maxNumConditions": 8,
        "defaultJoinOperator": "OR",
        "buttons": ["reset"],
    },
}


def cells_grid(source: Source, data: CellsData, view: View) -> dag.AgGrid:
    """Return the table; its rows are asked for as they are scrolled to."""
    picked = cell_keys(view.extra.get("cells.pick"))
    frame = data.frame
    rows = frame[frame["cell_id"].isin(find_cells(source, data.sweep, picked))]
    return dag.AgGrid(
        id="cells-grid",
        columnDefs=_ordered(cells_columns(data), parse_order(view.extra.get("cells.sort"))),
        defaultColDef={"resizable": True, "sortable": True, "suppressMovable": True},
        rowModelType="infinite",
        getRowId="params.data.id",
        filterModel=parse_filter(view.extra.get("cells.filter")),
        selectedRows=written_rows(source, data, rows),
        dashGridOptions={
            "theme": {"function": GRID_THEME},
            "rowSelection": {
                "mode": "multiRow",
                "headerCheckbox": False,
                "enableClickSelection": False,
            },
            "selectionColumnDef": {"headerName": "pick", "width": 56, "resizable": False},
            "cacheBlockSize": 100,
            "maxBlocksInCache": 20,
            "blockLoadDebounceMillis": 80,
            "infiniteInitialRowCount": 20,
            "tooltipShowDelay": 300,
            "ensureDomOrder": True,
        },
        style={"height": 520, "width": "100%"},
    )


def _ordered(
    columns: list[dict[str, Any]], order: Sequence[dict[str, str]]
) -> list[dict[str, Any]]:
    """Return the columns that begin in an order; later the table keeps its own."""
    places = {item["colId"]: place for place, item in enumerate(order)}
    return [
        column
        if column["field"] not in places
        else column
        | {
            "initialSort": order[places[column["field"]]]["sort"],
            "initialSortIndex": places[column["field"]],
        }
        for column in columns
    ]


def cells_columns(data: CellsData) -> list[dict[str, Any]]:
    """Return the columns: rank, key, loss, settings, the metric, states, what became of it."""
    frame = data.frame
    states = [state for state in data.states if state != "complete"]
    columns = [
        number_column("rank", "rank", width=86, **_NUMBER),
        text_column("key", "cell", width=168, cellRenderer="CellLink", sortable=False),
        text_column("loss", "loss", width=130, cellClass="strong", **_TEXT),
    ]
    columns += [
        number_column("mean", metric_name(data.metric), width=132, **_NUMBER),
        number_column("interval", "95 % interval", width=136, sortable=False),
        number_column("sd", "sd", width=92, **_NUMBER),
        number_column("n", "n", width=92, **_NUMBER),
    ]
    for name in data.parameters:
        words = frame[name].map(lambda value: isinstance(value, str) and value != "none").any()
        make, kind = (text_column, _TEXT) if words else (number_column, _NUMBER)
        columns.append(make(name, axis_name(name), width=118, **kind))
    columns += [
        *(number_column(state, state, width=112, **_NUMBER) for state in states),
        text_column("collapsed", "collapsed", width=176, **_TEXT),
    ]
    if (frame["status"] != "").any():
        columns.append(text_column("status", "status", width=120, **_TEXT))
    return columns


def page_of_rows(source: Source, data: CellsData, request: dict[str, Any]) -> dict[str, Any]:
    """Return the rows that AG Grid asks for, filtered and ordered, and how many there are.

    Args:
        source: where the keys are read.
        data: all cells.
        request: ``startRow``, ``endRow``, ``sortModel`` and ``filterModel``.

    Raises:
        FigureError: a column or a kind of filter is unknown.
    """
    found = filter_cells(data.frame, request.get("filterModel") or {})
    order = request.get("sortModel") or [{"colId": "rank", "sort": "asc"}]
    first, last = int(request.get("startRow") or 0), int(request.get("endRow") or 100)
    rows = sort_cells(found, order).iloc[first:last]
    return {"rowData": written_rows(source, data, rows), "rowCount": len(found)}


def written_rows(source: Source, data: CellsData, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as they are shown, each with the address of its cell's page."""
    written = []
    keys = keys_of(source, data.sweep, rows["cell_id"])
    for row in rows.to_dict("records"):
        key = keys[row["cell_id"]][:KEY_LENGTH]
        view = View(sweep=data.sweep, split=data.split, threshold=data.threshold)
        interval = (
            f"[{score_text(row['low'])}, {score_text(row['high'])}]"
            if math.isfinite(row["low"])
            else "–"
        )
        written.append(
            {
                "id": str(row["cell_id"]),
                "href": CELL_PATH + view.having(cell_key=key).query(),
                "key": key,
                "loss": row["loss"],
                "rank": "–" if math.isnan(row["rank"]) else f"{int(row['rank']):,}",
                **{name: _setting(row[name]) for name in data.parameters},
                "mean": score_text(row["mean"]),
                "interval": interval,
                "sd": score_text(row["sd"], 4),
                "n": f"{row['n']} of {row['planned']}",
                **{state: row[state] or "" for state in data.states},
                "collapsed": row["collapsed"],
                "status": row["status"],
            }
        )
    return written


def _setting(value: Any) -> str:
    absent = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if absent else setting_text(value)


def picked_links(source: Source, data: CellsData, keys: Sequence[str], view: View) -> list[Any]:
    """Return what can be done with the selected cells: their curves, and each one's pages."""
    if not keys:
        return []
    short = [key[:KEY_LENGTH] for key in keys]
    plain = View(sweep=data.sweep, metric=data.metric, threshold=data.threshold)
    ids = find_cells(source, data.sweep, short)
    rows = data.frame[data.frame["cell_id"].isin(ids)]
    known = keys_of(source, data.sweep, ids)
    items = []
    for row in rows.to_dict("records"):
        key = known[row["cell_id"]][:KEY_LENGTH]
        settings = {
            name: row[name] for name in data.parameters if _setting(row[name]) not in ("", "none")
        }
        name = f"{row['loss']} {settings_text(settings)}".strip()
        through = View(
            sweep=data.sweep, loss=row["loss"], metric=data.metric, split=view.split,
            threshold=data.threshold, held=_held(settings),
        ).having(cells_pick=",".join(short))  # fmt: skip
        items.append(
            html.Li(
                [
                    html.Strong(name),
                    f" {score_text(row['mean'])} ",
                    parts.link(CELL_PATH, plain.having(cell_key=key), "its page", size="sm"),
                    " · ",
                    parts.link(MAP_PATH, through, "map through it", size="sm"),
                    " · ",
                    parts.link(
                        SHAPE_PATH,
                        plain.having(shape_cell=key),
                        "S over its scores",
                        size="sm",
                    ),
                ]
            )
        )
    curves = plain.having(curves_cells=",".join(short))
    head = html.P(
        [
            html.Strong(f"{count_text(len(items), 'cell')} selected. "),
            parts.link(CURVES_PATH, curves, "Draw their curves", size="sm"),
        ]
    )
    return [head, html.Ul(items)]


def _held(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that a map through a cell holds: all but the two it shows by itself."""
    shown = ("beta", "eta") if {"beta", "eta"} <= set(settings) else tuple(settings)[:2]
    return {name: setting_text(value) for name, value in settings.items() if name not in shown}


def scale_legend(lines: ParallelData) -> Any:
    """Return the colour scale of the lines with its ends."""
    low, high = lines.axes[-1].values[0], lines.axes[-1].values[-1]
    colours = SCALE if lines.cells.higher_is_better else SCALE[::-1]
    return html.Div(
        [
            html.Span(f"{metric_name(lines.cells.metric)} {score_text(low)}"),
            html.Span(
                className="scale-bar",
                style={"background": f"linear-gradient(to right, {', '.join(colours)})"},
            ),
            html.Span(score_text(high)),
        ],
        className="scale-legend",
    )
