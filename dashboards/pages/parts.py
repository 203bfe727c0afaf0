"""Parts that the pages share: figures with their words, controls, notices."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any, TypeGuard, cast
from urllib.parse import quote

import dash_mantine_components as dmc
import numpy as np
from dash import ClientsideFunction, Dash, Input, Output, dcc, html

from dashboards.facts import Fact
from dashboards.figures.captions import FigureText
from dashboards.figures.grid import FigureError
from dashboards.figures.marks import MARKS, Kind, legend_svg
from dashboards.naming import metric_name, threshold_text
from dashboards.theme import figure_config, get_theme
from dashboards.view import SPLITS, View, ViewError
from storage.errors import StoreError
from storage.records import SweepInfo
from sweeps.errors import SweepError

logger = logging.getLogger(__name__)

WIDTHS = {"narrow": 360, "medium": 760, "wide": 1150}
_LABELLED = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999)


def sentence(error: Exception) -> str:
    """Return what a reader is told of an error; one that nobody foresaw goes to the log."""
    if isinstance(error, StoreError | FigureError | ViewError | SweepError):
        return str(error)
    logger.error("a page could not be made", exc_info=error)
    return "This could not be shown, for a reason nobody foresaw. The server's log has the details."


def aria(**attributes: str) -> dict[str, Any]:
    """Return ARIA attributes: ``aria(label="Pages")`` is ``{"aria-label": "Pages"}``."""
    return {f"aria-{name}": value for name, value in attributes.items()}


def notice(text: str, *, title: str | None = None) -> dmc.Alert:
    """Return a notice in words, read out by screen readers."""
    return dmc.Alert(text, title=title, color="orange", variant="light", className="notice")


def empty_state(title: str, *lines: Any) -> html.Section:
    """Return a page that has nothing to show and says why."""
    return html.Section([html.H1(title), *[html.P(line) for line in lines]], className="empty")


def figure_panel(name: str, picture: str) -> html.Figure:
    """Return a panel with a graph, its title and facts above, legend and small print below.

    Args:
        name: prefix of the ids: ``NAME-graph``, ``-title``, ``-facts``, ``-legend``,
            ``-caption``, ``-notice``.
        picture: file name of a downloaded picture.
    """
    return html.Figure(
        [
            html.H2(id=f"{name}-title"),
            html.P(id=f"{name}-facts", className="facts-line"),
            html.Div(id=f"{name}-notice", role="status"),
            dcc.Loading(
                dcc.Graph(
                    id=f"{name}-graph",
                    figure={"layout": {"height": 360, "xaxis": _HIDDEN, "yaxis": _HIDDEN}},
                    config=cast(Any, figure_config(picture)),
                    className="graph",
                ),
                delay_show=600,
                overlay_style={"visibility": "visible", "opacity": 0.5},
                color="var(--accent)",
                type="circle",
            ),
            html.Div(id=f"{name}-legend"),
            html.Figcaption(id=f"{name}-caption"),
        ],
        className="panel",
    )


_HIDDEN = {"visible": False}


def context(name: str) -> dcc.Store:
    """Return the page's copy of what all pages share: width, scheme, and the sweep's token."""
    return dcc.Store(id=f"{name}-context")


def follow_context(app: Dash, name: str) -> None:
    """Keep `context` up to date in the browser.

    A callback may only depend on what is on its page, or the browser complains of the rest;
    an output that is not on the page is no complaint.
    """
    app.clientside_callback(
        ClientsideFunction("view", "context"),
        Output(f"{name}-context", "data"),
        Input("viewport", "data"),
        Input("scheme", "data"),
        Input("token", "data"),
    )


def is_ready(shared: dict[str, Any] | None) -> TypeGuard[dict[str, Any]]:
    """Say whether the browser has told width and scheme, so that a figure is drawn once only."""
    return bool(shared and shared.get("viewport") and shared.get("scheme"))


def legend(kinds: Iterable[Kind], scheme: str) -> html.Ul:
    """Return the legend of a map's marks."""
    theme = get_theme(scheme)
    return html.Ul(
        [
            html.Li(
                [
                    html.Img(src=f"data:image/svg+xml,{quote(legend_svg(kind, theme))}", alt=""),
                    html.Span(MARKS[kind].name),
                ]
            )
            for kind in kinds
        ],
        className="legend",
    )


def words(text: FigureText) -> tuple[str, str, str]:
    """Return title, facts and caption, in the order of the panel's outputs."""
    return text.title, text.subtitle, text.caption


def facts_list(facts: Iterable[Fact], style: str = "facts") -> html.Dl:
    """Return a list of named facts."""
    return html.Dl([html.Div([html.Dt(k), html.Dd(v)]) for k, v in facts], className=style)


def select(
    name: str, label: str, data: Sequence[Any], value: str | None, **rest: Any
) -> dmc.Select:
    """Return a labelled choice of one out of ``data``."""
    return dmc.Select(
        id=name,
        label=label,
        data=list(data),
        value=value,
        allowDeselect=False,
        size="sm",
        comboboxProps={"shadow": "md"},
        **rest,
    )


def metric_choices(info: SweepInfo) -> list[dict[str, Any]]:
    """Return the metrics of a sweep: those kept at every threshold, and the others."""
    every: list[dict[str, str]] = []
    without: list[dict[str, str]] = []
    only: list[dict[str, str]] = []
    for metric in info.metrics:
        group = every if metric["curve"] else only if metric["thresholded"] else without
        group.append({"value": metric["name"], "label": metric_name(metric["name"])})
    groups = (
        ("at every threshold", every),
        ("without a threshold", without),
        (f"at t = {threshold_text(info.objective['threshold'])} only", only),
    )
    return [{"group": name, "items": items} for name, items in groups if items]


def split_choice(name: str, value: str) -> html.Div:
    """Return the choice of the split."""
    return html.Div(
        [
            html.Span("split", id=f"{name}-label", className="label"),
            dmc.SegmentedControl(
                id=name,
                data=[{"value": split, "label": split} for split in SPLITS],
                value=value,
                size="sm",
                fullWidth=True,
                **aria(labelledby=f"{name}-label"),
            ),
        ]
    )


def nearest_index(info: SweepInfo, threshold: float | None) -> int:
    """Return the position of the kept threshold nearest to ``threshold``, or the objective's."""
    wanted = info.objective["threshold"] if threshold is None else threshold
    return int(np.argmin(np.abs(np.asarray(info.thresholds) - wanted)))


def threshold_slider(name: str, info: SweepInfo, threshold: float | None) -> html.Div:
    """Return a slider over the kept thresholds, evenly spaced as they are on the logit scale."""
    kept = np.asarray(info.thresholds)
    marks = [
        {"value": int(np.argmin(np.abs(kept - label))), "label": threshold_text(label)}
        for label in _LABELLED
        if kept.min() <= label <= kept.max()
    ]
    return html.Div(
        [
            html.Div(
                [
                    html.Span("threshold t", className="label"),
                    html.Output(id=f"{name}-value", className="value"),
                ],
                className="slider-head",
            ),
            dmc.Slider(
                id=name,
                min=0,
                max=len(kept) - 1,
                step=1,
                value=nearest_index(info, threshold),
                marks=marks,
                label=None,
                updatemode="drag",
                size="sm",
                thumbSize=18,
                thumbLabel="threshold, as a position among the kept thresholds",
            ),
        ],
        className="slider",
    )


def link(path: str, view: View, text: str, **rest: Any) -> dmc.Anchor:
    """Return a link to a page that keeps ``view``."""
    return dmc.Anchor(text, href=path + view.query(), refresh=False, **rest)
