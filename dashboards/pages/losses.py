"""The losses page: box plots over seeds and the table of best cells."""

from __future__ import annotations

import math
from typing import Any

import dash_ag_grid as dag
from dash import Dash, Input, Output, State, html, no_update
from dash.exceptions import PreventUpdate

from dashboards.figures.best_table import SPLITS, BestTable, best_table, best_table_text
from dashboards.figures.boxplots import boxplot_data, boxplot_text
from dashboards.figures.boxplots_plot import plot_boxplots
from dashboards.naming import (
    mean_sd_text,
    metric_name,
    paper_name,
    score_text,
    settings_text,
    threshold_text,
)
from dashboards.pages import parts
from dashboards.source import Source
from dashboards.view import View

PATH = "/losses"
NAME = "Losses"

_COLUMNS = {"narrow": 1, "medium": 3, "wide": None}
_LEVELS = {"predict_all": "predict-all", "predict_none": "predict-none"}
_GRID_THEME = (
    "themeQuartz.withParams({backgroundColor: 'var(--surface)', foregroundColor: 'var(--ink)', "
    "borderColor: 'var(--line)', headerBackgroundColor: 'var(--surface)', "
    "headerTextColor: 'var(--ink)', chromeBackgroundColor: 'var(--surface)', "
    "rowHoverColor: 'color-mix(in srgb, var(--accent) 8%, transparent)', "
    "accentColor: 'var(--accent)', fontFamily: 'inherit', fontSize: 13, headerFontWeight: 600, "
    "headerColumnResizeHandleColor: 'transparent', wrapperBorder: false, "
    "wrapperBorderRadius: 0, columnBorder: false, spacing: 6})"
)


def layout(source: Source, sweep: str, view: View) -> html.Div:
    """Return the page for ``view``."""
    info = source.sweep(sweep)
    controls = html.Section(
        [
            parts.split_choice("losses-split", view.split or "test"),
            parts.threshold_slider("losses-threshold", info, view.threshold),
        ],
        className="controls",
        **parts.aria(label="What the box plots show"),
    )
    metrics = best_table(source, sweep).metrics
    table = html.Figure(
        [
            html.H2(id="best-title"),
            html.P(id="best-facts", className="facts-line"),
            dag.AgGrid(
                id="best-grid",
                columnDefs=column_definitions(metrics),
                rowData=[],
                defaultColDef={"resizable": True, "sortable": True, "suppressMovable": True},
                dashGridOptions={
                    "domLayout": "autoHeight",
                    "theme": {"function": _GRID_THEME},
                    "suppressCellFocus": False,
                    "ensureDomOrder": True,
                    "tooltipShowDelay": 200,
                },
                style={"height": None, "width": "100%"},
            ),
            html.Figcaption(id="best-caption"),
        ],
        className="panel",
    )
    return html.Div(
        [
            controls,
            parts.figure_panel("losses", f"{sweep}-losses"),
            table,
            parts.context("losses"),
        ]
    )


def column_definitions(metrics: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the columns of the table: the loss, its cell, then one group of scores a split."""
    numeric = {"type": "rightAligned", "cellClass": ["number", "ag-right-aligned-cell"]}
    columns: list[dict[str, Any]] = [
        {
            "field": "loss",
            "headerName": "loss",
            "pinned": "left",
            "cellClass": "strong",
            "width": 132,
        },
        {"field": "settings", "headerName": "settings", "width": 190, "tooltipField": "settings"},
        {"field": "n", "headerName": "n", "width": 82, **numeric},
    ]
    columns += [
        {
            "headerName": split,
            "children": [
                {
                    "field": f"{split}-{metric}",
                    "headerName": metric_name(metric),
                    "headerTooltip": f"the paper's {paper_name(metric)}"
                    if paper_name(metric)
                    else metric_name(metric),
                    "width": 132,
                    **numeric,
                }
                for metric in metrics
            ],
        }
        for split in ("test", "validation")
    ]
    return columns


def table_rows(table: BestTable) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return the rows of the losses and the rows of the constant predictions, as written."""
    rows = []
    for row in table.rows:
        if row.cell_id is None:
            rows.append({"loss": row.loss, "settings": "no finished cell", "n": "0"})
            continue
        scores = {
            f"{split}-{metric}": mean_sd_text(score.mean, score.sd)
            for (split, metric), score in row.scores.items()
        }
        settings = settings_text(row.settings) or "as given"
        rows.append(
            {"loss": row.loss, "settings": settings, "n": f"{row.n} of {row.planned}", **scores}
        )
    levels = [
        {
            "loss": _LEVELS.get(name, name),
            "settings": "constant prediction",
            "n": "",
            **{
                f"{split}-{metric}": score_text(level.get((split, metric), math.nan))
                for split in SPLITS
                for metric in table.metrics
            },
        }
        for name, level in table.levels.items()
    ]
    return rows, levels


def register(app: Dash, source: Source) -> None:
    """Register the callbacks of the page."""
    parts.follow_context(app, "losses")

    @app.callback(
        Output("losses-graph", "figure"),
        Output("losses-title", "children"),
        Output("losses-facts", "children"),
        Output("losses-caption", "children"),
        Output("losses-notice", "children"),
        Output("losses-threshold-value", "children"),
        Output("view", "data", allow_duplicate=True),
        Output("best-title", "children"),
        Output("best-facts", "children"),
        Output("best-caption", "children"),
        Output("best-grid", "rowData"),
        Output("best-grid", "dashGridOptions"),
        Input("losses-split", "value"),
        Input("losses-threshold", "value"),
        Input("losses-context", "data"),
        State("best-grid", "dashGridOptions"),
        State("current", "data"),
        prevent_initial_call="initial_duplicate",
    )
    def draw(
        split: str,
        position: int,
        context: dict[str, Any] | None,
        options: dict[str, Any],
        sweep: str,
    ) -> tuple[Any, ...]:
        if not parts.is_ready(context):
            raise PreventUpdate
        scheme, viewport = context["scheme"], context["viewport"]
        try:
            threshold = float(source.sweep(sweep).thresholds[position])
            boxes = boxplot_data(source, sweep, split=split, threshold=threshold)
            figure = plot_boxplots(
                boxes, scheme=scheme, standalone=False, columns=_COLUMNS[viewport]
            )
            table = best_table(source, sweep, threshold=threshold)
            rows, levels = table_rows(table)
            view = View(sweep=sweep, split=split, threshold=threshold)
            return (
                figure,
                *parts.words(boxplot_text(boxes)),
                None,
                threshold_text(boxes.threshold),
                {"path": PATH, "query": view.query(), "whole": False},
                *parts.words(best_table_text(table)),
                rows,
                {**options, "pinnedBottomRowData": levels},
            )
        except Exception as error:
            notice = parts.notice(parts.sentence(error))
            return (*[no_update] * 4, notice, *[no_update] * 7)
