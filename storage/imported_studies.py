"""Optuna studies: every finished trial a result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import optuna
import sqlalchemy as sa
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from storage.errors import RecordError, StoreError, StoreNotFoundError
from storage.imported_results import ImportedResult
from storage.imported_tables import LOSS, SEED
from storage.opening import OPTUNA_TABLES
from storage.plan_rows import MAX_SEED
from storage.planning import not_found
from storage.urls import mask_message, mask_url

_STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


class ImportedStudy(NamedTuple):
    """A study as results.

    Attributes:
        source: its storage, without a password.
        objective: split, metric and direction of the objective.
        others: (split, metric) of its other objectives.
        results: the finished trials.
        skipped: how many trials are not finished.
    """

    source: str
    objective: Mapping[str, Any]
    others: Sequence[tuple[str, str]]
    results: Sequence[ImportedResult]
    skipped: int


def read_study(
    study_url: str, study_name: str, *, objective: int, loss: str, split: str
) -> ImportedStudy:
    """Read a study; see `storage.importing.import_study`."""
    study = _load(study_url, study_name)
    directions = study.directions
    if not 0 <= objective < len(directions):
        raise RecordError(
            f"The study {study_name!r} has objectives 0 to {len(directions) - 1}, "
            f"but got {objective}."
        )
    names = study.metric_names or (
        ["value"] if len(directions) == 1 else [f"value_{k}" for k in range(len(directions))]
    )
    trials = study.get_trials(deepcopy=False)
    results = []
    numbered: Counter[str] = Counter()
    for trial in trials:
        if trial.state not in _STATES:
            continue
        parameters = {key: v for key, v in trial.params.items() if key not in (SEED, LOSS)}
        own_loss = str(_named(trial, LOSS, loss))
        setting = repr((own_loss, sorted(parameters.items())))
        seed = _named(trial, SEED, None)
        if seed is None:
            seed = numbered[setting]
            numbered[setting] += 1
        results.append(
            _result(trial, parameters, own_loss, _seed(seed, trial), names, objective, split)
        )
    return ImportedStudy(
        source=mask_url(study_url),
        objective={
            "split": split,
            "metric": names[objective],
            "higher_is_better": directions[objective] == StudyDirection.MAXIMIZE,
        },
        others=[(split, each) for k, each in enumerate(names) if k != objective],
        results=results,
        skipped=len(trials) - len(results),
    )


def _load(study_url: str, study_name: str) -> optuna.Study:
    where = mask_url(study_url)
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        _check_is_optunas(sa.make_url(study_url), where)
        # Braces are filled in by Optuna.
        text = study_url.replace("{", "{{").replace("}", "}}")
        storage = optuna.storages.RDBStorage(
            text, engine_kwargs={"hide_parameters": True}, skip_table_creation=True
        )
        names = optuna.get_all_study_names(storage=storage)
        if study_name not in names:
            raise RecordError(not_found("study", study_name, names))
        return optuna.load_study(study_name=study_name, storage=storage)
    except StoreError:
        raise
    except sa.exc.ArgumentError:
        raise StoreError(
            f"A study's storage is a URL such as sqlite:///FILE.db, but got {where!r}."
        ) from None
    except Exception as error:  # Optuna's own errors and every driver's
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        reason = mask_message(str(cause), sa.make_url(study_url))
        raise StoreError(f"Optuna cannot read {where}: {reason}. Check the URL.") from error
    finally:
        optuna.logging.set_verbosity(verbosity)


def _check_is_optunas(url: sa.URL, where: str) -> None:
    """Look before Optuna opens the database: it would make a missing file and missing tables."""
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise StoreNotFoundError(f"There is no file at {where}. Check the URL of the study.")
    engine = sa.create_engine(url, hide_parameters=True)
    try:
        with engine.connect() as connection:
            tables = set(sa.inspect(connection).get_table_names())
    finally:
        engine.dispose()
    if not tables >= OPTUNA_TABLES:
        raise StoreNotFoundError(
            f"The database {where} holds no Optuna studies. Check the URL of the study."
        )


def _named(trial: FrozenTrial, name: str, otherwise: Any) -> Any:
    """A parameter or user attribute of a trial."""
    return trial.params.get(name, trial.user_attrs.get(name, otherwise))


def _seed(value: Any, trial: FrozenTrial) -> int:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or not 0 <= value <= MAX_SEED:
        raise RecordError(
            f"A seed is an integer in 0 … {MAX_SEED}, but trial {trial.number} has {value!r}."
        )
    return int(value)


def _result(
    trial: FrozenTrial,
    parameters: Mapping[str, Any],
    loss: str,
    seed: int,
    names: Sequence[str],
    objective: int,
    split: str,
) -> ImportedResult:
    state = _STATES[trial.state]
    values = trial.values or [float("nan")] * len(names)
    finished = trial.datetime_complete or datetime.now(UTC)
    # Optuna's times are naive and of the clock of the machine that ran it.
    started = (trial.datetime_start or finished).astimezone(UTC)
    steps = dict(sorted(trial.intermediate_values.items()))
    # A curve's epochs begin at 1; steps that begin at 0 are counted from there.
    shift = 1 if steps and min(steps) == 0 else 0
    reason = trial.user_attrs.get("fail_reason") or f"{state} in the imported study"
    return ImportedResult(
        loss=loss,
        parameters=parameters,
        seed=seed,
        state=state,
        reason=None if state == "complete" else str(reason),
        scores={(split, name): float(value) for name, value in zip(names, values, strict=True)},
        curve={int(step) + shift: float(value) for step, value in steps.items()},
        started_at=started,
        finished_at=finished.astimezone(UTC),
        where=f"trial {trial.number}",
    )
