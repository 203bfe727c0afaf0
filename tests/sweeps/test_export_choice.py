"""Exports by other rules, metrics and thresholds, with how sure they are; and exact specs."""

from __future__ import annotations

import json
import logging
import tomllib

import pytest
import yaml
from typer.testing import CliRunner

from storage.errors import RecordError
from storage.store import Store
from sweeps.cli.main import app
from sweeps.errors import SweepError
from sweeps.export import export_best, format_export
from sweeps.plan import make_plan
from sweeps.runner import RunOptions, run_sweep
from sweeps.spec import load_spec, parse_spec

RUNNER = CliRunner()
OPTIONS = RunOptions(workers=1)


@pytest.fixture(scope="module")
def url(tmp_path_factory, features_file):
    spec = parse_spec(
        {
            "sweep": "small",
            "data": {"dataset": "features", "path": str(features_file)},
            "training": {"epochs": 6, "batch_size": 32, "lr": [0.01, 0.03]},
            "seeds": [3, 0, 5],
            "losses": {
                "sigmoid_f1": {"beta": [1, 3, 10], "eta": [0, 1]},
                "focal": {"gamma": [1, 2], "alpha": None},
                "bce": {},
            },
        }
    )
    found = f"sqlite:///{tmp_path_factory.mktemp('exported')}/s.db"
    run_sweep(spec, found, options=OPTIONS)
    return found


@pytest.fixture
def store(url):
    with Store.open(url, create=False, read_only=True) as opened:
        yield opened


def by_loss(export):
    return {result["loss"]: result for result in export["results"]}


def test_statistics_are_added_and_nothing_is_changed(store):
    plain, sure = export_best(store), export_best(store, statistics=True)
    for a, b in zip(plain["results"], sure["results"], strict=True):
        assert {key: b[key] for key in a} == a
        added = [key for key in b if key not in a]
        assert added == [
            "rule", "threshold", "intervals", "tied", "plateau", "probability_best",
            "intervals_over_examples", "threshold_rules",
        ]  # fmt: skip
    json.dumps(sure, allow_nan=False)
    best = by_loss(sure)["sigmoid_f1"]
    interval = best["intervals"]["test"]["weighted_f1"]
    assert interval["low"] < best["test"]["weighted_f1"]["mean"] < interval["high"]
    assert best["intervals"]["over"] == "seeds"
    assert best["tied"]["includes_choice"] is True
    assert 1 <= best["tied"]["size"] == len(best["tied"]["cells"]) <= best["tied"]["of"] <= 12
    assert best["tied"]["cells"][0]["key"] == best["provenance"]["cell_key"]
    assert best["tied"]["cells"][0]["hyperparameters"] == best["hyperparameters"]
    assert 0 < best["plateau"]["share"] <= 1
    assert 0 <= best["probability_best"]["value"] <= 1
    tuned = best["threshold"]["tuned"]
    assert tuned["validation"] >= best["validation"]["weighted_f1"]["mean"] - 1e-5
    assert best["threshold"]["how"] == "objective"


def test_rules(store):
    robust = by_loss(export_best(store, rule="robust", statistics=True))
    assert robust["sigmoid_f1"]["rule"] == {"name": "robust", "fallback": None}
    assert robust["sigmoid_f1"]["provenance"]["rule"].startswith("the best mean of a cell and its")
    lower = by_loss(export_best(store, rule="lower-bound"))
    assert lower["sigmoid_f1"]["provenance"]["rule"].startswith("the best one-sided 95 % lower")
    assert "tied" not in lower["sigmoid_f1"]
    with pytest.raises(SweepError, match="Did you mean 'robust'"):
        export_best(store, rule="robus")


def test_a_rule_that_cannot_choose_says_why(store):
    only = by_loss(export_best(store, losses=["bce"], rule="robust", statistics=True))["bce"]
    assert only["rule"]["name"] in {"mean", "robust"}
    if only["rule"]["name"] == "mean":
        assert "neighbours" in only["rule"]["fallback"]


def test_another_metric_chooses_and_is_named(store):
    found = by_loss(export_best(store, metric="hamming_loss"))["sigmoid_f1"]
    assert found["objective"]["metric"] == "hamming_loss"
    other = by_loss(export_best(store))["sigmoid_f1"]
    assert (
        found["validation"]["hamming_loss"]["mean"] <= other["validation"]["hamming_loss"]["mean"]
    )
    with pytest.raises(SweepError, match="Unknown metric 'hamming'"):
        export_best(store, metric="hamming")


def test_a_given_threshold_is_chosen_and_reported_at(store):
    found = by_loss(export_best(store, threshold=0.05, statistics=True))["focal"]
    assert found["objective"]["threshold"] == 0.05
    assert found["threshold"]["how"] == "given"
    assert "map" in found["validation"]
    assert "hamming_loss" not in found["validation"]
    assert len(found["validation"]["micro_f1"]["values"]) == 3
    with pytest.raises(RecordError, match="The nearest kept one"):
        export_best(store, threshold=0.051)


