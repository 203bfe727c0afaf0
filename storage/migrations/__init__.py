"""Alembic revisions of the store's tables, run by the program itself."""
