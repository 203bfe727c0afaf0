"""The map page: one metric over two hyperparameters, redrawn as the threshold slides."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, cast

from dash import ALL, ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboards.figures.cells import cell_keys, find_cells
from dashboards.figures.colour_range import colour_range
from dashboards.figures.grid import choose_axes, choose_slice
from dashboards.figures.heatmap import HeatmapData
from dashboards.figures.heatmap_cells import cell_key, load_plan
from dashboards.figures.heatmap_marks import heatmap_marks
from dashboards.figures.heatmap_plot import plot_heatmap
from dashboards.figures.heatmap_text import heatmap_text
from dashboards.figures.selection import describe_metric
from dashboards.naming import threshold_text
from dashboards.pages import controls, map_controls, parts
from dashboards.pages.map_controls import MapView, read_view
from dashboards.pages.map_hover import pointed, register_hover, tooltip
from dashboards.pages.map_view import ASKED, asked_view, clicked_cell, view_data
from dashboards.source import Source
from dashboards.view import View

PATH = "/map"
NAME = "Map"
CELL_PATH = "/cell"

_WIDTHS = {"narrow": 360, "medium": 700, "wide": 930}


def check(source: Source, sweep: str, view: View) -> None:
    """Refuse a view whose axes, slices or drawing cannot be.

    Raises:
        FigureError, ViewError: what is wrong.
    """
    read_view(view)
    plan = load_plan(source, sweep, map_controls.first_loss(source, sweep, view))
    axes = choose_axes(plan.settings, view.x, view.y)
    choose_slice(plan.settings, axes, view.held, None)
    find_cells(source, sweep, cell_keys(view.extra.get("cells.pick")))


def layout(source: Source, sweep: str, view: View) -> html.Div:
    """Return the page for ``view``; what it leaves open is chosen here.

    Raises:
        FigureError, ViewError: the view names something that the sweep does not have.
    """
    check(source, sweep, view)
    info = source.sweep(sweep)
    panel = parts.figure_panel(
        "map",
        f"{sweep}-map",
        take="map",
        above=parts.threshold_slider("map-threshold", info, view.threshold),
        hover=tooltip(),
    )
    beside = controls.panel(map_controls.map_controls(source, sweep, view), "What the map shows")
    position = parts.nearest_index(info, view.threshold)
    return html.Div(
        [
            beside,
            panel,
            parts.context("map"),
            dcc.Store(id="map-position", data=position),
            dcc.Store(id="map-drawn"),
            dcc.Store(id="map-span"),
            pointed(),
            dcc.Store(id="map-picked", data=view.extra.get("cells.pick")),
        ],
        className="workbench",
    )


def draw_at_once(
    source: Source, sweep: str, view: View, content: Any, context: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Put the figure that the controls ask for into the page, as its callback would.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.
        view: of the address.
        content: of `layout`; it is changed, unless there is no such figure: then the callback is
            left to say why.
        context: as of `parts.context`, for which it is drawn.

    Returns:
        What goes to ``Output("view", "data")``, or None if nothing was drawn.
    """
    page = html.Div(content)
    asked: dict[str, Any] = {
        name: getattr(page[item.component_id], item.component_property, None)
        for name, item in ASKED.items()
        if isinstance(item.component_id, str) and item.component_id != "current"
    }
    holds = page["map-holds"].children or []
    asked |= {
        "sweep": sweep,
        "held": [hold.value for hold in holds],
        "names": [hold.id for hold in holds],
    }
    try:
        drawing = _kept_drawing(source, sweep, asked_view(source, asked), context)
    except Exception:
        return None
    title, facts, caption = drawing["words"]
    parts_of = {
        ("map-graph", "figure"): drawing["figure"],
        ("map-title", "children"): title,
        ("map-facts", "children"): facts,
        ("map-caption", "children"): caption,
        ("map-legend", "children"): drawing["legend"],
        ("map-aside", "children"): drawing["aside"],
        ("map-threshold", "disabled"): drawing["off"],
        ("map-threshold-value", "children"): drawing["threshold"],
        ("map-drawn", "data"): drawing["drawn"],
        ("map-span", "data"): drawing["span"],
        ("map-fix", "children"): drawing["fix"],
        ("map-context", "data"): dict(context),
    }
    for (name, attribute), value in parts_of.items():
        setattr(page[name], attribute, value)
    return cast(dict[str, Any], drawing["view"])


