"""A database role that reads a store and cannot write it, for whoever only looks."""

from __future__ import annotations

import re

from optuna.storages._rdb import models

from storage.errors import StoreError
from storage.schema import VERSION_TABLE, metadata

# Unquoted, so that the name is written alike in SQL, in URLs and in pg_hba.conf.
_ROLE = re.compile(r"[a-z_][a-z0-9_]{0,62}")

_SQL = """\
-- A role that reads this database's sweeps and Optuna studies, and writes nothing. Run it in the
-- store's database, as the owner of its tables with the right to make roles (CREATEROLE); again
-- after each `sigmoidf1 store upgrade`:
--     sigmoidf1 store role-sql {role} | psql --single-transaction DATABASE
-- Then give it a password that no log sees, with psql's own command:
--     \\password {role}
-- Before PostgreSQL 15 every role may make tables; if this database is yours alone, also run:
--     REVOKE CREATE ON SCHEMA public FROM PUBLIC;
DO $role$
DECLARE
    read_table text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} LOGIN;
    ELSIF EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}'
                  AND (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls))
    THEN
        RAISE EXCEPTION 'The role {role} may do more than read. Choose another name.';
    END IF;
    EXECUTE format('ALTER ROLE {role} IN DATABASE %I SET default_transaction_read_only = on',
                   current_database());
    EXECUTE format('ALTER ROLE {role} IN DATABASE %I SET statement_timeout = ''5min''',
                   current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO {role}', current_database());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO {role}', current_schema());
    FOREACH read_table IN ARRAY ARRAY[
{tables}
    ] LOOP
        IF to_regclass(read_table) IS NOT NULL THEN
            EXECUTE format('GRANT SELECT ON %I TO {role}', read_table);
        END IF;
    END LOOP;
END
$role$;
"""


def reader_role_sql(role: str) -> str:
    """Return the SQL that makes a role which may read a PostgreSQL store and nothing else.

    It grants reading of the store's own tables and of Optuna's, by their names: other programs'
    tables in the same database stay closed. Running it again changes nothing.

    Args:
        role: the role's name: small letters, digits and underscores, at most 63.

    Raises:
        StoreError: the name breaks the rule.

    Example:
        >>> "GRANT SELECT" in reader_role_sql("sweeps_reader")
        True
    """
    if not _ROLE.fullmatch(role) or role.startswith("pg_"):
        raise StoreError(
            "A role's name has small letters, digits and underscores, at most 63, and does not "
            f"begin with a digit or pg_, but got {role[:64]!r}. Choose another, such as "
            "sweeps_reader."
        )
    names = [*metadata.tables, VERSION_TABLE, *models.BaseModel.metadata.tables]
    tables = ",\n".join(f"        '{name}'" for name in names)
    return _SQL.format(role=role, tables=tables)
