"""Sweeps, cells, replicates, packs and their blobs.

Revision ID: 0001
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
OPEN = "state IN ('waiting', 'running')"
FINISHED = "state IN ('complete', 'diverged', 'failed')"


def upgrade() -> None:
    """Create the tables."""
    _create_sweeps()
    _create_cells()
    _create_packs()
    _create_replicates()
    _create_blobs("sweep_scores", _text("split", 16), _text("metric", 100))
    _create_blobs(
        "sweep_slices",
        _text("split", 16),
        _text("metric", 100),
        sa.Column("chunk", sa.Integer(), autoincrement=False, nullable=False),
    )
    _create_blobs("sweep_curves", _text("name", 100))
    _create_blobs("sweep_diagnostics", _text("name", 100))


def downgrade() -> None:
    """Drop the tables and all they hold."""
    for table in ("diagnostics", "curves", "slices", "scores", "replicates", "packs"):
        op.drop_table(f"sweep_{table}")
    op.drop_table("sweep_cells")
    op.drop_table("sweep_sweeps")


def _text(name: str, length: int) -> sa.Column[Any]:
    return sa.Column(name, sa.String(length), nullable=False)


def _json(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=False)


def _id(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, ROW_ID, nullable=nullable)


def _owned_by(table: str, column: str, parent: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}"
    return sa.ForeignKeyConstraint([column], [f"{parent}.id"], name=name, ondelete="CASCADE")


def _create_sweeps() -> None:
    op.create_table(
        "sweep_sweeps",
        _id("id"),
        _text("name", 200),
        _json("spec"),
        _text("spec_hash", 128),
        _json("identity"),
        _text("dataset", 200),
        _text("encoder", 200),
        _text("dataset_fingerprint", 128),
        *map(_json, ("features_info", "objective", "metrics", "thresholds")),
        *map(_json, ("baselines", "provenance")),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("mirror_owner", sa.String(200)),
        sa.Column("mirror_expires_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_sweep_sweeps"),
        sa.UniqueConstraint("name", name="uq_sweep_sweeps_name"),
    )


def _create_cells() -> None:
    op.create_table(
        "sweep_cells",
        _id("id"),
        _id("sweep_id"),
        _text("key", 128),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        _text("loss", 100),
        *map(_json, ("hyperparameters", "training", "head", "parameters")),
        _owned_by("sweep_cells", "sweep_id", "sweep_sweeps"),
        sa.PrimaryKeyConstraint("id", name="pk_sweep_cells"),
        sa.UniqueConstraint("sweep_id", "key", name="uq_sweep_cells_sweep_id_key"),
    )
    op.create_index("ix_sweep_cells_sweep_id_loss", "sweep_cells", ["sweep_id", "loss"])


def _create_packs() -> None:
    op.create_table(
        "sweep_packs",
        _id("id"),
        _id("sweep_id"),
        sa.Column("n_replicates", sa.Integer(), nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("finished_at", TIME, nullable=False),
        sa.Column("duration_s", sa.Double()),
        _text("worker", 200),
        _json("curve_epochs"),
        _owned_by("sweep_packs", "sweep_id", "sweep_sweeps"),
        sa.PrimaryKeyConstraint("id", name="pk_sweep_packs"),
    )
    op.create_index("ix_sweep_packs_sweep_id", "sweep_packs", ["sweep_id"])


def _create_replicates() -> None:
    table = "sweep_replicates"
    op.create_table(
        table,
        _id("id"),
        _id("sweep_id"),
        _id("cell_id"),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        _text("state", 16),
        sa.Column("reason", sa.Text()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.String(200)),
        sa.Column("lease_expires_at", TIME),
        sa.Column("objective", sa.Double()),
        _id("pack_id", nullable=True),
        sa.Column("pack_index", sa.Integer()),
        _owned_by(table, "sweep_id", "sweep_sweeps"),
        _owned_by(table, "cell_id", "sweep_cells"),
        sa.ForeignKeyConstraint(["pack_id"], ["sweep_packs.id"], name=f"fk_{table}_pack_id"),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.UniqueConstraint("cell_id", "seed", name=f"uq_{table}_cell_id_seed"),
        sa.UniqueConstraint("pack_id", "pack_index", name=f"uq_{table}_pack_id_pack_index"),
        sa.CheckConstraint(f"{OPEN} OR {FINISHED}", name=op.f(f"ck_{table}_state_known")),
        sa.CheckConstraint(
            "(state = 'running') = (lease_owner IS NOT NULL) "
            "AND (state = 'running') = (lease_expires_at IS NOT NULL)",
            name=op.f(f"ck_{table}_running_is_leased"),
        ),
        sa.CheckConstraint(
            f"({FINISHED}) = (pack_id IS NOT NULL) AND ({FINISHED}) = (pack_index IS NOT NULL)",
            name=op.f(f"ck_{table}_finished_is_packed"),
        ),
        sa.CheckConstraint(
            "objective IS NULL OR state = 'complete'",
            name=op.f(f"ck_{table}_objective_is_complete"),
        ),
    )
    op.create_index(f"ix_{table}_aggregate", table, ["sweep_id", "cell_id", "state", "objective"])
    _create_partial_index(f"ix_{table}_open", table, ["sweep_id", "cell_id"], OPEN)
    _create_partial_index(f"ix_{table}_leased", table, ["lease_owner"], "lease_owner IS NOT NULL")


def _create_partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)


def _create_blobs(table: str, *keys: sa.Column[Any]) -> None:
    op.create_table(
        table,
        _id("pack_id"),
        *keys,
        sa.Column("data", sa.LargeBinary(), nullable=False),
        _owned_by(table, "pack_id", "sweep_packs"),
        sa.PrimaryKeyConstraint("pack_id", *(key.name for key in keys), name=f"pk_{table}"),
    )
