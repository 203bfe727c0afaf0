"""Stores of every released schema, upgraded: `data/revision_*.sql` are dumps of real ones."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from alembic import command

from storage import frames, schema
from storage.errors import SchemaVersionError
from storage.maps import map_arrays
from storage.migrations import upgrade as migrations
from storage.store import Store
from storage.urls import parse_url

DUMP = Path(__file__).parent / "data" / "revision_0001.sql"
TABLES = (
    "sweep_sweeps",
    "sweep_cells",
    "sweep_packs",
    "sweep_replicates",
    "sweep_scores",
    "sweep_slices",
    "sweep_curves",
    "sweep_diagnostics",
)


def rows_of(connection, table):
    columns = [c["name"] for c in sa.inspect(connection).get_columns(table)]
    rows = connection.execute(sa.text(f"SELECT * FROM {table}")).mappings()
    # The old columns of the first schema: those that were added later are looked at elsewhere.
    return {tuple(str(row[c]) for c in sorted(columns)) for row in rows}, sorted(columns)


def old_rows(connection, table, columns):
    rows = connection.execute(sa.text(f"SELECT {', '.join(columns)} FROM {table}"))
    return {tuple(str(value) for value in row) for row in rows}


def old_file(tmp_path):
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(DUMP.read_text())
    connection.close()
    return path


@pytest.fixture
def old_url(request, tmp_path, store_url):
    """A store of revision 0001 in each database, and its rows by table."""
    path = old_file(tmp_path)
    file_engine = sa.create_engine(f"sqlite:///{path}")
    if store_url.startswith("sqlite"):
        url = f"sqlite:///{path}"
        engine = file_engine
    else:
        url = store_url
        engine = sa.create_engine(parse_url(url))
        with engine.begin() as connection:
            config = migrations._config()
            config.attributes["connection"] = connection
            command.upgrade(config, "0001")
        old = sa.MetaData()
        old.reflect(engine)
        with file_engine.connect() as source, engine.begin() as target:
            for table in TABLES:
                for row in source.execute(sa.text(f"SELECT * FROM {table}")).mappings():
                    target.execute(old.tables[table].insert(), typed(old.tables[table], row))
            for table in TABLES[:4]:
                sequence = f"pg_get_serial_sequence('{table}', 'id')"
                target.execute(sa.text(f"SELECT setval({sequence}, 1000)"))
    with engine.connect() as connection:
        before = {table: rows_of(connection, table) for table in TABLES}
    engine.dispose()
    file_engine.dispose()
    return url, before


def typed(table, row):
    """A row of SQLite, whose times are texts without a zone."""
    times = {c.name for c in table.c if isinstance(c.type, sa.DateTime)}
    return {
        name: datetime.fromisoformat(value).replace(tzinfo=UTC)
        if name in times and value
        else value
        for name, value in row.items()
    }


def test_every_row_of_the_first_schema_survives(old_url):
    url, before = old_url
    assert Store.upgrade(url) == ("0001", schema.REVISION)
    assert Store.upgrade(url) == (schema.REVISION, schema.REVISION)
    with Store.open(url, create=False) as store:
        with store.reading() as connection:
            for table, (rows, columns) in before.items():
                assert old_rows(connection, table, columns) == rows, table
                assert rows, table
            new = connection.execute(sa.text("SELECT status, note, batch FROM sweep_cells"))
            assert {tuple(row) for row in new} == {(None, None, None)}
        assert store.check().clean
        assert store.counts(store.sweep_id("movies")) == {
            "waiting": 6, "running": 0, "complete": 14, "diverged": 1, "failed": 3, "pruned": 0,
        }  # fmt: skip


def test_the_filled_indices_give_the_same_map(old_url):
    url, _ = old_url
    with Store.open(url) as store:
        for loss in ("sigmoid_f1", "unbounded_f1"):
            found = map_arrays(
                store, "movies", loss=loss, split="test", metric="micro_f1", threshold=0.01
            )
            scores = frames.load_scores(
                store, "movies", split="test", metric="micro_f1", threshold=0.01, losses=[loss]
            )
            means = scores[scores["state"] == "complete"].groupby("cell_id")["value"].mean()
            np.testing.assert_allclose(
                found.aggregated, means.reindex(found.cell_ids).to_numpy(), atol=1e-12
            )
            assert found.values["beta"] == [1.0, 2.0]
        states = frames.load_replicates(store, "movies", losses=["sigmoid_f1"])
        counts = states[states["state"] == "failed"].groupby("cell_id").size()
        found = map_arrays(store, "movies", loss="sigmoid_f1", split="test", metric="map")
        assert dict(zip(found.cell_ids, found.counts["failed"], strict=True)) == {
            cell: counts.get(cell, 0) for cell in found.cell_ids
        }


def test_an_upgraded_store_goes_on(old_url, run_open, make_result):
    url, _ = old_url
    with Store.open(url) as store:
        assert run_open(store) == 6
        sweep_id = store.sweep_id("movies")
        assert store.retry(sweep_id, ("failed", "diverged")) == 4
        ids = [r.replicate_id for r in store.open_replicates(sweep_id)]
        store.claim(ids, "a", 60)
        states = ["pruned", "complete", "diverged", "complete"]
        store.record_pack(sweep_id, make_result(ids, states=states, reasons=[None] * 4), "a")
        assert store.counts(sweep_id)["pruned"] == 1
        assert store.check().clean


def test_an_old_store_opened_for_reading_is_left_alone(tmp_path):
    path = old_file(tmp_path)
    before = path.read_bytes()
    with pytest.raises(SchemaVersionError, match="sigmoidf1 store upgrade"):
        Store.open(f"sqlite:///{path}", read_only=True)
    assert path.read_bytes() == before
