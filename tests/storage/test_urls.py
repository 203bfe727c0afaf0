from __future__ import annotations

import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from storage import errors
from storage.store import Store
from storage.urls import mask_message, mask_url, parse_url


@pytest.mark.parametrize(
    ("url", "kind", "part"),
    [
        ("sweeps.db", errors.StoreUrlError, "Write sqlite:///sweeps.db"),
        ("", errors.StoreUrlError, "URL"),
        ("sqlite://", errors.StoreUrlError, "file on disk"),
        ("sqlite:///:memory:", errors.StoreUrlError, "file on disk"),
        ("sqlite:///file:a.db?uri=true", errors.StoreUrlError, "file on disk"),
        ("sqlite:///a.db?timeout=3", errors.StoreUrlError, "no options"),
        ("sqlite://a.db", errors.StoreUrlError, "sqlite:///FILE.db"),
        ("postgresql://u:secret@host:port/db", errors.StoreUrlError, r"u:***@host"),
        ("mysql://u:secret@host/db", errors.DriverError, "'sigmoidf1-sweeps[postgres]'"),
        ("postgresql+psycopg2://u:secret@host/db", errors.DriverError, "psycopg2"),
        ("nonsense://u:secret@host/db", errors.DriverError, "nonsense"),
    ],
)
def test_urls_that_are_none(refuse, url, kind, part):
    message = refuse(url, kind)
    assert part in message
    assert "secret" not in message


def test_missing_driver_names_the_extra(refuse, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    message = refuse("postgresql://u:secret@localhost/db", errors.DriverError)
    assert "pip install 'sigmoidf1-sweeps[postgres]'" in message
    assert "secret" not in message


def test_server_that_does_not_answer(refuse):
    message = refuse("postgresql://ann:s3cret@127.0.0.1:9/db", errors.StoreConnectionError)
    assert "s3cret" not in message
    assert "ann:***@127.0.0.1:9/db" in message


def test_wrong_password_is_refused_and_never_shown(
    refuse, postgres_database, postgres_url, caplog, capfd
):
    admin = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text("CREATE ROLE ann LOGIN PASSWORD 'right horse'"))
        hba = Path(connection.execute(sa.text("SHOW hba_file")).scalar_one())
        original = hba.read_text()
        hba.write_text(f"local all ann scram-sha-256\n{original}")
        connection.execute(sa.text("SELECT pg_reload_conf()"))
    url = parse_url(postgres_database).set(username="ann", password="wr@ng horse")
    try:
        message = refuse(url, errors.StoreConnectionError)
        assert "password authentication failed" in message
        text = message + caplog.text + "".join(capfd.readouterr())
        for form in ("wr@ng", "wr%40ng", "horse"):
            assert form not in text
    finally:
        hba.write_text(original)
        with admin.connect() as connection:
            connection.execute(sa.text("SELECT pg_reload_conf()"))
            connection.execute(sa.text("DROP ROLE ann"))
        admin.dispose()


def test_masking():
    assert mask_url(parse_url("sqlite:////tmp/a.db")) == "sqlite:////tmp/a.db"
    assert mask_url(parse_url("postgres://ann:x@db/x")) == "postgresql://ann:***@db/x"
    assert mask_url("postgresql://ann:s3cret@db:5432/x") == "postgresql://ann:***@db:5432/x"
    assert mask_url("postgresql://ann:s3@cret@db/x") == "postgresql://ann:***@db/x"
    assert mask_url("postgresql:///x?host=db&password=s3cret&user=a") == (
        "postgresql:///x?host=db&password=***&user=a"
    )
    assert mask_url("sqlite:////tmp/a@b:c.db") == "sqlite:////tmp/a@b:c.db"
    url = sa.make_url("postgresql://ann:s3%40cret@db/x?sslpassword=k3y")
    shown = mask_message("bad: s3@cret s3%40cret k3y\nmore", url)
    assert shown == "bad: *** *** ***"
    assert "cret" not in mask_url(url)
    assert "k3y" not in mask_url(url)


def test_store_shows_no_password(postgres_database):
    url = parse_url(postgres_database).set(password="s3cret")
    with Store.open(url) as store:
        assert "s3cret" not in repr(store) + str(store) + store.masked_url
        assert store.url.password == "s3cret"


def test_relative_path_stays_where_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Store.open("sqlite:///here.db") as store:
        monkeypatch.chdir("/")
        assert store.sweep_names() == []
    assert (tmp_path / "here.db").exists()


def test_odd_paths(tmp_path):
    for name in ("a b%20c.db", "ü?#&.db", "{x}.db", "100%.db"):
        folder = tmp_path / name.replace(".db", "")
        folder.mkdir()
        url = sa.URL.create("sqlite", database=str(folder / name))
        with Store.open(url) as store, Store.open(url, read_only=True) as reader:
            assert store.sweep_names() == reader.sweep_names() == []
        assert [path.name for path in folder.iterdir()] == [name]
