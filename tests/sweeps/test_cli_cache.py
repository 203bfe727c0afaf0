"""``sigmoidf1 cache``: list, prune, verify."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from sigmoidf1.cache import FeatureCache
from sweeps.cli.cache import app


@pytest.fixture
def cache(tmp_path):
    cache = FeatureCache(tmp_path)
    for name in ("minilm", "timm:resnet18"):
        cache.get_or_compute(
            {"encoder": name, "inputs": "abc"},
            lambda: (np.zeros((10, 4), np.float32), 1.0, {"dataset": "films"}),
        )
    return cache


@pytest.fixture
def run(tmp_path):
    def run(*arguments):
        return CliRunner().invoke(app, [*arguments, "--cache-dir", str(tmp_path)])

    return run


def test_every_command_has_help_and_an_example():
    for command in ("list", "prune", "verify"):
        shown = CliRunner().invoke(app, [command, "--help"])
        assert shown.exit_code == 0
        assert f"Example: sigmoidf1 cache {command}" in shown.output
        assert "--json" in shown.output


def test_list(cache, run):
    shown = run("list")
    assert "minilm" in shown.output
    assert "2 entries, " in shown.output
    assert f"in {cache.folder}" in shown.output.replace("\n", "")
    listed = json.loads(run("list", "--json").output)
    assert {entry["encoder"] for entry in listed["entries"]} == {"minilm", "timm:resnet18"}
    assert listed["size_bytes"] == sum(entry["size_bytes"] for entry in listed["entries"])


def test_an_empty_cache(run):
    assert run("list").output.startswith("0 entries, 0 B, in ")
    assert run("verify").output == "0 entries, 0 B: 0 damaged.\n"


def test_prune(cache, run):
    told = run("prune", "--max-size", "0", "--dry-run")
    assert "Would remove 2 entries" in told.output
    pruned = json.loads(run("prune", "--max-size", "0.9 kB", "--json").output)
    assert [entry["reason"] for entry in pruned["entries"]] == ["budget"]
    assert "Removed 1 entries" in run("prune", "--older-than", "0").output
    assert json.loads(run("list", "--json").output)["entries"] == []


@pytest.mark.parametrize("arguments", [("--max-size", "much"), ("--older-than", "-1")])
def test_bad_limits_are_refused(run, arguments):
    assert run("prune", *arguments).exit_code == 2


def test_verify(cache, run):
    assert run("verify").exit_code == 0
    damaged = next(cache.folder.glob("*.safetensors"))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    shown = run("verify")
    assert shown.exit_code == 1
    assert "bytes instead of" in shown.output
    assert json.loads(run("verify", "--json").output)["damaged"] == 1
