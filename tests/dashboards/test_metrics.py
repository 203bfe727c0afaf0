"""/metrics and /healthz: what Prometheus and probes are told of a store and of a process."""

from __future__ import annotations

import json
import logging
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dashboards.app import make_app
from storage.records import STATES
from storage.schema import REVISION
from storage.store import Store

DOCS = Path(__file__).parents[2] / "docs" / "deployment.md"


def scrape(client: Any) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.mimetype == "text/plain"
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(found: dict, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def test_the_store_is_counted_as_it_is(store_url: str) -> None:
    found = scrape(make_app(store_url).server.test_client())
    assert value(found, "sigmoidf1_store_up") == 1
    assert value(found, "sigmoidf1_store_size_bytes") > 10_000
    # One sweep is finished, one has not begun, and of one a few replicates wait.
    names = ("complete", "running", "waiting")
    states = {name: value(found, "sigmoidf1_sweeps", state=name) for name in names}
    assert states == {"complete": 1, "running": 0, "waiting": 2}
    with Store.open(store_url, create=False, read_only=True) as store:
        for name in store.sweep_names():
            counts = store.counts(store.sweep_id(name))
            told = {s: value(found, "sigmoidf1_replicates", sweep=name, state=s) for s in STATES}
            assert told == {s: counts[s] for s in STATES}


def test_a_sweep_that_runs_has_a_speed_and_its_runs(tmp_path: Path, dashboard_data: Any) -> None:
    url = f"sqlite:///{tmp_path}/sweeps.db"
    with Store.open(url) as store:
        cells = dashboard_data.make_cells([1.0, 2.0], [0.0])
        sweep_id = dashboard_data.add_sweep(store, "s", cells=cells, seeds=2, record=False)
        store.begin_run(sweep_id, "elsewhere/1/2/3/4", host="elsewhere", pid=1, workers=1)
        waiting = [each.replicate_id for each in store.open_replicates(sweep_id)]
        store.claim(waiting[:3], "elsewhere/1/2/3/4", 60.0)
    found = scrape(make_app(url).server.test_client())
    assert value(found, "sigmoidf1_sweeps", state="running") == 1
    assert value(found, "sigmoidf1_replicates", sweep="s", state="running") == 3
    assert value(found, "sigmoidf1_live_runs", sweep="s") == 1
    assert value(found, "sigmoidf1_replicates_per_second", sweep="s") == 0


def test_requests_are_counted_by_pattern_and_not_by_address(store_url: str) -> None:
    client = make_app(store_url).server.test_client()
    for path in ("/map?sweep=finished", "/nowhere", "/api/v1/sweeps", "/api/v1/sweeps/x/nowhere"):
        client.get(path)
    client.open("/map", method="BREW")
    found = scrape(client)
    count = "sigmoidf1_dashboard_requests_total"
    assert value(found, count, method="GET", route="/api/v1/sweeps", status="200") == 1
    api = {"method": "GET", "route": "/api/v1/sweeps/<name>/<part>"}
    assert value(found, count, **api, status="404") == 1
    duration = "sigmoidf1_dashboard_request_duration_seconds_count"
    assert value(found, duration, **api) == 1
    assert value(found, count, method="GET", route="/<path:path>", status="404") == 1
    labels = {label for name, labels in found for label in labels}
    assert ("method", "other") in labels
    assert not any("nowhere" in text or "BREW" in text for _, text in labels)


def test_what_no_callback_foresaw_is_counted(
    store_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(store_url)
    client = app.server.test_client()
    failures = "sigmoidf1_dashboard_callback_failures_total"
    assert value(scrape(client), failures) == 0
    with app.server.test_request_context():
        app._on_error(ValueError("nobody foresaw this"))
    assert value(scrape(client), failures) == 1
    assert "a callback failed" in caplog.text


def test_each_request_is_an_event_without_its_query(
    store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_app(store_url).server.test_client()
    with caplog.at_level(logging.INFO, logger="dashboards.requests"):
        client.get("/map?sweep=finished&x=beta")
        client.get("/healthz")
    (record,) = [each for each in caplog.records if each.name == "dashboards.requests"]
    assert record.event == "request"
    assert record.fields["path"] == "/map"
    assert (record.fields["method"], record.fields["status"]) == ("GET", 200)
    assert record.fields["duration_ms"] > 0


def test_health_says_the_schema(store_url: str) -> None:
    answer = make_app(store_url).server.test_client().get("/healthz")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert json.loads(answer.text) == {"status": "ok", "schema": REVISION, "reason": None}


def test_a_store_that_is_away_or_of_another_version_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "secret-place.db"
    away = make_app(f"sqlite:///{path}").server.test_client()
    answer = away.get("/healthz")
    assert answer.status_code == 503
    # Anybody may ask: what the store is called is for the log.
    assert "secret-place" not in answer.text
    assert value(scrape(away), "sigmoidf1_store_up") == 0
    Store.open(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE sweeps_alembic_version SET version_num = '0001'")
    connection.close()
    older = make_app(f"sqlite:///{path}").server.test_client()
    answer = older.get("/healthz")
    assert answer.status_code == 503
    assert json.loads(answer.text)["schema"] == "0001"
    assert REVISION in json.loads(answer.text)["reason"]
    assert value(scrape(older), "sigmoidf1_store_up") == 0


def test_a_store_that_comes_back_is_healthy_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboards.health._FRESH_S", 0.0)
    path = tmp_path / "sweeps.db"
    client = make_app(f"sqlite:///{path}").server.test_client()
    assert client.get("/healthz").status_code == 503
    Store.open(f"sqlite:///{path}").close()
    assert client.get("/healthz").status_code == 200
    path.unlink()
    assert client.get("/healthz").status_code == 503


def test_every_metric_is_documented(store_url: str) -> None:
    text = make_app(store_url).server.test_client().get("/metrics").text
    ours = set(re.findall(r"^# TYPE (sigmoidf1_\w+)", text, flags=re.MULTILINE))
    assert len(ours) >= 8
    documented = DOCS.read_text(encoding="utf-8")
    assert {name for name in ours if f"`{name}" not in documented} == set()
