"""Optuna's studies of sweeps that came into a store otherwise than by a run."""

from __future__ import annotations

from collections.abc import Iterable

from storage.optuna_mirror import mirror
from storage.store import Store
from sweeps.imported import is_imported
from sweeps.plan import make_plan
from sweeps.spec import parse_spec


def mirror_stored(store: Store, sweeps: Iterable[str]) -> int:
    """Bring the Optuna studies of stored sweeps up to date with their finished cells.

    Parameters are distributed as each sweep's own spec says; those of an imported one as its
    cells lie.

    Args:
        store: the store, open for writing.
        sweeps: their names.

    Returns:
        The number of trials written.

    Raises:
        SpecError: a stored spec is not one of this version.
        StoreError: the database fails, or Optuna's tables in it have another version.
    """
    written = 0
    for name in sweeps:
        spec = store.sweep(name).spec
        distributions = (
            {} if is_imported(spec) else make_plan(parse_spec(spec, source=name)).distributions
        )
        written += mirror(store, name, distributions)
    return written
