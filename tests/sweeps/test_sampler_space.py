"""Spaces and designs: points to cells and back, prefixes, and asks from recorded results."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.records import CellRecord
from sweeps.axes import Axis
from sweeps.plan import make_plan
from sweeps.samplers.asking import ask_cells, batch_size
from sweeps.samplers.designs import plan_design, saltelli_points
from sweeps.samplers.history import Outcome, with_penalties
from sweeps.samplers.space import Dimension, Space
from sweeps.spec import parse_spec

MIXED = {
    "head": {"kind": ["linear", "mlp"], "hidden": {"range": [8, 64]}},
    "training": {"lr": {"range": [1e-4, 1e-1], "scale": "log"}, "batch_size": [16, 64, 32]},
    "losses": {
        "sigmoid_f1": {
            "beta": {"range": [-5, 30]},
            "eta": [0, 0.5, 1],
            "reduction": ["per_class", "pooled"],
        }
    },
}


def plan_of(sampler, **changes):
    document = {"sweep": "try", "data": {"dataset": "features", "path": "x.npz"}, "seeds": 1}
    return make_plan(parse_spec(document | MIXED | {"sampler": sampler} | changes))


def space_of(**changes) -> Space:
    return plan_of({"name": "tpe", "budget": 5}, **changes).spaces["sigmoid_f1"]


def ask(space, sampler, history, maximize=(True,)):
    return ask_cells(space, sampler, history, maximize=maximize, first_ordinal=len(history))


def run_asks(space, sampler, value, maximize=(True,)) -> list[Outcome]:
    history: list[Outcome] = []
    for batch in itertools.count():
        cells = ask(space, sampler, history, maximize)
        if not cells:
            return history
        history += [Outcome(cell, "complete", value(cell), batch) for cell in cells]
    raise AssertionError("unreachable")


@pytest.mark.parametrize(
    ("axis", "unit", "value"),
    [
        (Axis((), bounds=(1.0, 3.0)), 0.25, 1.5),
        (Axis((), bounds=(1e-4, 1.0), scale="log"), 0.5, 1e-2),
        (Axis((), bounds=(1, 4), integer=True), 0.0, 1),
        (Axis((), bounds=(1, 4), integer=True), 1.0, 4),
        (Axis((10, 20, 30)), 0.5, 20),
        (Axis((10, 20, 30)), 1.0, 30),
        (Axis(("a", "b")), 0.49, "a"),
    ],
)
def test_a_unit_is_a_value(axis, unit, value):
    found = Dimension("x", "loss", axis).value(unit)
    assert found == (pytest.approx(value) if isinstance(value, float) else value)


def test_every_whole_number_has_an_equal_share():
    dimension = Dimension("x", "loss", Axis((), bounds=(1, 4), integer=True))
    counts = np.bincount([dimension.value(u) for u in (np.arange(4000) + 0.5) / 4000])
    assert counts[1:].tolist() == [1000] * 4


@settings(deadline=None, max_examples=50)
@given(point=st.lists(st.floats(0, 1), min_size=7, max_size=7))
def test_a_cell_gives_its_point_and_its_values_back(point):
    space = space_of()
    values = space.at(point)
    cell = space.cell(values, 3)
    assert cell.ordinal == 3
    again = space.cell(space.complete(cell), 3)
    assert again == cell
    stored = CellRecord(**json.loads(json.dumps(vars(cell))))  # every bit survives JSON
    assert space.cell(space.values(stored) | {"head_hidden": 8} | space.values(stored), 3) == cell
    assert ("hidden" in cell.head) is (cell.head["kind"] == "mlp")
    assert ("head_hidden" in cell.parameters) is (cell.head["kind"] == "mlp")
    found = space.point(cell)
    for dimension, unit, given_unit in zip(space.dimensions, found, point, strict=True):
        if dimension.name in ("lr", "beta"):
            assert unit == pytest.approx(given_unit, abs=1e-6)


def test_a_forbidden_number_is_moved_by_next_to_nothing():
    space = space_of(losses={"sigmoid_f1": {"beta": {"range": [-5, 5]}}})
    beta = next(d for d in space.dimensions if d.name == "beta")
    assert beta.forbidden == (0.0,)
    assert beta.value(0.5) == pytest.approx(1e-8)
    assert beta.value(0.5) != 0
    assert beta.value(0.25) == -2.5


def test_a_sampled_cell_is_the_cell_of_a_grid_at_the_same_settings():
    losses = {"sigmoid_f1": {"beta": [1, 5], "eta": [0, 1]}, "focal": {"gamma": [1, 2]}}
    training = {"lr": [1e-3, 1e-2]}
    head = {"kind": ["linear", "mlp"], "hidden": [8, 16]}
    changes = {"losses": losses, "training": training, "head": head}
    grid = plan_of("grid", **changes)
    sampled = plan_of({"name": "random", "budget": 10_000}, **changes)
    assert sampled.n_cells == grid.n_cells == 3 * 2 * 4 + 3 * 2 * 2
    assert {cell.key for cell in sampled.cells} == {cell.key for cell in grid.cells}
    by_key = {cell.key: cell for cell in grid.cells}
    for cell in sampled.cells:
        assert cell.parameters == by_key[cell.key].parameters
        assert cell.hyperparameters == by_key[cell.key].hyperparameters


@settings(deadline=None, max_examples=30)
@given(point=st.lists(st.floats(0, 1), min_size=7, max_size=7))
def test_a_sampled_cell_written_into_a_spec_is_the_same_cell(point):
    space = space_of()
    cell = space.cell(space.at(point), 0)
    alone = plan_of(
        "grid",
        head=cell.head,
        training=cell.training,
        losses={"sigmoid_f1": cell.hyperparameters},
    )
    assert [one.key for one in alone.cells] == [cell.key]


@pytest.mark.parametrize("name", ["random", "sobol"])
def test_a_design_is_the_beginning_of_a_larger_one(name):
    space = space_of()
    short = plan_design(space, {"name": name, "budget": 20, "seed": 1}).cells
    long = plan_design(space, {"name": name, "budget": 70, "seed": 1}).cells
    assert long[:20] == short
    assert len({cell.key for cell in long}) == 70
    other = plan_design(space, {"name": name, "budget": 20, "seed": 2}).cells
    assert not {cell.key for cell in other} & {cell.key for cell in short}


@pytest.mark.parametrize("name", ["random", "sobol"])
def test_a_finite_space_is_drawn_without_replacement(name):
    losses = {"sigmoid_f1": {"beta": {"range": [1, 40], "num": 40}, "eta": [0, 1]}}
    space = space_of(losses=losses, head={}, training={})
    designs = [plan_design(space, {"name": name, "budget": b, "seed": 0}).cells for b in (60, 200)]
    assert len({cell.key for cell in designs[1]}) == len(designs[1]) == 80
    assert designs[1][:60] == designs[0]


def test_a_sobol_sequence_fills_space_evenly():
    space = space_of(losses={"sigmoid_f1": {"beta": {"range": [1, 17]}}}, head={}, training={})
    cells = plan_design(space, {"name": "sobol", "budget": 16, "seed": 0}).cells
    strata = sorted(int(cell.hyperparameters["beta"]) for cell in cells)
    assert strata == list(range(1, 17))  # one a sixteenth


@pytest.mark.parametrize("second_order", [False, True])
def test_a_saltelli_design_of_half_the_size_is_its_beginning(second_order):
    short, long = (saltelli_points(3, n, second_order=second_order, seed=0) for n in (8, 16))
    assert len(short) == 8 * (8 if second_order else 5)
    np.testing.assert_array_equal(long[: len(short)], short)


def test_a_saltelli_design_keeps_its_rows_where_two_are_one_cell():
    losses = {"sigmoid_f1": {"beta": [1, 2], "eta": {"range": [0, 1]}}}
    space = space_of(losses=losses, head={}, training={})
    design = plan_design(space, {"name": "saltelli", "n": 8, "seed": 0})
    assert len(design.rows) == 8 * 4
    assert len(design.cells) < len(design.rows)
    assert set(design.rows) == {cell.key for cell in design.cells}
    assert [cell.ordinal for cell in design.cells] == list(range(len(design.cells)))


def value_of(cell: CellRecord) -> tuple[float]:
    h = cell.hyperparameters
    return (-(((h["beta"] - 12) / 30) ** 2) - (h["eta"] - 1) ** 2 / 4,)


@pytest.mark.parametrize(
    "sampler",
    [
        {"name": "tpe", "budget": 60, "seed": 0},
        {"name": "gp", "budget": 16, "seed": 0, "batch": 4, "startup": 8},
        {"name": "cmaes", "budget": 60, "seed": 0, "batch": 10},
    ],
    ids=lambda sampler: sampler["name"],
)
def test_a_model_finds_better_cells_than_chance(sampler):
    losses = {"sigmoid_f1": {"beta": {"range": [-5, 30]}, "eta": {"range": [-1, 3]}}}
    space = space_of(losses=losses, head={}, training={})
    history = run_asks(space, sampler, value_of)
    assert len(history) == len({outcome.cell.key for outcome in history}) == sampler["budget"]
    assert [outcome.cell.ordinal for outcome in history] == list(range(sampler["budget"]))
    found = np.array([outcome.values[0] for outcome in history])
    half = sampler["budget"] // 2
    # Of a batch, the later ones keep away from the first, wherever that is.
    assert np.median(found[half:]) > np.median(found[:half])
    assert found[half:].max() > found[:8].max()


def test_nsga2_moves_towards_the_pareto_front():
    space = space_of(losses={"sigmoid_f1": {"beta": {"range": [1, 30]}, "eta": {"range": [-1, 2]}}})
    objectives = [{"metric": "map"}, {"metric": "hamming_loss"}]
    sampler = {"name": "nsga2", "budget": 200, "seed": 0, "batch": 20, "objectives": objectives}

    def two(cell):
        beta, eta = cell.hyperparameters["beta"], cell.hyperparameters["eta"]
        return (-abs(beta - 20) - eta**2, abs(beta - 10) + eta**2)

    history = run_asks(space, sampler, two, (True, False))
    off = np.array([abs(o.cell.hyperparameters["eta"]) for o in history])
    assert off[-60:].mean() < 0.6 * off[:60].mean()


@pytest.mark.parametrize("name", ["tpe", "gp", "cmaes", "nsga2"])
def test_an_ask_depends_on_results_and_seed_alone(name):
    space = space_of()
    sampler = {"name": name, "budget": 30, "seed": 0, "batch": 6}
    maximize = (True, True) if name == "nsga2" else (True,)
    first = ask(space, sampler, [], maximize)
    history = [Outcome(c, "complete", value_of(c) * len(maximize), 0) for c in first]
    assert ask(space, sampler, history, maximize) == ask(space, sampler, history, maximize)
    other = ask(space, {**sampler, "seed": 1}, history, maximize)
    assert {c.key for c in other} != {c.key for c in ask(space, sampler, history, maximize)}


@pytest.mark.parametrize("name", ["tpe", "gp", "cmaes", "nsga2"])
def test_cells_without_a_value_are_asked_around(name):
    space = space_of()
    wanted = 2 if name == "gp" else 8
    sampler = {"name": name, "budget": 8 + wanted, "seed": 0, "batch": 8, "startup": 2}
    maximize = (True, True) if name == "nsga2" else (True,)
    cells = ask(space, sampler, [], maximize)
    value = (0.5,) * len(maximize)
    told = ["complete", "pruned", "failed", "running", "complete", "failed", "pruned", "running"]
    if name == "nsga2":  # which is not halved, and whose generation may all but fail
        told = ["complete"] + ["failed"] * 7
    history = [
        Outcome(
            cell,
            state,
            value if state in ("complete", "pruned") else None,
            0,
            diverged=k == 5,
            step=5,
        )
        for k, (cell, state) in enumerate(zip(cells, told, strict=True))
    ]
    asked = ask(space, sampler, history, maximize)
    assert len(asked) == wanted
    assert not {cell.key for cell in asked} & {cell.key for cell in cells}


def test_a_diverged_cell_is_told_as_the_worst_seen():
    cells = ask(space_of(), {"name": "tpe", "budget": 9, "seed": 0, "batch": 4}, [])
    history = [
        Outcome(cells[0], "complete", (0.2, 0.9), 0),
        Outcome(cells[1], "complete", (0.6, 0.4), 0),
        Outcome(cells[2], "failed", None, 0, diverged=True),
        Outcome(cells[3], "failed", None, 0),
    ]
    told = with_penalties(history, (True, False))
    assert [outcome.told for outcome in told] == ["complete", "complete", "complete", "failed"]
    assert told[2].values == (0.2, 0.9)
    whole = with_penalties(history, (True, False), whole_batches=True)
    assert whole[3].values == (0.2, 0.9)
    assert with_penalties(history[2:], (True, False)) == history[2:]


def test_a_used_up_space_ends_before_the_budget():
    space = space_of(losses={"sigmoid_f1": {"eta": [0, 1, 2]}}, head={}, training={})
    for name in ("tpe", "nsga2"):
        sampler = {"name": name, "budget": 50, "seed": 0, "batch": 2}
        maximize = (True, True) if name == "nsga2" else (True,)
        history = run_asks(space, sampler, lambda cell: (0.5,) * len(maximize), maximize)  # noqa: B023
        assert len(history) == 3


def test_a_batch_is_the_same_on_every_machine():
    space = space_of()
    assert batch_size(space, {"name": "tpe"}) == 10
    assert batch_size(space, {"name": "gp"}) == 5
    assert batch_size(space, {"name": "gp", "batch": 2}) == 2
    ordered = sum(dimension.axis.is_ordered for dimension in space.dimensions)
    assert ordered == 5
    assert batch_size(space, {"name": "cmaes"}) == 2 * (4 + int(3 * np.log(5)))
