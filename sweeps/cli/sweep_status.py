"""``sigmoidf1 sweep status`` and ``sweep stop``: a sweep seen and told from another terminal."""

from __future__ import annotations

import json as json_text
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweeps.cli import options, sweep_jobs
from sweeps.cli.tables import duration, print_json, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from storage.store import Store

_REDRAW_S = 1.0
_LINE_EVERY_S = 10.0  # where the output is no terminal

STATUS_EXAMPLE = "Example: sigmoidf1 sweep status movie-genres --watch"
STOP_EXAMPLE = "Example: sigmoidf1 sweep stop movie-genres"


def status(
    name: Annotated[
        str | None, typer.Argument(help="The sweep's name (default: all of the store).")
    ] = None,
    store: options.Store = options.DEFAULT_STORE,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Redraw every second until nothing is left; Ctrl-C leaves."),
    ] = False,
    ray_address: options.JobServer = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON; with --watch one line each time.")
    ] = False,
) -> None:
    """Show how far sweeps are, how fast, who works on them, and what failed.

    Reads only: it may look at a store that others write, on this machine or by its server. With
    a cluster's job server (--ray-address) the jobs of submitted sweeps are shown as well.
    """
    from storage.errors import StoreNotFoundError
    from storage.store import Store

    server = sweep_jobs.job_server(ray_address)
    jobs = [] if server is None else server.jobs(name)
    if not json:
        sweep_jobs.print_jobs(jobs)
        if server is not None:
            typer.echo(f"Ray's own dashboard: {ray_address}")
    try:
        opened = Store.open(store, create=False, read_only=True)
    except StoreNotFoundError:
        if sweep_jobs.say_if_about_to_begin(name, jobs):
            return
        raise
    with opened:
        if name not in opened.sweep_names() and sweep_jobs.say_if_about_to_begin(name, jobs):
            return
        if watch:
            _watch(opened, name, json=json)
            return
        rows = _read(opened, name)
        if server is not None:
            for row in rows:
                mine = [job for job in jobs if job.sweep == row["sweep"]]
                row["jobs"] = sweep_jobs.as_rows(mine)
        if json:
            print_json(rows if name is None else rows[0])
        else:
            _print(rows)


def stop(
    name: Annotated[str, typer.Argument(help="The sweep's name.")],
    abandon: Annotated[
        bool,
        typer.Option(
            "--abandon", help="Do not wait for the packs that train: give them back at once."
        ),
    ] = False,
    ray_address: options.JobServer = None,
    store: options.Store = options.DEFAULT_STORE,
    json: options.Json = False,
) -> None:
    """Stop all runs of a sweep, wherever they run; `sweep run` continues it later.

    A run hears of it within seconds. Its running packs finish and are recorded, as after one
    Ctrl-C, unless --abandon is given. A submitted job that does not train, not yet or not any more,
    is ended by its cluster's job server (--ray-address).
    """
    from storage.store import Store
    from sweeps.scheduling.sharing import release_dead_runs
    from sweeps.sweep_status import live_runs

    server = sweep_jobs.job_server(ray_address)
    released, told, runs = 0, 0, []
    training: list[int] = []
    with Store.open(store, create=False) as opened:
        if server is None or name in opened.sweep_names():
            sweep_id = opened.sweep_id(name)
            released = release_dead_runs(opened, sweep_id)
            told = opened.request_stop(sweep_id, "abandon" if abandon else "finish")
            runs = live_runs(opened, sweep_id)
        if server is not None:
            training = _processes(opened)
    # A run that was told ends its job itself, when its packs are recorded.
    jobs = sweep_jobs.stop_jobs(server, name, training)
    if json:
        answer = {"sweep": name, "told": told, "runs": runs, "released": released}
        print_json(answer if server is None else {**answer, "jobs": jobs})
        return
    if released:
        typer.echo(f"{released} replicates of a run that was killed wait again.")
    if jobs:
        typer.echo(f"Ended {', '.join(jobs)}.")
    if not told:
        if jobs:
            return
        typer.echo(f"No run of {name} is going on: there is nothing to stop.")
        return
    how = "drop their packs" if abandon else "finish their running packs and end"
    where = ", ".join(f"{run['host']} (process {run['pid']})" for run in runs)
    typer.echo(f"Told {told} run{'s' * (told != 1)} to {how}{': ' + where if where else ''}.")


