"""The SQL store: schema, migrations, records, frames for reading, and the Optuna mirror."""
