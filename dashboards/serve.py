"""Serves the app with waitress; on the loopback address unless told otherwise."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable
from contextlib import closing
from typing import Any

from waitress.server import create_server

from dashboards.app import make_app
from storage.store import Store
from sweeps.errors import SweepError

HOST, PORT, THREADS = "127.0.0.1", 8050, 8
# A figure of a large sweep is a megabyte. By default it goes in pieces of 18 kB, between each of
# which other threads may take turns, and by way of a temporary file.
_SENDING: dict[str, Any] = {
    "send_bytes": 2**20,
    "outbuf_overflow": 2**24,
    "outbuf_high_watermark": 2**24,
}


class ServeError(SweepError):
    """The dashboard cannot be served; the text is one line: what happened, what to do."""


def serve(
    store_url: str,
    host: str = HOST,
    port: int = PORT,
    *,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the dashboard of a store until interrupted.

    The store is opened for reading only; a sweep may write it meanwhile. There is no login: an
    address other than the loopback one shows the store to everyone who can reach it.

    Args:
        store_url: URL of an existing store.
        host: address or name to listen on.
        port: port to listen on, 1 to 65535; 0 for any that is free.
        on_ready: called with the address of the pages once they can be asked for.

    Raises:
        StoreError: there is no such store, or it cannot be read.
        ServeError: the address cannot be listened on.
    """
    Store.open(store_url, create=False, read_only=True).close()
    server = _listen(store_url, host, port)
    logging.getLogger("waitress").setLevel(logging.ERROR)
    try:
        if on_ready is not None:
            shown = f"[{host}]" if ":" in host else host
            on_ready(f"http://{shown}:{server.effective_port}")
        server.run()
    finally:
        server.close()


def _listen(store_url: str, host: str, port: int) -> Any:
    _check_free(host, port)
    try:
        return create_server(
            make_app(store_url).server, host=host, port=port, threads=THREADS, **_SENDING
        )
    except OSError as error:
        raise ServeError(_reason(error, host, port)) from error


def _check_free(host: str, port: int) -> None:
    """Say that a port is taken before anything is loaded for it."""
    if not 0 <= port <= 65535:
        raise ServeError(f"A port lies in 0 to 65535, but got {port}. Choose another with --port.")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with closing(socket.socket(family, kind, protocol)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise ServeError(_reason(error, host, port)) from error


def _reason(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is in use by another program. Choose another with --port."
    if error.errno == errno.EACCES:
        return f"Port {port} of {host} needs rights you lack. Choose one above 1023 with --port."
    return f"The dashboard cannot listen on {host}:{port}: {error.strerror or error}."
