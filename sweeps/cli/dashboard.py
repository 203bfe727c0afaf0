"""``sigmoidf1 dashboard``."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cli import logs, options

if TYPE_CHECKING:
    from dashboards.auth.access import Access

EXAMPLE = """Example: sigmoidf1 dashboard --store sqlite:///demo/sweeps.db --port 8050

For others: sigmoidf1 dashboard --host 0.0.0.0 --auth-file accounts.json"""


def dashboard(
    store: options.Store = options.DEFAULT_STORE,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on; any but the loopback one needs --auth-file or a token."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8050,
    auth_file: Annotated[
        Path | None,
        typer.Option(
            envvar="SIGMOIDF1_AUTH_FILE",
            help="Demand a log-in by this file of accounts, made by sigmoidf1 auth add-user.",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            envvar="SIGMOIDF1_DASHBOARD_TOKEN_FILE",
            help="Demand the access token in this file, or in $SIGMOIDF1_DASHBOARD_TOKEN.",
        ),
    ] = None,
    session_hours: Annotated[
        float, typer.Option(min=0.1, max=8760, help="Hours after which people log in again.")
    ] = 12,
    trusted_proxy: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            envvar="SIGMOIDF1_TRUSTED_PROXY",
            help="A reverse proxy whose X-Forwarded-For, -Host and -Proto are believed; * for any.",
        ),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Show the store to everyone who can reach --host.")
    ] = False,
    log_format: logs.Option = None,
) -> None:
    """Browse the sweeps of a store in a browser; reads only, follows a running sweep."""
    from dashboards.serve import is_loopback, serve

    access = _access(auth_file, token_file, session_hours)
    if access is not None and insecure:
        raise typer.BadParameter("a dashboard demands a log-in or is --insecure, but got both.")
    if not is_loopback(host):
        if insecure:
            logs.say_warning(f"no log-in: everyone who can reach {host} can read this store.")
        elif access is not None and trusted_proxy is None:
            logs.say_warning(
                f"passwords reach {host} unencrypted: put a proxy with https in front, and name "
                "it by --trusted-proxy (docs/security.md)."
            )
    serve(
        store,
        host=host,
        port=port,
        access=access,
        insecure=insecure,
        trusted_proxy=trusted_proxy,
        on_ready=_say_ready,
    )


def _access(auth_file: Path | None, token_file: Path | None, session_hours: float) -> Access | None:
    from dashboards.auth.access import open_access
    from dashboards.auth.secret_texts import KEY_VARIABLE, TOKEN_VARIABLE, read_token

    # Taken out, so that the browser that draws pictures does not inherit them.
    token = read_token(token_file, os.environ.pop(TOKEN_VARIABLE, None))
    key = os.environ.pop(KEY_VARIABLE, None)
    return open_access(auth_file, token, key=key, session_s=3600 * session_hours)


def _say_ready(url: str) -> None:
    if logs.is_json():
        logs.say(__name__, logging.INFO, "serving", f"dashboard at {url}", url=url)
    else:
        typer.echo(f"Dashboard at {url}. Ctrl-C stops it.")
