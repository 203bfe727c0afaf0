"""``/healthz``: whether the store can be read and has this program's schema."""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import NamedTuple

from flask import Flask, Response

from storage.errors import StoreError
from storage.opening import read_schema
from storage.schema import REVISION
from storage.urls import parse_url

PATH = "/healthz"
# Probes of several kinds ask at once, and anybody may: the store is asked once for all of them.
_FRESH_S = 1.0

logger = logging.getLogger(__name__)


class Health(NamedTuple):
    """Whether the dashboard can answer.

    Attributes:
        status: "ok" or "unavailable".
        schema: revision of the store's schema; None where it cannot be read.
        reason: why it is unavailable, without names of hosts or files.
    """

    status: str
    schema: str | None
    reason: str | None


def check_health(store_url: str) -> Health:
    """Ask a store for its schema, by a connection of its own.

    Args:
        store_url: URL of the store.
    """
    try:
        schema = read_schema(parse_url(store_url))
    except StoreError as error:
        logger.warning("the store cannot be read: %s", error)
        return Health("unavailable", None, "the store cannot be read")
    if schema != REVISION:
        return Health("unavailable", schema, f"this program reads schema {REVISION}")
    return Health("ok", schema, None)


def register_health(server: Flask, store_url: str) -> None:
    """Answer ``/healthz`` with 200, or 503 while the store is away or of another version."""
    probe = _Probe(store_url)

    @server.get(PATH)
    def healthz() -> Response:
        health = probe.look()
        return Response(
            json.dumps(health._asdict()),
            status=200 if health.status == "ok" else 503,
            mimetype="application/json",
            headers={"Cache-Control": "no-store"},
        )


class _Probe:
    """The health of a store, looked at by one thread at a time and kept for a second."""

    def __init__(self, store_url: str) -> None:
        self._store_url = store_url
        self._known: Health | None = None
        self._until = 0.0
        self._looking = threading.Lock()

    def look(self) -> Health:
        # A server that does not answer takes ten seconds: meanwhile the rest are told what is
        # known, so that the pages keep their threads.
        if not self._looking.acquire(blocking=self._known is None) and self._known is not None:
            return self._known
        try:
            if self._known is None or time.monotonic() > self._until:
                self._known = check_health(self._store_url)
                self._until = time.monotonic() + _FRESH_S
            return self._known
        finally:
            self._looking.release()
