"""What runs leave behind for `sweep logs`, and what that command says of jobs."""

from __future__ import annotations

import io
import logging
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from storage.records import PlanCounts
from sweeps.cli import progress, run_log
from sweeps.cli.logs import LogFormat, configure
from sweeps.cli.pace import Pace
from sweeps.cli.progress_events import ProgressEvents
from sweeps.cluster.jobs import Job
from sweeps.cluster.shipping import JOB_VARIABLE
from sweeps.run_records import RunSummary
from sweeps.scheduling.recorder import RunStatus
from sweeps.scheduling.speed import Straggler


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'films.db'}"


@pytest.fixture(autouse=True)
def text_log():
    configure(LogFormat.text)


@pytest.fixture
def terminal():
    """What a handler of the root logger writes, as the one on standard error does."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logging.getLogger().addHandler(handler)
    yield written
    logging.getLogger().removeHandler(handler)


def test_a_run_keeps_its_log_beside_the_store(url, tmp_path, terminal):
    with run_log.kept_log(url, "films"):
        (log,) = run_log.run_logs(url, "films")
        assert not log.is_over()
        ProgressEvents(sweep="films").embedding(3, 3)
        logging.getLogger("sweeps.runner").warning("skipped 2")
    assert log.path.parent == tmp_path / "films.logs" / "films"
    assert log.is_over()
    assert (datetime.now(UTC) - log.started_at).total_seconds() < 300
    said = log.read()
    assert "INFO films: 3 of 3 examples" in said
    assert "WARNING skipped 2" in said
    assert said.endswith("INFO ended\n")
    # On the terminal the progress is drawn, and only warnings are written.
    assert terminal.getvalue() == "skipped 2\n"
    logging.getLogger("sweeps.runner").info("later")
    assert "later" not in log.read()


def test_what_ends_a_run_is_in_its_log(url):
    with pytest.raises(ValueError, match="no room"), run_log.kept_log(url, "films"):
        raise ValueError("no room")
    (log,) = run_log.run_logs(url, "films")
    assert "ERROR no room" in log.read()


def test_a_killed_run_is_over_and_old_logs_go(url, tmp_path, monkeypatch):
    monkeypatch.setattr(run_log, "KEPT_LOGS", 2)
    folder = tmp_path / "films.logs" / "films"
    folder.mkdir(parents=True)
    for day in (1, 2, 3):
        owner = run_log.this_run().owner.split("/")
        owner[1] = "999999999"
        text = f"2026-01-0{day} INFO run {'/'.join(owner)}\nhalf a line"
        (folder / f"2026010{day}T000000-here-1.log").write_text(text, encoding="utf-8")
    assert [log.is_over() for log in run_log.run_logs(url, "films")] == [True] * 3
    with run_log.kept_log(url, "films"):
        pass
    assert next(log.started_at.day for log in run_log.run_logs(url, "films")) == 3


def test_a_job_keeps_no_file_and_an_unwritable_place_stops_nothing(url, tmp_path, monkeypatch):
    monkeypatch.setenv(JOB_VARIABLE, "{}")
    with run_log.kept_log(url, "films"):
        pass
    assert not (tmp_path / "films.logs").exists()
    monkeypatch.delenv(JOB_VARIABLE)
    (tmp_path / "films.logs").write_text("a file is in the way", encoding="utf-8")
    with run_log.kept_log(url, "films"):
        pass
    assert run_log.run_logs(url, "films") == []
    with run_log.kept_log(f"sqlite:///{tmp_path}/misspelt/films.db", "films"):
        pass
    assert not (tmp_path / "misspelt").exists()


def test_logs_of_postgres_stores_lie_in_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGMOIDF1_LOGS", str(tmp_path))
    folder = run_log.log_folder("postgresql://ann:secret@db.example/sweeps")
    assert folder == tmp_path / "db.example-sweeps"


def test_sweep_logs_prints_the_last_run(url, sigmoidf1):
    for text in ("first", "second"):
        with run_log.kept_log(url, "films"):
            logging.getLogger("sweeps").warning(text)
        (log,) = run_log.run_logs(url, "films")[-1:]
        log.path.rename(log.path.with_name(f"20260101T00000{len(text)}-{text}.log"))
    done = sigmoidf1("sweep", "logs", "films", "--store", url, "--follow")
    assert "second" in done.stdout
    assert "first" not in done.stdout
    listed = sigmoidf1("sweep", "logs", "films", "--store", url, "--list", "--json").stdout
    assert listed.index("-first") < listed.index("-second")
    named = sigmoidf1("sweep", "logs", "films", "--store", url, "--run", "20260101T000005-first")
    assert "first" in named.stdout
    unknown = sigmoidf1("sweep", "logs", "films", "--store", url, "--run", "x")
    assert (unknown.returncode, "Known: " in unknown.stderr) == (1, True)
    none = sigmoidf1("sweep", "logs", "others", "--store", url)
    assert none.returncode == 1
    assert "give the cluster's job server by --ray-address" in none.stderr


@pytest.mark.parametrize("quiet", [False, True])
def test_what_is_drawn_is_not_logged_on_the_terminal_too(url, terminal, capfd, monkeypatch, quiet):
    def run(spec, store_url, *, options, listener):
        counts = PlanCounts(total=2, added=2, removed=0, done=0, open=2)
        listener.planned(counts)
        listener.training(RunStatus(stragglers=[Straggler(4, "node-b/123", 840.0, 240.0)]))
        logging.getLogger("sweeps.runner").warning("skipped 2")
        return RunSummary(
            sweep=spec.sweep, plan=counts, trained={"failed": 2}, errors=["out of memory"],
            seconds={"total": 1.0},
        )  # fmt: skip

    monkeypatch.setattr(progress, "run_sweep", run)
    configure(LogFormat.text)  # writes to the standard error that is captured here
    progress.run_with_progress(SimpleNamespace(sweep="films"), url, None, quiet=quiet)
    seen = capfd.readouterr().err
    (log,) = run_log.run_logs(url, "films")
    for text in ("Pack 4 on node-b", "out of memory", "skipped 2"):
        assert (seen.count(text), log.read().count(text)) == (1, 1), text
    assert ("Pack 4" in terminal.getvalue()) == quiet
    logging.getLogger("sweeps.cli.progress_events").warning("later")
    assert "later" in terminal.getvalue()


def test_a_straggler_is_named_once():
    pace, status = Pace(), RunStatus()
    status.stragglers = [Straggler(4, "node-b/123", 840.0, 240.0)]
    (line,) = pace.new_stragglers(status)
    assert line == (
        "Pack 4 on node-b, process 123 is slow: 14 min so far, where 4 min were expected."
    )
    assert pace.new_stragglers(status) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ray-address", "auto"], "begins with http"),
        (["--ray-address", "http://cluster.example:8265"], "a file of this machine"),
    ],
)
def test_submit_says_what_it_needs(make_spec, url, sigmoidf1, arguments, message):
    done = sigmoidf1("sweep", "submit", make_spec(), "--store", url, *arguments)
    assert done.returncode == 1
    assert message in done.stderr


def test_a_job_lives_until_it_has_ended():
    def job(status: str) -> Job:
        return Job("j", "films", status, None, "")

    assert [job(s).live for s in ("pending", "running", "succeeded", "stopped")] == [
        True,
        True,
        False,
        False,
    ]
