"""How the command line prints tables, JSON and numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_FILE_WIDTH = 160  # columns, where the output is no terminal and nothing wraps it


def print_json(value: Any) -> None:
    """Print ``value`` as JSON; NaN has become null before."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False))


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None
) -> None:
    """Print rows of text under column names; numbers are aligned right."""
    console().print(table(columns, rows, title=title))


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None
) -> Table:
    """Rows of text under column names, to be printed; numbers are aligned right."""
    from rich import box
    from rich.table import Table

    drawn = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    lines = [list(row) for row in rows]
    for place, column in enumerate(columns):
        numeric = bool(lines) and all(_is_number(line[place]) for line in lines)
        drawn.add_column(column, justify="right" if numeric else "left", no_wrap=numeric)
    for line in lines:
        drawn.add_row(*line)
    return drawn


def console() -> Console:
    """Standard output; wide where it is no terminal, because then nothing wraps it."""
    from rich.console import Console

    screen = Console(highlight=False, markup=False)
    if not screen.is_terminal:
        screen.width = _FILE_WIDTH
    return screen


def duration(seconds: float) -> str:
    """A length of time with one sensible unit."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def byte_size(count: float) -> str:
    """A number of bytes with a decimal unit."""
    value: float = count
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def number(value: float | None, digits: int = 4) -> str:
    """A metric with sensible digits; – where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def setting(hyperparameters: Mapping[str, Any]) -> str:
    """Hyperparameters in one line: ``β=5 η=0.5 input=logits``."""
    greek = {"beta": "β", "eta": "η", "gamma": "γ", "alpha": "α"}
    parts = [f"{greek.get(k, k)}={_short(v)}" for k, v in hyperparameters.items()]
    return " ".join(parts)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else str(value)


def _is_number(text: str) -> bool:
    return bool(text) and (text == "–" or text.replace("±", "").strip()[:1] in set("-+.0123456789"))