def test_tuned_thresholds(store):
    fixed = by_loss(export_best(store, statistics=True))
    tuned = by_loss(export_best(store, threshold="tuned", statistics=True))
    for loss, found in tuned.items():
        assert found["threshold"]["how"] == "tuned on validation"
        assert found["objective"]["threshold"] == found["threshold"]["value"]
        mean = found["validation"]["weighted_f1"]["mean"]
        assert mean == pytest.approx(found["threshold"]["tuned"]["validation"], abs=1e-9)
        assert mean >= fixed[loss]["threshold"]["tuned"]["validation"] - 1e-9
        assert found["test"]["weighted_f1"]["mean"] == pytest.approx(
            found["threshold"]["tuned"]["test"], abs=1e-9
        )
    with pytest.raises(SweepError, match="A threshold can be tuned for a metric"):
        export_best(store, metric="map", threshold="tuned")


def test_one_seed_and_no_result(tmp_path, features_file, caplog):
    spec = {
        "sweep": "one",
        "data": {"dataset": "features", "path": str(features_file)},
        "training": {"epochs": 2, "lr": 0.01},
        "seeds": [0],
        "losses": {"sigmoid_f1": {"beta": [1, 3]}, "bce": {}},
    }
    url = f"sqlite:///{tmp_path}/one.db"
    run_sweep(parse_spec(spec), url, options=OPTIONS)
    more = make_plan(parse_spec(spec | {"losses": spec["losses"] | {"focal": {}}}))
    with Store.open(url) as store:
        store.plan(store.sweep_id("one"), more.cells, more.seeds)
        with caplog.at_level(logging.WARNING):
            found = by_loss(export_best(store, rule="lower-bound", statistics=True))
        assert set(found) == {"sigmoid_f1", "bce"}
        assert "focal" in caplog.text
        tuned = by_loss(export_best(store, threshold="tuned", statistics=True))
        assert tuned["sigmoid_f1"]["n_seeds"] == 1
    best = found["sigmoid_f1"]
    assert best["rule"]["name"] == "mean"
    assert "one seed" in best["rule"]["fallback"]
    assert best["intervals"]["test"]["weighted_f1"]["low"] is None
    assert best["tied"]["size"] is None
    assert "one seed" in best["tied"]["reason"]
    assert best["probability_best"]["value"] is None
    for format in ("yaml", "json", "csv", "toml", "latex"):
        assert format_export({"results": list(found.values())}, format)


def test_an_exported_spec_trains_exactly_this_cell(url, tmp_path):
    arguments = ["export", "best", "--store", url, "--loss", "sigmoid_f1"]
    spec = tmp_path / "best.yaml"
    done = RUNNER.invoke(app, [*arguments, "--spec", "-o", str(spec)], catch_exceptions=False)
    assert f"sigmoidf1 sweep run {spec}" in done.stdout.replace("\n", "")
    again = f"sqlite:///{tmp_path}/again.db"
    run_sweep(load_spec(spec), again, options=OPTIONS)
    with Store.open(url) as first, Store.open(again) as second:
        (a,) = export_best(first, losses=["sigmoid_f1"])["results"]
        (b,) = export_best(second)["results"]
    assert b["sweep"] == "small-sigmoid_f1-best"
    assert b["provenance"]["cell_key"] == a["provenance"]["cell_key"]
    assert (b["validation"], b["test"]) == (a["validation"], a["test"])


def test_the_command_line(url, tmp_path):
    command = ["export", "best", "--store", url]
    shown = RUNNER.invoke(app, [*command, "--threshold", "tuned", "--rule", "robust"])
    assert yaml.safe_load(shown.stdout)["results"][0]["threshold"]["how"] == "tuned on validation"
    toml = tmp_path / "best.toml"
    assert RUNNER.invoke(app, [*command, "-o", str(toml)]).exit_code == 0
    assert tomllib.loads(toml.read_text())["results"][0]["tied"]["size"]
    tex = tmp_path / "best.tex"
    assert RUNNER.invoke(app, [*command, "-o", str(tex)]).exit_code == 0
    assert r"\begin{tabular}" in tex.read_text()
    printed = RUNNER.invoke(app, [*command, "--loss", "bce", "--spec"])
    assert make_plan(parse_spec(yaml.safe_load(printed.stdout))).sweep == "small-bce-best"
    folder = RUNNER.invoke(app, [*command, "--spec", "-o", str(tmp_path)])
    assert folder.stdout.count("Wrote") == 3


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--threshold", "2"], 2),
        (["--threshold", "tune"], 2),
        (["--rule", "median"], 2),
        (["--spec", "--format", "json"], 2),
        (["--spec"], 1),
        (["--metric", "f1"], 1),
    ],
)
def test_bad_options(url, arguments, status):
    assert RUNNER.invoke(app, ["export", "best", "--store", url, *arguments]).exit_code == status
