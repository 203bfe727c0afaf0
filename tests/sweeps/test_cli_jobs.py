"""Submitted sweeps on the command line: which store they may use, which jobs `sweep stop` ends."""

from __future__ import annotations

import json

import pytest

from storage.records import SweepRecord
from storage.store import Store
from sweeps.cli import sweep_jobs
from sweeps.cluster.jobs import Job
from sweeps.errors import SweepError
from sweeps.scheduling.identity import this_run

LOOPBACK = "http://127.0.0.1:9"  # where nobody answers


@pytest.fixture(autouse=True)
def no_store_named(monkeypatch):
    monkeypatch.delenv("SIGMOIDF1_STORE", raising=False)


def test_a_file_goes_to_a_job_server_on_loopback_only_if_it_was_named(
    make_spec, sigmoidf1, monkeypatch, tmp_path
):
    url = f"sqlite:///{tmp_path / 'films.db'}"
    submit = ("sweep", "submit", make_spec(), "--ray-address", LOOPBACK)
    default = sigmoidf1(*submit)
    assert default.returncode == 1
    assert "a file of this machine" in default.stderr
    assert "if the cluster is this machine itself" in default.stderr
    assert len(default.stderr.splitlines()) == 1

    def reach(address: str) -> None:
        raise SweepError(f"{address} is asked")

    monkeypatch.setattr("sweeps.cluster.jobs.JobServer", reach)
    assert f"{LOOPBACK} is asked" in sigmoidf1(*submit, "--store", url).stderr
    monkeypatch.setenv("SIGMOIDF1_STORE", url)
    assert f"{LOOPBACK} is asked" in sigmoidf1(*submit).stderr


class Server:
    """A job server with jobs of one sweep."""

    def __init__(self, *jobs: Job) -> None:
        self._jobs = jobs
        self.stopped: list[str] = []

    def jobs(self, _name: str) -> tuple[Job, ...]:
        return self._jobs

    def stop(self, job: str) -> None:
        self.stopped.append(job)


def job(name: str, status: str = "running", pid: int | None = None) -> Job:
    return Job(name, "small", status, None, "", pid)


@pytest.fixture
def url(tmp_path) -> str:
    """A store with a sweep and its revision, on which nobody works."""
    url = f"sqlite:///{tmp_path / 'films.db'}"
    with Store.open(url) as store:
        for name in ("small", "small.r2"):
            record = SweepRecord(
                name=name,
                spec={"sweep": name},
                spec_hash="abc",
                identity={},
                dataset="csv",
                encoder="minilm",
                dataset_fingerprint="f" * 64,
                features_info={"labels": ["x", "y"]},
                objective={"metric": "macro_f1", "split": "validation", "threshold": 0.5},
                metrics=[],
                thresholds=[0.5],
            )
            store.put_sweep(record)
    return url


def begin(url: str, sweep: str) -> int:
    """A run of this process; its number."""
    run = this_run()
    with Store.open(url) as store:
        store.begin_run(store.sweep_id(sweep), run.owner, host=run.host, pid=run.pid, workers=1)
    return run.pid


def test_stop_ends_the_jobs_that_do_not_train_and_tells_the_one_that_does(
    url, sigmoidf1, monkeypatch
):
    pid = begin(url, "small")
    server = Server(
        job("trains", pid=pid),
        job("embeds", pid=999999999),
        job("waits", "pending"),
        job("over", "succeeded"),
    )
    monkeypatch.setattr(sweep_jobs, "job_server", lambda _address: server)
    done = sigmoidf1("sweep", "stop", "small", "--store", url)
    assert server.stopped == ["embeds", "waits"]
    assert done.stdout.splitlines()[0] == "Ended embeds, waits."
    assert "Told 1 run to finish" in done.stdout


def test_stop_ends_a_job_whose_training_is_over(url, sigmoidf1, monkeypatch):
    server = Server(job("keeps", pid=1))
    monkeypatch.setattr(sweep_jobs, "job_server", lambda _address: server)
    done = sigmoidf1("sweep", "stop", "small", "--store", url)
    assert (server.stopped, done.stdout) == (["keeps"], "Ended keeps.\n")
    answer = json.loads(sigmoidf1("sweep", "stop", "small", "--store", url, "--json").stdout)
    assert (answer["told"], answer["jobs"]) == (0, ["keeps"])


def test_stop_leaves_a_job_that_trains_a_revision(url, sigmoidf1, monkeypatch):
    server = Server(job("revision", pid=begin(url, "small.r2")))
    monkeypatch.setattr(sweep_jobs, "job_server", lambda _address: server)
    done = sigmoidf1("sweep", "stop", "small", "--store", url)
    assert server.stopped == []
    assert "there is nothing to stop" in done.stdout
