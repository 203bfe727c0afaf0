"""Many trials into an Optuna study at once.

`Study.add_trial` takes tens of milliseconds for a trial with intermediate values: it asks the
database before every value. Here the same rows go into Optuna's tables a statement per table.
That uses tables which Optuna does not promise to keep, so it is done only for the schema that
it was tested with; any other Optuna gets its trials by `Study.add_trials`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.distributions import distribution_to_json
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
    with storage.engine.begin() as connection:
        _insert(connection, study_id, trials)


def _check_contained(name: str, value: Any, trial: FrozenTrial) -> None:
    distribution = trial.distributions[name]
    if not distribution._contains(distribution.to_internal_repr(value)):
        raise ValueError(f"Parameter {name!r} lies in {distribution}, but got {value!r}.")


def _insert(connection: sa.Connection, study_id: int, trials: Sequence[FrozenTrial]) -> None:
    from optuna.storages._rdb import models

    tables = models.BaseModel.metadata.tables
    trial_table = tables["trials"]
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
    numbered = list(zip(inserted.scalars().all(), trials, strict=True))
    of_value = models.TrialValueModel.value_to_stored_repr
    of_step = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr
    rows: dict[str, list[dict[str, Any]]] = {
        "trial_values": [
            {"trial_id": i, "objective": 0, "value": stored, "value_type": kind}
            for i, trial in numbered
            if trial.value is not None
            for stored, kind in [of_value(trial.value)]
        ],
        "trial_params": [
            {
                "trial_id": i,
                "param_name": name,
                "param_value": trial.distributions[name].to_internal_repr(value),
                "distribution_json": distribution_to_json(trial.distributions[name]),
            }
            for i, trial in numbered
            for name, value in trial.params.items()
        ],
        "trial_user_attributes": [
            {"trial_id": i, "key": key, "value_json": json.dumps(value)}
            for i, trial in numbered
            for key, value in trial.user_attrs.items()
        ],
        "trial_intermediate_values": [
            {
                "trial_id": i,
                "step": step,
                "intermediate_value": stored,
                "intermediate_value_type": kind,
            }
            for i, trial in numbered
            for step, value in trial.intermediate_values.items()
            for stored, kind in [of_step(value)]
        ],
    }
    for name, table_rows in rows.items():
        if table_rows:
            connection.execute(tables[name].insert(), table_rows)


def _naive_utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.astimezone(UTC).replace(tzinfo=None)
