"""Runs, kept files, adaptive designs, pruned replicates, and indices for fast maps.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.migrations.fill_0002 import fill_cell_columns, fill_places

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
OPEN = "state IN ('waiting', 'running')"
FINISHED = "state IN ('complete', 'diverged', 'failed', 'pruned')"
FINISHED_BEFORE = "state IN ('complete', 'diverged', 'failed')"


def upgrade() -> None:
    """Add the tables and columns, and fill what follows from the old rows."""
    op.add_column("sweep_sweeps", sa.Column("design", sa.Text()))
    op.add_column("sweep_sweeps", sa.Column("plan_hash", sa.String(64)))
    op.add_column("sweep_cells", sa.Column("status", sa.String(16)))
    op.add_column("sweep_cells", sa.Column("note", sa.Text()))
    op.add_column("sweep_cells", sa.Column("batch", sa.Integer()))
    marked = sa.text("status IS NOT NULL")
    op.create_index(
        "ix_sweep_cells_status",
        "sweep_cells",
        ["sweep_id"],
        sqlite_where=marked,
        postgresql_where=marked,
    )
    op.add_column("sweep_packs", sa.Column("token", sa.String(32)))
    op.create_index("ix_sweep_packs_token", "sweep_packs", ["token"], unique=True)
    _change_replicates(FINISHED, add=sa.Column("lease_token", sa.String(32)))
    _create_runs()
    _create_kept()
    _create_blobs()
    fill_places(op.get_bind())
    fill_cell_columns(op.get_bind())


def downgrade() -> None:
    """Drop what was added; pruned replicates become failed ones."""
    for table in ("places", "cell_columns", "kept", "runs"):
        op.drop_table(f"sweep_{table}")
    op.execute(
        "UPDATE sweep_replicates SET state = 'failed', reason = 'pruned' WHERE state = 'pruned'"
    )
    _change_replicates(FINISHED_BEFORE, drop="lease_token")
    op.drop_index("ix_sweep_packs_token", "sweep_packs")
    op.drop_column("sweep_packs", "token")
    op.drop_index("ix_sweep_cells_status", "sweep_cells")
    for column in ("status", "note", "batch"):
        op.drop_column("sweep_cells", column)
    for column in ("design", "plan_hash"):
        op.drop_column("sweep_sweeps", column)


def _change_replicates(
    finished: str, *, add: sa.Column[str] | None = None, drop: str | None = None
) -> None:
    table = "sweep_replicates"
    packed = f"({finished}) = (pack_id IS NOT NULL) AND ({finished}) = (pack_index IS NOT NULL)"
    checks = {"state_known": f"{OPEN} OR {finished}", "finished_is_packed": packed}
    with op.batch_alter_table(table) as batch:
        if add is not None:
            batch.add_column(add)
        if drop is not None:
            batch.drop_column(drop)
        for name, text in checks.items():
            batch.drop_constraint(op.f(f"ck_{table}_{name}"), type_="check")
            batch.create_check_constraint(op.f(f"ck_{table}_{name}"), sa.text(text))


def _owned_by(table: str, column: str, parent: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}"
    return sa.ForeignKeyConstraint([column], [f"{parent}.id"], name=name, ondelete="CASCADE")


def _create_runs() -> None:
    op.create_table(
        "sweep_runs",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("sweep_id", ROW_ID, nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("host", sa.String(200), nullable=False),
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("workers", sa.Integer(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("heartbeat_at", TIME, nullable=False),
        sa.Column("ended_at", TIME),
        sa.Column("outcome", sa.String(16)),
        sa.Column("stop", sa.String(16)),
        _owned_by("sweep_runs", "sweep_id", "sweep_sweeps"),
        sa.PrimaryKeyConstraint("id", name="pk_sweep_runs"),
        sa.UniqueConstraint("owner", name="uq_sweep_runs_owner"),
    )
    op.create_index("ix_sweep_runs_sweep_id", "sweep_runs", ["sweep_id"])


def _create_kept() -> None:
    op.create_table(
        "sweep_kept",
        sa.Column("replicate_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("sweep_id", ROW_ID, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        _owned_by("sweep_kept", "replicate_id", "sweep_replicates"),
        _owned_by("sweep_kept", "sweep_id", "sweep_sweeps"),
        sa.PrimaryKeyConstraint("replicate_id", name="pk_sweep_kept"),
    )
    op.create_index("ix_sweep_kept_sweep_id", "sweep_kept", ["sweep_id"])


def _create_blobs() -> None:
    op.create_table(
        "sweep_places",
        sa.Column("pack_id", ROW_ID, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        _owned_by("sweep_places", "pack_id", "sweep_packs"),
        sa.PrimaryKeyConstraint("pack_id", name="pk_sweep_places"),
    )
    op.create_table(
        "sweep_cell_columns",
        sa.Column("sweep_id", ROW_ID, nullable=False),
        sa.Column("loss", sa.String(100), nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        _owned_by("sweep_cell_columns", "sweep_id", "sweep_sweeps"),
        sa.PrimaryKeyConstraint("sweep_id", "loss", "part", name="pk_sweep_cell_columns"),
    )
