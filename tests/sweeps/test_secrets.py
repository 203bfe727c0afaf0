"""Passwords of stores: on no line that a command, a log or a page shows."""

from __future__ import annotations

import io
import logging

import pytest
import typer

from dashboards.app import make_app
from storage.masking import has_password, mask_text
from storage.store import Store
from sweeps.cli import logs

SECRET = "s3cr3t/@:?#pw"
# A port at which nobody answers: every command fails, and says where.
URLS = (
    "postgresql://ann:s3cr3t%2F%40%3A%3F%23pw@127.0.0.1:1/sweeps",
    "postgresql://ann:s3cr3t@127.0.0.1:1/sweeps?password=s3cr3t",
    "postgresql://ann@127.0.0.1:1/sweeps?password=s3cr3t",
    "mysql://ann:s3cr3t@127.0.0.1:1/sweeps",
    "postgresql://ann:s3cr3t with@blanks@127.0.0.1:port/sweeps",
)


@pytest.mark.parametrize("url", URLS)
def test_no_command_shows_a_password(sigmoidf1, monkeypatch, tmp_path, url) -> None:
    monkeypatch.setenv("SIGMOIDF1_STORE", url)
    monkeypatch.setenv("SIGMOIDF1_DEBUG", "")  # which --debug sets, and which ends with the test
    mine = f"sqlite:///{tmp_path}/mine.db"
    Store.open(mine).close()
    commands: list[tuple[str, ...]] = [
        ("sweep", "list"),
        ("store", "info"),
        ("store", "upgrade"),
        ("dashboard", "--port", "0"),
        ("sweep", "merge", url, "--store", mine),
        ("sweep", "import", "films", "--study", "x", "--from", url, "--store", mine),
        ("sweep", "list", url),
        ("report", "--store", url),
    ]
    for command in commands:
        done = sigmoidf1(*command)
        assert done.returncode in (1, 2), command
        assert "s3cr3t" not in done.stdout + done.stderr, command
        assert "%40%3A" not in done.stdout + done.stderr, command
    debug = sigmoidf1("--debug", "sweep", "list")
    assert debug.returncode == 1
    assert "Traceback" in debug.stderr
    assert "s3cr3t" not in debug.stderr


def test_a_password_on_the_command_line_is_warned_of_once(sigmoidf1, monkeypatch) -> None:
    done = sigmoidf1("sweep", "list", "--store", URLS[0])
    assert done.stderr.count("Warning:") == 1
    assert "SIGMOIDF1_STORE" in done.stderr
    assert "PGPASSFILE" in done.stderr
    twice = sigmoidf1("sweep", "merge", URLS[0], "--store", URLS[0])
    assert twice.stderr.count("Warning:") == 1
    monkeypatch.setenv("SIGMOIDF1_STORE", URLS[0])
    assert "Warning:" not in sigmoidf1("sweep", "list").stderr
    without = sigmoidf1("sweep", "list", "--store", "postgresql://ann@127.0.0.1:1/sweeps")
    assert "Warning:" not in without.stderr


@pytest.mark.parametrize("url", URLS[:3])
def test_no_page_answer_or_log_shows_a_password(url, caplog) -> None:
    client = make_app(url).server.test_client()
    client.set_cookie("look", "wide.light")
    with caplog.at_level(logging.DEBUG):
        for path in (
            *("/", "/map", "/about?sweep=x", "/api/v1/sweeps", "/download/best.yaml", "/healthz"),
            *("/metrics", "/_dash-layout", "/_dash-dependencies"),
        ):
            answer = client.get(path, headers={"Referer": "http://localhost/about"})
            assert "s3cr3t" not in answer.text + str(answer.headers), path
    assert "s3cr3t" not in caplog.text


@pytest.mark.parametrize("formatter", [logs.TextFormatter(), logs.JsonFormatter()])
def test_logs_mask_what_others_write_into_them(formatter) -> None:
    stream = io.StringIO()
    logger, handler = logging.Logger("other"), logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    try:
        raise RuntimeError(f"cannot connect to {URLS[0]}")
    except RuntimeError:
        logger.exception("lost %s", URLS[0])
    assert "ann:***@127.0.0.1" in stream.getvalue()
    assert stream.getvalue().count("Traceback") == 1
    assert "s3cr3t" not in stream.getvalue()


def test_errors_and_warnings_are_masked(capsys) -> None:
    logs.say_error(f"at {URLS[0]}")
    logs.say_warning(f"at {URLS[1]}")
    typer.echo("")
    assert "s3cr3t" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("a postgresql://u:p@h/d b", "a postgresql://u:***@h/d b"),
        ("x://u:p@q@h y://v:w@k", "x://u:***@h y://v:***@k"),
        ("x://u@h/d?Password=p&sslmode=off", "x://u@h/d?Password=***&sslmode=off"),
        ("write postgresql://USER:PASSWORD@HOST/DATABASE", None),
        ("sqlite:///a@b.db and http://host:8050/map?x=y", None),
        ("nobody@example.org: a time of 12:30@noon", None),
        ("http://127.0.0.1:8050/map, asked by ann@example.org", None),
    ],
)
def test_what_is_masked(text, masked) -> None:
    assert mask_text(text) == (masked or text)


def test_what_is_a_password() -> None:
    assert all(has_password(url) for url in URLS)
    for url in ("postgresql://ann@h/d", "postgresql://h/d", "sqlite:///a:b@c.db", "ann:x@h"):
        assert not has_password(url)
    assert not has_password("postgresql://ann:@h/d")
