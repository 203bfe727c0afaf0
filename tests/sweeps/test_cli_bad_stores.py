"""Stores and specs that cannot be used: one line, a status, and nothing changed."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest

from storage.store import Store


@pytest.fixture
def refused(sigmoidf1: Callable[..., Any]) -> Callable[..., str]:
    """The one line by which a command refuses."""

    def run(*arguments: object) -> str:
        done = sigmoidf1(*arguments)
        assert done.returncode in (1, 2), done
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert done.stderr.startswith("Error: ")
        assert done.stdout == ""
        return done.stderr

    return run


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


COMMANDS = [
    ["sweep", "list"],
    ["sweep", "status"],
    ["sweep", "stop", "x"],
    ["sweep", "delete", "x", "--yes"],
    ["sweep", "retry", "x", "--failed"],
    ["store", "info"],
    ["store", "check"],
    ["store", "upgrade"],
    ["export", "cells"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_foreign_and_a_corrupt_file_are_left_as_they_are(refused, tmp_path, command):
    foreign, corrupt = tmp_path / "foreign.db", tmp_path / "corrupt.db"
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE bills (id INTEGER)")
        connection.commit()
    corrupt.write_bytes(b"this is no database, and it is longer than a header of one " * 9)
    before = digest(foreign), digest(corrupt)
    text = refused(*command, "--store", f"sqlite:///{foreign}")
    assert "another program" in text or "holds no sweeps" in text
    assert "not a database" in refused(*command, "--store", f"sqlite:///{corrupt}")
    assert (digest(foreign), digest(corrupt)) == before


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_password_is_never_printed(refused, monkeypatch, command):
    monkeypatch.setenv("SIGMOIDF1_STORE", "postgresql://ann:s3cr%40t@127.0.0.1:9/sweeps")
    text = refused(*command)
    assert "ann:***@127.0.0.1" in text
    assert "s3cr" not in text


def test_an_unknown_database_names_what_to_install(refused, monkeypatch, make_spec):
    monkeypatch.setenv("SIGMOIDF1_STORE", "mysql://ann:s3cret@host/sweeps")
    text = refused("sweep", "run", make_spec())
    assert "pip install" in text
    assert "s3cret" not in text
    assert "sqlite:///" in refused("sweep", "list", "--store", "sweeps.db")


def test_a_database_of_optuna_alone_is_taken(sigmoidf1, make_spec, train_sweep, tmp_path):
    url, optuna_url = (f"sqlite:///{tmp_path / name}" for name in ("ours.db", "optuna.db"))
    train_sweep(make_spec(losses={"bce": {}}, seeds=1), url)
    optuna.create_study(study_name="theirs", storage=optuna_url)
    done = sigmoidf1("sweep", "merge", url, "--store", optuna_url)
    assert done.returncode == 0, done.stderr
    assert "theirs" in optuna.get_all_study_names(optuna_url)
    with Store.open(optuna_url, read_only=True) as store:
        assert store.sweep_names() == ["small"]


@pytest.mark.parametrize("name", ["a b", "../up", "", "x" * 300, "-dash", "naïve", "a/b"])
def test_odd_sweep_names(refused, make_spec, tmp_path, name):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    spec = make_spec()
    spec.write_text(spec.read_text().replace("sweep: small", f"sweep: {name!r}"))
    assert "sweep" in refused("sweep", "run", spec, "--store", url)
    assert not (tmp_path / "store.db").exists()


@pytest.mark.parametrize("name", ["a b", "../up", "x" * 300, "a/b", "%s", "'; DROP TABLE x"])
def test_odd_names_of_sweeps_that_are_not_stored(refused, tmp_path, name):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    Store.open(url).close()
    before = digest(tmp_path / "store.db")
    for command in (["status"], ["stop"], ["delete", "--yes"], ["retry", "--failed"]):
        text = refused("sweep", command[0], name, *command[1:], "--store", url)
        assert "Unknown sweep" in text
    assert digest(tmp_path / "store.db") == before


BUDGETS: list[tuple[Any, str]] = [
    (-3, "budget"),
    (0, "budget"),
    (2.5, "budget"),
    (10**12, "budget"),
    ("many", "budget"),
]


@pytest.mark.parametrize(("budget", "words"), BUDGETS, ids=str)
def test_a_negative_or_absurd_budget(refused, make_spec, tmp_path, budget, words):
    spec = make_spec(
        sampler={"name": "random", "budget": budget},
        losses={"sigmoid_f1": {"beta": {"range": [1, 30]}}},
    )
    url = f"sqlite:///{tmp_path / 'store.db'}"
    assert words in refused("sweep", "run", spec, "--store", url)
    assert not (tmp_path / "store.db").exists()


def test_a_newer_schema_is_refused_unharmed(refused, tmp_path):
    path = tmp_path / "store.db"
    url = f"sqlite:///{path}"
    Store.open(url).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE sweeps_alembic_version SET version_num = '9999'")
        connection.commit()
    before = digest(path)
    for command in COMMANDS:
        assert "newer" in refused(*command, "--store", url)
    assert digest(path) == before
