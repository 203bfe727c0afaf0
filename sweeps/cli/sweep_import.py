"""``sigmoidf1 sweep import``: results made elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cli import options
from sweeps.cli.tables import print_json

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = "Example: sigmoidf1 sweep import earlier --csv results.csv --value f1"


def import_(
    name: Annotated[str, typer.Argument(help="The sweep to import into; made if it is new.")],
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="A table of results, a row a run."),
    ] = None,
    value: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="With --csv: the objective; names the metric."),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="With --csv: a part of the setting. May be repeated; default: all other columns.",
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=SPLIT/METRIC",
            help="With --csv: a further metric, e.g. test_map=test/map. May be repeated.",
        ),
    ] = None,
    lower_is_better: Annotated[
        bool, typer.Option("--lower-is-better", help="With --csv: less of the objective is better.")
    ] = False,
    study: Annotated[str | None, typer.Option("--study", help="An Optuna study: its name.")] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="URL",
            help="With --study: its storage (default: STORE).",
            callback=options.warn_of_password,
        ),
    ] = None,
    objective: Annotated[
        int, typer.Option(min=0, help="With --study: which of its objectives, from 0.")
    ] = 0,
    loss: Annotated[
        str, typer.Option(help="The loss, where no column or trial says.")
    ] = "imported",
    dataset: Annotated[str, typer.Option(help="The dataset's name.")] = "imported",
    store: options.Store = options.DEFAULT_STORE,
    json: options.Json = False,
) -> None:
    """Import results made elsewhere: a CSV file, or an Optuna study, which is only read.

    Columns, parameters or user attributes called seed and loss are what they say; so is a column
    called state. Without seeds the repetitions of a setting are numbered (a study) or every row
    is a setting of its own (a table). The same import again adds what is new.
    """
    from dataclasses import asdict

    from storage.importing import import_results, import_study
    from storage.store import Store
    from sweeps.mirroring import mirror_stored

    if (csv is None) == (study is None):
        raise typer.BadParameter("give either --csv FILE or --study NAME.")
    if csv is None and (value or parameter or metric or lower_is_better):
        raise typer.BadParameter("--value, --parameter, --metric describe a --csv file.")
    if csv is not None and value is None:
        raise typer.BadParameter("--csv needs --value COLUMN: which column is the objective?")
    frame = None if csv is None else _read(csv)
    metrics = dict(_metric(text) for text in metric or [])
    with Store.open(store) as opened:
        if frame is not None:
            report = import_results(
                opened,
                name,
                frame,
                value=value or "",
                metrics=metrics,
                parameters=parameter,
                loss=loss,
                higher_is_better=not lower_is_better,
                dataset=dataset,
                source=str(csv),
            )
        else:
            report = import_study(
                opened, name, from_ or store, study or "", objective=objective, loss=loss,
                dataset=dataset,
            )  # fmt: skip
        mirror_stored(opened, [name])
    if json:
        print_json({"sweep": name, **asdict(report)})
        return
    taken = ", ".join(f"{count} {state}" for state, count in report.taken.items() if count)
    typer.echo(
        f"{name}: {report.cells} settings; taken: {taken or 'nothing'}; "
        f"{report.present} were here; {report.skipped} unfinished ones were left out."
    )


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    from sweeps.errors import SweepError

    try:
        return pd.read_csv(path)
    except OSError as error:
        raise SweepError(f"--csv must be a readable file, but {path}: {error.strerror}.") from error
    except (ValueError, UnicodeError) as error:
        reason = " ".join(str(error).split())
        raise SweepError(f"--csv must be a table with a head line, but {path}: {reason}") from error


def _metric(text: str) -> tuple[str, tuple[str, str]]:
    column, _, place = text.partition("=")
    split, _, metric = place.partition("/")
    if not (column and split and metric):
        raise typer.BadParameter(f"--metric is COLUMN=SPLIT/METRIC, but got {text!r}.")
    return column, (split, metric)
