"""The names of a sweep's Optuna studies, and their deletion without loading a trial."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from storage.schema import cells, sweeps

_OF_TRIALS = (
    "trial_user_attributes",
    "trial_system_attributes",
    "trial_params",
    "trial_values",
    "trial_intermediate_values",
    "trial_heartbeats",
)
_OF_STUDIES = ("trials", "study_directions", "study_user_attributes", "study_system_attributes")


def study_name(sweep: str, dataset: str, loss: str) -> str:
    """The name of the study of one loss of a sweep.

    Example:
        >>> study_name("movie-genres", "movie_genres", "focal")
        'movie-genres/movie_genres/focal'
    """
    return f"{sweep}/{dataset}/{loss}"


def delete_studies(connection: sa.Connection, sweep_id: int) -> int:
    """Delete the Optuna studies of a sweep, a statement a table; their number."""
    query = (
        sa.select(sweeps.c.name, sweeps.c.dataset, cells.c.loss)
        .distinct()
        .join(cells, cells.c.sweep_id == sweeps.c.id)
        .where(sweeps.c.id == sweep_id)
    )
    return delete_named(connection, [study_name(*row) for row in connection.execute(query)])


def delete_named(connection: sa.Connection, names: Sequence[str]) -> int:
    """Delete the Optuna studies of some names, without loading a trial; their number."""
    present = set(sa.inspect(connection).get_table_names())
    if "studies" not in present:
        return 0
    studies = sa.table("studies", sa.column("study_id"), sa.column("study_name"))
    named = sa.select(studies.c.study_id).where(studies.c.study_name.in_(names))
    ids = list(connection.execute(named).scalars())
    trials = sa.table("trials", sa.column("trial_id"), sa.column("study_id"))
    own = sa.select(trials.c.trial_id).where(trials.c.study_id.in_(ids))
    for name in present.intersection(_OF_TRIALS):
        table = sa.table(name, sa.column("trial_id"))
        connection.execute(table.delete().where(table.c.trial_id.in_(own)))
    for name in [table for table in (*_OF_STUDIES, "studies") if table in present]:
        table = sa.table(name, sa.column("study_id"))
        connection.execute(table.delete().where(table.c.study_id.in_(ids)))
    return len(ids)
