"""What a large map says of the position under the pointer: asked for when the pointer rests there.

A small map carries the text of every position. Beyond `MOST_TEXTS` positions they would be most of
what is sent, and the slider would wait for them.
"""

from __future__ import annotations

import html as markup
import re
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html
from dash.exceptions import PreventUpdate

from dashboards.figures.heatmap import HeatmapData
from dashboards.figures.heatmap_hover import hover_text
from dashboards.pages import parts
from dashboards.pages.map_view import ASKED, asked_view, pointed_position, view_data
from dashboards.source import Source
from storage.seed_arrays import load_reasons

TOOLTIP = "map-hover"


def tooltip() -> dcc.Tooltip:
    """Return the tooltip; the browser shows it where the pointer rests on a large map."""
    return dcc.Tooltip(
        id=TOOLTIP,
        show=False,
        className="map-hover",
        background_color="var(--surface)",
        border_color="var(--line)",
        zindex=20,
    )


def pointed() -> dcc.Store:
    """Return where the browser writes the place on which the pointer rests."""
    return dcc.Store(id="map-pointed")


def register_hover(app: Dash, source: Source) -> None:
    """Register the callbacks of the tooltip."""
    app.clientside_callback(
        ClientsideFunction("view", "pointed"),
        Output(TOOLTIP, "show"),
        Output(TOOLTIP, "bbox"),
        Output(TOOLTIP, "direction"),
        Input("map-graph", "hoverData"),
        State("map-graph", "figure"),
        prevent_initial_call=True,
    )

    @app.callback(
        output=Output(TOOLTIP, "children"),
        inputs={"point": Input("map-pointed", "data"), "asked": parts.as_states(ASKED)},
        prevent_initial_call=True,
    )
    def describe(point: dict[str, Any] | None, asked: dict[str, Any]) -> Any:
        if not point:
            raise PreventUpdate
        try:
            data = view_data(source, asked["sweep"], asked_view(source, asked))
            return describe_position(source, data, *pointed_position(data, point))
        except Exception as error:
            return parts.sentence(error)


def describe_position(source: Source, data: HeatmapData, row: int, column: int) -> list[Any]:
    """Return the lines of one position's text, with the reasons of what went wrong there.

    Args:
        source: where reasons are read.
        data: the map.
        row, column: of the position.
    """
    cell_id = data.cell_at(row, column)
    if cell_id is not None:
        reasons = source.ask(
            data.sweep, ("reasons of", cell_id), lambda store: load_reasons(store, [cell_id])
        )
        data = data._replace(reasons=reasons)
    return [_line(line) for line in hover_text(data, row, column).split("<br>")]


def _line(text: str) -> html.Div:
    """Return a line of a Plotly text, whose only marks are bold ones, as an element."""
    pieces = [markup.unescape(piece) for piece in re.split(r"</?b>", text)]
    return html.Div([html.B(piece) if at % 2 else piece for at, piece in enumerate(pieces)])
