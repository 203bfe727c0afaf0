"""Many trials into an Optuna study at once.

`Study.add_trial` takes tens of milliseconds for a trial with intermediate values: it asks the
database before every value. Here the same rows go into Optuna's tables a statement per table.
That uses tables which Optuna does not promise to keep, so it is done only for the schema that
it was tested with; any other Optuna gets its trials by `Study.add_trials`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

TESTED_REVISION = "v3.2.0.a"
"""The revision of Optuna's schema that the tests compare with `Study.add_trial`."""


def add_trials(study: optuna.Study, storage: RDBStorage, trials: Sequence[FrozenTrial]) -> None:
    """Add finished trials to a study, all or none of them where Optuna's schema is known.

    Args:
        study: a study in `storage`, to which nobody else is adding.
        storage: the study's storage.
        trials: finished trials of one value each, with aware times.

    Raises:
        ValueError: a trial's parameters do not fit its distributions.
    """
    if storage.get_current_version() != TESTED_REVISION:
        study.add_trials(trials)
        return
    for trial in trials:
        for name, value in trial.params.items():
            _check_contained(name, value, trial)
    study_id = storage.get_study_id_from_name(study.study_name)
    rows = [_rows_of(trial) for trial in trials]
    # All texts are made before the transaction: while it lasts, a file has no other writer.
    with storage.engine.begin() as connection:
        _insert(connection, study_id, trials, rows)


def _check_contained(name: str, value: Any, trial: FrozenTrial) -> None:
    distribution = trial.distributions[name]
    if not distribution._contains(distribution.to_internal_repr(value)):
        raise ValueError(f"Parameter {name!r} lies in {distribution}, but got {value!r}.")


_COLUMNS = {
    "trial_values": ("trial_id", "objective", "value", "value_type"),
    "trial_params": ("trial_id", "param_name", "param_value", "distribution_json"),
    "trial_user_attributes": ("trial_id", "key", "value_json"),
    "trial_intermediate_values": (
        "trial_id",
        "step",
        "intermediate_value",
        "intermediate_value_type",
    ),
}


def _rows_of(trial: FrozenTrial) -> dict[str, list[tuple[Any, ...]]]:
    """The trial's rows by table, without its id, which the database gives."""
    from optuna.storages._rdb import models

    of_value = models.TrialValueModel.value_to_stored_repr
    of_step = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr

    def stored(step: int, value: float) -> tuple[int, float | None, str]:
        found, kind = of_step(value)
        return step, found, kind.name

    # Nearly all values are finite, and Optuna's function is slow for sixty of each trial.
    steps = [
        (step, value, "FINITE") if math.isfinite(value) else stored(step, value)
        for step, value in trial.intermediate_values.items()
    ]
    values = [] if trial.value is None else [(0, *of_value(trial.value))]
    return {
        "trial_values": [(number, value, kind.name) for number, value, kind in values],
        "trial_params": [
            (
                name,
                trial.distributions[name].to_internal_repr(value),
                _json_of(trial.distributions[name]),
            )
            for name, value in trial.params.items()
        ],
        "trial_user_attributes": [
            (key, json.dumps(value)) for key, value in trial.user_attrs.items()
        ],
        "trial_intermediate_values": steps,
    }


@lru_cache(maxsize=256)
def _json_of(distribution: BaseDistribution) -> str:
    return distribution_to_json(distribution)


def _insert(
    connection: sa.Connection,
    study_id: int,
    trials: Sequence[FrozenTrial],
    rows: Sequence[dict[str, list[tuple[Any, ...]]]],
) -> None:
    from optuna.storages._rdb import models

    trial_table = models.BaseModel.metadata.tables["trials"]
    before = sa.select(sa.func.count()).where(trial_table.c.study_id == study_id)
    first = connection.execute(before.select_from(trial_table)).scalar_one()
    inserted = connection.execute(
        trial_table.insert().returning(trial_table.c.trial_id, sort_by_parameter_order=True),
        [
            {
                "study_id": study_id,
                "number": first + k,
                "state": trial.state,
                "datetime_start": _naive_utc(trial.datetime_start),
                "datetime_complete": _naive_utc(trial.datetime_complete),
            }
            for k, trial in enumerate(trials)
        ],
    )
    ids = inserted.scalars().all()
    for table, columns in _COLUMNS.items():
        own = [(i, *row) for i, each in zip(ids, rows, strict=True) for row in each[table]]
        if own:
            _insert_rows(connection, table, columns, own)


def _insert_rows(
    connection: sa.Connection, table: str, columns: Sequence[str], rows: list[tuple[Any, ...]]
) -> None:
    """Rows by the driver's own means: SQLAlchemy's take longer than the database."""
    names = ", ".join(f'"{column}"' for column in columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        # Table and columns are the program's own words.
        statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608  # nosec B608
        connection.exec_driver_sql(statement, rows)
        return
    cursor = connection.connection.cursor()
    with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    cursor.close()


def _naive_utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.astimezone(UTC).replace(tzinfo=None)
