"""Reads a store for figures and pages, and keeps the answers until the store changes."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

import pandas as pd

from storage import frames
from storage.errors import RecordError, StoreError, SweepNotFoundError
from storage.records import SweepInfo
from storage.store import Store
from sweeps.sensitivity.sweep_analysis import SweepAnalysis, analyse_sweep

T = TypeVar("T")

_KEPT_ANSWERS = 256
_TOKEN = (
    "sweep_id",
    "updated_at",
    "n_replicates",
    "waiting",
    "running",
    "complete",
    "diverged",
    "failed",
)


class Source:
    """One store, read only; every answer is kept until that sweep's rows change.

    Safe to share between threads. A store that cannot be read raises StoreError, and is opened
    anew at the next question.

    Args:
        store: an open store, or the URL of one (opened read-only, never created).
        max_age_s: seconds for which the counts that tell of a change are taken as they are.

    Example:
        >>> source = Source("sqlite:///sweeps.db")            # doctest: +SKIP
        >>> heatmap_data(source, "movie-genres", loss="sigmoid_f1")   # doctest: +SKIP
    """

    def __init__(self, store: Store | str, *, max_age_s: float = 1.0) -> None:
        self._url = store if isinstance(store, str) else None
        self._store = None if isinstance(store, str) else store
        self._answers: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        self._table: pd.DataFrame | None = None
        self._read_at = 0.0
        self._max_age_s = max_age_s
        self._lock = threading.RLock()

    def close(self) -> None:
        """Close the store if it was opened here; the next question opens it anew."""
        with self._lock:
            if self._url is not None and self._store is not None:
                self._store.close()
                self._store = None

    def sweeps(self) -> pd.DataFrame:
        """Return every sweep with its counts, read anew when older than ``max_age_s``."""
        with self._lock:
            if self._table is None or time.monotonic() - self._read_at > self._max_age_s:
                self._table = self._read(frames.load_sweeps)
                self._read_at = time.monotonic()
            return self._table

    def token(self, sweep: str) -> str:
        """Return a word that changes whenever rows of ``sweep`` do; "" when there is none."""
        table = self.sweeps()
        rows = table[table["name"] == sweep]
        return "" if rows.empty else "/".join(str(rows.iloc[0][name]) for name in _TOKEN)

    def sweep(self, sweep: str) -> SweepInfo:
        """Return what was planned and recorded of one sweep as a whole."""
        return self._kept(sweep, ("sweep",), lambda store: frames.load_sweep(store, sweep))

    def losses(self, sweep: str) -> list[str]:
        """Return the losses of a sweep in the order of its plan."""
        cells = self.cells(sweep)
        return [str(loss) for loss in cells.sort_values("ordinal")["loss"].unique()]

    def cells(self, sweep: str, loss: str | None = None) -> pd.DataFrame:
        """Return the cells of a sweep, or of one loss of it, in the order of its plan."""
        only = None if loss is None else [loss]
        return self._kept(
            sweep,
            ("cells", loss),
            lambda store: frames.load_cells(store, sweep, losses=only).sort_values("ordinal"),
        )

    def replicates(self, sweep: str, loss: str | None = None) -> pd.DataFrame:
        """Return every planned replicate with its state and objective."""
        only = None if loss is None else [loss]
        return self._kept(
            sweep,
            ("replicates", loss),
            lambda store: frames.load_replicates(store, sweep, losses=only),
        )

    def scores(
        self, sweep: str, loss: str | None, metric: str, split: str, threshold: float | None
    ) -> pd.DataFrame:
        """Return one metric per replicate; threshold None is exact, at the objective's."""
        only = None if loss is None else [loss]
        return self._kept(
            sweep,
            ("scores", loss, metric, split, threshold),
            lambda store: frames.load_scores(
                store, sweep, split=split, metric=metric, threshold=threshold, losses=only
            ),
        )

    def analysis(self, sweep: str) -> SweepAnalysis:
        """Return every statistic of a sweep at its objective, each loss and all compared.

        Raises:
            SweepError: the sweep has no cell.
        """
        return self._kept(sweep, ("analysis",), lambda store: analyse_sweep(store, sweep))

    def _kept(self, sweep: str, question: tuple[Any, ...], load: Callable[[Store], T]) -> T:
        key = (sweep, self.token(sweep), *question)
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
        answer = self._read(load)
        with self._lock:
            self._answers[key] = answer
            while len(self._answers) > _KEPT_ANSWERS:
                self._answers.popitem(last=False)
        return answer

    def _read(self, load: Callable[[Store], T]) -> T:
        with self._lock:
            if self._store is None and self._url is not None:
                self._store = Store.open(self._url, create=False, read_only=True)
            store = self._store
        if store is None:
            raise StoreError("The store was closed. Open it again, or give its URL.")
        try:
            return load(store)
        except StoreError as error:
            # A question that has no answer leaves the connections good; anything else may not.
            if not isinstance(error, SweepNotFoundError | RecordError):
                self.close()
            raise
