"""The first page: every sweep of the store with its state and progress."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
import pandas as pd
from dash import Dash, Input, Output, State, dcc, html, no_update

from dashboards.facts import counts_text, pace_text, state_words
from dashboards.pages import parts
from dashboards.source import Source
from dashboards.view import View

PATH = "/"
NAME = "Sweeps"

_STATES = (
    ("complete", "var(--accent)"),
    ("diverged", "var(--diverged)"),
    ("failed", "var(--failed)"),
    ("pruned", "var(--pruned)"),
)


def layout(source: Source) -> html.Div:
    """Return the page; its list follows the store."""
    return html.Div(
        [
            html.H1("Sweeps"),
            html.P(
                "Which loss, with which hyperparameters, at which threshold, and how sure.",
                className="lead",
            ),
            html.Div(id="sweeps-notice", role="status"),
            dcc.Store(id="sweeps-seen", data=_words(source)),
            html.Ul(sweep_cards(source), id="sweeps-list", className="cards"),
        ]
    )


def sweep_cards(source: Source) -> list[html.Li]:
    """Return one card a sweep, the latest first; of those that are not done who works on them."""
    cards = []
    for _, row in source.sweeps()[::-1].iterrows():
        is_open = bool(row["waiting"] or row["running"])
        pace = pace_text(source.status(str(row["name"]))) if is_open else None
        cards.append(html.Li(_card(row, pace)))
    return cards


def _card(row: pd.Series, pace: str | None) -> html.Article:
    name = str(row["name"])
    view = View(sweep=name)
    done = sum(int(row[state]) for state, _ in _STATES)
    share = done / max(1, int(row["n_replicates"]))
    lines = [html.P(counts_text(row), className="counts")]
    if pace is not None:
        lines.append(html.P(pace, className="counts"))
    links = [("Map", "/map"), ("Losses", "/losses"), ("Sensitivity", "/sensitivity")]
    links += [("Cells", "/cells"), ("About", "/about")]
    return html.Article(
        [
            html.Div(
                [
                    html.H2(parts.link("/map", view, name)),
                    html.Div(
                        [html.Span(_percent(share), className="counts"), state_badge(row)],
                        className="card-state",
                    ),
                ],
                className="card-head",
            ),
            html.P(
                f"{row['dataset']} · {_short_path(str(row['encoder']))} · "
                f"{int(row['n_cells']):,} cells · planned {row['created_at']:%Y-%m-%d %H:%M}",
                className="facts-line",
                title=str(row["encoder"]),
            ),
            progress(row),
            *lines,
            html.P(
                [parts.link(path, view, text, size="sm") for text, path in links],
                className="card-links",
            ),
        ],
        className="panel",
        **parts.aria(label=name),
    )


def _short_path(encoder: str) -> str:
    """Return an encoder's name; of one that is a path, the last part of it."""
    kind, _, path = encoder.rpartition(":")
    return f"{kind}: …/{path.rsplit('/', 1)[-1]}" if path.count("/") > 1 else encoder


def _percent(share: float) -> str:
    """Write a share that is 100 % only when all is done, and 0 % only when nothing is."""
    if 0 < share < 1:
        return f"{min(99, max(1, round(100 * share)))} %"
    return f"{100 * share:.0f} %"


def state_badge(row: Any) -> html.Span:
    """Return the state of a sweep as a badge."""
    state = state_words(row)
    return parts.badge(state, state)


def progress(row: Any) -> html.Div:
    """Return the share of replicates that are complete, diverged and failed as one bar."""
    total = max(1, int(row["n_replicates"]))
    done = sum(int(row[state]) for state, _ in _STATES)
    sections = [
        dmc.ProgressSection(value=100 * int(row[state]) / total, color=colour, withAria=False)
        for state, colour in _STATES
        if row[state]
    ]
    return html.Div(
        dmc.ProgressRoot(sections, size="sm"),
        role="progressbar",
        **parts.aria(
            label="replicates done",
            valuemin="0",
            valuemax=str(total),
            valuenow=str(done),
            valuetext=f"{done:,} of {total:,} replicates done",
        ),
    )


def register(app: Dash, source: Source) -> None:
    """Register the callback that follows the store."""

    @app.callback(
        Output("sweeps-list", "children"),
        Output("sweeps-notice", "children"),
        Output("sweeps-seen", "data"),
        Input("tick", "n_intervals"),
        State("sweeps-seen", "data"),
        prevent_initial_call=True,
    )
    def follow(_ticks: int, seen: str | None) -> tuple[Any, Any, Any]:
        """Draw the cards anew when a word of them has changed, so that nothing flickers."""
        try:
            now = _words(source)
            if now == seen:
                return no_update, None, no_update
            return sweep_cards(source), None, now
        except Exception as error:
            return no_update, parts.notice(parts.sentence(error)), no_update


def _words(source: Source) -> str:
    """Return everything that changes on the page, as one text."""
    lines = []
    for _, row in source.sweeps().iterrows():
        is_open = bool(row["waiting"] or row["running"])
        pace = pace_text(source.status(str(row["name"]))) if is_open else ""
        lines.append(f"{row['name']}: {counts_text(row)} {pace}")
    return "\n".join(lines)
