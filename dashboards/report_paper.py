"""The report's section on the paper: its tables beside the sweeps of the report."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from dashboards.figures.grid import FigureError
from dashboards.paper.blocks import Document
from dashboards.paper.choosing import paper_name_of
from dashboards.paper.documents import paper_document
from dashboards.paper.formats import html_document
from dashboards.paper_numbers import paper_tables
from dashboards.source import Source
from storage.errors import StoreError
from sweeps.errors import SweepError

_ALWAYS = ("table6", "table8")


def paper_section(source: Source, names: Sequence[str]) -> str:
    """Return the paper's tables of the datasets of some sweeps, as HTML; "" where there are none.

    Args:
        source: where the numbers are read.
        names: the report's sweeps, the latest first; of each dataset the first counts.
    """
    sweeps: dict[str, str] = {}
    for name in names:
        table = source.sweeps()
        complete = int(table[table["name"] == name].iloc[0]["complete"])
        dataset = paper_name_of(source.sweep(name).dataset)
        if dataset is not None and complete:
            sweeps.setdefault(dataset, name)
    if not sweeps:
        return ""
    wanted = [
        block.table.lower().replace(" ", "")
        for dataset in sweeps
        for block in paper_tables(dataset)
    ]
    tables = [*sorted(set(wanted)), *_ALWAYS]
    body = "".join(_panel(source, table, sweeps) for table in tables)
    return (
        '<section class="sweep" id="paper" aria-label="The paper"><h2>Beside the paper</h2>'
        "<p class='lead'>What Bénédict et al. (2022) print for these datasets, and what differs in "
        f"protocol.</p>{body}</section>"
    )


def _panel(source: Source, table: str, sweeps: dict[str, str]) -> str:
    try:
        document: Document = paper_document(source, table, sweeps, datasets=list(sweeps))
    except (FigureError, StoreError, SweepError) as error:
        return f"<p class='panel'>{escape(str(error))}</p>"
    return f"<div class='panel paper-tables'>{html_document(document, level=3)}</div>"
