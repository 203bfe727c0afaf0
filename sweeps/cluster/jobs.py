"""Sweeps as jobs of a cluster: handed to its job server, looked at and stopped there."""

from __future__ import annotations

import logging
import os
import secrets
import shlex
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from sweeps.cluster.package import SPEC_FILE, Package, make_package, write_store_module
from sweeps.errors import SweepError
from sweeps.scheduling.cluster import use_given_token
from sweeps.spec import SweepSpec

_SWEEP = "sigmoidf1_sweep"  # a job's metadata says which sweep it runs
_LIVE = ("PENDING", "RUNNING")
# Ray's client looks here first, whatever address it is given.
_ADDRESSES = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")


Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Job:
    """One job of a sweep.

    Attributes:
        job: its id.
        sweep: the sweep's name.
        status: ``pending``, ``running``, ``succeeded``, ``failed`` or ``stopped``.
        started_at: when it was submitted.
        message: what the job server says of it.
        pid: the process of its driver, once that has joined the cluster.
    """

    job: str
    sweep: str
    status: str
    started_at: datetime | None
    message: str
    pid: int | None = None

    @property
    def live(self) -> bool:
        """Whether it is yet to end."""
        return self.status.upper() in _LIVE


def is_job_server(address: str | None) -> bool:
    """Whether an address is one of a job server, and not of a cluster to be joined."""
    return address is not None and address.startswith(("http://", "https://"))


def check_address(address: str) -> None:
    """Check that an address is one of a job server.

    Raises:
        SweepError: it is of another kind.
    """
    if not is_job_server(address):
        raise SweepError(
            f"a job server's address begins with http:// or https://, but got {address}. "
            "Write the address of Ray's dashboard, such as http://HOST:8265."
        )


class JobServer:
    """The job server of a cluster.

    Args:
        address: ``http://HOST:8265``, as Ray's dashboard has it.

    Raises:
        SweepError: the address is of another kind, nobody answers, or the token is not the
            cluster's.
    """

    def __init__(self, address: str) -> None:
        check_address(address)
        self.address = address
        use_given_token()
        from ray.job_submission import JobSubmissionClient

        # It tells of every package that it sends.
        logging.getLogger("ray.dashboard.modules.dashboard_sdk").setLevel(logging.ERROR)
        logging.getLogger("ray._private.runtime_env.packaging").setLevel(logging.ERROR)
        with _without_addresses():
            self._client: Any = self._call(lambda: JobSubmissionClient(address))

    def submit(
        self,
        spec: SweepSpec,
        arguments: Sequence[str],
        *,
        store_url: str | None,
        with_code: bool,
    ) -> tuple[str, Package]:
        """Hand a sweep over; it runs on the cluster from then on.

        Args:
            spec: the checked spec.
            arguments: more arguments of ``sweep run``; no secrets.
            store_url: where results go, as the cluster reaches it; None for the one that its
                machines have in ``SIGMOIDF1_STORE``.
            with_code: send this program along.

        Returns:
            The job's id, and what was sent.
        """
        with tempfile.TemporaryDirectory(prefix="sf1-job-") as scratch:
            folder = Path(scratch, "job")
            folder.mkdir()
            package = make_package(spec, folder, with_code=with_code)
            environment: dict[str, Any] = {"working_dir": str(folder)}
            if store_url is not None:
                environment["py_modules"] = [str(write_store_module(Path(scratch), store_url))]
            command = ["python", "-m", "sweeps.cluster.job", SPEC_FILE, *arguments]
            with _everything_is_sent():
                job = self._call(
                    lambda: self._client.submit_job(
                        entrypoint=shlex.join(command),
                        submission_id=f"sigmoidf1-{spec.sweep}-{secrets.token_hex(4)}",
                        runtime_env=environment,
                        metadata={_SWEEP: spec.sweep},
                    )
                )
        return str(job), package

    def jobs(self, sweep: str | None = None) -> list[Job]:
        """The jobs of one sweep, or of all, oldest first."""
        found = [
            Job(
                job=str(details.submission_id),
                sweep=name,
                status=str(details.status.value).lower(),
                started_at=_time(details.start_time),
                message=" ".join((details.message or "").split()),
                pid=int(details.driver_info.pid) if details.driver_info else None,
            )
            for details in self._call(self._client.list_jobs)
            if (name := (details.metadata or {}).get(_SWEEP)) and sweep in (None, name)
        ]
        first = datetime.fromtimestamp(0, UTC)
        return sorted(found, key=lambda job: job.started_at or first)

    def log(self, job: str) -> str:
        """What a job's driver has printed so far."""
        return str(self._call(lambda: self._client.get_job_logs(job)) or "")

    def is_over(self, job: str) -> bool:
        """Whether a job has ended."""
        return self._call(lambda: self._client.get_job_status(job)).value not in _LIVE

    def stop(self, job: str) -> None:
        """End a job's driver; what it had recorded stays."""
        self._call(lambda: self._client.stop_job(job))

    def _call(self, work: Callable[[], Answer]) -> Answer:
        from ray.exceptions import AuthenticationError

        try:
            return work()
        except AuthenticationError as error:
            raise SweepError(
                f"the job server at {self.address} wants the cluster's token, but got none or "
                "another. Set RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH, as on the cluster."
            ) from error
        except (OSError, RuntimeError, ValueError) as error:
            text = " ".join(str(error).split())
            if "ray[default]" in text:
                raise SweepError(
                    "handing sweeps to a cluster needs Ray's job client, but it is not installed. "
                    "Install it: pip install 'sigmoidf1-sweeps[cluster]'."
                ) from error
            raise SweepError(
                f"the job server at {self.address} must answer, but: {text[:300]}. Look at the "
                "address, and whether the head runs with its dashboard."
            ) from error


def _time(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None


@contextmanager
def _without_addresses() -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in _ADDRESSES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


@contextmanager
def _everything_is_sent() -> Iterator[None]:
    """Ray leaves out what a data folder's .gitignore names."""
    name = "RAY_RUNTIME_ENV_IGNORE_GITIGNORE"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
