from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from storage import errors, frames, schema
from storage.migrations.upgrade import known_revisions, upgrade
from storage.store import Store
from storage.urls import parse_url


def run_as_nobody(code, *arguments):
    """Run code as a user who may not write everywhere, as root may; returns its output."""
    drop = "import os, storage.store, storage.frames\nif os.geteuid() == 0: os.setuid(65534)\n"
    command = [sys.executable, "-c", drop + code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_migrated_tables_are_those_of_the_schema(store):
    with store.reading() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"version_table": schema.VERSION_TABLE, "compare_type": True},
        )
        assert compare_metadata(context, schema.metadata) == []
    assert schema.REVISION in known_revisions()


def test_migration_and_schema_give_the_same_sql(tmp_path):
    """Also what Alembic does not compare: checks, conditions of indices, deleting children."""
    found = []
    for name in ("migrated", "created"):
        engine = sa.create_engine(f"sqlite:///{tmp_path / name}.db")
        with engine.begin() as connection:
            if name == "migrated":
                upgrade(connection)
            else:
                schema.metadata.create_all(connection)
            query = (
                "SELECT name, sql FROM sqlite_master WHERE sql NOT NULL AND tbl_name GLOB 'sweep_*'"
            )
            rows = connection.exec_driver_sql(query).all()
            columns = {
                n: connection.exec_driver_sql(f"PRAGMA table_info({n})").all() for n, _ in rows
            }
            # Columns added later stand at the end of the text: they are compared by table_info.
            constraints = {
                n: sorted(
                    part.strip(" ,\t").replace('"', "")
                    for line in sql.splitlines()
                    for part in re.split(r", (?=[a-z_]+ [A-Z]+)", line)
                    if "CONSTRAINT" in part or "INDEX" in part
                )
                for n, sql in rows
            }
            described = {n: sorted(tuple(c)[1:] for c in columns[n]) for n in columns}
            found.append((constraints, described))
        engine.dispose()
    assert found[0] == found[1]


def test_opening_again_changes_nothing(store, store_url, make_sweep):
    store.put_sweep(make_sweep())
    with Store.open(store_url, create=False) as again:
        assert again.sweep_names() == ["movies"]


def test_sqlite_settings(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'a.db'}") as store, store.reading() as connection:
        settings = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert settings == ["wal", 1, 1, 60_000]


def test_several_processes_may_create_one_store(store_url):
    code = "import sys; from storage.store import Store; Store.open(sys.argv[1]).close()"
    processes = [subprocess.Popen([sys.executable, "-c", code, store_url]) for _ in range(4)]
    assert [process.wait(timeout=120) for process in processes] == [0] * 4


def test_missing_store(refuse, store_url, tmp_path):
    for options in ({"create": False}, {"read_only": True}):
        refuse(store_url, errors.StoreNotFoundError, **options)
    assert not list(tmp_path.glob("*.db*"))


def test_read_only_store_refuses_writes(store, store_url, make_sweep):
    with Store.open(store_url, read_only=True) as reader:
        with pytest.raises(errors.StoreUnwritableError, match="reading only"):
            reader.put_sweep(make_sweep())
        with pytest.raises(errors.StoreError), reader.reading() as connection:
            connection.execute(sa.text("DELETE FROM sweep_sweeps"))


def test_optuna_only_database_is_accepted(refuse, store_url):
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.RDBStorage(parse_url(store_url).render_as_string(False))
    optuna.create_study(study_name="mine", storage=storage)
    refuse(store_url, errors.StoreNotFoundError, create=False)
    with Store.open(store_url) as store:
        assert store.sweep_names() == []
    assert [s.study_name for s in optuna.get_all_study_summaries(storage)] == ["mine"]
    storage.remove_session()
    storage.engine.dispose()
    optuna.logging.set_verbosity(verbosity)


def test_other_programs_tables_are_left_alone(refuse, tmp_path):
    path = tmp_path / "places.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()
    before = path.read_bytes()
    assert "bookmarks" in refuse(f"sqlite:///{path}", errors.StoreForeignError)
    refuse(f"sqlite:///{path}", errors.StoreForeignError, read_only=True)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["places.sqlite"]


