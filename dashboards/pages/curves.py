"""The curves page: learning curves and threshold curves of some cells, every seed drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import Dash, Input, Output, State, html, no_update
from dash.exceptions import PreventUpdate

from dashboards.figures.cells import (
    KEY_LENGTH,
    cell_keys,
    cell_names,
    chosen_cells,
    describe_cells,
    find_cells,
    keys_of,
)
from dashboards.figures.cells_table import cells_data
from dashboards.figures.curves import learning_data, learning_text
from dashboards.figures.curves_plot import plot_learning
from dashboards.figures.curves_threshold import threshold_data, threshold_text_of
from dashboards.figures.curves_threshold_plot import plot_threshold_curves
from dashboards.naming import metric_name, score_text
from dashboards.pages import controls, parts
from dashboards.source import Source
from dashboards.view import View

PATH = "/curves"
NAME = "Curves"

_OFFERED = 6
_COLUMNS = {"narrow": 1, "medium": 2, "wide": 3}
_WIDTHS = {"narrow": 340, "medium": 700, "wide": 1200}


def check(source: Source, sweep: str, view: View) -> None:
    """Refuse cells that the sweep does not have.

    Raises:
        FigureError: what is wrong.
    """
    chosen_cells(source, sweep, cell_keys(view.extra.get("curves.cells")))


def layout(source: Source, sweep: str, view: View) -> html.Div:
    """Return the page for ``view``.

    Raises:
        FigureError: the view names a cell or metric that the sweep does not have.
    """
    check(source, sweep, view)
    info = source.sweep(sweep)
    curve = [metric["name"] for metric in info.metrics if metric["curve"]]
    own = info.objective["metric"]
    metric = view.metric if view.metric in curve else own if own in curve else (curve or [None])[0]
    keys = cell_keys(view.extra.get("curves.cells"))
    chosen = controls.panel(
        [
            controls.several(
                "curves-cells",
                "cells",
                _choices(source, sweep, keys),
                [
                    key[:KEY_LENGTH]
                    for key in keys_of(source, sweep, find_cells(source, sweep, keys)).values()
                ]
                if keys
                else [],
                searchable=True,
                clearable=True,
                className="wide",
                maxValues=12,
                placeholder="the best of each loss",
            ),
            parts.select(
                "curves-metric",
                "metric of the threshold curves",
                [{"value": name, "label": metric_name(name)} for name in curve],
                metric,
            ),
            controls.switch(
                "curves-whole", "every threshold", view.extra.get("curves.whole") == "1"
            ),
        ],
        "What the page shows",
    )
    help_threshold = parts.help_tip(
        "threshold curves",
        "The metric at every kept threshold, on the split that tunes and on the split that "
        "reports. A narrow peak asks for a tuned threshold; where a curve lies on the dashed "
        "line, the head predicts every label.",
        method="Mean over complete seeds; the diamond maximises it on validation and is read on "
        "test at the same threshold.",
        source="Bénédict et al. (2022), Section 5.3 and Table 4.",
    )
    help_learning = parts.help_tip(
        "learning curves",
        "The objective while training, at its fixed threshold. Seeds that part say more than "
        "their mean; a curve that still rises asks for more epochs.",
        method="Mean over the seeds with a value at that epoch; every seed drawn thin.",
    )
    return html.Div(
        [
            chosen,
            parts.figure_panel(
                "curves-thresholds", f"{sweep}-thresholds", take="thresholds", help=help_threshold
            ),
            parts.figure_panel(
                "curves-learning", f"{sweep}-objective", take="objective", help=help_learning
            ),
            parts.figure_panel("curves-training", f"{sweep}-training-loss", take="training"),
            parts.context("curves"),
        ]
    )


def _choices(source: Source, sweep: str, keys: Sequence[str]) -> list[dict[str, Any]]:
    """Return the best few cells of each loss, and those that the address names."""
    frame = cells_data(source, sweep).frame
    groups = []
    named = chosen_cells(source, sweep, keys) if keys else []
    for loss in source.losses(sweep):
        ranked = frame[(frame["loss"] == loss) & frame["rank"].notna()].nsmallest(_OFFERED, "rank")
        ids = [int(cell_id) for cell_id in ranked["cell_id"]]
        ids += [cell.cell_id for cell in named if cell.loss == loss and cell.cell_id not in ids]
        cells, known = describe_cells(source, sweep, ids), keys_of(source, sweep, ids)
        items = [
            {
                "value": known[cell.cell_id][:KEY_LENGTH],
                "label": f"{name} ({score_text(cell.mean)})",
            }
            for cell, name in zip(cells, cell_names(cells), strict=True)
        ]
        if items:
            groups.append({"group": loss, "items": items})
    return groups


def register(app: Dash, source: Source) -> None:
    """Register the callbacks of the page."""
    parts.follow_context(app, "curves")

    @app.callback(
        output={
            **{name: Output(f"curves-{name}-graph", "figure") for name in _FIGURES},
            **{f"{name}_words": _words(name) for name in _FIGURES},
            "threshold_notice": Output("curves-thresholds-notice", "children"),
            "notice": Output("curves-learning-notice", "children"),
            "view": Output("view", "data", allow_duplicate=True),
        },
        inputs={
            "cells": Input("curves-cells", "value"),
            "metric": Input("curves-metric", "value"),
            "whole": Input("curves-whole", "checked"),
            "context": Input("curves-context", "data"),
            "sweep": State("current", "data"),
        },
        prevent_initial_call="initial_duplicate",
    )
    def draw(
        cells: list[str] | None,
        metric: str | None,
        whole: bool,
        context: dict[str, Any] | None,
        sweep: str,
    ) -> dict[str, Any]:
        if not parts.is_ready(context):
            raise PreventUpdate
        keys, scheme = cells or [], context["scheme"]
        result = _nothing()
        try:
            view = View(sweep=sweep, metric=metric).having(
                curves_cells=",".join(keys), curves_whole="1" if whole else ""
            )
            result["view"] = parts.address(PATH, view, whole=False)
            learning = learning_data(source, sweep, keys=keys)
            for name, curve in (("learning", "objective"), ("training", "train_loss")):
                result[name] = plot_learning(
                    learning,
                    curve,
                    scheme=scheme,
                    standalone=False,
                    columns=_COLUMNS[context["viewport"]],
                    width=_WIDTHS[context["viewport"]],
                )
                text = learning_text(learning, curve, best=not keys)
                result[f"{name}_words"] = list(parts.words(text))
            result["notice"] = None
        except Exception as error:
            result["notice"] = parts.notice(parts.sentence(error))
        try:
            curves = threshold_data(source, sweep, metric=metric, keys=keys)
            result["thresholds"] = plot_threshold_curves(
                curves,
                scheme=scheme,
                standalone=False,
                stacked=context["viewport"] == "narrow",
                whole=whole,
                width=_WIDTHS[context["viewport"]],
            )
            result["thresholds_words"] = list(parts.words(threshold_text_of(curves, best=not keys)))
            result["threshold_notice"] = None
        except Exception as error:
            result["threshold_notice"] = parts.notice(parts.sentence(error))
        return result


_FIGURES = ("thresholds", "learning", "training")


def _nothing() -> dict[str, Any]:
    """Return an answer that leaves everything as it is."""
    single = (*_FIGURES, "threshold_notice", "notice", "view")
    return dict.fromkeys(single, no_update) | {
        f"{name}_words": [no_update] * 3 for name in _FIGURES
    }


def _words(name: str) -> list[Output]:
    return [Output(f"curves-{name}-{part}", "children") for part in ("title", "facts", "caption")]
