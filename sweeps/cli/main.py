"""The ``sigmoidf1`` command: assembles the sub-commands and turns errors into one line."""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from sigmoidf1.errors import InputError
from sigmoidf1.version import __version__
from storage.errors import StoreError
from storage.masking import mask_text
from sweeps.cli import (
    analyse,
    auth,
    cache,
    compare,
    dashboard,
    datasets,
    export,
    export_tables,
    figure,
    logs,
    paper,
    predict,
    report,
    sweep,
    verify,
)
from sweeps.cli import store as store_commands
from sweeps.errors import SpecError, SweepError

USAGE_STATUS, FAILURE_STATUS, INTERRUPT_STATUS = 2, 1, 130
# Typer brings a Click of its own since 0.29, and used the real one before.
_COMMAND_ERROR: type[Any] = typer.BadParameter.__mro__[2]
# What the dashboard's image leaves out.
_TRAINING_PACKAGES = ("ray", "timm", "torch", "transformers")
_PACKAGES = ("sigmoidf1", "storage", "sweeps", "dashboards")

app = typer.Typer(
    name="sigmoidf1",
    help="Sweep sigmoidF1's β and η and its competitors' hyperparameters over frozen embeddings, "
    "browse the sensitivity, export the best.",
    epilog="Example: sigmoidf1 sweep run examples/movie-genres.yaml",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(sweep.app, name="sweep")
app.add_typer(datasets.app, name="datasets")
app.add_typer(paper.app, name="paper")
app.add_typer(export.app, name="export")
app.add_typer(store_commands.app, name="store")
app.add_typer(cache.app, name="cache")
app.add_typer(auth.app, name="auth")
export.app.command(epilog=export_tables.CELLS_EXAMPLE)(export_tables.cells)
export.app.command(epilog=export_tables.REPLICATES_EXAMPLE)(export_tables.replicates)
export.app.command(epilog=export_tables.CURVES_EXAMPLE)(export_tables.curves)
app.command(name="embed", epilog=datasets.EMBED_EXAMPLE)(datasets.embed)
app.command(name="analyse", epilog=analyse.EXAMPLE)(analyse.analyse)
app.command(name="compare", epilog=compare.EXAMPLE)(compare.compare)
app.command(name="verify", epilog=verify.EXAMPLE)(verify.verify)
app.command(name="predict", epilog=predict.EXAMPLE)(predict.predict)
app.command(name="figure", epilog=figure.EXAMPLE)(figure.figure)
app.command(name="report", epilog=report.EXAMPLE)(report.report)
app.command(name="dashboard", epilog=dashboard.EXAMPLE)(dashboard.dashboard)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sigmoidf1 {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    log_format: logs.GlobalOption = logs.LogFormat.text,
) -> None:
    if debug:
        os.environ["SIGMOIDF1_DEBUG"] = "1"


def main() -> None:
    """Run the command line; exit status 0, 1 (failure), 2 (usage) or 130 (interrupted)."""
    warnings.showwarning = _show_warning
    logs.configure(logs.LogFormat.text)
    try:
        _check_packages()
        status = app(standalone_mode=False)
    except _COMMAND_ERROR as error:
        status = _misused(error)
    except (InputError, SpecError, SweepError, StoreError) as error:
        status = _failed(error)
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("Stopped.", err=True)
        status = INTERRUPT_STATUS
    except BrokenPipeError:
        # The reader of our output went away, as in `sigmoidf1 sweep list | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = FAILURE_STATUS
    except Exception as error:
        status = _failed(error)
    sys.exit(status if isinstance(status, int) else 0)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """A warning as one line of its own words, without the line of code that raised it."""
    logs.say_warning(" ".join(str(message).split()))


def _misused(error: Any) -> int:
    """A wrong command, option or argument, in one line that says where to look."""
    text = " ".join(error.format_message().split()).rstrip(".")
    if not text:  # a group without a command has shown its help
        return int(error.exit_code)
    context = getattr(error, "ctx", None)
    where = context.command_path if context else "sigmoidf1"
    logs.say_error(f"{text}. See {where} --help")
    return int(error.exit_code)


def _failed(error: Exception) -> int:
    if os.environ.get("SIGMOIDF1_DEBUG"):
        # Not raised: a driver's or Optuna's message may hold the store's URL with its password.
        typer.echo(mask_text("".join(traceback.format_exception(error)).rstrip()), err=True)
        return FAILURE_STATUS
    text = " ".join(str(error).split())
    expected = isinstance(error, InputError | SpecError | SweepError | StoreError)
    if isinstance(error, ModuleNotFoundError) and error.name in _TRAINING_PACKAGES:
        text = (
            f"This command trains or embeds, which needs the package {error.name}, but it is not "
            "installed here. Run it in the image or environment that has everything."
        )
    elif not expected:
        text = f"{type(error).__name__}: {text} (run again with sigmoidf1 --debug for the details)"
    logs.say_error(text)
    return FAILURE_STATUS


def _check_packages() -> None:
    """Refuse to run when another distribution has overwritten one of the generic package names."""
    here = Path(__file__).resolve().parents[2]
    for name in _PACKAGES:
        found = importlib.util.find_spec(name)
        origin = Path(found.origin).resolve() if found and found.origin else None
        if origin is None or origin.parents[1] != here:
            raise SweepError(
                f"package {name!r} must be this application's own, in {here}, but Python finds "
                f"{origin}. Install sigmoidf1-sweeps in an environment of its own."
            )


if __name__ == "__main__":
    main()
