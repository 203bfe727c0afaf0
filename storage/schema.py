"""The store's tables. Every change here needs a revision in `migrations/versions`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from storage.records import FINISHED_STATES, OPEN_STATES

REVISION = "0002"
VERSION_TABLE = "sweeps_alembic_version"


def dump_json(value: Any) -> str:
    """JSON text of a record's field; numpy scalars and arrays become numbers and lists."""

    def plain(item: Any) -> Any:
        if isinstance(item, np.generic | np.ndarray):
            return item.tolist()
        raise TypeError(f"a {type(item).__name__} is not JSON")

    return json.dumps(value, default=plain, separators=(",", ":"), ensure_ascii=False)


class Json(sa.types.TypeDecorator[Any]):
    """JSON as text: the order of keys and every bit of a float survive on each database."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """The value as JSON text."""
        return None if value is None else dump_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """The value of JSON text."""
        return None if value is None else json.loads(value)


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """A point in time: aware on the way in, aware in UTC on the way out."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The same time in UTC; a naive one is refused."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"times in the store carry a time zone, but got {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The stored time, aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def quoted(values: tuple[str, ...]) -> str:
    """SQL list of string literals; partial indices are used only when queries show literals."""
    return ", ".join(f"'{value}'" for value in values)


IS_OPEN = f"state IN ({quoted(OPEN_STATES)})"
IS_FINISHED = f"state IN ({quoted(FINISHED_STATES)})"
IS_LEASED = "lease_owner IS NOT NULL"

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives a row its own number only for a primary key declared INTEGER.
RowId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _owned_by(column: str) -> sa.ForeignKey:
    return sa.ForeignKey(column, ondelete="CASCADE")


