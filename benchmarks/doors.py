"""Time what the doors add to a request of the dashboard: session, token, headers, refusal.

The app is asked within this process, without a network, so that the time is the program's own.
Printed are medians over rounds that take turns, each the mean of many requests, and what each
door adds to the same request of an app without any.

    python benchmarks/doors.py [--rounds 15] [--requests 100]
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dashboards.app import make_app
from dashboards.auth.access import open_access
from dashboards.auth.account_file import change_accounts, with_user
from storage.store import Store

LIMIT_MS = 5.0
PASSWORD, TOKEN = "a password of the benchmark", "a-token-of-the-benchmark-0123"
PATH = "/_dash-dependencies"


def bare_server(url: str) -> Any:
    """The app without a gate and without the headers."""
    server = make_app(url).server
    kept = [each for each in server.after_request_funcs[None] if ".auth." not in each.__module__]
    server.after_request_funcs[None] = kept
    return server


def logged_in(server: Any) -> Any:
    """A client that has a session."""
    client = server.test_client()
    form = re.search(r'name="form" value="([^"]+)"', client.get("/login").text)
    assert form is not None
    fields = {"form": form[1], "name": "ann", "password": PASSWORD}
    assert client.post("/login", data=fields).status_code == 303
    return client


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--requests", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/sweeps.db"
        Store.open(url).close()
        accounts = Path(folder) / "accounts.json"
        change_accounts(accounts, lambda known: with_user(known, "ann", PASSWORD, exists=False))
        closed = make_app(url, open_access(accounts, TOKEN)).server
        bare, open_, session = bare_server(url), make_app(url).server, logged_in(closed)
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        cases: dict[str, Callable[[], Any]] = {
            "no doors": lambda: bare.test_client().get(PATH),
            "headers": lambda: open_.test_client().get(PATH),
            "headers and session": lambda: session.get(PATH),
            "headers and token": lambda: closed.test_client().get(PATH, headers=bearer),
            "refused": lambda: closed.test_client().get(PATH),
        }
        times: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(arguments.rounds):
            for name, ask in cases.items():
                began = time.process_time()
                for _ in range(arguments.requests):
                    ask()
                times[name].append((time.process_time() - began) / arguments.requests * 1000)
    base = statistics.median(times["no doors"])
    for name, values in times.items():
        taken = statistics.median(values)
        print(f"{name:22} {taken:7.3f} ms CPU a request, {taken - base:+7.3f} ms")
    worst = max(statistics.median(values) - base for values in times.values())
    print(f"The doors add at most {worst:.3f} ms; the limit is {LIMIT_MS:.0f} ms.")


if __name__ == "__main__":
    main()
