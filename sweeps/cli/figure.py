"""``sigmoidf1 figure``: one figure of the dashboard as a file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import typer

from sweeps.cli import options
from sweeps.cli.tables import print_json, print_table

EXAMPLE = "Example: sigmoidf1 figure map --loss sigmoid_f1 --threshold 0.05 -o fig3.pdf"


class Scheme(StrEnum):
    """Colour schemes of the figures."""

    light = "light"
    dark = "dark"


def figure(
    name: Annotated[
        str | None, typer.Argument(help="The figure; without it, all are listed.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="File to write: .png, .svg, .pdf, .html or .csv."),
    ] = None,
    sweep: Annotated[str | None, typer.Option(help="The sweep (default: the newest).")] = None,
    loss: Annotated[str | None, typer.Option(help="The loss, where a figure is of one.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="The metric (default: the objective's).")
    ] = None,
    split: Annotated[str | None, typer.Option(help="validation or test.")] = None,
    threshold: Annotated[
        float | None, typer.Option(help="A kept threshold (default: the objective's).")
    ] = None,
    x: Annotated[str | None, typer.Option("--x", help="Hyperparameter across.")] = None,
    y: Annotated[str | None, typer.Option("--y", help="Hyperparameter upwards.")] = None,
    hold: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Value, or average, of another. May be repeated."),
    ] = None,
    view: Annotated[
        str | None,
        typer.Option(help="The address, or its part after the ?, of a page of the dashboard."),
    ] = None,
    scheme: Annotated[Scheme, typer.Option(help="Colours.")] = Scheme.light,
    width: Annotated[int | None, typer.Option(help="Width in pixels of 1/96 inch.")] = None,
    height: Annotated[int | None, typer.Option(help="Height, likewise.")] = None,
    scale: Annotated[float, typer.Option(help="Pixels of a PNG to each of those.")] = 2.0,
    store: options.Store = options.DEFAULT_STORE,
    json: options.Json = False,
) -> None:
    """Write a figure of the dashboard to a file: picture, page or data.

    What the page shows at an address, --view ADDRESS writes; options given beside it win.
    Pictures are drawn by Chrome or Chromium.
    """
    from dashboards.takeaway.catalogue import figure_kinds
    from dashboards.takeaway.rendering import Size

    if name is None:
        _list(figure_kinds(), json)
        return
    if output is None:
        raise typer.BadParameter("-o must name the file to write, e.g. -o map.pdf.")
    given = {
        "sweep": sweep, "loss": loss, "metric": metric, "split": split,
        "t": threshold, "x": x, "y": y, **_held(hold),
    }  # fmt: skip
    _write(store, name, output, _query(view, given), scheme.value, Size(width, height, scale))


def _write(store: str, name: str, output: Path, query: str, scheme: str, size: Any) -> None:
    from dashboards.figures.grid import FigureError
    from dashboards.source import Source
    from dashboards.takeaway.catalogue import draw
    from dashboards.takeaway.rendering import check_format, render
    from dashboards.view import View, ViewError
    from sweeps.errors import SweepError
    from sweeps.export_files import write_bytes

    source = Source(store, max_age_s=float("inf"))
    try:
        file_format = check_format(output.suffix.removeprefix(".") or "(none)")
        drawing = draw(source, name, View.parse(query))
        content = render(drawing, file_format, scheme=scheme, size=size)
    except (FigureError, ViewError) as error:
        raise SweepError(str(error)) from error
    finally:
        source.close()
    write_bytes(output, content)
    typer.echo(f"Wrote {output} ({len(content) / 1e3:.0f} kB): {drawing.text.title}.")


def _held(hold: list[str] | None) -> dict[str, str]:
    held = {}
    for text in hold or []:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise typer.BadParameter(f"--hold must be NAME=VALUE, but got '{text}'.")
        held[f"hold.{name}"] = value
    return held


def _query(address: str | None, given: dict[str, Any]) -> str:
    query: dict[str, Any] = {}
    if address is not None:
        query = dict(parse_qsl(urlsplit(address).query if "?" in address else address))
    return urlencode(query | {key: value for key, value in given.items() if value is not None})


def _list(kinds: dict[str, Any], json: bool) -> None:
    rows = [{"figure": kind.name, "shows": kind.summary} for kind in kinds.values()]
    if json:
        print_json(rows)
        return
    print_table(["figure", "shows"], [[row["figure"], row["shows"]] for row in rows])