sweeps = sa.Table(
    "sweep_sweeps",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("name", sa.String(200), nullable=False, unique=True),
    sa.Column("spec", Json, nullable=False),
    sa.Column("spec_hash", sa.String(128), nullable=False),
    sa.Column("identity", Json, nullable=False),
    sa.Column("dataset", sa.String(200), nullable=False),
    sa.Column("encoder", sa.String(200), nullable=False),
    sa.Column("dataset_fingerprint", sa.String(128), nullable=False),
    sa.Column("features_info", Json, nullable=False),
    sa.Column("objective", Json, nullable=False),
    sa.Column("metrics", Json, nullable=False),
    sa.Column("thresholds", Json, nullable=False),
    sa.Column("baselines", Json, nullable=False),
    sa.Column("provenance", Json, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Column("mirror_owner", sa.String(200)),
    sa.Column("mirror_expires_at", UtcDateTime),
    sa.Column("design", Json),
    sa.Column("plan_hash", sa.String(64)),
)

cells = sa.Table(
    "sweep_cells",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("sweep_id", RowId, _owned_by("sweep_sweeps.id"), nullable=False),
    sa.Column("key", sa.String(128), nullable=False),
    sa.Column("ordinal", sa.BigInteger, nullable=False),
    sa.Column("loss", sa.String(100), nullable=False),
    sa.Column("hyperparameters", Json, nullable=False),
    sa.Column("training", Json, nullable=False),
    sa.Column("head", Json, nullable=False),
    sa.Column("parameters", Json, nullable=False),
    sa.Column("status", sa.String(16)),
    sa.Column("note", Json),
    sa.Column("batch", sa.Integer),
    sa.UniqueConstraint("sweep_id", "key"),
    sa.Index(None, "sweep_id", "loss"),
)
sa.Index(
    "ix_sweep_cells_status",
    cells.c.sweep_id,
    sqlite_where=cells.c.status.is_not(None),
    postgresql_where=cells.c.status.is_not(None),
)

packs = sa.Table(
    "sweep_packs",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("sweep_id", RowId, _owned_by("sweep_sweeps.id"), nullable=False, index=True),
    sa.Column("n_replicates", sa.Integer, nullable=False),
    sa.Column("started_at", UtcDateTime),
    sa.Column("finished_at", UtcDateTime, nullable=False),
    sa.Column("duration_s", sa.Double),
    sa.Column("worker", sa.String(200), nullable=False),
    sa.Column("curve_epochs", Json, nullable=False),
    sa.Column("token", sa.String(32)),
)
# What finds a pack again whose commit was made but whose answer was lost.
sa.Index("ix_sweep_packs_token", packs.c.token, unique=True)

replicates = sa.Table(
    "sweep_replicates",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("sweep_id", RowId, _owned_by("sweep_sweeps.id"), nullable=False),
    sa.Column("cell_id", RowId, _owned_by("sweep_cells.id"), nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("lease_owner", sa.String(200)),
    sa.Column("lease_expires_at", UtcDateTime),
    sa.Column("lease_token", sa.String(32)),
    sa.Column("objective", sa.Double),
    sa.Column("pack_id", RowId, sa.ForeignKey("sweep_packs.id")),
    sa.Column("pack_index", sa.Integer),
    sa.UniqueConstraint("cell_id", "seed"),
    sa.UniqueConstraint("pack_id", "pack_index"),
    sa.CheckConstraint(f"{IS_OPEN} OR {IS_FINISHED}", name="state_known"),
    sa.CheckConstraint(
        "(state = 'running') = (lease_owner IS NOT NULL) "
        "AND (state = 'running') = (lease_expires_at IS NOT NULL)",
        name="running_is_leased",
    ),
    sa.CheckConstraint(
        f"({IS_FINISHED}) = (pack_id IS NOT NULL) AND ({IS_FINISHED}) = (pack_index IS NOT NULL)",
        name="finished_is_packed",
    ),
    sa.CheckConstraint("objective IS NULL OR state = 'complete'", name="objective_is_complete"),
)

# One heat map is one pass over this index; the rows themselves are not read.
sa.Index(
    "ix_sweep_replicates_aggregate",
    replicates.c.sweep_id,
    replicates.c.cell_id,
    replicates.c.state,
    replicates.c.objective,
)
sa.Index(
    "ix_sweep_replicates_open",
    replicates.c.sweep_id,
    replicates.c.cell_id,
    sqlite_where=sa.text(IS_OPEN),
    postgresql_where=sa.text(IS_OPEN),
)
sa.Index(
    "ix_sweep_replicates_leased",
    replicates.c.lease_owner,
    sqlite_where=sa.text(IS_LEASED),
    postgresql_where=sa.text(IS_LEASED),
)


runs = sa.Table(
    "sweep_runs",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("sweep_id", RowId, _owned_by("sweep_sweeps.id"), nullable=False, index=True),
    sa.Column("owner", sa.String(200), nullable=False, unique=True),
    sa.Column("host", sa.String(200), nullable=False),
    sa.Column("pid", sa.BigInteger, nullable=False),
    sa.Column("workers", sa.Integer, nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("heartbeat_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("outcome", sa.String(16)),
    sa.Column("stop", sa.String(16)),
)

kept = sa.Table(
    "sweep_kept",
    metadata,
    sa.Column(
        "replicate_id",
        RowId,
        _owned_by("sweep_replicates.id"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("sweep_id", RowId, _owned_by("sweep_sweeps.id"), nullable=False, index=True),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)


# Cells of one loss as columns, one part for each time that cells were planned: what a heat map
# needs of them, without a JSON text a cell.
cell_columns = sa.Table(
    "sweep_cell_columns",
    metadata,
    sa.Column("sweep_id", RowId, _owned_by("sweep_sweeps.id"), primary_key=True),
    sa.Column("loss", sa.String(100), primary_key=True),
    sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)


def _pack_table(name: str, *keys: sa.Column[Any]) -> sa.Table:
    # Blobs live apart from the scanned tables: inline they slow every aggregate fivefold.
    return sa.Table(
        name,
        metadata,
        sa.Column("pack_id", RowId, _owned_by("sweep_packs.id"), primary_key=True),
        *keys,
        sa.Column("data", sa.LargeBinary, nullable=False),
    )


scores = _pack_table(
    "sweep_scores",
    sa.Column("split", sa.String(16), primary_key=True),
    sa.Column("metric", sa.String(100), primary_key=True),
)
slices = _pack_table(
    "sweep_slices",
    sa.Column("split", sa.String(16), primary_key=True),
    sa.Column("metric", sa.String(100), primary_key=True),
    sa.Column("chunk", sa.Integer, primary_key=True, autoincrement=False),
)
curves = _pack_table("sweep_curves", sa.Column("name", sa.String(100), primary_key=True))
diagnostics = _pack_table("sweep_diagnostics", sa.Column("name", sa.String(100), primary_key=True))
# Whose results stand at which place of a pack, so that a map need not read a row a replicate.
places = _pack_table("sweep_places")
