"""The statistics of a whole sweep, in words and as plain values."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest
import yaml

from storage import frames
from storage.errors import RecordError
from storage.records import SweepRecord
from storage.store import Store
from sweeps.errors import SweepError
from sweeps.plan import make_plan
from sweeps.runner import RunOptions, run_sweep
from sweeps.sensitivity.comparison import PairedDifference
from sweeps.sensitivity.losses import LossComparison
from sweeps.sensitivity.reading import analyse_stored, load_threshold_curves
from sweeps.sensitivity.seed_table import seed_table
from sweeps.sensitivity.sweep_analysis import analyse_sweep
from sweeps.sensitivity.words_losses import (
    difference_in_words,
    losses_in_words,
    probability_in_words,
)
from sweeps.spec import load_spec


@pytest.fixture(scope="module")
def store(tmp_path_factory, features_file):
    folder = tmp_path_factory.mktemp("analysed")
    spec = {
        "sweep": "small",
        "data": {"dataset": "features", "path": str(features_file)},
        "training": {"epochs": 4, "batch_size": 32, "lr": 0.01},
        "seeds": 3,
        "losses": {
            "sigmoid_f1": {"beta": [-5, 1, 10], "eta": [0, 1]},
            "focal": {"gamma": [1, 2]},
            "bce": {},
        },
    }
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(spec, sort_keys=False))
    url = f"sqlite:///{folder}/s.db"
    run_sweep(load_spec(path), url, options=RunOptions(workers=1))
    with Store.open(url, create=False, read_only=True) as opened:
        yield opened


def test_every_loss_is_analysed_and_all_are_compared(store):
    found = analyse_sweep(store, "small")
    assert list(found.losses) == ["sigmoid_f1", "focal", "bce"]
    assert (found.metric, found.split, found.threshold) == ("weighted_f1", "validation", 0.5)
    words = found.words()
    assert "variance components" in words["sigmoid_f1"]["variance"]
    assert words["bce"]["variance"] == (
        "No analysis of variance: no parameter varies between the cells."
    )
    assert words["bce"]["tied"] == "No tied set: a single cell can be compared."
    compared = found.comparison_words()
    assert set(compared) == {"chosen", "paired", "tuned", "against", "budget", "limits"}
    assert "paired by seed (3 seeds)" in compared["paired"]
    assert "At an equal budget of 2 cells" in compared["budget"]
    assert "bce has one cell" in compared["limits"]
    assert all(text.endswith(".") for text in compared.values())
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["losses"]["focal"]["words"] == words["focal"]
    assert plain["comparison"]["words"] == compared


def test_a_choice_of_losses_and_the_same_numbers_as_alone(store):
    found = analyse_sweep(store, "small", losses=["bce", "sigmoid_f1", "bce"], metric="micro_f1")
    assert list(found.losses) == ["bce", "sigmoid_f1"]
    alone = analyse_stored(store, "small", "sigmoid_f1", metric="micro_f1")
    assert found.losses["sigmoid_f1"].to_dict() == alone.to_dict()


def test_a_metric_without_curves_says_so(store):
    found = analyse_sweep(store, "small", metric="map", split="test")
    assert found.threshold is None
    assert found.words()["focal"]["threshold"].startswith("No threshold regret")
    assert found.words()["focal"]["best"].startswith("These are the best on test, for description")
    assert found.comparison_words()["tuned"].startswith("No threshold can be tuned")


def test_curves_are_what_single_thresholds_are(store):
    info = frames.load_sweep(store, "small")
    cells = frames.load_cells(store, "small", losses=["sigmoid_f1"])
    curves = load_threshold_curves(store, info, cells, "sigmoid_f1", "micro_f1")
    for index in (0, 30, len(info.thresholds) - 1, info.thresholds.index(0.5)):
        rows = frames.load_scores(
            store, "small", split="test", metric="micro_f1", losses=["sigmoid_f1"],
            threshold=info.thresholds[index],
        )  # fmt: skip
        np.testing.assert_array_equal(
            curves.test[index], seed_table(cells, rows, value="value").values
        )


def test_what_is_not_there_is_refused(store):
    with pytest.raises(SweepError, match="Did you mean 'focal'"):
        analyse_sweep(store, "small", losses=["focl"])
    with pytest.raises(SweepError, match="Unknown metric 'f1'"):
        analyse_sweep(store, "small", metric="f1")
    with pytest.raises(RecordError, match="The nearest kept one is"):
        analyse_sweep(store, "small", threshold=0.123)


def test_a_loss_that_waits_and_a_sweep_without_cells(tmp_path, store, make_spec):
    shutil.copy(store.url.database, tmp_path / "copy.db")
    plan = make_plan(load_spec(make_spec(losses={"asl": {"gamma_neg": [2, 4]}})))
    with Store.open(f"sqlite:///{tmp_path}/copy.db") as copied:
        sweep_id = frames.load_sweep(copied, "small").sweep_id
        copied.plan(sweep_id, plan.cells, plan.seeds)
        found = analyse_sweep(copied, "small", losses=["asl"])
        info = frames.load_sweep(copied, "small")
        fields = {f.name: getattr(info, f.name) for f in dataclasses.fields(SweepRecord)}
        copied.put_sweep(SweepRecord(**fields | {"name": "empty", "identity": {}}))
        with pytest.raises(SweepError, match="sweep 'empty' has none"):
            analyse_sweep(copied, "empty")
    words = found.words()["asl"]
    assert "4 waiting" in words["cells"]
    assert words["tied"].startswith("No tied set: no finished cell")
    compared = found.comparison_words()
    assert compared["chosen"] == "No loss has a finished cell with a value."
    assert compared["paired"] == "No pair of losses to compare."
    assert "asl is left out" in compared["limits"]


def difference(**changes) -> PairedDifference:
    values = {
        "n": 5, "difference": 0.02, "low": 0.01, "high": 0.03, "p_better": 0.9996,
        "share_better": 1.0, "level": 0.95, "over": "seeds", "reason": None,
    }  # fmt: skip
    return PairedDifference(**(values | changes))


def test_differences_read_from_the_better_loss():
    chosen = {
        name: {"cell_id": 1, "parameters": {}, "n_cells": 1, "validation": v, "test": v}
        for name, v in (("a", 0.1), ("b", 0.2))
    }
    found = LossComparison(
        chosen, {("a", "b"): difference()}, {}, {"a": {}, "b": {}},
        {"a": np.array([0.1]), "b": np.array([0.2])}, [],
    )  # fmt: skip
    higher = losses_in_words(found)
    assert (
        "b less a -0.0200 [-0.0300, -0.0100], better with probability < 0.001" in higher["paired"]
    )
    lower = losses_in_words(found, higher_is_better=False)
    assert "a less b +0.0200 [0.0100, 0.0300]" in lower["paired"]
    assert "a lower value is better" in lower["paired"]
    assert lower["limits"] == "Every loss was tuned over several cells."
    assert higher["against"] == "No constant prediction was recorded to compare with."


def test_differences_without_an_interval():
    lone = difference(low=None, high=None, p_better=None, reason="one seed")
    assert difference_in_words(lone) == "+0.0200 (no interval: one seed)"
    none = difference(difference=None, low=None, high=None, reason="no seed has a value in both")
    assert difference_in_words(none) == "not comparable: no seed has a value in both"
    assert probability_in_words(0.9991) == "> 0.999"
    assert probability_in_words(0.0) == "< 0.001"