def register(app: Dash, source: Source) -> None:
    """Register the callbacks of the page."""
    parts.follow_context(app, "map")
    _register_browser(app)
    _register_choices(app, source)
    _register_drawing(app, source)
    _register_cells(app, source)
    register_hover(app, source)


def _register_browser(app: Dash) -> None:
    # However fast the slider moves, one drawing is asked for at a time, the latest last.
    app.clientside_callback(
        ClientsideFunction("view", "latest"),
        Output("map-position", "data"),
        Input("map-threshold", "value"),
        prevent_initial_call=True,
    )
    app.clientside_callback(ClientsideFunction("view", "drawn"), Input("map-drawn", "data"))
    app.clientside_callback(
        ClientsideFunction("view", "fixScale"),
        Output("map-low", "value"),
        Output("map-high", "value"),
        Input("map-fix", "n_clicks"),
        State("map-span", "data"),
        State("map-low", "value"),
        prevent_initial_call=True,
    )


def _register_choices(app: Dash, source: Source) -> None:
    @app.callback(
        Output("map-x", "data"),
        Output("map-x", "value"),
        Output("map-xs", "data"),
        Output("map-y", "data"),
        Output("map-y", "value"),
        Output("map-ys", "data"),
        Output("map-holds", "children"),
        Output("map-seeds", "data"),
        Output("map-seeds", "value"),
        Input("map-loss", "value"),
        Input("map-x", "value"),
        Input("map-y", "value"),
        State({"hold": ALL}, "value"),
        State({"hold": ALL}, "id"),
        State("map-seeds", "value"),
        State("current", "data"),
        prevent_initial_call=True,
    )
    def choose(
        loss: str,
        x: str | None,
        y: str | None,
        held: list[str],
        names: list[Any],
        seeds: list[str] | None,
        sweep: str,
    ) -> tuple[Any, ...]:
        plan = load_plan(source, sweep, loss)
        choices = map_controls.axis_choices(plan)
        known = plan.settings.varying
        wishes = {name["hold"]: value for name, value in zip(names, held, strict=True)}
        if ctx.triggered_id == "map-loss":
            (x, y), wishes = choose_axes(plan.settings), {}
        elif x == y:
            other = next((name for name in known if name != x), None)
            x, y = (x, other) if ctx.triggered_id == "map-x" else (other, y)
        wishes = {name: value for name, value in wishes.items() if name in known}
        all_seeds = list(map(str, plan.seeds))
        return (
            choices,
            x,
            map_controls.spacing_choices(plan, x),
            choices,
            y,
            map_controls.spacing_choices(plan, y),
            map_controls.hold_controls(source.sweep(sweep), plan, x, y, wishes),
            all_seeds,
            [seed for seed in seeds or [] if seed in all_seeds],
        )


def _register_drawing(app: Dash, source: Source) -> None:
    @app.callback(
        output={
            "figure": Output("map-graph", "figure"),
            "words": [
                Output("map-title", "children"),
                Output("map-facts", "children"),
                Output("map-caption", "children"),
            ],
            "legend": Output("map-legend", "children"),
            "notice": Output("map-notice", "children"),
            "aside": Output("map-aside", "children"),
            "off": Output("map-threshold", "disabled"),
            "threshold": Output("map-threshold-value", "children"),
            "drawn": Output("map-drawn", "data"),
            "span": Output("map-span", "data"),
            "fix": Output("map-fix", "children"),
            "view": Output("view", "data", allow_duplicate=True),
        },
        inputs={
            "asked": ASKED,
            "context": Input("map-context", "data"),
            "before": State("map-drawn", "data"),
        },
        prevent_initial_call=True,
    )
    def draw(
        asked: dict[str, Any], context: dict[str, Any] | None, before: int | None
    ) -> dict[str, Any]:
        if not parts.is_ready(context):
            raise PreventUpdate
        try:
            drawing = _kept_drawing(source, asked["sweep"], asked_view(source, asked), context)
            with suppress(Exception):  # the drawing is there
                _draw_ahead(source, asked, context, before)
            return drawing
        except Exception as error:
            kept = dict.fromkeys(_OUTPUTS, no_update) | {"words": [no_update] * 3}
            return kept | {
                "notice": parts.notice(parts.sentence(error)),
                "drawn": asked["position"],
            }


