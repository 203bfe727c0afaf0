"""Does a study still say what the finished cells say?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence

import optuna
import sqlalchemy as sa
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from storage import optuna_bulk
from storage.mirror_trials import FinishedCell

_COMPARED = ("cell_key", "seeds", "states", "values")


def mirrored_keys(
    study: optuna.Study,
    storage: RDBStorage,
    finished: Sequence[FinishedCell],
    distributions: Mapping[str, BaseDistribution],
) -> set[str] | None:
    """The keys of the cells that a study holds.

    Args:
        study: the study of one loss.
        storage: its storage.
        finished: all finished cells of the loss.
        distributions: of each of their parameters.

    Returns:
        The keys; None if some trial is not one of these cells, or a cell's seeds, states,
        values, parameters or distributions have changed, so that the study must be made anew.
    """
    if storage.get_current_version() == optuna_bulk.TESTED_REVISION:
        return _keys_in_tables(study, storage, finished, distributions)
    return _keys_of_trials(study, finished, distributions)


def _keys_of_trials(
    study: optuna.Study,
    finished: Sequence[FinishedCell],
    distributions: Mapping[str, BaseDistribution],
) -> set[str] | None:
    cells = {cell.key: cell for cell in finished}
    seen: set[str] = set()
    for trial in study.get_trials(deepcopy=False):
        cell = cells.get(trial.user_attrs.get("cell_key", ""))
        if cell is None or cell.key in seen or not trial.state.is_finished():
            return None
        seen.add(cell.key)
        if {name: trial.user_attrs.get(name) for name in cell.outcome} != cell.outcome:
            return None
        # Equal, not only compatible: Optuna leaves a parameter whose distributions differ
        # out of its importances and plots.
        if trial.distributions != {name: distributions[name] for name in cell.parameters}:
            return None
    return seen


def _keys_in_tables(
    study: optuna.Study,
    storage: RDBStorage,
    finished: Sequence[FinishedCell],
    distributions: Mapping[str, BaseDistribution],
) -> set[str] | None:
    """The same from Optuna's tables: of a large study its intermediate values are not read."""
    from optuna.storages._rdb import models

    tables = models.BaseModel.metadata.tables
    trials, attributes, params = (
        tables[name] for name in ("trials", "trial_user_attributes", "trial_params")
    )
    own = trials.c.study_id == storage.get_study_id_from_name(study.study_name)
    with storage.engine.connect() as connection:
        states: dict[int, TrialState] = dict(
            connection.execute(sa.select(trials.c.trial_id, trials.c.state).where(own)).all()
        )
        found: dict[int, dict[str, str]] = {trial_id: {} for trial_id in states}
        for trial_id, key, text in connection.execute(
            sa.select(attributes.c.trial_id, attributes.c.key, attributes.c.value_json)
            .join(trials, trials.c.trial_id == attributes.c.trial_id)
            .where(own, attributes.c.key.in_(_COMPARED))
        ):
            found[trial_id][key] = text
        counted = connection.execute(
            sa.select(params.c.param_name, params.c.distribution_json, sa.func.count())
            .join(trials, trials.c.trial_id == params.c.trial_id)
            .where(own)
            .group_by(params.c.param_name, params.c.distribution_json)
        )
        n_params = {(name, text): count for name, text, count in counted}
    cells = {json.dumps(cell.key): cell for cell in finished}
    seen: set[str] = set()
    expected: Counter[tuple[str, str]] = Counter()
    texts = {name: distribution_to_json(each) for name, each in distributions.items()}
    for trial_id, state in states.items():
        cell = cells.get(found[trial_id].get("cell_key", ""))
        if cell is None or cell.key in seen or not state.is_finished():
            return None
        seen.add(cell.key)
        if any(found[trial_id].get(k) != json.dumps(v) for k, v in cell.outcome.items()):
            return None
        expected.update((name, texts[name]) for name in cell.parameters)
    return seen if expected == n_params else None
