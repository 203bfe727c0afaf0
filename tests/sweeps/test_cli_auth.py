"""sigmoidf1 auth, and what sigmoidf1 dashboard demands."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from storage.store import Store

PASSWORD, TOKEN = "correct horse battery", "service-token-of-the-team-0123"
MAIN = "from sweeps.cli.main import main; main()"


@pytest.fixture
def accounts(sigmoidf1, tmp_path: Path) -> Path:
    path = tmp_path / "accounts.json"
    assert sigmoidf1("auth", "add-user", path, "ann", typed=f"{PASSWORD}\n").returncode == 0
    return path


def test_users_and_tokens_are_added_listed_and_removed(sigmoidf1, accounts) -> None:
    assert stat.S_IMODE(accounts.stat().st_mode) == 0o600
    made = sigmoidf1("auth", "add-token", accounts, "prometheus")
    token = made.stdout.strip()
    assert len(token) >= 32
    assert token not in accounts.read_text()
    assert PASSWORD not in accounts.read_text()
    listed = sigmoidf1("auth", "list", accounts, "--json").stdout
    assert json.loads(listed) == {"users": ["ann"], "tokens": ["prometheus"]}
    assert "prometheus" in sigmoidf1("auth", "list", accounts).stdout
    before = accounts.read_text()
    assert sigmoidf1("auth", "set-password", accounts, "ann", typed="another one\n").returncode == 0
    assert accounts.read_text() != before
    assert sigmoidf1("auth", "remove-token", accounts, "prometheus").returncode == 0
    assert sigmoidf1("auth", "remove-user", accounts, "ann").returncode == 0
    assert json.loads(sigmoidf1("auth", "list", accounts, "--json").stdout)["users"] == []


@pytest.mark.parametrize(
    ("arguments", "typed", "said"),
    [
        (("add-user", "ann"), PASSWORD, "set-password"),
        (("add-user", "bob"), "", "8 to 1000 characters, but got 0"),
        (("add-user", "bob"), "s3cr3t", "8 to 1000 characters, but got 6"),
        (("add-user", "<b>bob</b>"), PASSWORD, "A name has"),
        (("set-password", "bob"), PASSWORD, "add-user"),
        (("remove-user", "bob"), "", "Known: ann"),
        (("remove-token", "x"), "", "Known: none"),
    ],
)
def test_what_breaks_a_rule_is_one_line(sigmoidf1, accounts, arguments, typed, said) -> None:
    before = accounts.read_bytes()
    done = sigmoidf1("auth", arguments[0], accounts, *arguments[1:], typed=typed)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert said in done.stderr
    assert "s3cr3t" not in done.stderr
    assert accounts.read_bytes() == before


def test_the_dashboard_says_what_it_demands(sigmoidf1, monkeypatch, accounts, tmp_path) -> None:
    url = f"sqlite:///{tmp_path}/sweeps.db"
    Store.open(url).close()
    command = ("dashboard", "--store", url, "--port", "0")
    everywhere = (*command, "--host", "0.0.0.0")
    monkeypatch.delenv("SIGMOIDF1_DASHBOARD_TOKEN", raising=False)
    assert "demands a log-in" in sigmoidf1(*everywhere).stderr
    assert "Behind a proxy" in sigmoidf1(*command, "--trusted-proxy", "127.0.0.1").stderr
    both = sigmoidf1(*everywhere, "--insecure", "--auth-file", accounts)
    assert both.returncode == 2
    assert "got both" in both.stderr
    assert "must be readable" in sigmoidf1(*command, "--auth-file", tmp_path / "no").stderr
    accounts.chmod(0o644)
    assert "chmod 600" in sigmoidf1(*command, "--auth-file", accounts).stderr
    monkeypatch.setenv("SIGMOIDF1_DASHBOARD_TOKEN", "s3cr3t")
    short = sigmoidf1(*everywhere)
    assert "at least 24" in short.stderr
    assert "s3cr3t" not in short.stderr


def test_a_dashboard_behind_a_proxy_is_reached_by_its_token(tmp_path: Path) -> None:
    """The real server: which proxy is believed, and that nothing says the token."""
    url = f"sqlite:///{tmp_path}/sweeps.db"
    Store.open(url).close()
    options = ("--host", "0.0.0.0", "--port", "0", "--trusted-proxy", "127.0.0.1", "--store", url)
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "dashboard", *options],
        env={**os.environ, "SIGMOIDF1_DASHBOARD_TOKEN": TOKEN},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        base = "http://127.0.0.1:" + first.partition("0.0.0.0:")[2].partition(".")[0]
        said = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
        assert TOKEN not in said + first

        def ask(path: str, **headers: str) -> tuple[int, str]:
            request = urllib.request.Request(base + path, headers=headers)
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return answer.status, str(answer.headers)
            except urllib.error.HTTPError as error:
                return error.code, str(error.headers)

        assert ask("/healthz")[0] == 200
        assert ask("/api/v1/sweeps")[0] == ask("/metrics")[0] == 401
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert ask("/api/v1/sweeps", **bearer)[0] == ask("/metrics", **bearer)[0] == 200
        forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "sweeps.example"}
        status, headers = ask("/login", **forwarded, **{"X-Forwarded-For": "192.0.2.1"})
        assert status == 200
        assert "Secure;" in headers
        assert "Server:" not in headers
        assert "Secure;" not in ask("/login")[1]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert TOKEN not in process.stdout.read()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
