"""Starts, watches and ends the processes of services."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
from compose_file import ComposeError

_POLL_S, _GRACE_S, _CHECK_S = 0.5, 10.0, 60.0


class LocalProcess:
    """A service's process, its output in a file.

    Args:
        name: of the service.
        command: what runs.
        environment: all of its variables.
        log: where its output goes.
        user: under which it runs; None for this process's own.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        user: str | None = None,
    ) -> None:
        self.name = name
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                list(command),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=environment["HOME"],
                user=user,
                start_new_session=True,
            )
        self._family: set[psutil.Process] = set()

    def wait(self, limit_s: float) -> None:
        """Wait for a one-shot process.

        Raises:
            ComposeError: it did not end with status 0 in time.
        """
        try:
            status = self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise ComposeError(f"it did not end within {limit_s:.0f} s; {self.said()}") from None
        if status:
            raise ComposeError(f"status {status}; {self.said()}")

    def wait_healthy(
        self, check: Sequence[str], environment: Mapping[str, str], limit_s: float
    ) -> float:
        """Wait until the health check succeeds; returns the seconds it took.

        Raises:
            ComposeError: the process ended, or the check failed until the end.
        """
        began = time.monotonic()
        while True:
            self.look()
            if _passes(check, environment):
                return time.monotonic() - began
            if self._process.poll() is not None:
                raise ComposeError(f"ended with status {self._process.returncode}; {self.said()}")
            if time.monotonic() - began > limit_s:
                raise ComposeError(f"not healthy after {limit_s:.0f} s; {self.said()}")
            time.sleep(_POLL_S)

    def look(self) -> None:
        """Remember the process's descendants: those that outlive it are ended as well."""
        try:
            process = psutil.Process(self._process.pid)
            self._family |= {process, *process.children(recursive=True)}
        except psutil.NoSuchProcess:
            return

    def command_lines(self) -> list[str]:
        """What every user of the machine may read of the process and its descendants."""
        self.look()
        lines = []
        for process in self._family:
            try:
                lines.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return lines

    def stop(self) -> None:
        """End the process and all that it started: asked first, then killed."""
        self.look()
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        left = [process for process in self._family if process.is_running()]
        for process in left:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(left, timeout=_GRACE_S)
        self._process.wait()

    def said(self) -> str:
        """The end of its output, in one line."""
        return " ".join(self._log.read_text(encoding="utf-8", errors="replace").split())[-600:]


def _passes(check: Sequence[str], environment: Mapping[str, str]) -> bool:
    try:
        done = subprocess.run(
            list(check), env=dict(environment), capture_output=True, check=False, timeout=_CHECK_S
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