_OUTPUTS = (
    "figure", "legend", "notice", "aside", "off", "threshold", "drawn", "span", "fix", "view",
)  # fmt: skip


def _kept_drawing(
    source: Source, sweep: str, view: View, context: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the callback gives; drawn once for all viewers of the same view."""

    def make() -> dict[str, Any]:
        return _drawing(source, view_data(source, sweep, view), view, read_view(view), context)

    look = (context["scheme"], context["viewport"])
    return source.keep(sweep, ("map drawing", view.query(), *look), make)


def _draw_ahead(
    source: Source, asked: Mapping[str, Any], context: Mapping[str, Any], before: int | None
) -> None:
    """Of a slider that moves step by step, have the next step drawn before it is asked for."""
    sweep, position = asked["sweep"], asked["position"]
    if before is None or abs(position - before) != 1:
        return
    following = 2 * position - before
    if 0 <= following < len(source.sweep(sweep).thresholds):
        view = asked_view(source, {**asked, "position": following})
        source.soon(lambda: _kept_drawing(source, sweep, view, context))


def _drawing(
    source: Source, data: HeatmapData, view: View, asked: MapView, context: Mapping[str, Any]
) -> dict[str, Any]:
    info = source.sweep(data.sweep)
    curve = bool(describe_metric(info, data.metric)["curve"])
    scale = colour_range(data)
    return {
        "figure": plot_heatmap(
            data,
            kind=asked.kind,
            scheme=context["scheme"],
            standalone=False,
            width=_WIDTHS[context["viewport"]],
        ).to_dict(),
        "words": list(parts.words(heatmap_text(data, asked.kind))),
        "legend": parts.legend(heatmap_marks(data), context["scheme"])
        if asked.kind in ("cells", "contour")
        else None,
        "notice": None,
        "aside": _best_link(source, data),
        "off": not curve,
        "threshold": _threshold_words(data.threshold, curve=curve),
        "drawn": parts.nearest_index(info, view.threshold),
        "span": [round(scale.low, 4), round(scale.high, 4)],
        "fix": "Fix the scale" if data.span is None else "Fit the scale to the map",
        "view": parts.address(PATH, view),
    }


def _best_link(source: Source, data: HeatmapData) -> Any:
    if data.best is None:
        return None
    key = cell_key(source, data.sweep, data.best.cell_id)
    view = View(sweep=data.sweep, threshold=data.threshold).having(cell_key=key[:16])
    return parts.link(CELL_PATH, view, "Best cell’s page", size="sm")


def _threshold_words(threshold: float | None, *, curve: bool) -> str:
    if threshold is None:
        return "does not enter"
    text = threshold_text(threshold)
    return text if curve else f"{text}, the only one kept"


def _register_cells(app: Dash, source: Source) -> None:
    @app.callback(
        output={
            "go": Output("go", "data", allow_duplicate=True),
            "notice": Output("map-notice", "children", allow_duplicate=True),
        },
        inputs={"clicked": Input("map-graph", "clickData"), "asked": parts.as_states(ASKED)},
        prevent_initial_call=True,
    )
    def open_cell(clicked: dict[str, Any] | None, asked: dict[str, Any]) -> dict[str, Any]:
        if not clicked:
            raise PreventUpdate
        try:
            data = view_data(source, asked["sweep"], asked_view(source, asked))
            key = cell_key(source, data.sweep, clicked_cell(data, clicked["points"][0]))
        except Exception as error:
            return {"go": no_update, "notice": parts.notice(parts.sentence(error))}
        view = View(sweep=data.sweep, split=data.split, threshold=data.threshold)
        address = CELL_PATH + view.having(cell_key=key[:16]).query()
        return {"go": address, "notice": no_update}
