"""``sigmoidf1 analyse``: its words, its JSON, its bad input."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from sweeps.cli.main import app
from sweeps.errors import SweepError
from sweeps.runner import RunOptions, run_sweep
from sweeps.spec import parse_spec

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def url(tmp_path_factory, features_file):
    folder = tmp_path_factory.mktemp("analysed")
    spec = parse_spec(
        {
            "sweep": "small",
            "data": {"dataset": "features", "path": str(features_file)},
            "training": {"epochs": 4, "batch_size": 32, "lr": 0.01},
            "seeds": 2,
            "losses": {"sigmoid_f1": {"beta": [-5, 1, 10], "eta": [0, 1]}, "bce": {}},
        }
    )
    found = f"sqlite:///{folder}/s.db"
    run_sweep(spec, found, options=RunOptions(workers=1))
    return found


def test_words_and_json_of_the_same_store(url):
    printed = RUNNER.invoke(app, ["analyse", "small", "--store", url], catch_exceptions=False)
    assert printed.exit_code == 0
    assert printed.stdout.startswith("small: weighted_f1 on validation, t = 0.5\n\nsigmoid_f1\n")
    assert "\nlosses compared\n  chosen" in printed.stdout
    assert max(map(len, printed.stdout.splitlines())) <= 100

    arguments = ["analyse", "small", "--store", url, "--json", "--loss", "sigmoid_f1"]
    arguments += ["--metric", "micro_f1", "--split", "test"]
    found = json.loads(RUNNER.invoke(app, arguments, catch_exceptions=False).stdout)
    assert list(found["losses"]) == ["sigmoid_f1"]
    assert (found["metric"], found["split"]) == ("micro_f1", "test")
    assert found["losses"]["sigmoid_f1"]["words"]["cells"].startswith("6 cells")
    assert found["comparison"]["words"]["paired"] == "A single loss: nothing to pair."


def test_bad_input(url):
    with pytest.raises(SweepError, match="Did you mean 'sigmoid_f1'"):
        RUNNER.invoke(
            app, ["analyse", "small", "--store", url, "--loss", "sigmoidf1"], catch_exceptions=False
        )
    done = RUNNER.invoke(app, ["analyse", "small", "--store", url, "--split", "train"])
    assert done.exit_code == 2
    assert RUNNER.invoke(app, ["analyse", "other", "--store", url]).exit_code == 1
