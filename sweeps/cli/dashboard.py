"""``sigmoidf1 dashboard``."""

from __future__ import annotations

from typing import Annotated

import typer

from sweeps.cli import options

EXAMPLE = "Example: sigmoidf1 dashboard --store sqlite:///demo/sweeps.db --port 8050"


def dashboard(
    store: options.Store = options.DEFAULT_STORE,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8050,
) -> None:
    """Browse the sweeps of a store in a browser; reads only, follows a running sweep."""
    from dashboards.serve import serve

    serve(
        store,
        host=host,
        port=port,
        on_ready=lambda url: typer.echo(f"Dashboard at {url}. Ctrl-C stops it."),
    )
