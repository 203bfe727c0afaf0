"""Alembic's entry: run the revisions on the connection that `upgrade` gives."""

from __future__ import annotations

from alembic import context

from storage.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # Optuna owns alembic_version and refuses a foreign revision in it.
    version_table=VERSION_TABLE,
    render_as_batch=True,
    # SQLite can roll back DDL; the store's transaction makes an upgrade all or nothing.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
