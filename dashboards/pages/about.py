"""The page about one sweep: its data, objective, origin, spec, and the methods of every page."""

from __future__ import annotations

from dash import Dash, html

from dashboards.facts import METHOD, provenance_facts, sweep_facts
from dashboards.pages import parts
from dashboards.source import Source
from dashboards.view import View
from sweeps.export_spec import format_spec

PATH = "/about"
NAME = "About"


def layout(source: Source, sweep: str, view: View) -> html.Div:
    """Return the page; ``view`` gives nothing but the sweep."""
    del view
    info = source.sweep(sweep)
    table = source.sweeps()
    counts = table[table["name"] == sweep].iloc[0]
    labels = info.features_info.get("labels")
    sections = [
        html.Section([html.H2("The sweep"), parts.facts_list(sweep_facts(info, counts))]),
        html.Section([html.H2("Methods and conventions"), parts.facts_list(METHOD, "method")]),
        html.Section(
            [html.H2("Spec"), parts.code_block(format_spec(info.spec), "Spec of the sweep")]
        ),
        html.Section([html.H2("Provenance"), parts.facts_list(provenance_facts(info))]),
    ]
    if isinstance(labels, list | tuple):
        words = ", ".join(str(label) for label in labels)
        sections.append(html.Section([html.H2("Classes"), html.P(words, className="lead")]))
    return html.Div([html.H1(sweep), *sections], className="panels")


def register(app: Dash, source: Source) -> None:
    """Register nothing: the page does not change while it is read."""
    del app, source
