"""The sensitivity page: where the variance comes from, and how sure the best cell is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboards.figures.grid import FigureError
from dashboards.figures.heatmap_cells import load_plan
from dashboards.figures.selection import describe_metric
from dashboards.figures.sensitivity import analysis_of, question_facts
from dashboards.naming import axis_name, threshold_text
from dashboards.pages import parts
from dashboards.pages.sensitivity_help import help_of
from dashboards.pages.sensitivity_panels import PANELS, Asked, Panel
from dashboards.pages.sensitivity_words import choice_table, rules_table, tiles, words_list
from dashboards.source import Source
from dashboards.view import View

PATH = "/sensitivity"
NAME = "Sensitivity"

_AUTOMATIC = "automatic"
_TAKEN = {"cells": "best-cells"}


def check(source: Source, sweep: str, view: View) -> None:
    """Refuse what `layout` would refuse.

    Raises:
        FigureError: the view names a loss, metric or hyperparameter that the sweep does not have.
    """
    losses = source.losses(sweep)
    if not losses:
        raise FigureError(f"Statistics need cells, but the plan of '{sweep}' has none.")
    loss = view.loss or losses[0]
    if loss not in losses:
        raise FigureError(
            f"The sweep must hold the loss, but got '{loss}'. Known: {', '.join(losses)}."
        )
    describe_metric(source.sweep(sweep), view.metric or source.sweep(sweep).objective["metric"])


def layout(source: Source, sweep: str, view: View) -> html.Div:
    """Return the page for ``view``.

    Raises:
        FigureError: the view names a loss or metric that the sweep does not have.
    """
    check(source, sweep, view)
    info = source.sweep(sweep)
    losses = source.losses(sweep)
    loss = view.loss or losses[0]
    axes = _axes(source, sweep, loss)
    names = {choice["value"] for choice in axes}
    slider = parts.threshold_slider("sensitivity-threshold", info, view.threshold)
    # An analysis takes a while: it waits until the slider is let go.
    slider.children[-1].updatemode = "mouseup"
    controls = html.Section(
        [
            parts.select("sensitivity-loss", "loss", losses, loss),
            parts.select(
                "sensitivity-metric", "metric", parts.metric_choices(info),
                view.metric or info.objective["metric"],
            ),
            parts.split_choice("sensitivity-split", view.split or info.objective["split"]),
            parts.select(
                "sensitivity-x", "interaction across", axes,
                view.x if view.x in names else _AUTOMATIC,
            ),
            parts.select(
                "sensitivity-by", "interaction lines", axes,
                view.y if view.y in names else _AUTOMATIC,
            ),
            slider,
        ],
        className="controls",
        **parts.aria(label="What is analysed"),
    )  # fmt: skip
    return html.Div(
        [
            controls,
            html.Div(id="sensitivity-notice", role="status"),
            _loading(html.Div(id="sensitivity-tiles")),
            _panels(sweep, "shares", "cells"),
            _panels(sweep, "effects"),
            _panels(sweep, "interaction"),
            _panels(sweep, "seeds", "budget"),
            _panels(sweep, "transfer"),
            parts.card(
                "The best cell, by rule", html.Div(id="sensitivity-choices"), help=help_of("rules")
            ),
            parts.card(
                "Threshold rules of the best kept cell", html.Div(id="sensitivity-rules"),
                help=help_of("thresholds"),
            ),
            parts.card(
                "In words", html.P(id="sensitivity-facts", className="facts-line"),
                html.Div(id="sensitivity-words"),
            ),
            parts.context("sensitivity"),
            dcc.Store(id="sensitivity-analysed"),
        ]
    )  # fmt: skip


def _panels(sweep: str, *names: str) -> html.Div:
    panels = [
        parts.figure_panel(
            f"sensitivity-{name}",
            f"{sweep}-{name}",
            take=_TAKEN.get(name, name),
            help=help_of(name),
        )
        for name in names
    ]
    for name, panel in zip(names, panels, strict=True):
        panel[f"sensitivity-{name}-facts"].children = "being computed …"
    return html.Div(panels, className="columns" if len(names) > 1 else "")


def _loading(content: Any) -> dcc.Loading:
    return dcc.Loading(
        content, delay_show=400, overlay_style={"visibility": "visible", "opacity": 0.5},
        color="var(--accent)", type="circle",
    )  # fmt: skip


def _axes(source: Source, sweep: str, loss: str) -> list[dict[str, str]]:
    names = load_plan(source, sweep, loss).settings.varying
    return [
        {"value": _AUTOMATIC, "label": _AUTOMATIC},
        *({"value": name, "label": axis_name(name)} for name in names),
    ]


_CONTROLS = (
    Input("sensitivity-loss", "value"),
    Input("sensitivity-metric", "value"),
    Input("sensitivity-split", "value"),
    Input("sensitivity-threshold", "value"),
    Input("sensitivity-x", "value"),
    Input("sensitivity-by", "value"),
    Input("sensitivity-context", "data"),
    State("current", "data"),
)


def _asked(source: Source, values: Sequence[Any]) -> tuple[Asked, str, str]:
    """Return what the controls ask for, the colour scheme and the width of the page."""
    loss, metric, split, position, x, by, context, sweep = values
    # Without the token the sweep's state is not told yet, and all would be drawn twice.
    if not parts.is_ready(context) or not context.get("token") or sweep is None:
        raise PreventUpdate
    known = {choice["value"] for choice in _axes(source, sweep, loss)} - {_AUTOMATIC}
    threshold = float(source.sweep(sweep).thresholds[position])
    across = x if x in known else None
    lines = by if by in known and by != across else None
    asked = Asked(sweep, loss, metric, split, threshold, across, lines)
    return asked, context["scheme"], context["viewport"]


def register(app: Dash, source: Source) -> None:
    """Register the callbacks of the page."""
    parts.follow_context(app, "sensitivity")
    for name, panel in PANELS.items():
        _register_panel(app, source, f"sensitivity-{name}", panel)
    _register_axes(app, source)
    _register_words(app, source)


def _register_panel(app: Dash, source: Source, name: str, panel: Panel) -> None:
    @app.callback(
        Output(f"{name}-graph", "figure"),
        Output(f"{name}-title", "children"),
        Output(f"{name}-facts", "children"),
        Output(f"{name}-caption", "children"),
        Output(f"{name}-notice", "children"),
        # Drawn once the statistics are there: a browser that waited for every panel at a time
        # would have no connection left for another page.
        Input("sensitivity-analysed", "data"),
        prevent_initial_call=True,
    )
    def redraw(analysed: dict[str, Any] | None) -> tuple[Any, ...]:
        if analysed is None:
            raise PreventUpdate
        if panel.analysed and analysed["error"]:
            return (no_update, no_update, "", no_update, parts.notice(analysed["error"]))
        asked, scheme, viewport = _asked(source, analysed["values"])
        width = parts.WIDTHS[viewport]
        if panel.half and viewport == "wide":
            width //= 2
        try:
            data = panel.collect(source, asked)
            figure = panel.plot(data, scheme=scheme, standalone=False, width=width)
        except Exception as error:
            return (no_update, no_update, "", no_update, parts.notice(parts.sentence(error)))
        return (figure, *parts.words(panel.text(data)), None)


def _register_axes(app: Dash, source: Source) -> None:
    @app.callback(
        Output("sensitivity-x", "data"),
        Output("sensitivity-x", "value"),
        Output("sensitivity-by", "data"),
        Output("sensitivity-by", "value"),
        Input("sensitivity-loss", "value"),
        State("current", "data"),
        prevent_initial_call=True,
    )
    def choose(loss: str, sweep: str) -> tuple[Any, ...]:
        axes = _axes(source, sweep, loss)
        return axes, _AUTOMATIC, axes, _AUTOMATIC


def _register_words(app: Dash, source: Source) -> None:
    @app.callback(
        Output("sensitivity-tiles", "children"),
        Output("sensitivity-choices", "children"),
        Output("sensitivity-rules", "children"),
        Output("sensitivity-facts", "children"),
        Output("sensitivity-words", "children"),
        Output("sensitivity-notice", "children"),
        Output("sensitivity-threshold", "disabled"),
        Output("sensitivity-threshold-value", "children"),
        Output("view", "data", allow_duplicate=True),
        Output("sensitivity-analysed", "data"),
        *_CONTROLS,
        prevent_initial_call="initial_duplicate",
    )
    def tell(*values: Any) -> tuple[Any, ...]:
        asked, _, _ = _asked(source, values)
        view = View(
            asked.sweep, asked.loss, asked.metric, asked.split, asked.threshold, asked.x, asked.by
        )
        try:
            curve = describe_metric(source.sweep(asked.sweep), asked.metric)["curve"]
            analysis = analysis_of(source, asked.sweep, **asked.settings())
        except Exception as error:
            said = parts.sentence(error)
            analysed = {"values": values, "error": said}
            return (*[no_update] * 5, parts.notice(said), *[no_update] * 3, analysed)
        at = analysis.question.threshold
        text = "does not enter" if at is None else threshold_text(at)
        return (
            tiles(analysis),
            choice_table(analysis),
            rules_table(analysis),
            question_facts(analysis.question, f"{len(analysis.cells['cell_id']):,} cells"),
            words_list(analysis),
            None,
            not curve,
            text if curve or at is None else f"{text}, the only one kept",
            parts.address(PATH, view),
            {"values": values, "error": ""},
        )
