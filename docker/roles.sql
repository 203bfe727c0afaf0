-- The two roles of a store, run by the database's superuser with psql; again whenever a password
-- changes. The passwords come from the environment: STORE_PASSWORD, STORE_READER_PASSWORD.
--
-- sigmoidf1 owns the tables and writes. sigmoidf1_reader may select and nothing else: for the
-- dashboard, and for people.

\set ON_ERROR_STOP on
\getenv writer_password STORE_PASSWORD
\getenv reader_password STORE_READER_PASSWORD

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['sigmoidf1', 'sigmoidf1_reader']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

ALTER ROLE sigmoidf1 PASSWORD :'writer_password';
ALTER ROLE sigmoidf1_reader PASSWORD :'reader_password';
ALTER ROLE sigmoidf1_reader SET default_transaction_read_only = on;

ALTER DATABASE :"DBNAME" OWNER TO sigmoidf1;
GRANT CONNECT ON DATABASE :"DBNAME" TO sigmoidf1_reader;
-- Before PostgreSQL 15 everybody may make tables in it.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CREATE ON SCHEMA public TO sigmoidf1;
GRANT USAGE ON SCHEMA public TO sigmoidf1_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO sigmoidf1_reader;
-- What sigmoidf1 makes from now on: this program's tables, and Optuna's.
ALTER DEFAULT PRIVILEGES FOR ROLE sigmoidf1 IN SCHEMA public
    GRANT SELECT ON TABLES TO sigmoidf1_reader;
