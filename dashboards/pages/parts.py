"""Parts that the pages share: figures with their words, controls, notices."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeGuard, cast
from urllib.parse import quote

import dash_mantine_components as dmc
import numpy as np
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html

from dashboards.facts import Fact
from dashboards.figures.captions import FigureText
from dashboards.figures.grid import FigureError
from dashboards.figures.marks import MARKS, Kind, legend_svg
from dashboards.naming import metric_name, threshold_text
from dashboards.pages.buttons import help_button
from dashboards.pages.taking import figure_menu
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


def badge(text: str, kind: str) -> html.Span:
    """Return a small label of a state; ``kind`` is one of the style sheet's."""
    return html.Span(text, className=f"badge is-{kind.replace(' ', '-')}")


def code_block(text: str, label: str) -> html.Pre:
    """Return a block of code; the keyboard reaches it, so that it can be scrolled."""
    return html.Pre(text, className="code", role="region", tabIndex="0", **aria(label=label))


def notice(text: str, *, title: str | None = None) -> dmc.Alert:
    """Return a notice in words, read out by screen readers."""
    return dmc.Alert(text, title=title, color="orange", variant="light", className="notice")


def empty_state(title: str, *lines: Any) -> html.Section:
    """Return a page that has nothing to show and says why."""
    return html.Section([html.H1(title), *[html.P(line) for line in lines]], className="empty")


def card(title: str, *content: Any, help: Any = None, aside: Any = None) -> html.Section:
    """Return a panel with a heading.

    Args:
        title: the heading.
        content: what is below it.
        help: from `help_tip`, beside the heading.
        aside: what stands at the right end of the heading's line.
    """
    head = [html.H2(title), help, html.Div(aside, className="aside") if aside else None]
    return html.Section([html.Div(head, className="panel-head"), *content], className="panel")


def help_tip(about: str, text: str, *, method: str = "", source: str = "") -> dmc.Popover:
    """Return a small button that explains a statistic: what it says, its method, its source.

    Args:
        about: what is explained, for screen readers (``"tied set"``).
        text: what the number says and does not say, in one to three sentences.
        method: how it is computed.
        source: paper or book.
    """
    lines = [html.P(text)]
    lines += [html.P([html.Strong("Method. "), method])] if method else []
    lines += [html.P([html.Strong("Source. "), source])] if source else []
    return dmc.Popover(
        [
            help_button(f"What is this: {about}"),
            dmc.PopoverDropdown(lines, className="help-text"),
        ],
        width=320,
        position="bottom-start",
        shadow="md",
        withArrow=True,
        withinPortal=False,
        trapFocus=True,  # within it Escape closes it
        returnFocus=True,
    )


def command(text: str, name: str) -> html.Div:
    """Return a command line that can be copied; ``name`` is the prefix of its id."""
    return html.Div(
        [
            html.Code(text),
            dmc.CopyButton(
                id=f"{name}-copy",
                value=text,
                children="Copy",
                copiedChildren="Copied",
                size="compact-xs",
                buttonProps={"variant": "default"},
            ),
        ],
        className="command",
    )


def address(
    path: str, view: View, *, whole: bool = True, without: Sequence[str] = ()
) -> dict[str, Any]:
    """Return what a page's callback gives to ``Output("view", "data")``: its view, kept in the
    address. With ``whole=False`` settings that ``view`` does not name stay as they are, but for
    those that ``without`` names, which do not hold any more.

    A page with a second callback of the kind gives it ``Output("view-beside", "data")``.
    """
    return {"path": path, "query": view.query(), "whole": whole, "without": list(without)}


def figure_panel(
    name: str, picture: str, *, take: str, help: Any = None, above: Any = None, hover: Any = None
) -> html.Figure:
    """Return a panel with a graph, its title and facts above, legend and small print below.

    Args:
        name: prefix of the ids: ``NAME-graph``, ``-title``, ``-facts``, ``-legend``,
            ``-caption``, ``-notice``, and ``-aside`` at the right end of the title's line.
        picture: file name of a picture that the browser makes.
        take: name of the figure in `dashboards.takeaway`, which its menu takes away.
        help: from `help_tip`, beside the title.
        above: what stands between the facts and the graph, such as a slider.
        hover: a tooltip of the page's own, for a graph that leaves the pointer to it.
    """
    aside = html.Div(id=f"{name}-aside", className="aside")
    return html.Figure(
        [
            html.Div(
                [html.H2(id=f"{name}-title"), help, aside, figure_menu(name, take)],
                className="panel-head",
            ),
            html.P(id=f"{name}-facts", className="facts-line"),
            above,
            html.Div(id=f"{name}-notice", role="status"),
            html.Div(
                [
                    dcc.Loading(
                        dcc.Graph(
                            id=f"{name}-graph",
                            figure={"layout": _BEFORE},
                            config=cast(Any, figure_config(picture)),
                            className="graph",
                            clear_on_unhover=hover is not None,
                        ),
                        delay_show=600,
                        overlay_style={"visibility": "visible", "opacity": 0.5},
                        color="var(--accent)",
                        type="circle",
                    ),
                    hover,
                ],
                className="graph-place",
            ),
            html.Div(id=f"{name}-legend"),
            html.Figcaption(id=f"{name}-caption"),
        ],
        className="panel",
    )


_HIDDEN, _CLEAR = {"visible": False}, "rgba(0,0,0,0)"
# What stands there until the figure is drawn: nothing, in either colour scheme.
_BEFORE = {
    "height": 360,
    "xaxis": _HIDDEN,
    "yaxis": _HIDDEN,
    "paper_bgcolor": _CLEAR,
    "plot_bgcolor": _CLEAR,
}


def as_states(asked: Mapping[str, Any]) -> dict[str, State]:
    """Return what a callback asks for as states: known to another one that they do not start."""
    return {name: State(item.component_id, item.component_property) for name, item in asked.items()}


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
        State(f"{name}-context", "data"),
    )


def is_ready(shared: dict[str, Any] | None) -> TypeGuard[dict[str, Any]]:
    """Say whether width, scheme and the sweep's state are known, so that a figure is drawn once."""
    return bool(shared and all(shared.get(name) for name in ("viewport", "scheme", "token")))


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
    name: Any, label: str, data: Sequence[Any], value: str | None, *, size: str = "sm", **rest: Any
) -> dmc.Select:
    """Return a labelled choice of one out of ``data``."""
    return dmc.Select(
        id=name,
        label=label,
        data=list(data),
        value=value,
        allowDeselect=False,
        size=cast(Any, size),
        comboboxProps={"shadow": "md", "withinPortal": False},
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


def split_choice(name: str, value: str, *, size: str = "sm") -> html.Div:
    """Return the choice of the split."""
    return html.Div(
        [
            html.Span("split", id=f"{name}-label", className="label"),
            dmc.SegmentedControl(
                id=name,
                data=[{"value": split, "label": split} for split in SPLITS],
                value=value,
                size=cast(Any, size),
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
