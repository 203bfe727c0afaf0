"""What Prometheus is told of the store: sweeps, replicates, runs, speed, size."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dashboards.source import Source
from storage.errors import StoreError, SweepNotFoundError
from storage.maintenance import size_bytes
from storage.records import FINISHED_STATES, STATES

_SIZE_FRESH_S = 15.0
SWEEP_STATES = ("complete", "running", "waiting")

logger = logging.getLogger(__name__)


def sweep_state(row: Any) -> str:
    """Return the state of a sweep, from its counts of replicates.

    "complete": nothing is left to train. "running": somebody holds a lease on some of it.
    "waiting": there is work that nobody does.
    """
    if sum(int(row[state]) for state in FINISHED_STATES) == int(row["n_replicates"]):
        return "complete"
    return "running" if int(row["running"]) else "waiting"


class StoreCollector(Collector):
    """Reads the store at each scrape, by the answers that all viewers share.

    A store that cannot be read makes ``sigmoidf1_store_up`` 0 and gives no other number.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._size = 0
        self._size_until = 0.0
        self._lock = threading.Lock()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of this moment."""
        up = GaugeMetricFamily("sigmoidf1_store_up", "1 when the store can be read, else 0.")
        try:
            found = list(self._read())
        except StoreError as error:
            logger.warning("the store cannot be read: %s", error)
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from found

    def _read(self) -> Iterator[Metric]:
        table = self._source.sweeps().to_dict("records")
        states = dict.fromkeys(SWEEP_STATES, 0)
        replicates = GaugeMetricFamily(
            "sigmoidf1_replicates",
            "Planned replicates of a sweep by state; an expired lease counts as waiting.",
            labels=("sweep", "state"),
        )
        rate = GaugeMetricFamily(
            "sigmoidf1_replicates_per_second",
            "Replicates finished a second over the last five minutes, of sweeps that run.",
            labels=("sweep",),
        )
        runs = GaugeMetricFamily(
            "sigmoidf1_live_runs", "Runs that work on a sweep now.", labels=("sweep",)
        )
        for row in table:
            name, state = str(row["name"]), sweep_state(row)
            states[state] += 1
            for each in STATES:
                replicates.add_metric([name, each], int(row[each]))
            if state == "running":
                try:
                    status = self._source.status(name)
                except SweepNotFoundError:  # deleted since the table was read
                    continue
                rate.add_metric([name], status["replicates_per_s"] or 0.0)
                runs.add_metric([name], len(status["runs"]))
        sweeps = GaugeMetricFamily(
            "sigmoidf1_sweeps", "Sweeps of the store by state.", labels=("state",)
        )
        for state, count in states.items():
            sweeps.add_metric([state], count)
        yield from (sweeps, replicates, rate, runs)
        yield GaugeMetricFamily(
            "sigmoidf1_store_size_bytes", "Size of the database.", value=self._read_size()
        )

    def _read_size(self) -> int:
        with self._lock:
            if time.monotonic() > self._size_until:
                self._size = self._source.read(size_bytes)
                self._size_until = time.monotonic() + _SIZE_FRESH_S
            return self._size
