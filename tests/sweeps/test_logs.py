"""--log-format json: one object a line, for errors, warnings and every step of a run."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from storage.records import PlanCounts
from sweeps.cli import logs
from sweeps.cli.pace import Pace
from sweeps.cli.progress_events import ProgressEvents
from sweeps.run_records import RunSummary
from sweeps.scheduling.recorder import RunStatus

MAIN = "from sweeps.cli.main import main; main()"


def sigmoidf1(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MAIN, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
    )


@pytest.fixture
def as_json() -> Iterator[None]:
    levels = {name: logging.getLogger(name).level for name in (None, *logs.PACKAGES)}
    logs.configure(logs.LogFormat.json)
    yield
    logs.configure(logs.LogFormat.text)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (("--log-format", "json", "sweep", "list", "--store", "sqlite:///no.db"), {}),
        (("dashboard", "--log-format", "json", "--store", "sqlite:///no.db"), {}),
        (("sweep", "list", "--store", "sqlite:///no.db"), {"SIGMOIDF1_LOG_FORMAT": "json"}),
    ],
)
def test_an_error_is_one_object(arguments: tuple[str, ...], variables: dict[str, str]) -> None:
    done = sigmoidf1(*arguments, **variables)
    assert done.returncode == 1
    (event,) = events(done.stderr)
    assert (event["level"], event["event"]) == ("error", "error")
    assert "There is no store at" in event["message"]
    assert datetime.fromisoformat(event["time"]).tzinfo is not None


def test_a_wrong_command_is_an_object_too_and_text_stays_text() -> None:
    done = sigmoidf1("--log-format", "json", "bogus")
    assert done.returncode == 2
    assert "No such command" in events(done.stderr)[0]["message"]
    done = sigmoidf1("bogus")
    assert done.stderr.startswith("Error: No such command")


def test_an_unknown_format_is_refused() -> None:
    done = sigmoidf1("--log-format", "xml", "sweep", "list")
    assert done.returncode == 2
    assert "'xml' is not one of 'text', 'json'" in done.stderr


@pytest.mark.usefixtures("as_json")
def test_records_and_warnings_of_any_library_are_objects(capfd: pytest.CaptureFixture) -> None:
    # The handler writes to the standard error of the moment it was made.
    logs.configure(logs.LogFormat.json)
    logging.getLogger("another.library").warning("line one\nline two %s", "ü")
    logging.getLogger("another.library").info("not told")
    try:
        raise ValueError("inner")
    except ValueError:
        logging.getLogger("sweeps.runner").exception("it failed")
    logs.say_warning("mind this")
    found = events(capfd.readouterr().err)
    assert [each["message"] for each in found] == ["line one\nline two ü", "it failed", "mind this"]
    assert "ValueError: inner" in found[1]["exception"]
    assert [each["level"] for each in found] == ["warning", "error", "warning"]


@pytest.mark.usefixtures("as_json")
def test_every_step_of_a_run_is_an_event(capfd: pytest.CaptureFixture) -> None:
    logs.configure(logs.LogFormat.json)
    counts = PlanCounts(total=12, added=12, removed=0, done=2, open=10)
    status = RunStatus(finished={"complete": 4, "diverged": 1, "failed": 0}, partial_heads=2.5)
    over = RunStatus(finished={"complete": 8, "diverged": 1, "failed": 1}, stop="finish")
    with ProgressEvents(sweep="films") as display:
        display.embedding(1, 10)
        display.embedding(5, 10)  # within ten seconds of the one before
        display.embedding(10, 10)
        display.planned(counts)
        display.training(status)
        display.training(over)
        display.training(over)
        display.keeping(3, 3)
        display.close_with(
            RunSummary(
                sweep="films",
                plan=counts,
                trained=over.finished,
                errors=["out of memory"],
                seconds={"total": 1.23456},
            )
        )
    found = events(capfd.readouterr().err)
    assert [(each["event"], each["level"]) for each in found] == [
        ("embedding", "info"),
        ("embedding", "info"),
        ("planned", "info"),
        ("training", "info"),
        ("told_to_stop", "info"),
        ("training", "info"),
        ("keeping", "info"),
        ("replicates_failed", "error"),
        ("finished", "info"),
    ]
    assert all(each["sweep"] == "films" for each in found)
    assert (found[1]["done"], found[1]["total"]) == (10, 10)
    assert (found[2]["open"], found[2]["done"]) == (10, 2)
    assert found[3]["states"] == {"complete": 4, "diverged": 1, "failed": 0}
    assert found[3]["heads_per_s"] > 0
    assert found[-2]["reason"] == "out of memory"
    assert found[-1]["seconds"] == {"total": 1.235}


def test_the_pace_counts_what_trains_and_leaves_out_others() -> None:
    pace = Pace()
    pace.begin(10)
    now = pace.look(RunStatus(finished={"complete": 4}, taken_elsewhere=2, partial_heads=1.0))
    assert (now.done, now.finished, now.worked, now.open) == (4, 6, 7.0, 10)
    assert now.rate > 0
    assert now.left_s == pytest.approx(3 / now.rate)
    assert not now.idle
    assert Pace().look(RunStatus()).left_s is None
