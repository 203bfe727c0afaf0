"""Which sweeps and losses an export looks at, and why one of them has nothing to export."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from storage import frames
from storage.records import OPEN_STATES, STATES
from storage.store import Store
from sweeps.errors import SweepError
from sweeps.wording import suggestion


def select_sweeps(
    store: Store, sweeps: Sequence[str] | None, datasets: Sequence[str] | None
) -> list[str]:
    """Return the names of the sweeps of a store that an export takes.

    Raises:
        SweepError: the store holds no sweep, or a name is unknown.
    """
    stored = frames.load_sweeps(store)
    if stored.empty:
        raise SweepError(
            "There is nothing to export: the store holds no sweep. Run 'sigmoidf1 sweep run' first."
        )
    check_known("sweep", sweeps, stored["name"])
    check_known("dataset", datasets, stored["dataset"])
    keep = pd.Series(True, index=stored.index)
    if sweeps is not None:
        keep &= stored["name"].isin(list(sweeps))
    if datasets is not None:
        keep &= stored["dataset"].isin(list(datasets))
    return [str(name) for name in stored.loc[keep, "name"]]


def check_known(what: str, asked: Sequence[str] | None, known: Sequence[str] | pd.Series) -> None:
    """Refuse an asked name that is not known.

    Raises:
        SweepError: a name is unknown; the nearest is named.
    """
    names = list(dict.fromkeys(map(str, known)))
    for name in asked or ():
        if name not in names:
            raise SweepError(f"Unknown {what} {name!r}. {suggestion(name, names)}")


def why_empty(sweep: str, losses: Sequence[str], replicates: pd.DataFrame) -> str:
    """Say why some losses of a sweep have no best cell, from their replicates."""
    counts = replicates.loc[replicates["loss"].isin(list(losses)), "state"].value_counts()
    states = ", ".join(f"{counts[state]} {state}" for state in STATES if counts.get(state))
    text = (
        f"Sweep {sweep!r} has no finished cell of {', '.join(losses)} with a complete seed "
        f"({states or 'no replicates'})."
    )
    if any(counts.get(state) for state in OPEN_STATES):
        return f"{text} Run it to its end with 'sigmoidf1 sweep run'."
    return f"{text} Widen its grid, or look at why its replicates failed."
