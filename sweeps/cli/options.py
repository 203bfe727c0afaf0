"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from storage.defaults import DEFAULT_URL

DEFAULT_STORE = DEFAULT_URL

Store = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="SIGMOIDF1_STORE",
        help="The store: an SQLAlchemy URL, sqlite:///FILE or postgresql://…",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a value of the spec, e.g. training.epochs=10. May be repeated.",
    ),
]
CacheDir = Annotated[
    Path | None,
    typer.Option(
        "--cache-dir",
        envvar="SIGMOIDF1_CACHE",
        help="Where embeddings are cached (default: ~/.cache/sigmoidf1).",
    ),
]
Sweeps = Annotated[
    list[str] | None,
    typer.Option("--sweep", help="Only this sweep. May be repeated; default: all of the store."),
]


class TrainingDevice(StrEnum):
    """Where heads train again."""

    cpu = "cpu"
    cuda = "cuda"


Threads = Annotated[
    int | None,
    typer.Option(min=1, help="Heads trained at the same time on a CPU (default: one a core)."),
]
Device = Annotated[
    TrainingDevice,
    typer.Option(
        "--device", help="Where to train; cuda, where there is one, for a sweep that a GPU trained."
    ),
]


class OnError(StrEnum):
    """What is done about a bad input: `data.on_error` of a spec."""

    stop = "stop"
    skip = "skip"


OnBadInput = Annotated[
    OnError | None,
    typer.Option(
        "--on-error",
        help="Stop at the first unreadable input, or skip and list them (data.on_error).",
    ),
]


def overrides(texts: list[str] | None, on_error: OnError | None) -> list[tuple[str, str]]:
    """The changes of a spec that ``--set`` and ``--on-error`` ask for."""
    from sweeps.spec_text import parse_override

    changes = [parse_override(text) for text in texts or []]
    return changes if on_error is None else [*changes, ("data.on_error", on_error.value)]


class ExportFormat(StrEnum):
    """File formats of an export."""

    yaml = "yaml"
    json = "json"
    csv = "csv"
    toml = "toml"
    latex = "latex"


class ExportRule(StrEnum):
    """Rules by which an export chooses a cell."""

    mean = "mean"
    lower_bound = "lower-bound"
    robust = "robust"


class TableFormat(StrEnum):
    """File formats of a table of results."""

    csv = "csv"
    parquet = "parquet"
    json = "json"
