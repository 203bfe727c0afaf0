"""What `sweep status` and `sweep stop` know of a cluster's jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from sweeps.cli.tables import print_table

if TYPE_CHECKING:
    from sweeps.cluster.jobs import Job, JobServer


def job_server(address: str | None) -> JobServer | None:
    """The job server at an address; None where the address is a cluster's own, or none."""
    if address is None or not address.startswith(("http://", "https://")):
        return None
    from sweeps.cluster.jobs import JobServer

    return JobServer(address)


def as_rows(jobs: list[Job]) -> list[dict[str, Any]]:
    """Jobs as JSON-safe values."""
    return [
        {
            "job": job.job,
            "sweep": job.sweep,
            "status": job.status,
            "started_at": job.started_at and job.started_at.isoformat(timespec="seconds"),
            "message": job.message,
        }
        for job in jobs
    ]


def print_jobs(jobs: list[Job]) -> None:
    """Print a table of jobs, if there are any."""
    if jobs:
        rows = [
            [row["sweep"], row["job"], row["status"], str(row["started_at"] or ""), row["message"]]
            for row in as_rows(jobs)
        ]
        print_table(["sweep", "job", "status", "submitted", ""], rows)


def say_if_about_to_begin(name: str | None, jobs: list[Job]) -> bool:
    """Say so if a sweep that is not in the store has a job that will put it there."""
    if name is None or not any(job.live for job in jobs):
        return False
    typer.echo(f"{name} is not in the store yet: its job reads the data, or embeds them.", err=True)
    return True


def stop_jobs(server: JobServer | None, name: str, training: list[int]) -> list[str]:
    """End the live jobs of a sweep, but for those that train; their ids.

    Args:
        server: the cluster's.
        name: the sweep's.
        training: the processes of the live runs: one that was told to stop ends by itself.
    """
    if server is None:
        return []
    live = [job.job for job in server.jobs(name) if job.live and job.pid not in training]
    for job in live:
        server.stop(job)
    return live
