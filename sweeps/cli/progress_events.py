"""A run as events of the log, for those who collect logs as JSON."""

from __future__ import annotations

import logging
import time
from typing import Any

from storage.records import PlanCounts
from sweeps.cli.logs import say
from sweeps.cli.pace import Pace
from sweeps.run_records import RunSummary

_EVERY_S = 10.0


class ProgressEvents:
    """Says how a run goes, an event of each kind every ten seconds and at its end.

    Args:
        fields: what belongs to every event, such as the sweep's name.
    """

    def __init__(self, **fields: Any) -> None:
        self._fields = fields
        self._pace = Pace()
        self._said: dict[str, float] = {}
        self._ended: set[str] = set()
        self._told = False

    def __enter__(self) -> ProgressEvents:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def embedding(self, done: int, total: int) -> None:
        """``done`` of ``total`` examples are embedded."""
        if self._is_due("embedding", done == total):
            self._say("embedding", f"{done} of {total} examples", done=done, total=total)

    def heads(self, name: str, done: int, total: int) -> None:
        """``done`` of ``total`` epochs of heads that train again."""
        if self._is_due(name, done == total):
            self._say(name.replace(" ", "_"), f"{done} of {total} epochs", done=done, total=total)

    def keeping(self, done: int, total: int) -> None:
        """The best cells are trained again, to be kept."""
        self.heads("keeping", done, total)

    def planned(self, counts: PlanCounts) -> None:
        """Say what is done already and what is to be trained."""
        self._pace.begin(counts.open)
        self._say("planned", f"{counts.open} replicates to train", **counts._asdict())

    def training(self, status: Any) -> None:
        """Replicates by state, speed, time left."""
        if status.stop is not None and not self._told:
            self._told = True
            self._say("told_to_stop", "told to stop by `sweep stop`", how=status.stop)
        for line in self._pace.new_stragglers(status):
            self._say("straggler", line, level=logging.WARNING)
        now = self._pace.look(status)
        if not self._is_due("training", now.finished >= now.open):
            return
        self._say(
            "training",
            f"{now.done} of {now.open} replicates",
            done=now.done,
            open=now.open,
            states=dict(status.finished),
            taken_elsewhere=status.taken_elsewhere,
            heads_per_s=round(now.rate, 3),
            left_s=None if now.left_s is None else round(now.left_s, 1),
            waiting=status.waiting,
        )

    def stopping(self) -> None:
        """Say what Ctrl-C did."""
        self._say("stopping", "interrupted: the running packs finish")

    def close_with(self, summary: RunSummary) -> None:
        """Say what was done, and why what failed did."""
        for reason in summary.errors:
            self._say("replicates_failed", reason, level=logging.ERROR, reason=reason)
        self._say(
            "finished",
            f"{sum(summary.trained.values())} replicates trained",
            total=summary.plan.total,
            trained=dict(summary.trained),
            taken_elsewhere=summary.taken_elsewhere,
            kept=summary.kept,
            interrupted=summary.interrupted,
            seconds={name: round(value, 3) for name, value in summary.seconds.items()},
        )

    def _is_due(self, name: str, last: bool) -> bool:
        now = time.monotonic()
        if last and name in self._ended:
            return False
        if last or now - self._said.get(name, float("-inf")) >= _EVERY_S:
            self._said[name] = now
            self._ended |= {name} if last else set()
            return True
        return False

    def _say(self, event: str, message: str, *, level: int = logging.INFO, **fields: Any) -> None:
        sweep = self._fields.get("sweep")
        text = f"{sweep}: {message}" if sweep else message
        say(__name__, level, event, text, **self._fields, **fields)
