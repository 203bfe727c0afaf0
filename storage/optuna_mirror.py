"""Optuna studies of a sweep, in the store's own database, for Optuna's own tools.

A study per (sweep, dataset, loss), a trial per finished cell. The studies are a copy: what
they hold follows from the store's tables, and whatever differs is rebuilt from them.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import optuna
import sqlalchemy as sa
from optuna.distributions import BaseDistribution
from optuna.storages import RDBStorage
from optuna.study import StudyDirection

from storage.engine import (
    BUSY_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    current_time,
    set_pragmas,
    translate_error,
)
from storage.errors import RecordError, SchemaVersionError, StoreError
from storage.mirror_agreement import mirrored_keys
from storage.mirror_trials import FinishedCell, finished_cells, make_trial, mean_curves, widen
from storage.optuna_bulk import add_trials
from storage.optuna_studies import delete_named, study_name
from storage.records import SweepInfo
from storage.schema import sweeps
from storage.store import Store
from storage.urls import mask_message

LEASE_S = 15.0
POLL_S = 0.1

_DIRECTIONS = {True: StudyDirection.MAXIMIZE, False: StudyDirection.MINIMIZE}

# Few enough that the mirror's lease is renewed in time, however slow the disk.
_BATCH = 200
_PAUSE_S = 0.02


def mirror(
    store: Store, name: str, distributions: Mapping[str, Mapping[str, BaseDistribution]]
) -> int:
    """Bring a sweep's Optuna studies up to date with its finished cells.

    One trial per cell all of whose replicates have finished: COMPLETE with the mean of the
    objective over its complete seeds, else PRUNED or FAIL; never RUNNING. User attributes:
    cell_key, n_seeds (complete ones), sd (over them, n - 1; None for one), seeds, states and
    values (by seed). Start and end are those of the packs, intermediate values the mean of the
    curve named "objective". The same call again adds nothing; after a kill it completes the rest.
    A study in which a cell's seeds, parameters or distributions have changed is rebuilt.
    Concurrent calls for one sweep wait for each other.

    Args:
        store: the store, open for writing.
        name: the sweep's name.
        distributions: loss -> parameter -> distribution; widened where cells of an earlier plan lie
            outside of it, and made from the cells where there is none.

    Returns:
        The number of trials written, those of rebuilt studies included.

    Raises:
        SweepNotFoundError: there is no such sweep.
        RecordError: the objective is no metric of the sweep.
        StoreError: the database fails, or Optuna's tables in it have another version.
    """
    sweep = store.sweep(name)
    direction = _direction(sweep)
    with _lease(store, sweep.sweep_id) as renew, _quiet_optuna(), _optuna_storage(store) as storage:
        with store.reading() as connection:
            finished = finished_cells(connection, sweep.sweep_id)
        by_loss: dict[str, list[FinishedCell]] = {}
        for cell in finished:
            by_loss.setdefault(cell.loss, []).append(cell)
        return sum(
            _mirror_study(
                store, storage, sweep, loss, direction, own, distributions.get(loss, {}), renew
            )
            for loss, own in by_loss.items()
        )


def _mirror_study(
    store: Store,
    storage: RDBStorage,
    sweep: SweepInfo,
    loss: str,
    direction: StudyDirection,
    finished: Sequence[FinishedCell],
    given: Mapping[str, BaseDistribution],
    renew: Callable[[], None],
) -> int:
    names = dict.fromkeys(name for cell in finished for name in cell.parameters)
    distributions = {
        name: widen(
            given.get(name),
            [cell.parameters[name] for cell in finished if name in cell.parameters],
        )
        for name in names
    }
    full_name = study_name(sweep.name, sweep.dataset, loss)
    study = optuna.create_study(
        study_name=full_name, storage=storage, direction=direction, load_if_exists=True
    )
    present = mirrored_keys(study, storage, finished, distributions)
    if present is None:
        with store.writing() as connection:
            delete_named(connection, [full_name])
        study = optuna.create_study(study_name=full_name, storage=storage, direction=direction)
        present = set()
    _describe(study, sweep, loss)
    new = [cell for cell in finished if cell.key not in present]
    for start in range(0, len(new), _BATCH):
        batch = new[start : start + _BATCH]
        with store.reading() as connection:
            curves = mean_curves(connection, batch)
        trials = [make_trial(cell, distributions, curves.get(cell.key, {})) for cell in batch]
        add_trials(study, storage, trials)
        renew()
        # SQLite's writers take turns by chance: without a pause those that record would starve.
        time.sleep(_PAUSE_S)
    return len(new)


def _describe(study: optuna.Study, sweep: SweepInfo, loss: str) -> None:
    attributes = {"sweep": sweep.name, "dataset": sweep.dataset, "loss": loss, **sweep.objective}
    present = study.user_attrs
    for key, value in attributes.items():
        if key not in present or present[key] != value:
            study.set_user_attr(key, value)


def _direction(sweep: SweepInfo) -> StudyDirection:
    objective = sweep.objective["metric"]
    for metric in sweep.metrics:
        if metric["name"] == objective:
            return _DIRECTIONS[bool(metric["higher_is_better"])]
    raise RecordError(f"The objective is a metric of the sweep, but got {objective!r}.")


@contextmanager
def _lease(store: Store, sweep_id: int) -> Iterator[Callable[[], None]]:
    """Hold the sweep's mirror lease; yields what renews it. A killed holder's lease expires."""
    owner = uuid.uuid4().hex
    own = sweeps.c.mirror_owner == owner

    def take(condition: Callable[[datetime], sa.ColumnElement[bool]]) -> bool:
        with store.writing() as connection:
            now = current_time(connection)
            expires_at = now + timedelta(seconds=LEASE_S)
            statement = (
                sweeps.update()
                .where(sweeps.c.id == sweep_id, condition(now))
                .values(mirror_owner=owner, mirror_expires_at=expires_at)
            )
            return connection.execute(statement).rowcount == 1

    def renew() -> None:
        take(lambda now: own)

    while not take(
        lambda now: sweeps.c.mirror_owner.is_(None) | (sweeps.c.mirror_expires_at <= now)
    ):
        time.sleep(POLL_S)
    try:
        yield renew
    finally:
        with store.writing() as connection:
            free = {"mirror_owner": None, "mirror_expires_at": None}
            connection.execute(sweeps.update().where(own).values(free))


def make_tables(store: Store) -> None:
    """Make Optuna's tables where there are none, for tools that may only read.

    Raises:
        StoreError: the database cannot be written, or holds tables of another Optuna.
    """
    with _quiet_optuna(), _optuna_storage(store):
        pass


@contextmanager
def _optuna_storage(store: Store) -> Iterator[RDBStorage]:
    # Optuna fills {SCHEMA_VERSION} into the URL: other braces are escaped.
    text = store.url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")
    is_file = store.url.get_backend_name() == "sqlite"
    timeout = {"timeout": BUSY_TIMEOUT_S} if is_file else {"connect_timeout": CONNECT_TIMEOUT_S}
    kwargs = {"connect_args": timeout, "hide_parameters": True, "pool_pre_ping": not is_file}
    try:
        storage = RDBStorage(text, engine_kwargs=kwargs)
    except RuntimeError as error:
        raise SchemaVersionError(
            f"Optuna's tables in {store.masked_url} are of another version: {error}"
        ) from error
    except sa.exc.SQLAlchemyError as error:
        raise translate_error(error, store.url) from error
    try:
        if is_file:
            # Connections made so far lack the pragmas: the pool starts anew.
            storage.engine.dispose()
            sa.event.listen(storage.engine, "connect", set_pragmas)
        yield storage
    except optuna.exceptions.StorageInternalError as error:
        if isinstance(error.__cause__, sa.exc.SQLAlchemyError):
            raise translate_error(error.__cause__, store.url) from error
        reason = mask_message(str(error), store.url)
        raise StoreError(f"Optuna could not write into {store.masked_url}: {reason}") from error
    finally:
        storage.remove_session()
        storage.engine.dispose()


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)
