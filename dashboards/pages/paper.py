"""The paper's page: its tables beside this store's sweeps, its figures from the current one."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboards.pages import controls, parts
from dashboards.paper.blocks import Block, Column, Document, Row
from dashboards.paper.choosing import choose_sweeps, find_dataset, paper_name_of
from dashboards.paper.documents import TABLES, paper_document
from dashboards.paper.figures import FIGURES, PaperDrawing, paper_figure
from dashboards.paper_numbers import paper_tables
from dashboards.source import Source
from dashboards.view import View

PATH = "/paper"
NAME = "Paper"

_ROWS = {"paper": "paper-row", "level": "level-row", "difference": "difference-row", "here": ""}


def check(source: Source, sweep: str, view: View) -> None:
    """Refuse a table or figure that the paper does not have.

    Raises:
        ViewError: what is wrong.
    """
    view.choice("paper.table", tuple(TABLES), default_table(source, sweep))
    view.choice("paper.figure", tuple(FIGURES), default_figure(source, sweep))


def default_table(source: Source, sweep: str) -> str:
    """Return the paper's main table of the sweep's dataset; of another dataset Table 3."""
    dataset = paper_name_of(source.sweep(sweep).dataset)
    first = next(iter(paper_tables(dataset or "")), None)
    return "table3" if first is None else first.table.lower().replace(" ", "")


def default_figure(source: Source, sweep: str) -> str:
    """Return the paper's box plots of the sweep's dataset; of another dataset its map."""
    dataset = paper_name_of(source.sweep(sweep).dataset)
    return (find_dataset(dataset).figure if dataset else None) or "figure3"


def layout(source: Source, sweep: str, view: View) -> html.Div:
    """Return the page for ``view``.

    Raises:
        ViewError: the view names a table or figure that the paper does not have.
    """
    check(source, sweep, view)
    chosen = controls.panel(
        [
            parts.select(
                "paper-table", "table of the paper",
                [{"value": name, "label": title} for name, title in TABLES.items()],
                view.choice("paper.table", tuple(TABLES), default_table(source, sweep)),
                className="wide",
            ),
            parts.select(
                "paper-figure", "figure of the paper",
                [{"value": name, "label": figure.title} for name, figure in FIGURES.items()],
                view.choice("paper.figure", tuple(FIGURES), default_figure(source, sweep)),
                className="wide",
            ),
        ],
        "What the page shows",
    )  # fmt: skip
    return html.Div(
        [
            chosen,
            html.Section(
                [
                    html.Div([html.H2(id="paper-table-title"), _help()], className="panel-head"),
                    html.Div(id="paper-table-notice", role="status"),
                    dcc.Loading(html.Div(id="paper-document"), delay_show=600, type="circle",
                                color="var(--accent)"),
                    html.Div(id="paper-command"),
                ],
                className="panel",
            ),
            parts.figure_panel("paper", f"{sweep}-paper", take="paper", help=_figure_help()),
            parts.context("paper"),
        ]
    )  # fmt: skip


def _help() -> Any:
    return parts.help_tip(
        "the paper's numbers",
        "What the paper prints, beside the cell of each loss that validation chose here, on test. "
        "The interval of a difference is that of our mean: the paper gives no spread. What differs "
        "in protocol follows from the sweep’s spec and stands under each table.",
        method="Student’s t over seeds on the logit scale, less the printed number. Names of "
        "averages are mapped table by table to scikit-learn’s.",
        source="Bénédict et al. (2022), Tables 2 to 8.",
    )


def _figure_help() -> Any:
    return parts.help_tip(
        "the paper's figures",
        "The same form as the paper’s, drawn from the current sweep; the caption says of which "
        "dataset the paper’s is, and what differs in protocol.",
        source="Bénédict et al. (2022), Figures 2 to 8.",
    )


def view_drawing(source: Source, sweep: str, view: View) -> PaperDrawing:
    """Return the figure that the page shows for ``view``, drawn from the current sweep.

    Raises:
        FigureError, ViewError, StoreError: why there is none.
    """
    name = view.choice("paper.figure", tuple(FIGURES), default_figure(source, sweep))
    dataset = paper_name_of(source.sweep(sweep).dataset)
    own = FIGURES[name].dataset if dataset is None else dataset
    return paper_figure(source, name, {own: sweep}, dataset=own)


def register(app: Dash, source: Source) -> None:
    """Register the callbacks of the page."""
    parts.follow_context(app, "paper")

    @app.callback(
        output={
            "title": Output("paper-table-title", "children"),
            "document": Output("paper-document", "children"),
            "command": Output("paper-command", "children"),
            "notice": Output("paper-table-notice", "children"),
            "view": Output("view-beside", "data", allow_duplicate=True),
        },
        inputs={
            "table": Input("paper-table", "value"),
            "context": Input("paper-context", "data"),
            "sweep": State("current", "data"),
        },
        prevent_initial_call="initial_duplicate",
    )
    def write(table: str, context: dict[str, Any] | None, sweep: str) -> dict[str, Any]:
        if not parts.is_ready(context):
            raise PreventUpdate
        try:
            document = paper_document(source, table, _sweeps(source, sweep))
            view = View(sweep=sweep).having(paper_table=table)
            return {
                "title": document.title,
                "document": document_parts(document),
                "command": parts.command(
                    f"sigmoidf1 paper show {table} --sweep {sweep}", "paper-show"
                ),
                "notice": None,
                "view": parts.address(PATH, view, whole=False),
            }
        except Exception as error:
            kept: dict[str, Any] = dict.fromkeys(
                ("title", "document", "command", "view"), no_update
            )
            return kept | {"notice": parts.notice(parts.sentence(error))}

    @app.callback(
        output={
            "figure": Output("paper-graph", "figure"),
            "words": [
                Output(f"paper-{part}", "children") for part in ("title", "facts", "caption")
            ],
            "notice": Output("paper-notice", "children"),
            "view": Output("view", "data", allow_duplicate=True),
        },
        inputs={
            "name": Input("paper-figure", "value"),
            "context": Input("paper-context", "data"),
            "sweep": State("current", "data"),
        },
        prevent_initial_call="initial_duplicate",
    )
    def draw(name: str, context: dict[str, Any] | None, sweep: str) -> dict[str, Any]:
        if not parts.is_ready(context):
            raise PreventUpdate
        try:
            view = View(sweep=sweep).having(paper_figure=name)
            drawing = view_drawing(source, sweep, view)
            return {
                "figure": drawing.plot(context["scheme"], False, context["viewport"]),
                "words": list(parts.words(drawing.text)),
                "notice": None,
                "view": parts.address(PATH, view, whole=False),
            }
        except Exception as error:
            return {
                "figure": no_update,
                "words": [no_update] * 3,
                "notice": parts.notice(parts.sentence(error)),
                "view": no_update,
            }


def _sweeps(source: Source, sweep: str) -> dict[str, str]:
    """The store's sweeps of the paper's datasets; the current one stands for its own."""
    own = paper_name_of(source.sweep(sweep).dataset)
    return choose_sweeps(source) | ({own: sweep} if own else {})


def document_parts(document: Document) -> list[Any]:
    """Return a document as parts of a page, without its title."""
    found: list[Any] = []
    for block in document.blocks:
        found += [html.H3(block.heading), _table(block)]
        found.append(html.Div([html.P(note) for note in block.notes], className="caption"))
    if document.notes:
        found.append(html.Div([html.P(note) for note in document.notes], className="caption"))
    return found


def _table(block: Block) -> html.Div:
    head = html.Tr([_head(column) for column in block.columns])
    body = [_row(block, row) for row in block.rows]
    table = html.Table([html.Thead(head), html.Tbody(body)], className="figures paper-table")
    return html.Div(
        table, className="figures-scroll", tabIndex="0", role="group",
        **parts.aria(label=block.heading),
    )  # fmt: skip


def _head(column: Column) -> Any:
    if not column.title:
        return html.Td("")  # a header without a word is none
    words: Any = [column.title, html.Br(), html.Small(column.note)] if column.note else column.title
    return html.Th(words, scope="col", className="" if column.numeric else "text")


def _row(block: Block, row: Row) -> html.Tr:
    first, *others = row.cells
    cells = [html.Th(first, scope="row") if first else html.Td("")]
    cells += [
        html.Td(cell, className="" if column.numeric else "text")
        for cell, column in zip(others, block.columns[1:], strict=True)
    ]
    return html.Tr(cells, className=_ROWS[row.kind])
