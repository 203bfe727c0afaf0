"""Reads a store for figures and pages, and keeps the answers until the store changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import pandas as pd

from dashboards.ahead import Ahead
from dashboards.answers import Answers
from dashboards.apart import compute_apart
from storage import frames
from storage.errors import RecordError, StoreError, SweepNotFoundError
from storage.records import STATES, SweepInfo
from storage.seed_arrays import load_losses
from storage.store import Store
from sweeps.sensitivity.sweep_analysis import SweepAnalysis, analyse_sweep
from sweeps.sweep_status import read_status

T = TypeVar("T")

_KEPT_BYTES = 96 * 2**20
# Statistics of so many replicates take several seconds, and are computed apart.
_MANY_REPLICATES = 20_000
# Of a sweep that is being written and takes long to read, reading takes at most this share.
_READING_SHARE = 0.1
_SHORT_READ_S, _LONGEST_HOLD_S = 0.25, 60.0
_TOKEN = ("sweep_id", "updated_at", "n_cells", "n_replicates", *STATES)


class _Seen(NamedTuple):
    """The state of a sweep that answers are given for, since when, and what reading it took."""

    token: str
    since: float
    cost_s: float


class Source:
    """One store, read only; every answer is kept until that sweep's rows change.

    Safe to share between threads. A store that cannot be read raises StoreError, and is opened
    anew at the next question.

    Args:
        store: an open store, or the URL of one (opened read-only, never created).
        max_age_s: seconds for which the counts that tell of a change are taken as they are; longer
            where counting takes long, and never with 0.

        apart: compute statistics of large sweeps in processes of their own, which import the
            program's main module, as a server may have it done; only with a URL.

    Example:
        >>> source = Source("sqlite:///sweeps.db")            # doctest: +SKIP
        >>> heatmap_data(source, "movie-genres", loss="sigmoid_f1")   # doctest: +SKIP
    """

    def __init__(self, store: Store | str, *, max_age_s: float = 1.0, apart: bool = False) -> None:
        self._apart = apart
        self._url = store if isinstance(store, str) else None
        self._store = None if isinstance(store, str) else store
        self._answers = Answers(_KEPT_BYTES)
        self._ahead = Ahead()
        self._table: pd.DataFrame | None = None
        self._words: dict[str, str] = {}
        self._fresh_until = 0.0
        self._max_age_s = max_age_s
        self._seen: dict[str, _Seen] = {}
        self._statuses: dict[str, tuple[float, dict[str, Any]]] = {}
        self._lock = threading.RLock()

    def close(self) -> None:
        """Close the store if it was opened here; the next question opens it anew."""
        self._ahead.drop(wait_s=1.0)
        with self._lock:
            if self._url is not None and self._store is not None:
                self._store.close()
                self._store = None

    def sweeps(self) -> pd.DataFrame:
        """Return every sweep with its counts, read anew when older than ``max_age_s``.

        A table that takes long to count is read less often: one query serves every viewer.
        """
        with self._lock:
            if self._table is None or time.monotonic() > self._fresh_until:
                began = time.monotonic()
                self._table = self._read(frames.load_sweeps)
                self._words = {
                    str(row["name"]): "/".join(str(row[name]) for name in _TOKEN)
                    for row in self._table.to_dict("records")
                }
                self._fresh_until = time.monotonic() + self._age(time.monotonic() - began)
            return self._table

    def status(self, sweep: str) -> dict[str, Any]:
        """Return who works on a sweep, how fast and for how long yet.

        One short query, asked again after ``max_age_s`` at the earliest, for all viewers.

        Raises:
            SweepNotFoundError: there is no such sweep.
        """
        with self._lock:
            until, known = self._statuses.get(sweep, (0.0, None))
            if known is None or time.monotonic() > until:
                began = time.monotonic()
                known = self._read(lambda store: read_status(store, sweep))
                age = self._age(time.monotonic() - began)
                self._statuses[sweep] = (time.monotonic() + age, known)
            return known

    def word(self, sweep: str) -> str:
        """Return a word that changes whenever rows of ``sweep`` do; "" when there is none."""
        self.sweeps()
        return self._words.get(sweep, "")

    def token(self, sweep: str) -> str:
        """Return the `word` of the state for which answers are given.

        While a sweep is written that takes long to read, it follows only as often as reading it
        anew takes a tenth of the time.
        """
        now = self.word(sweep)
        with self._lock:
            seen = self._seen.get(sweep)
            if seen is None or (now != seen.token and self._is_over(seen)):
                self._seen[sweep] = seen = _Seen(now, time.monotonic(), 0.0)
                self._answers.forget(lambda key: key[0] == sweep and key[1] != now)
            return seen.token

    def _age(self, took_s: float) -> float:
        """Return for how long an answer is taken as it is: long for one that took long."""
        if took_s < _SHORT_READ_S or self._max_age_s == 0:
            return self._max_age_s
        return max(self._max_age_s, took_s / _READING_SHARE)

    def _is_over(self, seen: _Seen) -> bool:
        if seen.cost_s < _SHORT_READ_S or self._max_age_s == 0:
            return True
        return time.monotonic() - seen.since > min(_LONGEST_HOLD_S, seen.cost_s / _READING_SHARE)

    def sweep(self, sweep: str) -> SweepInfo:
        """Return what was planned and recorded of one sweep as a whole."""
        return self._kept(sweep, ("sweep",), lambda store: frames.load_sweep(store, sweep))

    def losses(self, sweep: str) -> list[str]:
        """Return the losses of a sweep in the order of its plan."""
        return self._kept(sweep, ("losses",), lambda store: load_losses(store, sweep))

    def cells(self, sweep: str, loss: str | None = None) -> pd.DataFrame:
        """Return the cells of a sweep, or of one loss of it, in the order of its plan."""
        only = None if loss is None else [loss]
        return self._kept(
            sweep, ("cells", loss), lambda store: frames.load_cells(store, sweep, losses=only)
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
        return self.compute(sweep, ("analysis",), partial(analyse_sweep, sweep=sweep))

    def ask(self, sweep: str, question: tuple[Any, ...], load: Callable[[Store], T]) -> T:
        """Return what ``load`` reads of a sweep; kept under ``question`` until its rows change.

        Args:
            sweep: name of the sweep.
            question: what is asked, hashable and unlike any other question of the sweep.
            load: reads the answer from the open store.
        """
        return self._kept(sweep, question, load)

    def compute(
        self,
        sweep: str,
        question: tuple[Any, ...],
        function: Callable[[Store], T],
        *,
        beside: Sequence[str] = (),
    ) -> T:
        """Return the answer to a question that takes long where the sweep is large.

        It is kept as of `ask`. With ``apart`` it is computed in a process of its own for a large
        sweep, and other questions are answered meanwhile.

        Args:
            sweep: name of the sweep.
            question: what is asked, hashable and unlike any other question of the sweep.
            function: computes it; can be pickled.
            beside: other sweeps that it reads.

        Raises:
            StoreError: it could not be computed apart, or too many wait for it.
        """
        url = self._url
        small = self._replicates_of((sweep, *beside)) < _MANY_REPLICATES
        if not self._apart or url is None or small:
            return self._kept(sweep, question, function)

        def make() -> T:
            began = time.monotonic()
            answer = compute_apart(url, function)
            self._add_cost(sweep, time.monotonic() - began)
            return answer

        return self._answers.get((sweep, self.token(sweep), *question), make)

    def _replicates_of(self, sweeps: Sequence[str]) -> int:
        table = self.sweeps()
        return int(table.loc[table["name"].isin(sweeps), "n_replicates"].sum())

    def keep(self, sweep: str, question: tuple[Any, ...], make: Callable[[], T]) -> T:
        """Return what ``make`` makes of other answers on a sweep; kept as they are.

        Args:
            sweep: name of the sweep.
            question: what is made, hashable and unlike any other question of the sweep.
            make: makes it, such as a figure from its data.
        """
        return self._answers.get((sweep, self.token(sweep), *question), make)

    def soon(self, make: Callable[[], object]) -> None:
        """Have what will probably be asked for next made and kept by then.

        Args:
            make: asks for it, by `keep` or `ask`; of several wishes at about the same time only
                the latest is heard.
        """
        self._ahead.wish(make)

    def read(self, load: Callable[[Store], T]) -> T:
        """Return what ``load`` reads of the whole store now; nothing is kept."""
        return self._read(load)

    def _kept(self, sweep: str, question: tuple[Any, ...], load: Callable[[Store], T]) -> T:
        def make() -> T:
            began = time.monotonic()
            answer = self._read(load)
            self._add_cost(sweep, time.monotonic() - began)
            return answer

        return self._answers.get((sweep, self.token(sweep), *question), make)

    def _add_cost(self, sweep: str, seconds: float) -> None:
        with self._lock:
            seen = self._seen.get(sweep)
            if seen is not None:
                self._seen[sweep] = seen._replace(cost_s=seen.cost_s + seconds)

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
