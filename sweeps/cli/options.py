"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from storage.defaults import DEFAULT_URL
from storage.masking import has_password
from sweeps.cli.logs import say_warning

DEFAULT_STORE = DEFAULT_URL
_WARNED = "sigmoidf1.password_on_the_command_line"


def warn_of_password(
    context: typer.Context, parameter: typer.CallbackParam, url: str | None
) -> str | None:
    """Say once that a password on the command line is everyone's, and how else to give it."""
    source = context.get_parameter_source(parameter.name or "")
    typed = source is not None and source.name == "COMMANDLINE"
    if url is not None and typed and has_password(url) and _WARNED not in context.meta:
        context.meta[_WARNED] = True
        say_warning(
            "every user of this machine can read the URL's password in the list of processes. "
            "Set SIGMOIDF1_STORE instead, or leave the password to the file of PGPASSFILE."
        )
    return url


Store = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="SIGMOIDF1_STORE",
        callback=warn_of_password,
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

MaxPacks = Annotated[
    int | None,
    typer.Option(
        "--workers",
        "--max-packs",
        min=1,
        help="Packs at the same time, at most (default: as many as fit). On a cluster the run "
        "also asks for so many where fewer fit yet, so that it may grow.",
    ),
]
CpusPerPack = Annotated[
    float, typer.Option("--cpus-per-pack", min=0.01, help="Cores that a pack takes, e.g. 0.5.")
]
GpusPerPack = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-pack", min=0.0, help="GPUs that a pack takes, e.g. 0.5 (default: 1 where any)."
    ),
]
ShipCode = Annotated[
    bool | None,
    typer.Option(
        "--ship-code/--no-ship-code",
        help="Send this program's code to the cluster, or use what is installed there (default: "
        "send it when it runs from a source tree).",
    ),
]
Revision = Annotated[
    bool,
    typer.Option(
        "--revision",
        help="Where the stored sweep has other settings, run beside it as NAME.r2, NAME.r3, …",
    ),
]
_JOB_SERVER_HELP = "The cluster's job server, at its dashboard's address: http://HOST:8265."
JobServerNeeded = Annotated[
    str, typer.Option("--ray-address", envvar="RAY_ADDRESS", help=_JOB_SERVER_HELP)
]
JobServer = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        envvar="RAY_ADDRESS",
        help=f"{_JOB_SERVER_HELP} Other addresses than http are left aside.",
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
