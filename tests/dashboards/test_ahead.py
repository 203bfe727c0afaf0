"""What is made in advance: the latest wish, once, and no worse for failing."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from dashboards.ahead import Ahead
from dashboards.pages import map as map_page
from dashboards.source import Source


def wait_until(condition: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_of_several_wishes_only_the_latest_is_made() -> None:
    made: list[str] = []
    ahead = Ahead(pause_s=0.1)
    for name in "abc":
        ahead.wish(lambda name=name: made.append(name))
    wait_until(lambda: made)
    time.sleep(0.2)
    assert made == ["c"]
    ahead.wish(lambda: made.append("d"))
    wait_until(lambda: made == ["c", "d"])


def test_a_wish_that_fails_or_is_dropped_harms_nothing() -> None:
    begun, made = threading.Event(), threading.Event()

    def fail() -> None:
        begun.set()
        raise ZeroDivisionError

    ahead = Ahead(pause_s=0.05)
    ahead.wish(fail)
    assert begun.wait(20)
    ahead.wish(lambda: pytest.fail("it was dropped"))
    ahead.drop()
    time.sleep(0.15)
    ahead.wish(made.set)
    assert made.wait(20)


def test_a_slider_that_steps_finds_the_next_step_drawn(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first step draws itself and its successor; a jump draws nothing in advance."""
    drawn: list[float] = []
    draw = map_page._drawing
    monkeypatch.setattr(
        map_page,
        "_drawing",
        lambda source, data, view, *rest: (
            drawn.append(view.threshold) or draw(source, data, view, *rest)
        ),
    )
    source = Source(store_url)
    thresholds = [float(t) for t in source.sweep("movie-genres").thresholds]
    context = {"viewport": "wide", "scheme": "light", "token": source.token("movie-genres")}
    asked = {
        "sweep": "movie-genres", "loss": "sigmoid_f1", "metric": "weighted_f1", "split": "val",
        "x": None, "y": None, "held": [], "names": [], "agg": "mean", "xs": "even", "ys": "even",
        "kind": "cells", "outline": "best", "low": "", "high": "", "seeds": [], "picked": None,
    }  # fmt: skip
    assert set(asked) | {"position"} == set(map_page.ASKED)

    def step(position: int, before: int) -> None:
        now = {**asked, "position": position}
        map_page._kept_drawing(source, "movie-genres", map_page.asked_view(source, now), context)
        map_page._draw_ahead(source, now, context, before)

    step(5, 4)
    wait_until(lambda: drawn == [thresholds[5], thresholds[6]])
    step(6, 5)
    wait_until(lambda: drawn[2:] == [thresholds[7]])
    step(2, 7)
    step(0, 1)
    time.sleep(0.3)
    assert drawn[3:] == [thresholds[2], thresholds[0]]
    source.close()


def test_closing_waits_for_what_is_being_made() -> None:
    begun, ended = threading.Event(), threading.Event()

    def make() -> None:
        begun.set()
        time.sleep(0.3)
        ended.set()

    ahead = Ahead(pause_s=0.0)
    ahead.wish(make)
    assert begun.wait(20)
    ahead.drop(wait_s=20)
    assert ended.is_set()
