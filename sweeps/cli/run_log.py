"""The log of a run: a file beside the store, there when the terminal is closed."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from storage.records import PlanCounts
from storage.urls import parse_url
from sweeps.cli import logs
from sweeps.cli.progress_events import ProgressEvents
from sweeps.cluster.shipping import in_job
from sweeps.run_records import RunListener, RunSummary
from sweeps.scheduling.identity import is_dead, this_run

LOGS_VARIABLE = "SIGMOIDF1_LOGS"
KEPT_LOGS = 20  # of each sweep
_STAMP = "%Y%m%dT%H%M%S"
_RUN, _ENDED = "run ", "ended"


def log_folder(store_url: str) -> Path:
    """Return the folder of the logs of this machine's runs into a store; it need not exist.

    ``X.logs`` beside an SQLite store ``X.db``; for PostgreSQL ``$SIGMOIDF1_LOGS`` or
    ``~/.local/share/sigmoidf1/logs``, and in it a folder named after host and database.

    Example:
        >>> log_folder("sqlite:////data/sweeps.db").as_posix()
        '/data/sweeps.logs'
    """
    url = parse_url(store_url)
    if url.get_backend_name() == "sqlite":
        return Path(str(url.database)).with_suffix(".logs")
    base = Path(os.environ.get(LOGS_VARIABLE) or "~/.local/share/sigmoidf1/logs")
    return base.expanduser() / quote(f"{url.host or 'localhost'}-{url.database}", safe="")


@dataclass(frozen=True)
class RunLog:
    """The log of one run of this machine.

    Attributes:
        path: its file.
        started_at: when the run began.
    """

    path: Path
    started_at: datetime

    def read(self) -> str:
        """What the run has said so far."""
        return self.path.read_text(encoding="utf-8", errors="replace")

    def is_over(self) -> bool:
        """Whether the run has ended, or was killed."""
        lines = self.read().splitlines() or [""]
        owner = lines[0].partition(_RUN)[2]
        return lines[-1].endswith(f" {_ENDED}") or is_dead(owner)


def run_logs(store_url: str, sweep: str) -> list[RunLog]:
    """The logs of a sweep's runs on this machine, oldest first."""
    found = []
    for path in sorted(_sweep_folder(store_url, sweep).glob("*.log")):
        with suppress(ValueError):
            started = datetime.strptime(path.name.split("-", 1)[0], _STAMP)
            found.append(RunLog(path, started.replace(tzinfo=UTC)))
    return found


@contextmanager
def kept_log(store_url: str, sweep: str) -> Iterator[None]:
    """Keep what this process logs while the block runs, in text, in a new file.

    A job of a cluster keeps none: its job server does. Where nothing can be written, nothing is
    kept and the run goes on.

    Args:
        store_url: the run's store.
        sweep: the sweep's name.
    """
    handler = None if in_job() else _open(store_url, sweep)
    if handler is None:
        yield
        return
    root = logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in logs.PACKAGES}
    shown = {other: other.level for other in root.handlers}
    if not logs.is_json():  # what goes on is drawn on the terminal, and only warnings are written
        for other in shown:
            other.setLevel(max(other.level, logging.WARNING))
    for name in levels:
        logging.getLogger(name).setLevel(logging.INFO)
    root.addHandler(handler)
    try:
        yield
    except BaseException as error:
        text = " ".join(str(error).split()) or type(error).__name__
        _write(handler, logging.ERROR, text)
        raise
    finally:
        _write(handler, logging.INFO, _ENDED)
        root.removeHandler(handler)
        handler.close()
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        for other, level in shown.items():
            other.setLevel(level)


class Both:
    """Tells a display and the log how a run goes.

    Args:
        display: what draws.
        events: what logs.
    """

    def __init__(self, display: RunListener, events: ProgressEvents) -> None:
        self._display = display
        self._events = events

    def embedding(self, done: int, total: int) -> None:
        """``done`` of ``total`` examples are embedded."""
        self._display.embedding(done, total)
        self._events.embedding(done, total)

    def planned(self, counts: PlanCounts) -> None:
        """The plan is made."""
        self._display.planned(counts)
        self._events.planned(counts)

    def training(self, status: Any) -> None:
        """Packs train."""
        self._display.training(status)
        self._events.training(status)

    def keeping(self, done: int, total: int) -> None:
        """The best cells are trained again."""
        self._display.keeping(done, total)
        self._events.keeping(done, total)

    def stopping(self) -> None:
        """The run was interrupted."""
        self._display.stopping()
        self._events.stopping()

    def close_with(self, summary: RunSummary) -> None:
        """The run has ended."""
        self._events.close_with(summary)


def _sweep_folder(store_url: str, sweep: str) -> Path:
    name = quote(sweep, safe="")
    return log_folder(store_url) / (name if name.strip(".") else name.replace(".", "%2E"))


def _open(store_url: str, sweep: str) -> logging.Handler | None:
    run = this_run()
    folder = _sweep_folder(store_url, sweep)
    name = f"{datetime.now(UTC).strftime(_STAMP)}-{quote(run.host, safe='')}-{run.pid}.log"
    # A log is no reason to make the folder that a store's URL has misspelt.
    beside = parse_url(store_url).get_backend_name() == "sqlite"
    if beside and not log_folder(store_url).parent.is_dir():
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(folder / name, encoding="utf-8")
        for old in run_logs(store_url, sweep)[:-KEPT_LOGS]:
            old.path.unlink(missing_ok=True)
    except OSError:
        return None
    formatter = logging.Formatter("%(asctime)sZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    _write(handler, logging.INFO, f"{_RUN}{run.owner}")
    return handler


def _write(handler: logging.Handler, level: int, text: str) -> None:
    handler.handle(logging.LogRecord(__name__, level, __file__, 0, text, None, None))
