"""Progress bars: the examples while embedding, the replicates while training."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from storage.records import PlanCounts
from sweeps.cli import logs, progress_events
from sweeps.cli.pace import Pace
from sweeps.cli.progress_events import ProgressEvents
from sweeps.cli.run_log import Both, kept_log
from sweeps.cli.tables import duration
from sweeps.run_records import RunListener
from sweeps.runner import RunOptions, RunSummary, run_sweep
from sweeps.spec import SweepSpec

_FILE_WIDTH = 1000  # columns, where the output is no terminal: a line stays one
_LINE_EVERY_S = 10.0  # where the output is no terminal, a line now and then instead of a bar


@contextmanager
def embedding_bar(*, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A callback (done, total) that draws a bar of the embedded examples on standard error."""
    with _display(quiet=quiet) as display:
        yield display.embedding


@contextmanager
def heads_bar(name: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A callback (head-epochs done, all) that draws a bar on standard error."""
    with _display(quiet=quiet) as display:
        yield lambda done, total: display.heads(name, done, total)


def run_with_progress(
    spec: SweepSpec, store_url: str, options: RunOptions, *, quiet: bool = False
) -> RunSummary:
    """:func:`sweeps.runner.run_sweep` with a progress bar and a closing line, or with events."""
    with (
        kept_log(store_url, spec.sweep),
        _said_once(drawn=not (quiet or logs.is_json())),
        _display(quiet=quiet, sweep=spec.sweep) as display,
    ):
        listener: RunListener = display
        if isinstance(display, _Display):
            listener = Both(display, ProgressEvents(sweep=spec.sweep))
        summary = run_sweep(spec, store_url, options=options, listener=listener)
        display.close_with(summary)
        if isinstance(listener, Both):
            listener.close_with(summary)
    return summary


@contextmanager
def _said_once(*, drawn: bool) -> Iterator[None]:
    """Where a run is drawn, keep its events out of every log but the files of the root logger."""
    handlers = [
        each
        for each in (logging.getLogger().handlers if drawn else ())
        if not isinstance(each, logging.FileHandler)
    ]
    for handler in handlers:
        handler.addFilter(_is_not_drawn)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(_is_not_drawn)


def _is_not_drawn(record: logging.LogRecord) -> bool:
    return record.name != progress_events.__name__


def _display(*, quiet: bool, **fields: str) -> _Display | ProgressEvents:
    """What draws; in a JSON log ``fields`` belong to every event."""
    return ProgressEvents(**fields) if logs.is_json() else _Display(quiet=quiet)


class _Display:
    """Draws a run on standard error; a terminal gets bars, anything else a few lines."""

    def __init__(self, *, quiet: bool) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False, markup=False)
        if not self._console.is_terminal:
            self._console.width = _FILE_WIDTH
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._last_line = 0.0
        self._ended: set[str] = set()
        self._pace = Pace()
        self._told = False

    def __enter__(self) -> _Display:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def embedding(self, done: int, total: int) -> None:
        """``done`` of ``total`` examples are embedded."""
        self._draw("embedding", done, total, f"{done} / {total} examples", last=done == total)

    def heads(self, name: str, done: int, total: int) -> None:
        """``done`` of ``total`` epochs of heads that train again."""
        self._draw(name, done, total, f"{done / total:.0%} of the epochs", last=done == total)

    def keeping(self, done: int, total: int) -> None:
        """The best cells are trained again, to be kept."""
        self.heads("keeping", done, total)

    def planned(self, counts: PlanCounts) -> None:
        """Say what is done already and what is to be trained."""
        self._pace.begin(counts.open)
        self._console.print(
            f"{counts.total} replicates planned, {counts.done} done before, {counts.open} to train."
        )

    def training(self, status: Any) -> None:
        """Replicates done, diverged, failed; heads a second; time left."""
        self._say_stop(status.stop)
        for line in self._pace.new_stragglers(status):
            self._console.print(line)
        now = self._pace.look(status)
        note = f"{now.done} / {now.open} done"
        for state, count in status.finished.items():
            if state != "complete" and count:
                note += f", {count} {state}"
        if status.waiting:
            note += f", waiting: {status.waiting}"
        elif now.idle:
            note += ", waiting for the sweep's other runs"
        elif now.left_s is not None:
            note += f", {now.rate:.0f} heads/s, {duration(now.left_s)} left"
        self._draw("training", now.worked, now.open, note, last=now.finished >= now.open)

    def _say_stop(self, how: str | None) -> None:
        if how is None or self._told:
            return
        self._told = True
        packs = "its packs are given back" if how == "abandon" else "the running packs finish"
        self._console.print(f"Told to stop by `sigmoidf1 sweep stop`: {packs}.")

    def stopping(self) -> None:
        """Say what Ctrl-C did."""
        self._console.print("Stopping: the running packs finish. Ctrl-C again stops at once.")

    def close_with(self, summary: RunSummary) -> None:
        """One line on what was done."""
        trained = sum(summary.trained.values())
        total = summary.seconds["total"]
        if not summary.plan.open:
            self._console.print(f"{summary.sweep}: all {summary.plan.total} replicates were done.")
            return
        parts = [f"{n} {state}" for state, n in summary.trained.items() if n]
        text = f"{summary.sweep}: {trained} replicates trained in {duration(total)}"
        text += f" ({', '.join(parts)})" if parts else ""
        if summary.taken_elsewhere:
            text += f"; {summary.taken_elsewhere} were another run's"
        if summary.interrupted:
            text += "; stopped before the end, run the same command again to continue"
        self._console.print(text + ".")
        for reason in summary.errors:
            self._console.print(f"failed: {reason}")

    def _draw(self, name: str, done: float, total: float, note: str, *, last: bool) -> None:
        if self._console.is_terminal:
            if name not in self._tasks:
                self._tasks[name] = self._progress.add_task(name, total=total, note=note)
            self._progress.update(self._tasks[name], completed=done, note=note)
            return
        now = time.monotonic()
        if now - self._last_line >= _LINE_EVERY_S or (last and name not in self._ended):
            self._last_line = now
            self._ended |= {name} if last else set()
            self._console.print(f"{name}: {note}")
