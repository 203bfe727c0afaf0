"""The source answers from memory until the store changes, and survives one that goes away."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dashboards.answers import Answers, size_of
from dashboards.source import Source
from storage.errors import StoreError, SweepNotFoundError
from storage.store import Store


def test_answers_are_kept_until_the_sweep_changes(tmp_path: Path, dashboard_data) -> None:
    url = f"sqlite:///{tmp_path}/sweeps.db"
    cells = dashboard_data.make_cells([1.0, 2.0], [0.0])
    with Store.open(url) as store:
        sweep_id = dashboard_data.add_sweep(store, "s", cells=cells, seeds=2, record=False)
        source = Source(url, max_age_s=0.0)
        before = source.replicates("s")
        assert source.replicates("s") is before
        token = source.token("s")
        dashboard_data.record_results(store, sweep_id, cells)
        assert source.token("s") != token
        assert (source.replicates("s")["state"] == "complete").all()
        source.close()


def test_an_unknown_sweep_is_said_by_name(source: Source) -> None:
    with pytest.raises(SweepNotFoundError, match="movie-genre"):
        source.sweep("movie-genre")
    assert source.losses("movie-genres")[0] == "sigmoid_f1"


def test_a_store_that_is_not_there_yet_is_read_once_it_is(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/later.db"
    source = Source(url)
    with pytest.raises(StoreError):
        source.sweeps()
    Store.open(url).close()
    assert source.sweeps().empty
    source.close()


def test_the_store_is_opened_for_reading_only(store_url: str) -> None:
    source = Source(store_url)
    source.sweeps()
    assert source._store is not None
    assert source._store.read_only
    source.close()


def test_one_of_many_who_ask_reads_and_the_rest_wait() -> None:
    answers, made = Answers(10**6), []

    def make() -> np.ndarray:
        made.append(threading.get_ident())
        time.sleep(0.05)
        return np.zeros(10)

    threads = [threading.Thread(target=answers.get, args=("key", make)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_answers_are_bounded_by_their_bytes_and_the_oldest_go_first() -> None:
    answers = Answers(3 * 8000)
    for name in "abc":
        answers.get(name, lambda: np.zeros(1000))
    kept = answers.get("a", lambda: np.ones(1))
    assert kept.sum() == 0
    answers.get("d", lambda: np.zeros(1000))
    assert answers.get("b", lambda: np.ones(1)).sum() == 1
    assert answers.get("d", lambda: np.ones(1)).sum() == 0
    answers.forget(lambda key: key == "d")
    assert answers.get("d", lambda: np.ones(1)).sum() == 1
    frame = pd.DataFrame({"x": np.zeros(500)})
    assert 4000 <= size_of((frame, [np.zeros(100)] * 3)) < 8000


def test_an_answer_that_fails_is_asked_for_again() -> None:
    answers = Answers(1000)
    with pytest.raises(StoreError):
        answers.get("key", lambda: _raise(StoreError("gone")))
    assert answers.get("key", lambda: 7) == 7


def _raise(error: Exception) -> None:
    raise error


def test_a_sweep_that_takes_long_to_read_is_followed_less_often(
    tmp_path: Path, dashboard_data, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/sweeps.db"
    cells = dashboard_data.make_cells([1.0], [0.0])
    with Store.open(url) as store:
        sweep_id = dashboard_data.add_sweep(store, "s", cells=cells, seeds=2, record=False)
        source = Source(url, max_age_s=0.001)
        token = source.token("s")
        source.ask("s", ("slow",), lambda _: time.sleep(0.3))
        dashboard_data.record_results(store, sweep_id, cells)
        time.sleep(0.01)
        assert source.token("s") == token
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 60)
        assert source.word("s") != token
        assert source.token("s") == source.word("s")
        source.close()
