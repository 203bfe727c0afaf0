"""``/metrics`` for Prometheus: the sweeps of the store, and the requests of this process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from flask import Flask, Response, g, request
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from dashboards import health
from dashboards.source import Source
from dashboards.store_metrics import StoreCollector

PATH = "/metrics"
_METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE")
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

# Times at which series began: half of all lines, and Prometheus keeps times itself.
disable_created_metrics()

_requests = logging.getLogger("dashboards.requests")


class Metrics:
    """What one app measures; every app has numbers of its own.

    Attributes:
        registry: the metrics, for `generate_latest`.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._duration = Histogram(
            "sigmoidf1_dashboard_request_duration_seconds",
            "Time from a request to its answer, by the pattern of its address.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._answers = Counter(
            "sigmoidf1_dashboard_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._failures = Counter(
            "sigmoidf1_dashboard_callback_failures",
            "Callbacks of pages that ended in an error nobody foresaw.",
            registry=self.registry,
        )

    def observing(self, handle: Callable[[Exception], None]) -> Callable[[Exception], None]:
        """Return a handler of callbacks' errors that counts them and then calls ``handle``."""

        def count(error: Exception) -> None:
            self._failures.inc()
            handle(error)

        return count

    def register(self, server: Flask, source: Source) -> None:
        """Measure every request of ``server`` from here on, and serve ``/metrics``.

        To be called before anything else looks at requests: what that refuses is counted too.

        Args:
            server: the app's WSGI application.
            source: the store whose sweeps are counted at each scrape.
        """
        self.registry.register(StoreCollector(source))

        @server.before_request
        def start() -> None:
            g.began = time.perf_counter()

        @server.after_request
        def finish(response: Response) -> Response:
            self._observe(response.status_code, time.perf_counter() - g.began)
            return response

        @server.get(PATH)
        def metrics() -> Response:
            text = generate_latest(self.registry)
            return Response(
                text, content_type=CONTENT_TYPE_PLAIN_0_0_4, headers={"Cache-Control": "no-store"}
            )

    def _observe(self, status: int, seconds: float) -> None:
        # Only names that the program has itself: whoever asks for made-up ones makes no metrics.
        method = request.method if request.method in _METHODS else "other"
        route = "none" if request.url_rule is None else request.url_rule.rule
        self._duration.labels(method, route).observe(seconds)
        self._answers.labels(method, route, str(status)).inc()
        is_probe = request.path in (PATH, health.PATH)
        _requests.log(
            logging.DEBUG if is_probe else logging.INFO,
            "%s %s %d",
            method,
            request.path,
            status,
            extra={
                "event": "request",
                "fields": {
                    "method": method,
                    "path": request.path,
                    "status": status,
                    "duration_ms": round(1000 * seconds, 1),
                },
            },
        )
