"""``sigmoidf1 paper show``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cli import options

if TYPE_CHECKING:
    from dashboards.takeaway.drawing import Drawing

SHOW_EXAMPLE = "Example: sigmoidf1 paper show table7 --format md -o table7.md"


class DocumentFormat(StrEnum):
    """Formats of the paper's tables."""

    text = "text"
    md = "md"
    latex = "latex"
    html = "html"


_ENDINGS = {".md": "md", ".tex": "latex", ".html": "html", ".htm": "html"}


def show(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[TABLE|FIGURE]",
            help="table2, table3, table4, table6, table7, table8, or figure2 to figure8; without "
            "it, all are listed.",
        ),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[DATASET=]NAME",
            help="A sweep to compare, also of another dataset that is to stand for DATASET. May "
            "be repeated (default: of each dataset the most complete, paper-… before others).",
        ),
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(help="Only this dataset of the paper; of a figure, instead of its own."),
    ] = None,
    format_: Annotated[
        DocumentFormat | None,
        typer.Option("--format", help="Of a table. Default: by the file's ending, else text."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="The file to write; of a figure .png, .svg, .pdf, .html or .csv."
        ),
    ] = None,
    store: options.Store = options.DEFAULT_STORE,
) -> None:
    """Show a table or figure of the paper, ours beside the paper's.

    Ours are means over seeds with intervals, the cell chosen on validation and read on test; what
    differs in protocol, predict-all and predict-none come with them. A figure without -o prints
    its numbers.
    """
    from dashboards.figures.grid import FigureError
    from dashboards.paper.choosing import choose_sweeps
    from dashboards.paper.documents import TABLES, paper_document
    from dashboards.paper.figures import FIGURES, paper_figure
    from dashboards.paper.formats import format_document
    from dashboards.source import Source
    from sweeps.cli.tables import print_table
    from sweeps.errors import SweepError
    from sweeps.export_files import write_text

    if what is None:
        titles = {**TABLES, **{name: figure.title for name, figure in FIGURES.items()}}
        print_table(["name", "shows"], [list(item) for item in titles.items()])
        return
    if what not in TABLES and what not in FIGURES:
        raise typer.BadParameter(f"{what!r} is neither a table nor a figure here; without it, all "
                                 "are listed.")  # fmt: skip
    source = Source(store, max_age_s=float("inf"))
    try:
        sweeps = choose_sweeps(source, sweep or [])
        if what in FIGURES:
            if format_ is not None:
                raise typer.BadParameter("a figure's format follows from the file's ending: -o.")
            if dataset and len(dataset) > 1:
                raise typer.BadParameter("a figure is of one dataset.", param_hint="--dataset")
            own = dataset[0] if dataset else None
            _figure(paper_figure(source, what, sweeps, dataset=own).alone(), output)
            return
        document = paper_document(source, what, sweeps, datasets=dataset)
    except FigureError as error:
        raise SweepError(str(error)) from error
    finally:
        source.close()
    kind = format_.value if format_ else _ENDINGS.get(output.suffix if output else "", "text")
    written = format_document(document, kind)
    if output is None:
        typer.echo(written, nl=False)
        return
    write_text(output, written)
    typer.echo(f"Wrote {output}: {document.title}.")


def _figure(drawing: Drawing, output: Path | None) -> None:
    """Write a figure by its file's ending, or print its words and numbers."""
    from dashboards.takeaway.rendering import check_format, render
    from sweeps.export_files import write_bytes

    text = drawing.text
    if output is None:
        typer.echo(f"{text.title}\n{text.subtitle}\n\n{text.caption}\n")
        typer.echo(drawing.table().to_csv(index=False), nl=False)
        return
    file_format = check_format(output.suffix.removeprefix(".") or "(none)")
    content = render(drawing, file_format)
    write_bytes(output, content)
    typer.echo(f"Wrote {output} ({len(content) / 1e3:.0f} kB): {text.title}, {text.subtitle}.")
