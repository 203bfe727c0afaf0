"""Reads the stored probabilities of the best kept cells, as many as an analysis has time for."""

from __future__ import annotations

import numpy as np
import pandas as pd

from storage import frames
from storage.kept_files import KeptFileError, load_kept_scores
from storage.store import Store
from sweeps.sensitivity.analysis_data import KeptScores, Unavailable
from sweeps.sensitivity.seed_table import SeedTable

# Probabilities of a split that are read at most: 80 MB, and a second of resampling.
MOST_VALUES = 2e7
MOST_CELLS, FEWEST_CELLS = 10, 2


def load_kept_of(
    store: Store,
    sweep: str,
    cells: pd.DataFrame,
    loss: str,
    table: SeedTable,
    *,
    higher_is_better: bool,
) -> KeptScores | Unavailable | None:
    """Read the probabilities of the best kept cells of a loss on validation and test.

    Args:
        store: an open store.
        sweep: the sweep's name.
        cells: the loss's cells, with their keys.
        loss: the loss.
        table: the values by which the best are found.
        higher_is_better: the metric's direction.

    Returns:
        The probabilities of at most ten cells; None when none are kept; a sentence when a file
        is missing or altered.
    """
    rows = frames.load_kept(store, sweep, losses=[loss])
    if rows.empty:
        return None
    key_of = dict(zip(cells["cell_id"].tolist(), cells["key"].tolist(), strict=True))
    kept = set(rows["cell_id"].tolist())
    signed = np.where(
        np.isfinite(table.means), table.means, -np.inf if higher_is_better else np.inf
    )
    order = np.argsort(-signed if higher_is_better else signed, kind="stable")
    best = [cell for cell in table.cell_ids[order].tolist() if cell in kept]
    try:
        first = {
            split: load_kept_scores(store, sweep, key_of[best[0]], split)
            for split in ("validation", "test")
        }
        largest = max(found.probs.size for found in first.values())
        n_cells = int(np.clip(MOST_VALUES // max(largest, 1), FEWEST_CELLS, MOST_CELLS))
        probs = {
            split: {best[0]: found.probs}
            | {
                cell: load_kept_scores(store, sweep, key_of[cell], split).probs
                for cell in best[1:n_cells]
            }
            for split, found in first.items()
        }
    except KeptFileError as error:
        return Unavailable(str(error).removesuffix("."))
    return KeptScores(
        probs["validation"], first["validation"].targets, probs["test"], first["test"].targets
    )
