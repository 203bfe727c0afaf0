"""The loss's page: S(u; β, η) and its gradient by sliders, over the scores of a kept cell."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboards.figures.cells import (
    KEY_LENGTH,
    best_cells,
    cell_names,
    describe_cells,
    find_cells,
    keys_of,
)
from dashboards.figures.loss_shape import (
    INPUTS,
    LossShapeData,
    loss_shape_data,
    loss_shape_text,
    shape_sentences,
)
from dashboards.figures.loss_shape_plot import POINTS, plot_loss_shape
from dashboards.naming import setting_text
from dashboards.pages import controls, parts
from dashboards.source import Source
from dashboards.view import View

PATH = "/shape"
NAME = "Loss shape"

_MOST = 30
_WIDTHS = {"narrow": 320, "medium": 680, "wide": 900}
_BETA_MARKS = (-100, -67, -34, -1, 1, 34, 67, 100)
_BETA_LABELS = ("−100", "−10", "−1", "−0.1", "", "1", "10", "100")


def check(source: Source, sweep: str, view: View) -> None:
    """Refuse a cell, slope, offset or input that cannot be.

    Raises:
        FigureError, ViewError: what is wrong.
    """
    view.number("shape.beta", low=-1000, high=1000)
    view.number("shape.eta", low=-1000, high=1000)
    view.choice("shape.input", ("", *INPUTS), "")
    loss_shape_data(source, sweep, key=view.extra.get("shape.cell") or None)


def layout(source: Source, sweep: str, view: View) -> html.Div:
    """Return the page for ``view``.

    Raises:
        FigureError, ViewError: the view names something that cannot be.
    """
    check(source, sweep, view)
    data = loss_shape_data(source, sweep, key=view.extra.get("shape.cell") or None)
    beta, eta = view.number("shape.beta"), view.number("shape.eta")
    beta, eta = data.beta if beta is None else beta, data.eta if eta is None else eta
    chosen = controls.panel(
        [
            parts.select(
                "shape-cell", "head of the cell", _cells(source, sweep, data),
                data.key[:KEY_LENGTH], searchable=True, className="wide",
            ),
            parts.split_choice("shape-split", view.split or "validation"),
            controls.segments(
                "shape-input", "u is the", [{"value": "logits", "label": "logit"},
                {"value": "probabilities", "label": "probability"}],
                view.choice("shape.input", ("", *INPUTS), "") or data.input, help=_input_help(),
            ),
            dmc.NumberInput(id="shape-beta", label="slope β", value=beta, size="sm",
                            hideControls=True, decimalScale=4),
            dmc.NumberInput(id="shape-eta", label="offset η", value=eta, size="sm",
                            hideControls=True, decimalScale=4),
            controls.slider(
                "shape-beta-slider", "slope β", low=-100, high=100, step=1, value=1,
                marks=[{"value": place, "label": label}
                       for place, label in zip(_BETA_MARKS, _BETA_LABELS, strict=True)],
            ),
            controls.slider(
                "shape-eta-slider", "offset η", low=-12, high=12, step=0.05, value=0,
                marks=[{"value": at, "label": setting_text(at)} for at in (-12, -6, 0, 6, 12)],
            ),
            dmc.Button("Back to the cell’s β and η", id="shape-reset", size="compact-sm",
                       className="wide", variant="default"),
        ],
        "The sigmoid",
    )  # fmt: skip
    figure = parts.figure_panel(
        "shape",
        f"{sweep}-loss-shape",
        take="shape",
        help=parts.help_tip(
            "the loss itself",
            "sigmoidF1 counts S(u) instead of 0 and 1. Its gradient reaches a score u only through "
            "dS/du, so scores on the flat parts teach nothing.",
            method="dS/du = β S (1 − S), at most |β|/4, at u = −η. Saturated: |S − 1/2| > 0.49.",
            source="Bénédict et al. (2022), Eq. 6 and Figure 2.",
        ),
    )
    return html.Div(
        [
            chosen,
            html.Div(
                [html.Section([html.H2("What this slope and offset see"),
                               html.Ul(id="shape-words", className="sentences"),
                               html.Div(id="shape-keep")], className="panel"),
                 figure],
            ),
            parts.context("shape"),
            dcc.Store(id="shape-base"),
        ],
        className="workbench",
    )  # fmt: skip


def _input_help() -> Any:
    return parts.help_tip(
        "what u is",
        "Eq. 6 applies S to the logit of the last layer. The authors' code first takes the "
        "probability σ(z) and applies S to that, a double sigmoid with β = −S and η = E of the "
        "code. The scores are the same head's, on either axis.",
        source="Bénédict et al. (2022), Eq. 6; a sentence of its Section 5.2.",
    )


def _cells(source: Source, sweep: str, data: LossShapeData) -> list[dict[str, Any]]:
    """Return the cells to choose from: the kept ones, and the best of each loss."""
    kept = list(data.kept_cells[:_MOST])
    rest = [cell.cell_id for cell in best_cells(source, sweep).values()]
    rest += find_cells(source, sweep, [data.key]) if data.key else []
    groups = {
        "scores are kept": kept,
        "not kept": [i for i in dict.fromkeys(rest) if i not in data.kept_cells],
    }
    keys = keys_of(source, sweep, [*kept, *rest])
    choices = []
    for group, ids in groups.items():
        cells = describe_cells(source, sweep, ids)
        items = [
            {"value": keys[cell.cell_id][:KEY_LENGTH], "label": name}
            for cell, name in zip(cells, cell_names(cells), strict=True)
        ]
        if items:
            choices.append({"group": group, "items": items})
    return choices


def register(app: Dash, source: Source) -> None:
    """Register the callbacks of the page."""
    parts.follow_context(app, "shape")
    _register_browser(app)
    _register_cell(app, source)
    _register_words(app, source)


def _register_browser(app: Dash) -> None:
    app.clientside_callback(
        ClientsideFunction("loss_shape", "settings"),
        Output("shape-beta-slider", "value"),
        Output("shape-beta", "value"),
        Output("shape-eta-slider", "value"),
        Output("shape-eta", "value"),
        Output("shape-beta-slider-value", "children"),
        Output("shape-eta-slider-value", "children"),
        Input("shape-beta-slider", "value"),
        Input("shape-beta", "value"),
        Input("shape-eta-slider", "value"),
        Input("shape-eta", "value"),
    )
    app.clientside_callback(
        ClientsideFunction("loss_shape", "draw"),
        Output("shape-graph", "figure"),
        Input("shape-base", "data"),
        Input("shape-beta", "value"),
        Input("shape-eta", "value"),
    )


def _register_cell(app: Dash, source: Source) -> None:
    @app.callback(
        output={
            "base": Output("shape-base", "data"),
            "words": [Output(f"shape-{part}", "children") for part in _PARTS],
            "keep": Output("shape-keep", "children"),
            "notice": Output("shape-notice", "children"),
        },
        inputs={
            "key": Input("shape-cell", "value"),
            "split": Input("shape-split", "value"),
            "input": Input("shape-input", "value"),
            "context": Input("shape-context", "data"),
            "sweep": State("current", "data"),
        },
        prevent_initial_call=True,
    )
    def draw(
        key: str | None, split: str, input: str, context: dict[str, Any] | None, sweep: str
    ) -> dict[str, Any]:
        if not parts.is_ready(context):
            raise PreventUpdate
        try:
            data = loss_shape_data(source, sweep, key=key or None, split=split)
            figure = plot_loss_shape(
                data,
                input=input,
                scheme=context["scheme"],
                standalone=False,
                width=_WIDTHS[context["viewport"]],
            )
            return {
                "base": {"figure": figure.to_plotly_json(), "points": POINTS},
                "words": list(parts.words(loss_shape_text(data))),
                "keep": _keep(data),
                "notice": None,
            }
        except Exception as error:
            kept = {"base": no_update, "words": [no_update] * 3, "keep": no_update}
            return kept | {"notice": parts.notice(parts.sentence(error))}

    @app.callback(
        Output("shape-beta", "value", allow_duplicate=True),
        Output("shape-eta", "value", allow_duplicate=True),
        Input("shape-reset", "n_clicks"),
        Input("shape-cell", "value"),
        State("current", "data"),
        prevent_initial_call=True,
    )
    def reset(_clicks: int | None, key: str | None, sweep: str) -> tuple[Any, Any]:
        data = loss_shape_data(source, sweep, key=key or None)
        return data.beta, data.eta


_PARTS = ("title", "facts", "caption")


def _keep(data: LossShapeData) -> list[Any]:
    if data.kept is not None or not data.key:
        return []
    return [
        html.P(
            "The scores of this cell are not kept. This command trains it again and keeps them:"
        ),
        parts.command(data.keep_command, "shape-keep-command"),
    ]


def _register_words(app: Dash, source: Source) -> None:
    @app.callback(
        Output("shape-words", "children"),
        Output("view", "data", allow_duplicate=True),
        Input("shape-beta", "value"),
        Input("shape-eta", "value"),
        Input("shape-input", "value"),
        Input("shape-cell", "value"),
        Input("shape-split", "value"),
        Input("shape-context", "data"),
        State("current", "data"),
        prevent_initial_call="initial_duplicate",
    )
    def words(
        beta: float | str,
        eta: float | str,
        input: str,
        key: str | None,
        split: str,
        context: dict[str, Any] | None,
        sweep: str,
    ) -> tuple[Any, Any]:
        if not parts.is_ready(context):
            raise PreventUpdate
        if any(value in ("", None) for value in (beta, eta)):
            return [html.Li("Give a slope and an offset.")], no_update
        try:
            slope, offset = float(beta), float(eta)
            data = loss_shape_data(source, sweep, key=key or None, split=split)
            view = View(sweep=sweep, split=split).having(
                shape_cell=key or "", shape_beta=slope, shape_eta=offset, shape_input=input
            )
            lines = shape_sentences(data, slope, offset, input)
            return [html.Li(line) for line in lines], parts.address(PATH, view, whole=False)
        except Exception as error:
            return [html.Li(parts.sentence(error))], no_update
