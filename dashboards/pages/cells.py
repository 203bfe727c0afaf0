"""The cells page: parallel coordinates and a table of every cell, linked by filters and selection.

The filters of the table are the selection: a box drawn over an axis becomes a filter, a filter
fades lines, and both are in the address. Selected rows are drawn as thick lines.
"""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboards.figures.cells import cell_keys, find_cells
from dashboards.figures.cells_filter import (
    filter_cells,
    filter_text,
    order_text,
    parse_filter,
    parse_order,
    sort_cells,
)
from dashboards.figures.cells_table import CellsData, cells_data, cells_text
from dashboards.figures.parallel import brushed, parallel_data, parallel_text
from dashboards.figures.parallel_plot import plot_parallel
from dashboards.naming import threshold_text
from dashboards.pages import controls, parts
from dashboards.pages.cells_rows import (
    MOST_PICKED,
    cells_columns,
    cells_grid,
    page_of_rows,
    picked_links,
    scale_legend,
)
from dashboards.source import Source
from dashboards.view import View

PATH = "/cells"
NAME = "Cells"

_ALL = ""


def check(source: Source, sweep: str, view: View) -> None:
    """Refuse filters, orders and cells that cannot be.

    Raises:
        FigureError: what is wrong.
    """
    find_cells(source, sweep, cell_keys(view.extra.get("cells.pick")))
    model = parse_filter(view.extra.get("cells.filter"))
    none = cells_data(source, sweep, loss=view.loss).frame.iloc[:0]
    filter_cells(none, model)
    sort_cells(none, parse_order(view.extra.get("cells.sort")))


def layout(source: Source, sweep: str, view: View) -> html.Div:
    """Return the page for ``view``.

    Raises:
        FigureError: the view names a loss, metric, filter or cell that the sweep does not have.
    """
    check(source, sweep, view)
    info = source.sweep(sweep)
    loss = view.loss or _ALL
    data = cells_data(source, sweep, loss=view.loss, metric=view.metric)
    losses = [{"value": _ALL, "label": "all losses"}, *source.losses(sweep)]
    chosen = controls.panel(
        [
            parts.select("cells-loss", "loss", losses, loss),
            parts.select("cells-metric", "metric", parts.metric_choices(info), data.metric),
            parts.split_choice("cells-split", view.split or info.objective["split"]),
            parts.threshold_slider("cells-threshold", info, view.threshold),
        ],
        "What the page shows",
    )
    return html.Div(
        [
            chosen,
            parts.figure_panel(
                "cells-parallel", f"{sweep}-parallel", take="parallel", help=_parallel_help()
            ),
            html.Section(
                [
                    html.Div(
                        [html.H2(id="cells-title"), _table_help(), html.Div(
                            dmc.Button("Clear filters and selection", id="cells-clear",
                                       size="compact-sm", variant="default"),
                            className="aside")],
                        className="panel-head",
                    ),
                    html.P(id="cells-facts", className="facts-line"),
                    html.Div(id="cells-notice", role="status"),
                    html.Div(id="cells-picked", className="picked", role="status"),
                    cells_grid(source, data, view),
                    html.P(id="cells-caption", className="caption"),
                ],
                className="panel",
            ),
            parts.context("cells"),
            dcc.Store(id="cells-anew"),
            dcc.Store(id="cells-order"),
        ]
    )  # fmt: skip


def _parallel_help() -> Any:
    return parts.help_tip(
        "parallel coordinates",
        "Every cell is one line over all settings that vary, coloured by its mean. Draw a box over "
        "an axis to keep the cells inside it: it becomes a filter of the table below. Double-click "
        "beside the lines takes the box away.",
        source="Inselberg (1985), The plane with parallel coordinates.",
    )


def _table_help() -> Any:
    return parts.help_tip(
        "the table of cells",
        "Sort by a column's head, filter by the sign in it, tick rows to draw their lines thick. "
        "Loss and key link to the cell's page.",
        method="Mean, sd and 95 % interval over complete seeds, t on the logit scale; other states "
        "are counted.",
    )


def register(app: Dash, source: Source) -> None:
    """Register the callbacks of the page."""
    parts.follow_context(app, "cells")
    app.clientside_callback(
        ClientsideFunction("cells", "refresh"),
        Input("cells-anew", "data"),
        State("cells-grid", "id"),
    )
    _register_rows(app, source)
    _register_order(app)
    _register_drawing(app, source)
    _register_filters(app, source)


_ASKED = {
    "loss": Input("cells-loss", "value"),
    "metric": Input("cells-metric", "value"),
    "split": Input("cells-split", "value"),
    "position": Input("cells-threshold", "value"),
    "sweep": State("current", "data"),
}
_ASKED_STATES = parts.as_states(_ASKED)


def _data(source: Source, asked: dict[str, Any]) -> CellsData:
    return cells_data(
        source,
        asked["sweep"],
        loss=asked["loss"] or None,
        metric=asked["metric"],
        split=asked["split"],
        threshold=float(source.sweep(asked["sweep"]).thresholds[asked["position"]]),
    )


