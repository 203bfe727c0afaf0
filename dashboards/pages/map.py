"""The map page: one metric over two hyperparameters, redrawn as the threshold slides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, html, no_update
from dash.exceptions import PreventUpdate

from dashboards.figures.grid import (
    FigureError,
    choose_axes,
    choose_slice,
    setting_values,
    varying_parameters,
)
from dashboards.figures.heatmap import heatmap_data
from dashboards.figures.heatmap_marks import heatmap_marks
from dashboards.figures.heatmap_plot import plot_heatmap
from dashboards.figures.heatmap_text import heatmap_text
from dashboards.figures.selection import best_cell, describe_metric
from dashboards.naming import AVERAGE, axis_name, setting_text, threshold_text
from dashboards.pages import parts
from dashboards.source import Source
from dashboards.view import View

PATH = "/map"
NAME = "Map"

_NONE = "nothing varies"


def layout(source: Source, sweep: str, view: View) -> html.Div:
    """Return the page for ``view``; what it leaves open is chosen here.

    Raises:
        FigureError: the view names a loss, metric, axis or value that the sweep does not have.
    """
    info = source.sweep(sweep)
    losses = source.losses(sweep)
    if not losses:
        raise FigureError(f"A map needs cells, but the plan of '{sweep}' has none.")
    loss = view.loss or losses[0]
    if loss not in losses:
        raise FigureError(
            f"The sweep must hold the loss, but got '{loss}'. Known: {', '.join(losses)}."
        )
    metric = view.metric or info.objective["metric"]
    describe_metric(info, metric)
    x, y = choose_axes(source.cells(sweep, loss), view.x, view.y)
    choices = _axis_choices(source, sweep, loss)
    controls = html.Section(
        [
            parts.select("map-loss", "loss", losses, loss),
            parts.select("map-metric", "metric", parts.metric_choices(info), metric),
            parts.split_choice("map-split", view.split or info.objective["split"]),
            parts.select("map-x", "across", choices, x, placeholder=_NONE),
            parts.select("map-y", "upwards", choices, y, placeholder=_NONE),
            html.Div(_hold_controls(source, sweep, loss, x, y, view.held), id="map-holds"),
            parts.threshold_slider("map-threshold", info, view.threshold),
        ],
        className="controls",
        **parts.aria(label="What the map shows"),
    )
    return html.Div([controls, parts.figure_panel("map", f"{sweep}-map"), parts.context("map")])


def _axis_choices(source: Source, sweep: str, loss: str) -> list[dict[str, str]]:
    names = varying_parameters(source.cells(sweep, loss))
    return [{"value": name, "label": axis_name(name)} for name in names]


def _hold_controls(
    source: Source, sweep: str, loss: str, x: str | None, y: str | None, held: Mapping[str, Any]
) -> list[dmc.Select]:
    """Return one choice for each varying setting that is not an axis: a value, or the average."""
    info, cells = source.sweep(sweep), source.cells(sweep, loss)
    best = best_cell(info, cells, source.replicates(sweep, loss))
    chosen = choose_slice(cells, (x, y), held, best.settings if best else None)
    return [
        dmc.Select(
            id={"hold": name},
            label=axis_name(name),
            data=[
                *({"value": setting_text(v), "label": setting_text(v)}
                  for v in setting_values(cells, name)),
                {"value": AVERAGE, "label": "average over all"},
            ],
            value=AVERAGE if value == AVERAGE else setting_text(value),
            allowDeselect=False,
            size="sm",
        )
        for name, value in chosen.items()
    ]  # fmt: skip


def register(app: Dash, source: Source) -> None:
    """Register the callbacks of the page."""
    parts.follow_context(app, "map")

    @app.callback(
        Output("map-x", "data"),
        Output("map-x", "value"),
        Output("map-y", "data"),
        Output("map-y", "value"),
        Output("map-holds", "children"),
        Input("map-loss", "value"),
        Input("map-x", "value"),
        Input("map-y", "value"),
        State({"hold": ALL}, "value"),
        State({"hold": ALL}, "id"),
        State("current", "data"),
        prevent_initial_call=True,
    )
    def choose(
        loss: str, x: str | None, y: str | None, held: list[str], names: list[Any], sweep: str
    ) -> tuple[Any, ...]:
        cells = source.cells(sweep, loss)
        choices = _axis_choices(source, sweep, loss)
        known = varying_parameters(cells)
        wishes = {name["hold"]: value for name, value in zip(names, held, strict=True)}
        if ctx.triggered_id == "map-loss":
            (x, y), wishes = choose_axes(cells), {}
        elif x == y:
            other = next((name for name in known if name != x), None)
            x, y = (x, other) if ctx.triggered_id == "map-x" else (other, y)
        wishes = {name: value for name, value in wishes.items() if name in known}
        holds = _hold_controls(source, sweep, loss, x, y, wishes)
        return choices, x, choices, y, holds

    @app.callback(
        Output("map-graph", "figure"),
        Output("map-title", "children"),
        Output("map-facts", "children"),
        Output("map-caption", "children"),
        Output("map-legend", "children"),
        Output("map-notice", "children"),
        Output("map-threshold", "disabled"),
        Output("map-threshold-value", "children"),
        Output("view", "data", allow_duplicate=True),
        Input("map-loss", "value"),
        Input("map-metric", "value"),
        Input("map-split", "value"),
        Input("map-x", "value"),
        Input("map-y", "value"),
        Input({"hold": ALL}, "value"),
        Input("map-threshold", "value"),
        Input("map-context", "data"),
        State({"hold": ALL}, "id"),
        State("current", "data"),
        prevent_initial_call="initial_duplicate",
    )
    def draw(
        loss: str,
        metric: str,
        split: str,
        x: str | None,
        y: str | None,
        held: list[str],
        position: int,
        context: dict[str, Any] | None,
        names: list[dict[str, str]],
        sweep: str,
    ) -> tuple[Any, ...]:
        if not parts.is_ready(context):
            raise PreventUpdate
        scheme, viewport = context["scheme"], context["viewport"]
        try:
            info = source.sweep(sweep)
            wishes = {name["hold"]: value for name, value in zip(names, held, strict=True)}
            threshold = float(info.thresholds[position])
            data = heatmap_data(
                source,
                sweep,
                loss=loss,
                metric=metric,
                split=split,
                threshold=threshold,
                x=x,
                y=y,
                held=wishes,
            )
            figure = plot_heatmap(
                data, scheme=scheme, standalone=False, width=parts.WIDTHS[viewport]
            )
            view = View(sweep, loss, metric, split, threshold, x, y, wishes)
            curve = describe_metric(info, metric)["curve"]
            return (
                figure,
                *parts.words(heatmap_text(data)),
                parts.legend(heatmap_marks(data), scheme),
                None,
                not curve,
                _threshold_words(data.threshold, curve=curve),
                {"path": PATH, "query": view.query(), "whole": True},
            )
        except Exception as error:
            kept = [no_update] * 5
            return (*kept, parts.notice(parts.sentence(error)), *[no_update] * 3)


def _threshold_words(threshold: float | None, *, curve: bool) -> str:
    if threshold is None:
        return "does not enter"
    text = threshold_text(threshold)
    return text if curve else f"{text}, the only one kept"
