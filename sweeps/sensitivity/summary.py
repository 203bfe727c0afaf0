"""Per-cell numbers over seeds: how many, mean, spread, and what became of the others."""

from __future__ import annotations

import numpy as np
import pandas as pd

from storage.records import STATES
from sweeps.errors import SweepError


def summarise_cells(replicates: pd.DataFrame, *, value: str = "objective") -> pd.DataFrame:
    """Summarise each cell over its seeds.

    Only complete replicates with a number count towards n, mean and the rest: a diverged one has
    no value, and is counted apart. The standard deviation is the sample's,
    ``sqrt(sum((x - mean)^2) / (n - 1))``. The order of rows changes nothing, not even a last bit.

    Args:
        replicates: one row a replicate, with ``cell_id``, ``seed``, ``state`` and the column
            named by ``value``; as of :func:`storage.frames.load_replicates` or
            :func:`storage.frames.load_scores`.
        value: the column to summarise.

    Returns:
        A frame indexed by ``cell_id``, in increasing order, with ``n``, ``mean``, ``sd`` (NaN
        below n = 2), ``minimum``, ``maximum``, ``n_planned`` (replicates in all), one count a
        state (``n_waiting`` ... ``n_failed``), ``finished`` (nothing waits or runs) and ``clean``
        (finished, and every replicate is complete with a number).

    Raises:
        SweepError: a column is missing.
    """
    wanted = ("cell_id", "seed", "state", value)
    missing = [name for name in wanted if name not in replicates.columns]
    if missing:
        raise SweepError(
            f"replicates must have the columns {', '.join(wanted)}, but lack "
            f"{', '.join(missing)}. Load them with storage.frames."
        )
    # One order of summation whatever the order of rows.
    rows = replicates.loc[:, list(wanted)].sort_values(["cell_id", "seed"], kind="stable")
    counted = rows[value].astype("float64").where(rows["state"] == "complete")
    by_cell = counted.groupby(rows["cell_id"], sort=True)
    summary = pd.DataFrame(
        {
            "n": by_cell.count(),
            "mean": by_cell.mean(),
            "sd": by_cell.std(ddof=1),
            "minimum": by_cell.min(),
            "maximum": by_cell.max(),
            "n_planned": by_cell.size(),
        }
    )
    for state in STATES:
        in_state = (rows["state"] == state).groupby(rows["cell_id"], sort=True).sum()
        summary[f"n_{state}"] = in_state.astype(np.int64)
    summary["finished"] = (summary["n_waiting"] + summary["n_running"]) == 0
    summary["clean"] = summary["finished"] & (summary["n"] == summary["n_planned"])
    return summary