def test_postgres_with_foreign_migrations_is_refused(refuse, postgres_database):
    engine = sa.create_engine(parse_url(postgres_database))
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE measurements (x int)"))
    # A shared server is normal; only a table that Optuna needs for itself is not.
    Store.open(postgres_database).close()
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE sweeps_alembic_version"))
        connection.execute(sa.text("CREATE TABLE alembic_version (version_num text)"))
    engine.dispose()
    refuse(postgres_database, errors.StoreForeignError)


def set_revision(url, revision):
    engine = sa.create_engine(parse_url(url))
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE sweeps_alembic_version SET version_num = :r"), {"r": revision}
        )
    engine.dispose()


def test_newer_schema_is_refused_unharmed(refuse, store_url, tmp_path, make_sweep):
    with Store.open(store_url) as store:
        store.put_sweep(make_sweep())
    set_revision(store_url, "9999")
    files = {path: path.read_bytes() for path in tmp_path.glob("*.db")}
    for options in ({}, {"read_only": True}, {"create": False}):
        assert "newer" in refuse(store_url, errors.SchemaVersionError, **options)
    assert {path: path.read_bytes() for path in tmp_path.glob("*.db")} == files
    set_revision(store_url, schema.REVISION)
    with Store.open(store_url) as store:
        assert store.sweep_names() == ["movies"]


@pytest.mark.parametrize(
    "content", [b"hello, this is no database at all\n" * 40, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_file_that_is_no_database(refuse, tmp_path, content):
    path = tmp_path / "notes.db"
    path.write_bytes(content)
    for options in ({}, {"read_only": True}):
        refuse(f"sqlite:///{path}", errors.StoreCorruptError, **options)
    assert path.read_bytes() == content


def test_truncated_store_is_reported(tmp_path, make_sweep, make_cells):
    path = tmp_path / "sweeps.db"
    with Store.open(f"sqlite:///{path}") as store:
        sweep_id = store.put_sweep(make_sweep())
        store.plan(sweep_id, make_cells(), range(100))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])

    def use():
        with Store.open(f"sqlite:///{path}") as store:
            frames.load_replicates(store, "movies")

    with pytest.raises(errors.StoreCorruptError, match="damaged"):
        use()


def test_empty_file_becomes_a_store(tmp_path):
    path = tmp_path / "empty.db"
    path.touch()
    with Store.open(f"sqlite:///{path}") as store:
        assert store.sweep_names() == []


def test_places_where_no_store_can_be(refuse, tmp_path):
    file = tmp_path / "file.txt"
    file.write_text("text")
    missing = refuse(f"sqlite:///{tmp_path}/no/such/a.db", errors.StoreUnwritableError)
    assert "does not exist" in missing
    under = refuse(f"sqlite:///{file}/a.db", errors.StoreUnwritableError)
    assert "is not a folder" in under
    deeper = refuse(f"sqlite:///{file}/x/a.db", errors.StoreUnwritableError)
    assert "does not exist" in deeper
    assert "is a folder" in refuse(f"sqlite:///{tmp_path}", errors.StoreUrlError)


def test_unwritable_folder_and_file(make_sweep):
    code = """
import sys
from storage import errors, frames
from storage.store import Store
url = sys.argv[1]
for options in ({}, {"read_only": True}):
    try:
        with Store.open(url, **options) as store:
            print(store.sweep_names(), len(frames.load_sweeps(store)))
    except errors.StoreError as error:
        print(type(error).__name__, str(error).count(chr(10)))
"""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder}/sweeps.db"
        folder.chmod(0o555)
        empty = run_as_nobody(code, url)
        folder.chmod(0o755)
        with Store.open(url) as store:
            store.put_sweep(make_sweep())
        (folder / "sweeps.db").chmod(0o444)
        folder.chmod(0o555)
        filled = run_as_nobody(code, url)
        folder.chmod(0o000)
        closed = run_as_nobody(code, url)
        folder.chmod(0o755)
    assert empty.split() == ["StoreUnwritableError", "0", "StoreNotFoundError", "0"]
    # What cannot be written can still be read.
    assert filled.splitlines() == ["StoreUnwritableError 0", "['movies'] 1"]
    assert closed.split() == ["StoreUnwritableError", "0"] * 2