def _processes(store: Store) -> list[int]:
    """The drivers of all live runs: a job has its sweep's name and may train a revision of it."""
    from sweeps.sweep_status import live_runs

    names = store.sweep_names()
    return [run["pid"] for name in names for run in live_runs(store, store.sweep_id(name))]


def _read(store: Store, name: str | None) -> list[dict[str, Any]]:
    from sweeps.sweep_status import read_status

    names = store.sweep_names() if name is None else [name]
    return [read_status(store, each) for each in names]


def _print(rows: list[dict[str, Any]]) -> None:
    from sweeps.cli.tables import console

    if not rows:
        typer.echo("The store holds no sweep yet. Run one: sigmoidf1 sweep run SPEC")
        return
    console().print(_drawn(rows))


def _watch(store: Store, name: str | None, *, json: bool) -> None:
    from rich.live import Live

    from storage.errors import StoreBusyError, StoreConnectionError
    from sweeps.cli.tables import console

    screen = console()
    if json or not screen.is_terminal:
        _watch_lines(store, name, json=json)
        return
    rows = _read(store, name)
    with Live(_drawn(rows), console=screen, auto_refresh=False) as live:
        live.refresh()
        while not _is_over(rows):
            time.sleep(_REDRAW_S)
            with suppress(StoreConnectionError, StoreBusyError):  # it comes back, as for the runs
                rows = _read(store, name)
            live.update(_drawn(rows), refresh=True)


def _watch_lines(store: Store, name: str | None, *, json: bool) -> None:
    while True:
        rows = _read(store, name)
        if json:
            typer.echo(json_text.dumps(rows if name is None else rows[0], allow_nan=False))
        else:
            for row in rows:
                typer.echo(f"{row['sweep']}: {_progress(row)}, {_speed(row)}")
        if _is_over(rows):
            return
        time.sleep(_REDRAW_S if json else _LINE_EVERY_S)


def _is_over(rows: list[dict[str, Any]]) -> bool:
    return all(row["done"] == row["total"] for row in rows)


def _drawn(rows: list[dict[str, Any]]) -> RenderableType:
    from rich.console import Group

    overview = table(
        ["sweep", "done", "states", "speed", "runs"],
        [
            [row["sweep"], _progress(row), _states(row), _speed(row), str(len(row["runs"]))]
            for row in rows
        ],
    )
    runs = [(row, run) for row in rows for run in row["runs"]]
    parts: list[RenderableType] = [overview]
    if runs:
        columns = ["sweep", "host", "process", "workers", "since", "last heard of", ""]
        parts.append(table(columns, [_run_row(row, run) for row, run in runs]))
    errors = [(row, error) for row in rows for error in row["errors"]]
    if errors:
        parts.append(
            table(
                ["sweep", "failed", "reason"],
                [[row["sweep"], str(e["replicates"]), e["reason"]] for row, e in errors],
            )
        )
    return Group(*parts)


def _run_row(row: dict[str, Any], run: dict[str, Any]) -> list[str]:
    told = {None: "", "finish": "finishes its packs", "abandon": "drops its packs"}
    return [
        row["sweep"],
        run["host"],
        str(run["pid"]),
        str(run["workers"]),
        run["started_at"].replace("T", " "),
        f"{run['heartbeat_age_s']:.0f} s ago",
        told[run["stop"]],
    ]


def _progress(row: dict[str, Any]) -> str:
    return f"{row['done']} / {row['total']} ({100 * row['progress']:.0f} %)"


def _states(row: dict[str, Any]) -> str:
    counts = [f"{count} {state}" for state, count in row["states"].items() if count]
    counts += [
        f"{count} cells {how.replace('_', ' ')}" for how, count in row["cell_states"].items()
    ]
    return ", ".join(counts) or "nothing planned"


def _speed(row: dict[str, Any]) -> str:
    if row["done"] == row["total"]:
        return "done"
    if not row["runs"]:
        return "no run is going on"
    if row["replicates_per_s"] is None:
        return "–"
    return f"{row['replicates_per_s']:.1f} a second, {duration(row['left_s'])} left"
