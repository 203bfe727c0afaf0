"""The read-only role on a real PostgreSQL: a dashboard works with it, and nothing is written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from dashboards.app import STORE, make_app
from dashboards.health import PATH as HEALTH
from storage.errors import StoreError, StoreUnwritableError
from storage.roles import reader_role_sql
from storage.schema import metadata
from storage.store import Store

psycopg = pytest.importorskip("psycopg")

ROLE, OWNER = "sweeps_reader", "sweeps_owner"


def run_sql(url: str, *statements: str) -> None:
    """Run statements as psql does: nothing in them stands for a parameter."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def reader_url(postgres_database, make_sweep, make_cells, run_open) -> Iterator[str]:
    """The URL of the role, of a store that holds a finished sweep, made by the store's owner."""
    owner = sa.make_url(postgres_database).set(username=OWNER)
    owner_url = owner.render_as_string(hide_password=False)
    run_sql(
        postgres_database,
        f"CREATE ROLE {OWNER} LOGIN CREATEROLE",
        f"ALTER DATABASE {owner.database} OWNER TO {OWNER}",
        f"GRANT ALL ON SCHEMA public TO {OWNER}",
    )
    with Store.open(owner_url) as store:
        store.plan(store.put_sweep(make_sweep()), make_cells(), range(3))
        run_open(store)
    sql = reader_role_sql(ROLE)
    run_sql(postgres_database, "CREATE TABLE of_another_program (x int)")
    run_sql(owner_url, sql, sql)
    yield sa.make_url(postgres_database).set(username=ROLE).render_as_string(hide_password=False)
    run_sql(postgres_database, f"ALTER DATABASE {owner.database} OWNER TO CURRENT_USER")
    for role in (ROLE, OWNER):
        run_sql(postgres_database, f"DROP OWNED BY {role} CASCADE", f"DROP ROLE {role}")


def test_the_dashboard_works_with_the_role(reader_url: str) -> None:
    app = make_app(reader_url)
    client = app.server.test_client()
    assert client.get(HEALTH).status_code == 200
    assert client.get("/map?sweep=movies").status_code == 200
    assert client.get("/api/v1/sweeps/movies/cells").get_json()["total"] == 4
    assert client.get("/api/v1/sweeps/movies/figures/map").get_json()["rows"]
    assert client.get("/metrics").text.count("sigmoidf1_store_up 1.0") == 1
    address = {"Referer": "http://localhost/map?sweep=movies"}
    client.set_cookie("look", "wide.light")
    assert '"heatmap"' in client.get("/_dash-layout", headers=address).text
    app.server.extensions[STORE].close()
    with Store.open(reader_url, create=False, read_only=True) as store:
        assert [sweep.name for sweep in store.info().sweeps] == ["movies"]
        assert store.check().clean


def test_the_role_writes_nothing_and_reads_nothing_else(reader_url: str, make_sweep) -> None:
    with (
        Store.open(reader_url) as store,
        pytest.raises(StoreUnwritableError, match="Use a user who may write"),
    ):
        store.put_sweep(make_sweep("another"))
    engine = sa.create_engine(sa.make_url(reader_url).set(drivername="postgresql+psycopg"))
    tables = [*metadata.tables, "sweeps_alembic_version"]
    statements = [
        *(f"DELETE FROM {table}" for table in tables),
        *(f"TRUNCATE {table}" for table in tables),
        "UPDATE sweep_sweeps SET name = 'mine'",
        "INSERT INTO sweeps_alembic_version VALUES ('x')",
        "CREATE TABLE mine (x int)",
        "DROP TABLE sweep_kept",
        "SELECT * FROM of_another_program",
        "CREATE ROLE another",
        f"ALTER ROLE {ROLE} SUPERUSER",
    ]
    for read_only in ("on", "off"):  # the setting is a habit; the rights are what holds
        for statement in statements:
            with engine.connect() as connection:
                connection.exec_driver_sql(f"SET default_transaction_read_only = {read_only}")
                connection.commit()
                with pytest.raises(sa.exc.DBAPIError, match=r"denied|read-only|must be owner"):
                    connection.exec_driver_sql(statement)
    engine.dispose()


def test_a_role_that_may_do_more_is_left_alone(postgres_database: str) -> None:
    run_sql(postgres_database, "CREATE ROLE mighty CREATEDB")
    try:
        with pytest.raises(psycopg.Error, match="may do more than read"):
            run_sql(postgres_database, reader_role_sql("mighty"))
    finally:
        run_sql(postgres_database, "DROP ROLE mighty")


@pytest.mark.parametrize("name", ["", "Reader", "a b", "x'; DROP TABLE y; --", "pg_x", "1a", "é"])
def test_a_name_that_is_no_roles_is_refused(name: str) -> None:
    with pytest.raises(StoreError, match="A role's name has"):
        reader_role_sql(name)
