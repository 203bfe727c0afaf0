"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_STORE = "sqlite:///sigmoidf1.db"

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
