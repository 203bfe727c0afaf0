"""Serves the app with waitress; on the loopback address unless told otherwise."""

from __future__ import annotations

import errno
import ipaddress
import logging
import socket
from collections.abc import Callable
from contextlib import closing
from typing import Any

from waitress.server import create_server

from dashboards.app import STORE, make_app
from dashboards.auth.access import Access
from storage.store import Store
from sweeps.errors import SweepError

HOST, PORT, THREADS = "127.0.0.1", 8050, 8
# A figure of a large sweep is a megabyte. By default it goes in pieces of 18 kB, between each of
# which other threads may take turns, and by way of a temporary file.
_SENDING: dict[str, Any] = {
    "send_bytes": 2**20,
    "outbuf_overflow": 2**24,
    "outbuf_high_watermark": 2**24,
    # What a page sends back is small, but for the figures that its callbacks hold as state.
    "max_request_body_size": 2**26,
    "ident": "",  # which program answers is nobody's business
}
_FORWARDED = {"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"}


class ServeError(SweepError):
    """The dashboard cannot be served; the text is one line: what happened, what to do."""


def serve(
    store_url: str,
    host: str = HOST,
    port: int = PORT,
    *,
    access: Access | None = None,
    insecure: bool = False,
    trusted_proxy: str | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the dashboard of a store until interrupted.

    The store is opened for reading only; a sweep may write it meanwhile. On the loopback address
    whoever uses this machine may see it; on any other one access is demanded.

    Args:
        store_url: URL of an existing store.
        host: address or name to listen on.
        port: port to listen on, 1 to 65535; 0 for any that is free.
        access: what opens the doors; None leaves them open.
        insecure: leave them open on another address than the loopback one, too.
        trusted_proxy: address of a reverse proxy whose X-Forwarded-For, -Host and -Proto are
            believed, or ``*`` for anybody's; None believes nobody's.
        on_ready: called with the address of the pages once they can be asked for.

    Raises:
        StoreError: there is no such store, or it cannot be read.
        ServeError: the address cannot be listened on, or would be open to everybody.
    """
    _check_free(host, port)
    is_local = is_loopback(host)
    if access is None and trusted_proxy is not None and not insecure:
        raise ServeError(
            "Behind a proxy whoever reaches the proxy reaches the dashboard, so it demands a "
            "log-in, but got none. Give --auth-file FILE (make one: sigmoidf1 auth add-user FILE "
            "NAME) or set SIGMOIDF1_DASHBOARD_TOKEN; --insecure leaves the store open."
        )
    if access is None and not is_local and not insecure:
        raise ServeError(
            f"On {host} the dashboard demands a log-in, but got none. Give --auth-file FILE (make "
            "one: sigmoidf1 auth add-user FILE NAME) or set SIGMOIDF1_DASHBOARD_TOKEN; --insecure "
            "shows the store to everyone who can reach this address."
        )
    Store.open(store_url, create=False, read_only=True).close()
    local_only = access is None and is_local and not insecure
    app = make_app(store_url, access, local_only=local_only).server
    server = _listen(app, host, port, trusted_proxy)
    logging.getLogger("waitress").setLevel(logging.ERROR)
    try:
        if on_ready is not None:
            shown = f"[{host}]" if ":" in host else host
            on_ready(f"http://{shown}:{server.effective_port}")
        server.run()
    finally:
        server.close()
        app.extensions[STORE].close()


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address; of a name, every one that it has.

    Args:
        host: address or name; "" stands for every address of this machine.
    """
    try:
        found = {str(each[4][0]) for each in socket.getaddrinfo(host, None)} if host else set()
    except OSError:  # no address at all: listening on it will say so
        return False
    addresses = [ipaddress.ip_address(address.partition("%")[0]) for address in found]
    return bool(addresses) and all(address.is_loopback for address in addresses)


def _listen(app: Any, host: str, port: int, trusted_proxy: str | None) -> Any:
    proxy: dict[str, Any] = {}
    if trusted_proxy is not None:
        proxy = {"trusted_proxy": trusted_proxy, "trusted_proxy_headers": _FORWARDED}
    try:
        return create_server(app, host=host, port=port, threads=THREADS, **_SENDING, **proxy)
    except OSError as error:
        raise ServeError(_reason(error, host, port)) from error


def _check_free(host: str, port: int) -> None:
    """Say that a port is taken before anything is loaded for it."""
    if not 0 <= port <= 65535:
        raise ServeError(f"A port lies in 0 to 65535, but got {port}. Choose another with --port.")
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
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
