"""The source answers from memory until the store changes, and survives one that goes away."""

from __future__ import annotations

from pathlib import Path

import pytest

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
