"""The sections sampler, halving, racing and keep of a spec: what they mean, and bad input."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from sweeps.errors import SpecError
from sweeps.plan import make_plan
from sweeps.samplers.sections import HalvingSpec, RacingSpec
from sweeps.spec import load_spec, parse_spec

EXAMPLES = Path(__file__).parents[2] / "examples"
RANGES = {"sigmoid_f1": {"beta": {"range": [1, 30]}, "eta": {"range": [-1, 2]}}}
TWO = [{"metric": "weighted_f1"}, {"metric": "map"}]


def document(**changes):
    base = {
        "sweep": "try",
        "data": {"dataset": "features", "path": "x.npz"},
        "seeds": 2,
        "losses": RANGES,
        "sampler": {"name": "tpe", "budget": 10},
    }
    return {key: value for key, value in (base | changes).items() if value is not None}


def line_of(**changes) -> str:
    with pytest.raises(SpecError) as caught:
        make_plan(parse_spec(document(**changes), source="spec FILE"))
    text = str(caught.value)
    assert "\n" not in text
    return text.removeprefix("spec FILE: ")


@pytest.mark.parametrize("name", ["tpe", "racing", "saltelli"])
def test_examples_are_read(name):
    spec = load_spec(EXAMPLES / f"{name}.yaml")
    assert parse_spec(spec.to_plain()).to_plain() == spec.to_plain()
    assert make_plan(spec).n_cells == {"tpe": 400, "racing": 220, "saltelli": 320}[name]


def test_a_grid_is_written_as_before():
    spec = parse_spec(document(sampler=None, losses={"bce": {}}))
    assert spec.sampler.name == "grid"
    assert spec.keep == 10
    assert set(spec.to_plain()) == {
        "sweep",
        "description",
        "data",
        "encoder",
        "head",
        "training",
        "seeds",
        "objective",
        "losses",
    }
    assert spec == parse_spec(document(sampler="grid", losses={"bce": {}}))
    assert make_plan(spec).identity.keys() == {"data", "encoder", "head", "objective", "training"}


def test_what_is_kept_changes_neither_hash_nor_identity():
    specs = [parse_spec(document(keep=keep)) for keep in (10, "all", "none", 3, 0)]
    assert [spec.keep for spec in specs] == [10, "all", "none", 3, "none"]
    assert len({spec.spec_hash for spec in specs}) == 1
    assert len({make_plan(spec).plan_hash for spec in specs}) == 1
    assert "keep" not in specs[0].to_plain()
    assert parse_spec(specs[3].to_plain()) == specs[3]


@pytest.mark.parametrize(
    ("changes", "cells"),
    [
        ({}, 10),
        ({"losses": {"bce": {}}}, 1),
        ({"losses": {"bce": {}}, "training": {"lr": [1e-3, 1e-2]}}, 2),
        ({"losses": {"bce": {}}, "training": {"batch_size": {"range": [16, 20]}}}, 5),
        ({"losses": {"bce": {}}, "head": {"kind": ["linear", "mlp"], "hidden": [8, 16]}}, 3),
        ({"losses": RANGES | {"bce": {}}}, 11),
        ({"sampler": {"name": "saltelli", "n": 8}}, 32),
        ({"sampler": {"name": "saltelli", "n": 8, "second_order": True}}, 48),
        ({"sampler": {"name": "saltelli", "n": 8}, "losses": {"bce": {}}}, 1),
    ],
)
def test_the_number_of_cells(changes, cells):
    spec = parse_spec(document(**changes))
    assert spec.n_cells == cells
    assert spec.n_replicates == 2 * cells
    assert parse_spec(spec.to_plain()) == spec


def test_the_budget_may_grow_and_the_rest_of_a_sampler_may_not():
    plans = [
        make_plan(parse_spec(document(sampler={"name": "tpe", "budget": 10, **more})))
        for more in ({}, {"budget": 20}, {"seed": 1}, {"startup": 5})
    ]
    assert plans[0].identity == plans[1].identity
    assert plans[0].plan_hash != plans[1].plan_hash
    assert plans[0].identity != plans[2].identity
    assert plans[0].identity != plans[3].identity


def test_halving_and_racing_are_part_of_the_identity():
    grid = {"losses": {"bce": {}}, "sampler": None}
    plain = make_plan(parse_spec(document(**grid))).identity
    halved = make_plan(parse_spec(document(**grid, halving={"factor": 2}))).identity
    raced = make_plan(parse_spec(document(**grid, racing={"most": 5}, seeds=None))).identity
    assert halved["halving"]["factor"] == 2
    assert raced["racing"]["most"] == 5
    assert plain.keys() < halved.keys()
    assert plain.keys() < raced.keys()


def test_rungs_and_rounds():
    assert HalvingSpec(factor=3, min_epochs=5).rungs(60) == (5, 15, 45)
    assert HalvingSpec(factor=2, min_epochs=1).rungs(8) == (1, 2, 4)
    assert RacingSpec(first=3, step=2, most=15).seeds_by_round() == (3, 5, 7, 9, 11, 13, 15)
    assert RacingSpec(first=2, step=5, most=3).seeds_by_round() == (2, 3)


def test_racing_brings_its_own_seeds():
    spec = parse_spec(document(sampler=None, losses={"bce": {}}, racing=None, seeds=None) | {
        "racing": {"most": 7}
    })  # fmt: skip
    assert spec.seeds == tuple(range(7))
    assert len(parse_spec(spec.to_plain()).seeds) == 7
    default = parse_spec(document(sampler=None, losses={"bce": {}}, seeds=None) | {"racing": None})
    assert default.racing == RacingSpec()
    assert len(default.seeds) == 15


@pytest.mark.parametrize(
    ("sampler", "line"),
    [
        (
            "tpe",
            "sampler tpe must have a budget, the cells of each loss, but it is missing. "
            "Write sampler: {name: tpe, budget: 100}.",
        ),
        (
            {"name": "tep", "budget": 3},
            "sampler.name must be a known name, but got 'tep'. Did you mean 'tpe'? "
            "Known: grid, random, sobol, saltelli, tpe, gp, cmaes, nsga2.",
        ),
        (
            {"name": "tpe", "budget": -5},
            "sampler.budget must be a whole number from 1 to 5,000,000, but got -5. Change it.",
        ),
        (
            {"name": "tpe", "budget": 10**30},
            "sampler.budget must be a whole number from 1 to 5,000,000, but got "
            "1000000000000000000000000000000. Change it.",
        ),
        (
            {"name": "random", "budget": 4_000_000},
            "the sampler must have at most 5,000,000 replicates, but got 8,000,000. "
            "Lower its budget, or use fewer seeds.",
        ),
        (
            {"name": "gp", "budget": 5000},
            "sampler gp must have a budget of at most 1,000 cells a loss, but got 5,000. "
            "Lower it, or use random or sobol.",
        ),
        (
            {"name": "gp", "budget": 50, "batch": 30},
            "sampler gp must have a batch of at most 20, but got 30. "
            "Lower it: each of its cells takes about a second to choose.",
        ),
        (
            {"name": "tpe", "budget": 3, "n_trials": 4},
            "unknown key sampler.n_trials. Did you mean 'budget'? Known: name, budget, seed, "
            "batch, startup, sigma, n, second_order, objectives.",
        ),
        (
            {"name": "random", "budget": 3, "batch": 4},
            "sampler random must be given budget only, but got batch. Drop batch.",
        ),
        (
            {"name": "saltelli", "n": 12},
            "sampler saltelli must have n, a power of two, but got 12. Write for example n: 64.",
        ),
        (
            {"name": "saltelli", "budget": 12},
            "sampler saltelli must be given n, second_order only, but got budget. Drop budget.",
        ),
        (
            {"name": "nsga2", "budget": 12},
            "sampler nsga2 must have two objectives or more, but got 0. "
            "Write objectives: [{metric: weighted_f1}, {metric: map}], or use tpe.",
        ),
        (
            {"name": "nsga2", "budget": 12, "objectives": [TWO[0], TWO[0]]},
            "sampler nsga2 must have objectives that differ, but got one twice. Drop it.",
        ),
        (
            {"name": "nsga2", "budget": 12, "objectives": [{"metric": "f2"}, TWO[0]]},
            "sampler.objectives must be a known name, but got 'f2'.",
        ),
        (
            {"name": "nsga2", "budget": 12, "objectives": "map"},
            "sampler.objectives must be a list of objectives, but got 'map'. "
            "Write [{metric: weighted_f1}, {metric: map}].",
        ),
        (
            {
                "name": "nsga2",
                "budget": 12,
                "objectives": [{"metric": "samples_f1", "threshold": 0.1}, TWO[0]],
            },
            "sampler.objectives must have samples_f1 at the objective's threshold 0.5, but got "
            "0.1: it is kept there only. Change the threshold, or use a micro, macro or weighted "
            "score.",
        ),
        (
            {"name": "cmaes", "budget": 12, "sigma": 1.5},
            "sampler.sigma must be above 0 and below 1, but got 1.5. Change it.",
        ),
        (
            {"name": "cmaes", "budget": 12, "batch": 1},
            "sampler cmaes must have a batch of 2 or more, but got 1. Raise it.",
        ),
        (3, "sampler must be a mapping, but got 3. Write sampler: {key: value}."),
    ],
)
def test_bad_samplers(sampler, line):
    got = line_of(sampler=sampler)
    assert got == line or got.startswith(line)


def test_the_package_of_cmaes_is_named(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "sweeps.samplers.sections.find_spec", lambda name: None if name == "cmaes" else real(name)
    )
    assert line_of(sampler={"name": "cmaes", "budget": 9}) == (
        "sampler cmaes must have the package cmaes, but it is not installed. "
        "Run: pip install cmaes."
    )


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"sampler": None},
            "losses.sigmoid_f1.beta must have num beside range, but got none. Write how many "
            "values, or a sampler that takes a whole range, such as sampler: {name: tpe, "
            "budget: 100}.",
        ),
        (
            {"sampler": None, "training": {"lr": {"range": [1, 2]}}},
            "training.lr must have num beside range, but got none. Write how many values",
        ),
        (
            {
                "sampler": {"name": "saltelli", "n": 8},
                "losses": {"sigmoid_f1": {"input": ["logits", "probabilities"]}},
            },
            "saltelli must have axes of numbers only, but losses.sigmoid_f1.input is "
            "['logits', 'probabilities']. Fix it to one value a sweep, or write ordered: true "
            "where its order means something.",
        ),
        (
            {
                "sampler": {"name": "cmaes", "budget": 8},
                "losses": {"sigmoid_f1": {"beta": [1, 2], "input": ["logits", "probabilities"]}},
            },
            "cmaes must have 2 or more axes of numbers for sigmoid_f1, but got "
            "losses.sigmoid_f1.beta, losses.sigmoid_f1.input. Use tpe or random.",
        ),
        (
            {
                "sampler": {"name": "gp", "budget": 8},
                "losses": {"sigmoid_f1": {"input": ["logits", "probabilities"]}},
            },
            "gp must have 1 or more axes of numbers for sigmoid_f1, but got "
            "losses.sigmoid_f1.input. Use tpe or random.",
        ),
        (
            {"losses": {"sigmoid_f1": {"beta": {"range": [0, 30]}}}},
            "losses.sigmoid_f1.beta must be a finite number other than 0, but got 0.0.",
        ),
        (
            {"losses": {"focal": {"alpha": {"range": [0, 3]}}}},
            "losses.focal.alpha must be a finite number >= 0 and <= 1 or null, but got 3.0.",
        ),
        (
            {"losses": {"sigmoid_f1": {"input": {"range": [0, 3]}}}},
            "losses.sigmoid_f1.input must be one of logits, probabilities, but got 0.0.",
        ),
        (
            {"training": {"lr": {"range": [-1, 1]}}},
            "training.lr must be above 0, but got -1.0. Change it.",
        ),
        (
            {"racing": {}, "seeds": None},
            "racing must have all its cells from the start and may lose any, but got sampler tpe. "
            "Use grid, random or sobol.",
        ),
        (
            {"racing": {}, "halving": {}, "seeds": None},
            "racing must not be given beside halving",
        ),
        (
            {"racing": {"most": 5}, "sampler": {"name": "random", "budget": 3}},
            "seeds must be as many as racing.most (5), but got 2. Leave seeds out, or change one "
            "of the two.",
        ),
        (
            {"racing": {"first": 5, "most": 5}, "seeds": None},
            "racing must have most above first, but got first 5 and most 5. Raise most.",
        ),
        (
            {"racing": {"alpha": 1.5}, "seeds": None},
            "racing.alpha must be above 0 and below 1, but got 1.5. Change it.",
        ),
        (
            {
                "halving": {},
                "sampler": {"name": "nsga2", "budget": 9, "objectives": TWO},
            },
            "halving must have one objective to compare cells by, but got sampler nsga2 with "
            "several. Leave one of the two out.",
        ),
        (
            {"halving": {"factor": 1}},
            "halving.factor must be a whole number from 2 to 100, but got 1. Change it.",
        ),
        (
            {"halving": {"eta": 3}},
            "unknown key halving.eta. Did you mean 'factor'? Known: factor, min_epochs, bracket, "
            "pruner.",
        ),
        (
            {"halving": {"pruner": "hyperband"}},
            "halving.pruner must be a known name, but got 'hyperband'. Known: "
            "successive_halving, median.",
        ),
        (
            {"halving": {"min_epochs": 60}},
            "halving must have min_epochs below training.epochs, but got 60 and 60. "
            "Lower min_epochs.",
        ),
        ({"keep": -1}, "keep must be all, none or how many cells of each loss, but got -1."),
        ({"keep": "some"}, "keep must be all, none or how many cells of each loss, but got 'some"),
        ({"budget": 3}, "unknown key budget. Did you mean 'sampler.budget'?"),
    ],
)
def test_bad_combinations(changes, line):
    assert line_of(**changes).startswith(line)
