"""``sigmoidf1 sweep``: run, list, show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweeps.cli import (
    keep,
    logs,
    options,
    sweep_changes,
    sweep_choices,
    sweep_import,
    sweep_logs,
    sweep_status,
    sweep_submit,
)
from sweeps.cli.tables import number, print_json, print_table, setting

if TYPE_CHECKING:
    from sweeps.runner import RunSummary
    from sweeps.spec import SweepSpec

app = typer.Typer(
    help="Run sweeps, watch, stop and change those of a store.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@app.command(
    epilog="Example: sigmoidf1 sweep run examples/movie-genres.yaml --set training.epochs=20"
)
def run(
    specs: Annotated[list[Path], typer.Argument(help="One spec or several: each is a sweep.")],
    store: options.Store = options.DEFAULT_STORE,
    set_: options.Overrides = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan; run and store nothing.")
    ] = False,
    workers: options.MaxPacks = None,
    cpus_per_pack: options.CpusPerPack = 1.0,
    gpus_per_pack: options.GpusPerPack = None,
    ray_address: Annotated[
        str | None,
        typer.Option(
            envvar="RAY_ADDRESS", help="A running Ray cluster (default: a local Ray of its own)."
        ),
    ] = None,
    ship_code: options.ShipCode = None,
    cache_dir: options.CacheDir = None,
    on_error: options.OnBadInput = None,
    revision: options.Revision = False,
    best: Annotated[
        bool, typer.Option("--best/--no-best", help="Print the best cell of each loss at the end.")
    ] = True,
    log_format: logs.Option = None,
    json: options.Json = False,
) -> None:
    """Run what is missing of a sweep: train, record, mirror to Optuna.

    Run the same command again to continue an interrupted sweep, or after widening the grid or
    adding seeds: only what is missing is trained. Ctrl-C once finishes the running packs, twice
    stops at once. Several runs of one sweep, in other terminals or on other machines with the
    same server, share its work.
    """
    from sweeps.plan import make_plan
    from sweeps.spec import load_spec

    overrides = options.overrides(set_, on_error)
    loaded = [load_spec(path, overrides) for path in specs]
    names = [spec.sweep for spec in loaded]
    if len(set(names)) < len(names):
        raise typer.BadParameter("the specs must have different sweep names; rename one.")
    if dry_run:
        _print_plans([make_plan(spec) for spec in loaded], json)
        return
    from sweeps.cli.progress import run_with_progress
    from sweeps.runner import RunOptions

    run_options = RunOptions(
        workers=workers,
        cpus_per_pack=cpus_per_pack,
        gpus_per_pack=gpus_per_pack,
        ray_address=ray_address,
        ship_code=ship_code,
        cache_dir=cache_dir,
    )
    for spec in loaded:
        make_plan(spec)  # a mistake in the last spec costs no run of the first
    summaries = []
    for spec in loaded:
        summary = _run(
            spec,
            store,
            lambda chosen: run_with_progress(chosen, store, run_options, quiet=json),
            revision=revision,
        )
        summaries.append(summary)
        if best and not json:
            _print_best(store, summary.sweep)
        if summary.interrupted:
            break
    if json:
        print_json([_summary_json(summary) for summary in summaries])
    if summaries[-1].interrupted:
        raise typer.Exit(130)
    if any(summary.trained.get("failed") for summary in summaries):
        raise typer.Exit(1)


@app.command(name="list", epilog="Example: sigmoidf1 sweep list --store sqlite:///demo/sweeps.db")
def list_(store: options.Store = options.DEFAULT_STORE, json: options.Json = False) -> None:
    """List the sweeps of a store with their progress."""
    from sweeps.reading import sweep_rows

    rows = sweep_rows(store)
    if json:
        print_json(rows)
        return
    columns = ["sweep", "dataset", "encoder", "cells", "replicates", "complete", "diverged"]
    columns += ["failed", "pruned", "open"]
    if not rows:
        typer.echo("The store holds no sweep yet. Run one: sigmoidf1 sweep run SPEC")
        return
    print_table(columns, [[str(row[column]) for column in columns] for row in rows])


@app.command(epilog="Example: sigmoidf1 sweep show movie-genres --store sqlite:///demo/sweeps.db")
def show(
    name: Annotated[str, typer.Argument(help="The sweep's name.")],
    store: options.Store = options.DEFAULT_STORE,
    json: options.Json = False,
) -> None:
    """Show one sweep: its data, its progress, and the best cell of each loss."""
    from sweeps.reading import sweep_details

    details = sweep_details(store, name)
    if json:
        print_json(details)
        return
    counts = details["counts"]
    typer.echo(
        f"{name}: {details['dataset']} by {details['encoder']}, {details['cells']} cells × "
        f"{details['seeds']} seeds; "
        + ", ".join(f"{counts[state]} {state}" for state in counts if counts[state])
    )
    sweep_choices.print_choices(details)
    _print_best(store, name)


def _run(
    spec: SweepSpec, store: str, work: Callable[[SweepSpec], RunSummary], *, revision: bool
) -> RunSummary:
    """Run a spec under its own name or, with ``revision``, under the name of its settings."""
    from storage.errors import SweepChangedError
    from storage.store import Store
    from sweeps.errors import SweepError
    from sweeps.revisions import revisions

    try:
        return work(spec)
    except SweepChangedError as error:
        if not revision:
            raise SweepError(
                f"{error} Or run it beside the stored one as a new revision: --revision."
            ) from error
    with Store.open(store, create=False, read_only=True) as opened:
        for renamed in revisions(spec, opened):
            if renamed.sweep == spec.sweep:
                continue
            try:
                return work(renamed)
            except SweepChangedError:  # its data differ: another revision's
                continue
    raise AssertionError("a name that is not stored is never refused")


def _print_plans(plans: list[Any], json: bool) -> None:
    from sweeps.reading import plan_rows

    rows = [row for plan in plans for row in plan_rows(plan)]
    if json:
        print_json(rows)
        return
    columns = ["sweep", "loss", "cells", "replicates", "axes"]
    print_table(
        columns,
        [
            [
                *(str(row[column]) for column in columns[:-1]),
                sweep_choices.axes_text(row) or "–",
            ]
            for row in rows
        ],
    )
    typer.echo(f"{sum(row['replicates'] for row in rows)} replicates in all; nothing was run.")


def _print_best(store: str, name: str) -> None:
    from sweeps.reading import best_rows

    rows = best_rows(store, name)
    if not rows:
        typer.echo("No loss has a finished cell yet.")
        return
    metric, threshold = rows[0]["metric"], rows[0]["threshold"]
    print_table(
        ["loss", "best cell", "n", "validation", "test", "predict-all (test)"],
        [
            [
                row["loss"],
                setting(row["chosen"]) or "defaults",
                str(row["n_seeds"]),
                f"{number(row['validation'])} ± {number(row['validation_sd'])}",
                f"{number(row['test'])} ± {number(row['test_sd'])}",
                number(row["predict_all"]),
            ]
            for row in rows
        ],
        title=f"Best cell of each loss: mean {metric} at t = {threshold:g} over seeds ± sd, "
        "chosen on validation",
    )


def _summary_json(summary: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(summary), "plan": summary.plan._asdict()}


app.command(epilog=sweep_submit.EXAMPLE)(sweep_submit.submit)
app.command(epilog=sweep_status.STATUS_EXAMPLE)(sweep_status.status)
app.command(epilog=sweep_status.STOP_EXAMPLE)(sweep_status.stop)
app.command(epilog=sweep_logs.EXAMPLE)(sweep_logs.logs)
app.command(epilog=sweep_changes.RETRY_EXAMPLE)(sweep_changes.retry)
app.command(epilog=sweep_changes.DELETE_EXAMPLE)(sweep_changes.delete)
app.command(epilog=sweep_changes.MERGE_EXAMPLE)(sweep_changes.merge)
app.command(name="import", epilog=sweep_import.EXAMPLE)(sweep_import.import_)
app.command(epilog=keep.EXAMPLE)(keep.keep)
