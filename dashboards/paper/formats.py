"""Documents of the paper's tables as text, Markdown, LaTeX and HTML."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from html import escape

from dashboards.figures.grid import FigureError
from dashboards.paper.blocks import Block, Column, Document
from sweeps.export_latex import escape_latex

FORMATS = ("text", "md", "latex", "html")
_WIDTH = 100
_SIGNS = {
    "≈": r"$\approx$", "−": "$-$", "–": "--", "β": r"$\beta$", "η": r"$\eta$",
    "γ": r"$\gamma$", "α": r"$\alpha$", "⁺": "$^+$", "⁻": "$^-$",
}  # fmt: skip


def format_document(document: Document, kind: str) -> str:
    """Write a document in one of `FORMATS`; ends in a newline.

    HTML is a fragment that brings no style of its own.

    Raises:
        FigureError: the format is unknown.
    """
    writers = {"text": _text, "md": _markdown, "latex": _latex, "html": html_document}
    if kind not in writers:
        raise FigureError(f"A format must be one of {', '.join(FORMATS)}, but got '{kind}'.")
    return writers[kind](document).rstrip("\n") + "\n"


def _text(document: Document) -> str:
    parts = [document.title, "=" * len(document.title), ""]
    for block in document.blocks:
        parts += [block.heading, "-" * len(block.heading), *_aligned(block), ""]
        parts += _wrapped(block.notes)
    return "\n".join([*parts, *_wrapped(document.notes)])


def _aligned(block: Block) -> list[str]:
    heads = [[column.title for column in block.columns]]
    if any(column.note for column in block.columns):
        heads.append([column.note for column in block.columns])
    lines = [*heads, *(list(row.cells) for row in block.rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(block.columns))]

    def write(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if column.numeric else cell.ljust(width)
            for cell, width, column in zip(cells, widths, block.columns, strict=True)
        ]
        return "  ".join(padded).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return [*map(write, heads), rule, *(write(row.cells) for row in block.rows)]


def _wrapped(notes: Sequence[str]) -> list[str]:
    return [line for note in notes for line in [*textwrap.wrap(note, _WIDTH), ""]]


def _markdown(document: Document) -> str:
    parts = [f"## {document.title}", ""]
    for block in document.blocks:
        heads = [_head(column, "<br>") for column in block.columns]
        parts += [f"### {block.heading}", "", _pipes(heads)]
        parts.append(_pipes(["--:" if column.numeric else ":--" for column in block.columns]))
        parts += [_pipes([cell.replace("|", r"\|") for cell in row.cells]) for row in block.rows]
        parts += ["", *(line for note in block.notes for line in (_plain(note), ""))]
    return "\n".join([*parts, *(line for note in document.notes for line in (_plain(note), ""))])


def _pipes(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(note: str) -> str:
    return note.replace("*", r"\*").replace("<", "&lt;")


def _head(column: Column, between: str) -> str:
    return between.join(part for part in (column.title, column.note) if part)


def _latex(document: Document) -> str:
    parts = [rf"% {document.title}", r"% \usepackage{booktabs}"]
    for block in document.blocks:
        shape = "".join("r" if column.numeric else "l" for column in block.columns)
        parts += [
            rf"% {block.heading}",
            rf"\begin{{tabular}}{{{shape}}}",
            r"\toprule",
            _row([column.title for column in block.columns]),
        ]
        if any(column.note for column in block.columns):
            parts.append(_row([column.note for column in block.columns]))
        parts.append(r"\midrule")
        parts += [_row(row.cells) for row in block.rows]
        parts += [r"\bottomrule", r"\end{tabular}"]
        parts += [f"% {line}" for note in block.notes for line in textwrap.wrap(note, _WIDTH - 2)]
        parts.append("")
    parts += [f"% {line}" for note in document.notes for line in textwrap.wrap(note, _WIDTH - 2)]
    return "\n".join(parts)


def _row(cells: Sequence[str]) -> str:
    # A cell that begins with a bracket would be read as an option of the line before it.
    return f"{' & '.join(_latex_cell(cell) for cell in cells)} \\\\"


def _latex_cell(cell: str) -> str:
    text = escape_latex(cell)
    for sign, command in _SIGNS.items():
        text = text.replace(sign, command)
    return text


def html_document(document: Document, level: int = 2) -> str:
    """Return a document as HTML under a heading of a level, every word escaped."""
    parts = [f"<h{level}>{escape(document.title)}</h{level}>"]
    for block in document.blocks:
        parts += [f"<h{level + 1}>{escape(block.heading)}</h{level + 1}>", html_table(block)]
        parts += [f"<p class='note'>{escape(note)}</p>" for note in block.notes]
    parts += [f"<p class='note'>{escape(note)}</p>" for note in document.notes]
    return "\n".join(parts)


def html_table(block: Block) -> str:
    """Return the table of a block as HTML, in the classes of the static report."""
    head = "".join(map(_html_head, block.columns))
    body = "".join(
        f"<tr class='row-{row.kind}{' first' if row.cells[0] else ''}'>"
        + "".join(
            f"<td{_class(column)}>{escape(cell)}</td>"
            for cell, column in zip(row.cells, block.columns, strict=True)
        )
        + "</tr>"
        for row in block.rows
    )
    return (
        f"<div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        "</div>"
    )


def _html_head(column: Column) -> str:
    if not column.title:
        return "<td></td>"  # a header without a word is none
    note = f"<span class='paper'>{escape(column.note)}</span>" if column.note else ""
    return f"<th scope='col'{_class(column)}>{escape(column.title)}{note}</th>"


def _class(column: Column) -> str:
    return "" if column.numeric else " class='text'"
