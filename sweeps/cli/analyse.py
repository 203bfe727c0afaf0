"""``sigmoidf1 analyse``."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import typer

from sweeps.cli import options
from sweeps.cli.tables import print_json

EXAMPLE = "Example: sigmoidf1 analyse movie-genres --loss sigmoid_f1 --threshold 0.05"
_WIDTH, _INDENT, _WIDEST = 100, 14, 24


class AnalysedSplit(StrEnum):
    """Splits whose cells can be compared."""

    validation = "validation"
    test = "test"


def analyse(
    sweep: Annotated[str, typer.Argument(help="The sweep's name.")],
    loss: Annotated[list[str] | None, typer.Option(help="Only this loss. May be repeated.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="The metric (default: the sweep's objective).")
    ] = None,
    split: Annotated[
        AnalysedSplit,
        typer.Option(help="Where cells are compared; test describes, choices are on validation."),
    ] = AnalysedSplit.validation,
    threshold: Annotated[
        float | None, typer.Option(help="A kept threshold (default: the objective's).")
    ] = None,
    store: options.Store = options.DEFAULT_STORE,
    json: options.Json = False,
) -> None:
    """Say how sure a sweep's results are: intervals, variance, ties, and losses compared.

    Every statement names its method; what cannot be given is a sentence that says why.
    """
    from storage.store import Store
    from sweeps.sensitivity.sweep_analysis import analyse_sweep

    with Store.open(store, create=False, read_only=True) as opened:
        found = analyse_sweep(
            opened, sweep, losses=loss, metric=metric, split=split.value, threshold=threshold
        )
    if json:
        print_json(found.to_dict())
        return
    at = "no threshold enters" if found.threshold is None else f"t = {found.threshold:g}"
    typer.echo(f"{found.sweep}: {found.metric} on {found.split}, {at}")
    for name, words in found.words().items():
        print_topics(name, words)
    print_topics("losses compared", found.comparison_words())


def print_topics(title: str, topics: Mapping[str, str]) -> None:
    """Print a title, and each topic beside its text, wrapped to the terminal."""
    width = _WIDTH
    if sys.stdout.isatty():
        width = min(_WIDTH, shutil.get_terminal_size().columns)
    typer.echo("")
    typer.echo(typer.style(title, bold=True))
    indent = min(max([_INDENT, *(len(topic) + 4 for topic in topics)]), _WIDEST)
    for topic, text in topics.items():
        head = f"  {topic:<{indent - 2}}"
        if len(head) > indent:
            typer.echo(head)
            head = " " * indent
        typer.echo(
            textwrap.fill(
                text,
                width=max(width, 2 * indent),
                initial_indent=head,
                subsequent_indent=" " * indent,
                break_on_hyphens=False,
            )
        )
