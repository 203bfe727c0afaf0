"""All that is recorded of a few cells, read once: every metric, split and threshold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from dashboards.source import Source
from storage.cell_scores import load_cell_scores
from storage.threshold_curves import CellCurves, load_cell_curves

SPLITS = ("validation", "test")


class CellReads(NamedTuple):
    """Scores of some cells: exact at the objective's threshold, and at every kept threshold."""

    exact: pd.DataFrame
    curves: CellCurves

    def seeds(self, cell_id: int, metric: str, split: str, threshold: float | None) -> pd.DataFrame:
        """Return ``seed`` and ``value`` of a cell's complete seeds that have a value.

        Args:
            cell_id: one of the cells.
            metric: a metric of the sweep.
            split: ``validation`` or ``test``.
            threshold: a kept threshold, for a metric kept at every one; None for the exact
                scores at the objective's.
        """
        if threshold is None or (split, metric) not in self.curves.values:
            rows = self.exact
            own = (rows["cell_id"] == cell_id) & (rows["state"] == "complete")
            own &= (rows["split"] == split) & (rows["metric"] == metric)
            return rows.loc[own, ["seed", "value"]].dropna().sort_values("seed")
        complete = np.array([state == "complete" for state in self.curves.states], bool)
        own_rows = (self.curves.cell_ids == cell_id) & complete
        at = int(np.argmin(np.abs(self.curves.thresholds - threshold)))
        values = self.curves.values[split, metric][own_rows, at]
        frame = pd.DataFrame({"seed": self.curves.seeds[own_rows], "value": values})
        return frame.dropna().sort_values("seed")


def read_cells(source: Source, sweep: str, cell_ids: Iterable[int]) -> CellReads:
    """Read every score of some cells; only the packs that hold them are touched.

    Args:
        source: where the numbers are read; the answer is kept until the sweep's rows change.
        sweep: name of the sweep.
        cell_ids: the cells, a few.

    Raises:
        StoreError: the store cannot be read, or has no such sweep.
    """
    ids = tuple(sorted({int(cell_id) for cell_id in cell_ids}))
    curve = [metric["name"] for metric in source.sweep(sweep).metrics if metric["curve"]]
    return source.ask(
        sweep,
        ("cells' scores", ids),
        lambda store: CellReads(
            load_cell_scores(store, ids),
            load_cell_curves(store, sweep, ids, metrics=curve, splits=SPLITS),
        ),
    )
