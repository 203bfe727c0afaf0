"""The first page: every sweep of the store with its state and progress."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
import pandas as pd
from dash import Dash, Input, Output, html

from dashboards.facts import counts_text, state_words
from dashboards.pages import parts
from dashboards.source import Source
from dashboards.view import View

PATH = "/"
NAME = "Sweeps"

_STATES = (
    ("complete", "var(--accent)"),
    ("diverged", "var(--diverged)"),
    ("failed", "var(--failed)"),
)
_BADGES = {"running": "teal", "finished": "gray", "unfinished": "orange", "not begun": "orange"}


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
            html.Ul(sweep_cards(source.sweeps()), id="sweeps-list", className="cards"),
        ]
    )


def sweep_cards(table: pd.DataFrame) -> list[html.Li]:
    """Return one card a sweep, the latest first."""
    return [html.Li(_card(row)) for _, row in table[::-1].iterrows()]


def _card(row: pd.Series) -> html.Article:
    name = str(row["name"])
    view = View(sweep=name)
    return html.Article(
        [
            html.Div(
                [html.H2(parts.link("/map", view, name)), state_badge(row)], className="card-head"
            ),
            html.P(
                f"{row['dataset']} · {row['encoder']} · {int(row['n_cells']):,} cells",
                className="facts-line",
            ),
            progress(row),
            html.P(counts_text(row), className="counts"),
            html.P(
                [
                    parts.link("/map", view, "Map", size="sm"),
                    parts.link("/losses", view, "Losses", size="sm"),
                    parts.link("/about", view, "About", size="sm"),
                ],
                className="card-links",
            ),
        ],
        className="panel",
        **parts.aria(label=name),
    )


def state_badge(row: Any) -> dmc.Badge:
    """Return the state of a sweep as a badge."""
    state = state_words(row)
    return dmc.Badge(state, color=_BADGES.get(state, "gray"), variant="light", tt="none")


def progress(row: Any) -> dmc.ProgressRoot:
    """Return the share of replicates that are complete, diverged and failed as one bar."""
    total = max(1, int(row["n_replicates"]))
    done = sum(int(row[state]) for state, _ in _STATES)
    sections = [
        dmc.ProgressSection(value=100 * int(row[state]) / total, color=colour, withAria=False)
        for state, colour in _STATES
        if row[state]
    ]
    return dmc.ProgressRoot(
        sections,
        size="sm",
        **parts.aria(label=f"{done:,} of {total:,} replicates done"),
    )


def register(app: Dash, source: Source) -> None:
    """Register the callback that follows the store."""

    @app.callback(
        Output("sweeps-list", "children"),
        Output("sweeps-notice", "children"),
        Input("all-tokens", "data"),
    )
    def follow(_tokens: str) -> tuple[Any, Any]:
        try:
            return sweep_cards(source.sweeps()), None
        except Exception as error:
            return [], parts.notice(parts.sentence(error))