def _register_rows(app: Dash, source: Source) -> None:
    @app.callback(
        output={
            "response": Output("cells-grid", "getRowsResponse"),
            "order": Output("cells-order", "data"),
            "notice": Output("cells-notice", "children", allow_duplicate=True),
        },
        inputs={"request": Input("cells-grid", "getRowsRequest"), "asked": _ASKED_STATES},
        prevent_initial_call=True,
    )
    def rows(request: dict[str, Any] | None, asked: dict[str, Any]) -> dict[str, Any]:
        if request is None:
            raise PreventUpdate
        try:
            response = page_of_rows(source, _data(source, asked), request)
            order = order_text(request.get("sortModel") or [])
            return {"response": response, "order": order, "notice": no_update}
        except Exception as error:
            empty: dict[str, Any] = {"rowData": [], "rowCount": 0}
            return {
                "response": empty,
                "order": no_update,
                "notice": parts.notice(parts.sentence(error)),
            }


def _register_order(app: Dash) -> None:
    @app.callback(
        Output("view-beside", "data", allow_duplicate=True),
        Input("cells-order", "data"),
        State("current", "data"),
        prevent_initial_call=True,
    )
    def keep_order(order: str, sweep: str) -> dict[str, Any]:
        return parts.address(PATH, View(sweep=sweep).having(cells_sort=order), whole=False)


def _register_drawing(app: Dash, source: Source) -> None:
    @app.callback(
        output={
            "figure": Output("cells-parallel-graph", "figure"),
            "words": [Output(f"cells-parallel-{part}", "children") for part in _PARTS],
            "legend": Output("cells-parallel-legend", "children"),
            "notice": Output("cells-parallel-notice", "children"),
            "table_words": [Output(f"cells-{part}", "children") for part in _PARTS],
            "picked": Output("cells-picked", "children"),
            "threshold": Output("cells-threshold-value", "children"),
            "columns": Output("cells-grid", "columnDefs"),
            "anew": Output("cells-anew", "data"),
            "view": Output("view", "data", allow_duplicate=True),
        },
        inputs={
            "asked": _ASKED,
            "model": Input("cells-grid", "filterModel"),
            "selected": Input("cells-grid", "selectedRows"),
            "context": Input("cells-context", "data"),
        },
        prevent_initial_call="initial_duplicate",
    )
    def draw(
        asked: dict[str, Any],
        model: dict[str, Any] | None,
        selected: list[dict[str, Any]] | None,
        context: dict[str, Any] | None,
    ) -> dict[str, Any]:
        if not parts.is_ready(context):
            raise PreventUpdate
        try:
            data = _data(source, asked)
            picked = [row for row in selected or [] if row.get("id")][:MOST_PICKED]
            ids = tuple(int(row["id"]) for row in picked)
            known = {name: f for name, f in (model or {}).items() if name in data.frame.columns}
            found = filter_cells(data.frame, known)
            lines = parallel_data(data, matches=found.index if known else None, selected=ids)
            scheme, narrow = context["scheme"], context["viewport"] == "narrow"
            keys = [str(row["key"]) for row in picked]
            view = View(
                sweep=data.sweep,
                loss=asked["loss"] or "",
                metric=data.metric,
                split=data.split,
                threshold=float(source.sweep(data.sweep).thresholds[asked["position"]]),
            ).having(cells_filter=filter_text(known) or "", cells_pick=",".join(keys))
            # Other numbers: the rows that are loaded are of no use any more.
            anew = ctx.triggered_id != "cells-grid"
            return {
                "figure": plot_parallel(lines, scheme=scheme, standalone=False, turned=narrow),
                "words": list(parts.words(parallel_text(lines))),
                "legend": scale_legend(lines),
                "notice": None,
                "table_words": list(parts.words(cells_text(data, len(found)))),
                "picked": picked_links(source, data, keys, view),
                "threshold": "does not enter"
                if data.threshold is None
                else threshold_text(data.threshold),
                "columns": cells_columns(data) if anew else no_update,
                "anew": [asked, context["token"]],
                "view": parts.address(PATH, view, whole=False),
            }
        except Exception as error:
            kept: dict[str, Any] = dict.fromkeys(_KEPT, no_update)
            kept |= {"words": [no_update] * 3, "table_words": [no_update] * 3}
            return kept | {"notice": parts.notice(parts.sentence(error))}


_PARTS = ("title", "facts", "caption")
_KEPT = ("figure", "legend", "picked", "threshold", "columns", "anew", "view")


def _register_filters(app: Dash, source: Source) -> None:
    @app.callback(
        output={
            "model": Output("cells-grid", "filterModel"),
            "selected": Output("cells-grid", "selectedRows"),
        },
        inputs={
            "box": Input("cells-parallel-graph", "selectedData"),
            "_clicks": Input("cells-clear", "n_clicks"),
            "model": State("cells-grid", "filterModel"),
            "asked": _ASKED_STATES,
        },
        prevent_initial_call=True,
    )
    def choose(
        box: dict[str, Any] | None,
        _clicks: int | None,
        model: dict[str, Any] | None,
        asked: dict[str, Any],
    ) -> dict[str, Any]:
        if ctx.triggered_id == "cells-clear":
            return {"model": {}, "selected": []}
        if not box or "range" not in box:
            raise PreventUpdate
        found = brushed(parallel_data(_data(source, asked)), box["range"])
        if not found:
            raise PreventUpdate
        return {"model": {**(model or {}), **found}, "selected": no_update}
