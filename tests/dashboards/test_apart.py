"""Long statistics are computed in a process of their own, and are the same there."""

from __future__ import annotations

import importlib
import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboards import apart as apart_module
from dashboards import source as source_module
from dashboards.apart import compute_apart
from dashboards.figures.compare import transfer_data
from dashboards.figures.sensitivity import analysis_of
from dashboards.source import Source
from storage.errors import StoreError, SweepNotFoundError
from storage.frames import load_sweep
from storage.store import Store


@pytest.fixture
def apart(store_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A source that computes everything apart, and the processes that it started."""
    started: list[Any] = []

    def counted(url: str, function: Any) -> Any:
        started.append(function)
        return compute_apart(url, function)

    monkeypatch.setattr(source_module, "_MANY_REPLICATES", 0)
    monkeypatch.setattr(source_module, "compute_apart", counted)
    source = Source(store_url, apart=True)
    yield source, started
    source.close()


def test_statistics_are_those_of_this_process(store_url: str, apart: Any) -> None:
    other, started = apart
    with Store.open(store_url, read_only=True) as store:
        source = Source(store)
        here = analysis_of(source, "movie-genres", loss="sigmoid_f1")
        mine = transfer_data(source, "movie-genres", "finished", "sigmoid_f1", "weighted_f1")
    there = analysis_of(other, "movie-genres", loss="sigmoid_f1")
    assert there.to_dict() == here.to_dict()
    assert analysis_of(other, "movie-genres", loss="sigmoid_f1") is there
    assert len(started) == 1
    theirs = transfer_data(other, "movie-genres", "finished", "sigmoid_f1", "weighted_f1")
    np.testing.assert_array_equal(mine.regret, theirs.regret)
    assert len(started) == 2


def test_a_small_sweep_is_computed_here(
    source: Source, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "compute_apart", lambda *_: pytest.fail("it is small"))
    own = Source(store_url, apart=True)
    assert analysis_of(own, "finished").to_dict() == analysis_of(source, "finished").to_dict()
    own.close()


FUNCTIONS = """
import os, signal

def die(store):
    os.kill(os.getpid(), signal.SIGKILL)

class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")

def fail(store):
    raise Odd(1, 2)

def unsent(store):
    return lambda: None
"""


def test_errors_and_deaths_are_told(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "odd_functions.py").write_text(FUNCTIONS)
    monkeypatch.syspath_prepend(str(tmp_path))
    odd = importlib.import_module("odd_functions")
    with pytest.raises(SweepNotFoundError, match="'gone'"):
        compute_apart(store_url, partial(load_sweep, name="gone"))
    with pytest.raises(StoreError, match="without an answer"):
        compute_apart(store_url, odd.die)
    with pytest.raises(StoreError, match="1 and 2"):
        compute_apart(store_url, odd.fail)
    with pytest.raises(StoreError, match="could not be sent"):
        compute_apart(store_url, odd.unsent)


def test_those_who_would_wait_long_are_told(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart_module, "_WAITING", threading.BoundedSemaphore(1))
    with apart_module._WAITING, pytest.raises(StoreError, match="Ask again in a minute"):
        compute_apart(store_url, partial(load_sweep, name="movie-genres"))
    assert compute_apart(store_url, partial(load_sweep, name="finished")).name == "finished"
