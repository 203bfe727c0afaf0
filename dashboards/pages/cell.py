"""The page of one cell: its seeds, curves, classes, neighbours, exact spec and provenance."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboards.facts import provenance_facts
from dashboards.figures.cell_classes import cell_classes_data, cell_classes_text
from dashboards.figures.cell_classes_plot import plot_cell_classes
from dashboards.figures.cell_details import KEY_DIGITS, best_key, cell_details
from dashboards.figures.cells import find_cells
from dashboards.figures.curves import learning_data, learning_text
from dashboards.figures.curves_plot import plot_learning
from dashboards.figures.curves_threshold import threshold_data, threshold_text_of
from dashboards.figures.curves_threshold_plot import plot_threshold_curves
from dashboards.figures.selection import describe_metric
from dashboards.naming import (
    metric_name,
    threshold_text,
)
from dashboards.pages import cell_parts, parts
from dashboards.source import Source
from dashboards.view import View
from storage.kept_files import KeptFileError

PATH = "/cell"
NAME = "Cell"
KEY = "cell.key"


def check(source: Source, sweep: str, view: View) -> None:
    """Refuse a key that names no cell, or several.

    Raises:
        FigureError: what is wrong with the key.
    """
    if KEY in view.extra:
        find_cells(source, sweep, [view.extra[KEY]])


def layout(source: Source, sweep: str, view: View) -> html.Div:
    """Return the page of the cell that the address names, or of the best one.

    Raises:
        FigureError: there is no such cell.
    """
    key = view.extra.get(KEY) or best_key(source, sweep)
    details = cell_details(source, sweep, key)
    info = source.sweep(sweep)
    metric = view.metric if view.metric and describe_metric(info, view.metric)["curve"] else None
    curves = [entry["name"] for entry in info.metrics if entry["curve"]]
    chosen = metric or (
        info.objective["metric"] if info.objective["metric"] in curves else next(iter(curves), None)
    )
    choices = [{"value": name, "label": metric_name(name)} for name in curves]
    learning = html.Div(
        [
            parts.figure_panel("cell-objective", f"{sweep}-{key[:8]}-objective", take="objective"),
            parts.figure_panel("cell-loss", f"{sweep}-{key[:8]}-loss", take="training"),
        ],
        className="columns",
    )
    return html.Div(
        [
            cell_parts.head(details, view),
            cell_parts.facts(source, details),
            cell_parts.seed_table(details),
            learning,
            parts.figure_panel(
                "cell-threshold",
                f"{sweep}-{key[:8]}-thresholds",
                take="thresholds",
                above=html.Div(
                    parts.select("cell-metric", "metric", choices, chosen, size="xs", w=220)
                ),
            ),
            parts.figure_panel(
                "cell-classes",
                f"{sweep}-{key[:8]}-classes",
                take="class-f1",
                above=html.Div(
                    [
                        html.Div(
                            parts.split_choice("cell-split", view.split or "test", size="xs"),
                            className="narrow-control",
                        ),
                        parts.threshold_slider("cell-at", info, view.threshold),
                    ]
                ),
            ),
            cell_parts.neighbours(details, view),
            cell_parts.again(details),
            parts.card("Provenance", parts.facts_list(provenance_facts(info))),
            dcc.Store(id="cell-key", data=details.key),
            parts.context("cell"),
        ]
    )


def register(app: Dash, source: Source) -> None:
    """Register the callbacks of the page."""
    parts.follow_context(app, "cell")
    _register_learning(app, source)
    _register_thresholds(app, source)
    _register_classes(app, source)


def _panel(name: str) -> list[Output]:
    ids = (
        ("graph", "figure"), ("title", "children"), ("facts", "children"),
        ("caption", "children"), ("notice", "children"),
    )  # fmt: skip
    return [Output(f"{name}-{part}", prop) for part, prop in ids]


def _unshown(error: Exception) -> list[Any]:
    return [no_update] * 4 + [parts.notice(parts.sentence(error))]


def _register_learning(app: Dash, source: Source) -> None:
    for panel, name in (("cell-objective", "objective"), ("cell-loss", "train_loss")):

        @app.callback(
            _panel(panel),
            Input("cell-context", "data"),
            State("cell-key", "data"),
            State("current", "data"),
        )
        def draw(context: Any, key: str, sweep: str, name: str = name) -> list[Any]:
            if not parts.is_ready(context):
                raise PreventUpdate
            try:
                data = learning_data(source, sweep, keys=[key])
                figure = plot_learning(
                    data, name, scheme=context["scheme"], standalone=False, columns=1, best=False
                )
                figure.update_layout(height=330)
                return [figure, *parts.words(learning_text(data, name, best=False)), None]
            except Exception as error:
                return _unshown(error)


def _register_thresholds(app: Dash, source: Source) -> None:
    @app.callback(
        _panel("cell-threshold"),
        Input("cell-metric", "value"),
        Input("cell-context", "data"),
        State("cell-key", "data"),
        State("current", "data"),
    )
    def draw(metric: str | None, context: Any, key: str, sweep: str) -> list[Any]:
        if not parts.is_ready(context):
            raise PreventUpdate
        try:
            data = threshold_data(source, sweep, metric=metric, keys=[key])
            figure = plot_threshold_curves(
                data,
                scheme=context["scheme"],
                standalone=False,
                stacked=context["viewport"] == "narrow",
                best=False,
            )
            return [figure, *parts.words(threshold_text_of(data, best=False)), None]
        except Exception as error:
            return _unshown(error)


def _register_classes(app: Dash, source: Source) -> None:
    @app.callback(
        _panel("cell-classes"),
        Output("cell-classes-graph", "style"),
        Output("cell-at-value", "children"),
        Output("view", "data", allow_duplicate=True),
        Input("cell-split", "value"),
        Input("cell-at", "value"),
        Input("cell-context", "data"),
        State("cell-key", "data"),
        State("cell-metric", "value"),
        State("current", "data"),
        prevent_initial_call="initial_duplicate",
    )
    def draw(
        split: str, position: int, context: Any, key: str, metric: str | None, sweep: str
    ) -> tuple[Any, ...]:
        if not parts.is_ready(context):
            raise PreventUpdate
        hidden, shown = {"display": "none"}, {"display": "block"}
        try:
            threshold = float(source.sweep(sweep).thresholds[position])
            view = View(sweep=sweep, split=split, threshold=threshold, metric=metric)
            address = parts.address(PATH, view.having(cell_key=key[:KEY_DIGITS]))
            rest = (threshold_text(threshold), address)
            data = cell_classes_data(source, sweep, key, split=split, threshold=threshold)
            figure = plot_cell_classes(data, scheme=context["scheme"], standalone=False)
            words = parts.words(cell_classes_text(data))
            return figure, *words, None, shown, *rest
        except KeptFileError as error:
            kept = _not_kept(sweep, key, error)
            return no_update, "F1 of each class", "", "", kept, hidden, *rest
        except Exception as error:
            return *_unshown(error), hidden, no_update, no_update


def _not_kept(sweep: str, key: str, error: KeptFileError) -> html.Div:
    return html.Div(
        [
            html.P(str(error).split(" Run: ")[0]),
            html.P(
                "Scores of single classes come from the probabilities of kept cells. To keep "
                "this one, which trains it again exactly, run:",
                className="facts-line",
            ),
            parts.command(f"sigmoidf1 sweep keep {sweep} --cell {key[:KEY_DIGITS]}", "cell-keep"),
        ]
    )
