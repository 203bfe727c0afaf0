"""``sigmoidf1 sweep`` retry, delete, merge: what changes a stored sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweeps.cli import options
from sweeps.cli.tables import print_json, print_table

if TYPE_CHECKING:
    from storage.store import Store

RETRY_EXAMPLE = "Example: sigmoidf1 sweep retry movie-genres --failed"
DELETE_EXAMPLE = "Example: sigmoidf1 sweep delete movie-genres --yes"
MERGE_EXAMPLE = "Example: sigmoidf1 sweep merge sqlite:///colleague.db --sweep movie-genres"


def retry(
    name: Annotated[str, typer.Argument(help="The sweep's name.")],
    failed: Annotated[
        bool, typer.Option("--failed", help="The failed replicates: their worker died, or so.")
    ] = False,
    diverged: Annotated[
        bool,
        typer.Option("--diverged", help="The diverged ones; the same training diverges again."),
    ] = False,
    store: options.Store = options.DEFAULT_STORE,
    json: options.Json = False,
) -> None:
    """Let failed replicates wait again; the next `sweep run` trains them."""
    from storage.store import Store

    states = [state for state, wanted in (("failed", failed), ("diverged", diverged)) if wanted]
    if not states:
        raise typer.BadParameter("say which replicates: --failed, --diverged, or both.")
    with Store.open(store, create=False) as opened:
        count = opened.retry(opened.sweep_id(name), tuple(states))
    if json:
        print_json({"sweep": name, "states": states, "replicates": count})
    elif count:
        typer.echo(f"{count} replicates wait again. Train them: sigmoidf1 sweep run SPEC")
    else:
        typer.echo(f"No replicate of {name} is {' or '.join(states)}: nothing was changed.")


def delete(
    name: Annotated[str, typer.Argument(help="The sweep's name.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also while a run works on it, which then ends.")
    ] = False,
    store: options.Store = options.DEFAULT_STORE,
    json: options.Json = False,
) -> None:
    """Delete a sweep: its results, its Optuna studies and its kept files."""
    from storage.store import Store
    from sweeps.cli.tables import console

    with Store.open(store, create=False) as opened:
        counts = opened.counts(opened.sweep_id(name))
        _refuse_live(opened, name, force=force)
        done = sum(n for state, n in counts.items() if state not in ("waiting", "running"))
        if not yes:
            typer.confirm(
                f"Delete {name} with {done} results ({sum(counts.values())} replicates) from "
                f"{opened.masked_url}, for ever?",
                abort=True,
                err=True,
            )
        report = _delete(opened, name)
    if json:
        print_json({"sweep": name, **report})
        return
    console().print(f"Deleted {name}: {_counted(report)}.")


def merge(
    other: Annotated[
        str,
        typer.Argument(
            metavar="STORE",
            help="The store to bring in, a URL.",
            callback=options.warn_of_password,
        ),
    ],
    sweep: options.Sweeps = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(metavar="THERE=HERE", help="Under another name here. May be repeated."),
    ] = None,
    store: options.Store = options.DEFAULT_STORE,
    json: options.Json = False,
) -> None:
    """Bring the sweeps of another store into this one; the other is only read.

    A sweep that both have must have the same settings: what it lacks here is added, and what
    both have stays as it is here.
    """
    from storage.store import Store
    from sweeps.mirroring import mirror_stored

    names = {}
    for text in rename or []:
        there, separator, here = text.partition("=")
        if not (separator and there and here):
            raise typer.BadParameter(f"--rename is THERE=HERE, but got {text!r}.")
        names[there] = here
    with (
        Store.open(other, create=False, read_only=True) as source,
        Store.open(store) as target,
    ):
        merged = target.merge(source, sweep, rename=names)
        mirror_stored(target, [each.merged_as for each in merged])
    rows = [_merged(each) for each in merged]
    if json:
        print_json(rows)
        return
    columns = ["sweep", "cells_added", "replicates_added", "results_taken", "results_present"]
    columns += ["files_copied"]
    print_table(
        [column.replace("_", " ") for column in columns],
        [[str(row[column]) for column in columns] for row in rows],
    )
    for row in rows:
        if row["results_differing"]:
            typer.echo(
                f"{row['sweep']}: {row['results_differing']} results differ from those here, "
                "which were kept."
            )
        if row["running"]:
            typer.echo(
                f"{row['sweep']}: {row['running']} results were left out, because a run works on "
                "these replicates here; merge again when it has ended."
            )
        for problem in row["files_left_out"]:
            typer.echo(f"{row['sweep']}: kept file left out: {problem}")


def _merged(report: Any) -> dict[str, Any]:
    problems = [f"{copy.source}: {copy.problem}" for copy in report.files if copy.problem]
    counts = ["cells_added", "replicates_added", "results_taken", "results_present"]
    counts += ["results_differing", "running"]
    return {
        "sweep": report.merged_as,
        "from": report.name,
        **{name: getattr(report, name) for name in counts},
        "files_copied": len(report.files) - len(problems),
        "files_left_out": problems,
    }


def _refuse_live(store: Store, name: str, *, force: bool) -> None:
    from sweeps.errors import SweepError
    from sweeps.sweep_status import live_runs

    sweep_id = store.sweep_id(name)
    runs = live_runs(store, sweep_id)
    if runs and not force:
        where = ", ".join(f"{run['host']}, process {run['pid']}" for run in runs)
        raise SweepError(
            f"a sweep is deleted while nobody works on it, but {name} has a run ({where}). "
            f"Stop it first: sigmoidf1 sweep stop {name}; or add --force."
        )
    if runs:
        from sweeps.scheduling.sharing import end_runs

        end_runs(store, sweep_id)


def _delete(store: Store, name: str) -> dict[str, Any]:
    from storage.kept_files import kept_folder, remove_kept

    report = dict(store.delete_sweep(name))
    paths = report.pop("kept_paths")
    return {**report, "files": remove_kept(kept_folder(store.url), paths)}


def _counted(report: dict[str, Any]) -> str:
    return ", ".join(f"{value} {key.replace('_', ' ')}" for key, value in report.items())
