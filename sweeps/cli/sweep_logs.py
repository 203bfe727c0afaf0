"""``sigmoidf1 sweep logs``: what the runs of a sweep have said."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import typer

from sweeps.cli import options
from sweeps.cli.tables import print_json, print_table

EXAMPLE = "Example: sigmoidf1 sweep logs movie-genres --follow"
_FOLLOW_S = 1.0


@dataclass(frozen=True)
class _Log:
    """One run's log, a file here or a job's there."""

    name: str
    where: str
    started_at: datetime
    read: Callable[[], str]
    is_over: Callable[[], bool]


def logs(
    name: Annotated[str, typer.Argument(help="The sweep's name.")],
    run: Annotated[
        str | None, typer.Option(help="A run's or job's name, as --list shows it (default: last).")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the runs that have a log.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the run ends; Ctrl-C leaves.")
    ] = False,
    ray_address: options.JobServer = None,
    store: options.Store = options.DEFAULT_STORE,
    json: Annotated[bool, typer.Option("--json", help="Print JSON; with --list the list.")] = False,
) -> None:
    """Print the log of a sweep's last run, or of another.

    Runs on this machine write theirs into a folder beside the store; those of a cluster, handed
    over by `sweep submit`, are read from its job server (--ray-address). What a run on a
    colleague's machine said is there.
    """
    found = sorted(
        [*_files(store, name), *_jobs(ray_address, name)], key=lambda log: log.started_at
    )
    if list_:
        _print_list(found, json=json)
        return
    chosen = _choose(found, name, run, store)
    if json:
        print_json({"sweep": name, "run": chosen.name, "where": chosen.where, "log": chosen.read()})
        return
    _print(chosen, follow=follow)


def _files(store: str, name: str) -> list[_Log]:
    from sweeps.cli.run_log import run_logs

    return [
        _Log(log.path.stem, str(log.path.parent), log.started_at, log.read, log.is_over)
        for log in run_logs(store, name)
    ]


def _jobs(address: str | None, name: str) -> list[_Log]:
    from sweeps.cluster.jobs import JobServer, is_job_server

    if address is None or not is_job_server(address):
        return []
    server = JobServer(address)
    return [
        _Log(
            job.job,
            address,
            job.started_at or datetime.fromtimestamp(0, UTC),
            partial(server.log, job.job),
            partial(server.is_over, job.job),
        )
        for job in server.jobs(name)
    ]


def _choose(found: list[_Log], name: str, run: str | None, store: str) -> _Log:
    from sweeps.cli.run_log import log_folder
    from sweeps.errors import SweepError

    matching = [log for log in found if run in (None, log.name)]
    if matching:
        return matching[-1]
    if found:
        known = ", ".join(log.name for log in found)
        raise SweepError(f"a log is named by its run, but {name} has none {run!r}. Known: {known}.")
    raise SweepError(
        f"a run writes its log on the machine where it runs, but {log_folder(store)} has none of "
        f"{name}. Look there on that machine, or give the cluster's job server by --ray-address."
    )


def _print_list(found: list[_Log], *, json: bool) -> None:
    rows = [
        {
            "run": log.name,
            "where": log.where,
            "started_at": log.started_at.isoformat(timespec="seconds"),
            "over": log.is_over(),
        }
        for log in found
    ]
    if json:
        print_json(rows)
    elif rows:
        print_table(["run", "where", "since", ""], [_row(row) for row in rows])
    else:
        typer.echo("No run of this sweep has left a log here.")


def _row(row: dict[str, Any]) -> list[str]:
    since = row["started_at"].replace("T", " ")
    return [row["run"], row["where"], since, "ended" if row["over"] else "goes on"]


def _print(log: _Log, *, follow: bool) -> None:
    text = log.read()
    typer.echo(text, nl=False)
    while follow:
        over = log.is_over()  # before the last read: what is said in between is not lost
        longer = log.read()
        typer.echo(longer[len(text) :], nl=False)
        text = longer
        if over:
            return
        time.sleep(_FOLLOW_S)
