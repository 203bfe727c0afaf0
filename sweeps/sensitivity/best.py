"""The best cell of each loss, by the mean of the objective over seeds."""

from __future__ import annotations

import pandas as pd

from sweeps.errors import SweepError
from sweeps.sensitivity.summary import summarise_cells

RULE = (
    "the best mean over seeds among the loss's finished cells whose every seed is complete; "
    "where a loss has no such cell, among its finished cells with a complete seed, over the "
    "complete ones; equal means go to the cell that is first in the plan"
)


def best_cells(
    cells: pd.DataFrame,
    replicates: pd.DataFrame,
    *,
    higher_is_better: bool = True,
    value: str = "objective",
) -> pd.DataFrame:
    """Return the best cell of each loss: :data:`RULE`.

    A cell with a diverged or failed seed competes only where the loss has no clean cell: a mean
    over the seeds that happened to survive flatters a setting that does not train reliably. A
    cell with seeds still waiting or running does not compete at all.

    Args:
        cells: one row a cell, with ``cell_id``, ``ordinal`` and ``loss``; as of
            :func:`storage.frames.load_cells`.
        replicates: one row a replicate, see :func:`~sweeps.sensitivity.summary.summarise_cells`.
        higher_is_better: the direction of ``value``.
        value: the column of ``replicates`` to choose by.

    Returns:
        One row a loss, in the order of the plan, indexed by ``loss``: ``cell_id``, ``ordinal``
        and the columns of the summary. A loss without a finished cell that has a value is left
        out.

    Raises:
        SweepError: a column is missing.
    """
    ranked = rank_cells(cells, replicates, higher_is_better=higher_is_better, value=value)
    best = ranked.groupby("loss", sort=False, as_index=False).head(1)
    order = cells.groupby("loss")["ordinal"].min()
    best = best.sort_values("loss", key=lambda names: names.map(order), kind="stable")
    return best.set_index("loss")


def rank_cells(
    cells: pd.DataFrame,
    replicates: pd.DataFrame,
    *,
    higher_is_better: bool = True,
    value: str = "objective",
) -> pd.DataFrame:
    """Return every cell that may be chosen, best first: clean ones, then the rest of each loss.

    Args and Raises are those of :func:`best_cells`.

    Returns:
        One row a finished cell with a value: ``cell_id``, ``ordinal``, ``loss`` and the columns
        of the summary, ordered by ``clean`` (clean first), then mean, then ordinal.
    """
    missing = [name for name in ("cell_id", "ordinal", "loss") if name not in cells.columns]
    if missing:
        raise SweepError(
            f"cells must have the columns cell_id, ordinal, loss, but lack {', '.join(missing)}. "
            "Load them with storage.frames.load_cells."
        )
    summary = summarise_cells(replicates, value=value)
    merged = cells[["cell_id", "ordinal", "loss"]].merge(
        summary, left_on="cell_id", right_index=True, how="inner"
    )
    eligible = merged[merged["finished"] & (merged["n"] > 0)]
    return eligible.sort_values(
        ["clean", "mean", "ordinal"], ascending=[False, not higher_is_better, True], kind="stable"
    ).reset_index(drop=True)
