"""The tables of one stored sweep, each read once however many statistics ask for it."""

from __future__ import annotations

from functools import cached_property

import pandas as pd

from storage import frames
from storage.records import SweepInfo
from storage.store import Store


class SweepFrames:
    """Cells, replicates and scores of one sweep, as `storage.frames` gives them.

    What was read is kept as long as this object: a state of the store for one analysis.

    Args:
        store: an open store.
        sweep: the sweep's name.
    """

    def __init__(self, store: Store, sweep: str) -> None:
        self.store = store
        self.sweep = sweep
        self._replicates: dict[str, pd.DataFrame] = {}
        self._scores: dict[tuple[str, str, str, float | None], pd.DataFrame] = {}

    @cached_property
    def info(self) -> SweepInfo:
        """What was planned and recorded of the sweep as a whole."""
        return frames.load_sweep(self.store, self.sweep)

    @cached_property
    def cells(self) -> pd.DataFrame:
        """All cells, in the plan's order."""
        return frames.load_cells(self.store, self.sweep)

    def replicates(self, loss: str) -> pd.DataFrame:
        """Return the replicates of a loss."""
        if loss not in self._replicates:
            found = frames.load_replicates(self.store, self.sweep, losses=[loss])
            self._replicates[loss] = found
        return self._replicates[loss]

    def scores(self, loss: str, split: str, metric: str, threshold: float | None) -> pd.DataFrame:
        """Return one metric of the replicates of a loss; see `storage.frames.load_scores`.

        Raises:
            RecordError: the split, the metric or the threshold is not kept.
        """
        asked = (loss, split, metric, threshold)
        if asked not in self._scores:
            self._scores[asked] = frames.load_scores(
                self.store, self.sweep, split=split, metric=metric, threshold=threshold,
                losses=[loss],
            )  # fmt: skip
        return self._scores[asked]
