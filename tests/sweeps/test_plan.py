from __future__ import annotations

import copy
import itertools
import time
from pathlib import Path

import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    check_distribution_compatibility,
)
from optuna.trial import create_trial

from sweeps.errors import SpecError
from sweeps.plan import Plan, cell_key, make_plan
from sweeps.spec import load_spec, parse_spec

ROOT = Path(__file__).parents[2]

DOCUMENT = {
    "sweep": "try",
    "data": {"dataset": "features", "path": "x.npz"},
    "seeds": [3, 1],
    "training": {"epochs": [2, 4], "lr": {"range": [1e-3, 1e-1], "num": 2, "scale": "log"}},
    "losses": {
        "sigmoid_f1": {"eta": [0, 0.5], "beta": {"range": [1, 3], "num": 3}},
        "focal": {"gamma": 2, "alpha": [None, 0.25]},
        "bce": None,
    },
}


def plan_of(losses: dict | None = None, **changes) -> Plan:
    document = copy.deepcopy(DOCUMENT) | changes
    if losses is not None:
        document["losses"] = losses
    return make_plan(parse_spec(document, source="spec FILE"))


def test_the_example_plans_what_it_says():
    spec = load_spec(ROOT / "examples" / "movie-genres.yaml")
    plan = make_plan(spec)
    assert plan.sweep == "movie-genres"
    assert plan.n_cells == len(plan.cells) == spec.n_cells == 234
    assert plan.n_replicates == spec.n_replicates == 1170
    assert plan.seeds == (0, 1, 2, 3, 4)
    assert {name: part.n_cells for name, part in plan.losses.items()} == {
        "sigmoid_f1": 210,
        "focal": 9,
        "asl": 12,
        "bce": 1,
        "unbounded_f1": 1,
        "soft_f1": 1,
    }
    assert plan.losses["sigmoid_f1"].axes == {
        "beta": tuple(float(beta) for beta in range(1, 31)),
        "eta": (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0),
    }
    assert plan.losses["bce"].axes == {}
    assert plan.spec == spec.to_plain()
    assert plan.spec_hash == spec.spec_hash


def test_cells_are_complete_settings():
    cell = make_plan(load_spec(ROOT / "examples" / "movie-genres.yaml")).cells[0]
    assert cell.loss == "sigmoid_f1"
    assert cell.hyperparameters["beta"] == 1.0
    assert cell.hyperparameters["eta"] == -1.0
    assert cell.hyperparameters["input"] == "logits"
    assert cell.hyperparameters["reduction"] == "per_class"
    assert cell.training == {
        "epochs": 60,
        "batch_size": 256,
        "lr": 0.001,
        "weight_decay": 0.0,
        "optimizer": "adam",
    }
    assert cell.head == {"kind": "linear"}
    assert cell.parameters == cell.hyperparameters


def test_cells_are_ordered_loss_by_loss_and_row_major():
    plan = plan_of()
    assert [cell.ordinal for cell in plan.cells] == list(range(plan.n_cells))
    assert [loss for loss, _ in itertools.groupby(cell.loss for cell in plan.cells)] == [
        "sigmoid_f1",
        "focal",
        "bce",
    ]
    of_sigmoid = [
        (
            c.training["epochs"],
            c.training["lr"],
            c.hyperparameters["beta"],
            c.hyperparameters["eta"],
        )
        for c in plan.cells
        if c.loss == "sigmoid_f1"
    ]
    assert of_sigmoid == list(itertools.product((2, 4), (1e-3, 1e-1), (1.0, 2.0, 3.0), (0.0, 0.5)))
    assert list(plan.losses["sigmoid_f1"].axes) == ["epochs", "lr", "beta", "eta"]
    assert plan.losses["sigmoid_f1"].n_cells == 24
    assert plan.n_cells == 4 * (6 + 2 + 1)


def test_axes_constants_and_scales():
    part = plan_of().losses["focal"]
    assert part.axes == {"epochs": (2, 4), "lr": (1e-3, 1e-1), "alpha": (None, 0.25)}
    assert part.scales == {"epochs": "linear", "lr": "log", "alpha": "linear"}
    assert part.constants["gamma"] == 2.0
    assert part.constants["batch_size"] == 256


def test_a_list_of_one_value_is_an_axis():
    part = plan_of({"sigmoid_f1": {"beta": [2], "eta": 0}}, training={}).losses["sigmoid_f1"]
    assert part.axes == {"beta": (2.0,)}


def test_keys_are_those_of_cell_key():
    for cell in plan_of().cells:
        assert cell.key == cell_key(cell.loss, cell.hyperparameters, cell.training, cell.head)


def test_keys_are_distinct():
    cells = plan_of().cells
    assert len({cell.key for cell in cells}) == len(cells)


def test_cell_key_ignores_order_and_the_type_of_whole_numbers():
    key = cell_key("a", {"x": 1, "y": 0.5}, {"lr": 1}, {"kind": "linear"})
    assert key == cell_key("a", {"y": 0.5, "x": 1.0}, {"lr": 1.0}, {"kind": "linear"})
    assert key != cell_key("a", {"y": 0.5, "x": 1.5}, {"lr": 1.0}, {"kind": "linear"})
    assert key != cell_key("b", {"x": 1, "y": 0.5}, {"lr": 1}, {"kind": "linear"})


def test_plan_ignores_the_order_of_keys_in_blocks():
    document = copy.deepcopy(DOCUMENT)
    document["losses"]["sigmoid_f1"] = dict(reversed(document["losses"]["sigmoid_f1"].items()))
    document["training"] = dict(reversed(document["training"].items()))
    assert make_plan(parse_spec(document)).cells == plan_of().cells


def test_keys_survive_another_spelling_and_a_wider_grid():
    narrow = {cell.key for cell in plan_of({"sigmoid_f1": {"beta": [1, 2], "eta": 0}}).cells}
    spelled = plan_of({"sigmoid_f1": {"eta": [-0.0], "beta": {"range": [1.0, 2], "num": 2}}})
    assert {cell.key for cell in spelled.cells} == narrow
    wide = plan_of({"bce": {}, "sigmoid_f1": {"beta": [1, 1.5, 2], "eta": [0, 1]}})
    assert narrow < {cell.key for cell in wide.cells}


def test_a_default_written_out_is_the_same_cell():
    plain = plan_of({"sigmoid_f1": {"beta": 2}})
    written = plan_of({"sigmoid_f1": {"beta": 2, "input": "logits", "reduction": ["per_class"]}})
    assert [cell.key for cell in plain.cells] == [cell.key for cell in written.cells]


def test_choices_may_be_axes():
    plan = plan_of(
        {
            "sigmoid_f1": {
                "input": ["logits", "probabilities"],
                "reduction": ["pooled", "per_class"],
            }
        },
        training={},
    )
    found = [(c.hyperparameters["input"], c.hyperparameters["reduction"]) for c in plan.cells]
    assert sorted(found) == sorted(
        itertools.product(("logits", "probabilities"), ("per_class", "pooled"))
    )


def test_a_preset_fills_beta_eta_and_input():
    from sigmoidf1.losses import get_loss

    presets = get_loss("sigmoid_f1").presets
    assert presets
    for name, fixed in presets.items():
        plan = plan_of({"sigmoid_f1": {"preset": name}}, training={})
        assert plan.n_cells == 1
        assert fixed.keys() >= {"beta", "eta", "input"}
        assert plan.cells[0].hyperparameters.items() >= dict(fixed).items()
        assert "preset" not in plan.cells[0].hyperparameters
        alone = plan_of({"sigmoid_f1": dict(fixed)}, training={})
        assert alone.cells[0].key == plan.cells[0].key


def test_identity_is_what_one_name_may_not_change():
    plan = plan_of()
    assert list(plan.identity) == ["data", "encoder", "head", "objective", "training"]
    same = [
        plan_of(seeds=9),
        plan_of({"bce": {}}),
        plan_of(description="other words"),
        plan_of(training={"epochs": {"range": [2, 4], "num": 2}, "lr": [0.001, 0.1]}),
    ]
    assert all(other.identity == plan.identity for other in same)
    different = [
        plan_of(training={"epochs": [2, 4], "lr": 0.001}),
        plan_of(training={}),
        plan_of(data={"dataset": "features", "path": "y.npz"}),
        plan_of(encoder={"name": "minilm"}),
        plan_of(objective={"threshold": 0.3}),
    ]
    assert all(other.identity != plan.identity for other in different)


def test_distributions_hold_every_parameter_of_every_cell():
    plan = plan_of(
        {
            "sigmoid_f1": {"beta": [-1, 2], "input": ["logits", "probabilities"]},
            "focal": {"alpha": [None, 0.25]},
            "bce": {},
        },
        training={"epochs": [5, 10], "lr": [1e-3, 1e-2], "batch_size": [64], "weight_decay": 0.1},
    )
    assert plan.distributions["sigmoid_f1"]["beta"] == FloatDistribution(-1, 2)
    assert plan.distributions["sigmoid_f1"]["input"] == CategoricalDistribution(
        ("logits", "probabilities")
    )
    assert plan.distributions["sigmoid_f1"]["lr"] == FloatDistribution(1e-3, 1e-2, log=True)
    assert plan.distributions["sigmoid_f1"]["epochs"] == IntDistribution(5, 10)
    assert plan.distributions["focal"]["alpha"] == CategoricalDistribution((None, 0.25))
    assert "weight_decay" not in plan.distributions["bce"]
    for cell in plan.cells:
        trial = create_trial(
            params=dict(cell.parameters),
            distributions=plan.distributions[cell.loss],
            value=0.5,
        )
        assert trial.params == cell.parameters


def test_distributions_stay_compatible_when_a_grid_is_widened():
    narrow = plan_of({"sigmoid_f1": {"beta": 1, "input": "logits"}}).distributions["sigmoid_f1"]
    wide = plan_of(
        {"sigmoid_f1": {"beta": [1, 9], "eta": [0, 1], "input": ["logits", "probabilities"]}}
    ).distributions["sigmoid_f1"]
    assert narrow.keys() == wide.keys()
    for name in narrow:
        check_distribution_compatibility(narrow[name], wide[name])


@pytest.mark.parametrize(
    ("losses", "beginning", "also"),
    [
        ({"sigmoidf1": {}}, "losses: Unknown loss 'sigmoidf1'.", "Did you mean 'sigmoid_f1'?"),
        (
            {"sigmoid_f1": {"betta": 1}},
            "losses.sigmoid_f1: Unknown hyperparameter of sigmoid_f1 'betta'.",
            "Did you mean 'beta'?",
        ),
        ({"sigmoid_f1": {"beta": 0}}, "losses.sigmoid_f1.beta must ", "but got 0."),
        ({"sigmoid_f1": {"beta": [1, 0.0]}}, "losses.sigmoid_f1.beta must ", "but got 0.0."),
        ({"sigmoid_f1": {"beta": "big"}}, "losses.sigmoid_f1.beta must ", "but got 'big'."),
        ({"sigmoid_f1": {"beta": None}}, "losses.sigmoid_f1.beta must ", "but got None."),
        (
            {"sigmoid_f1": {"beta": {"range": [-1, 1], "num": 3}}},
            "losses.sigmoid_f1.beta must ",
            "but got 0.0.",
        ),
        (
            {"sigmoid_f1": {"input": ["logits", "logit"]}},
            "losses.sigmoid_f1.input must ",
            "but got 'logit'.",
        ),
        ({"focal": {"gamma": -1}}, "losses.focal.gamma must ", "but got -1."),
        ({"focal": {"alpha": [0.5, 2]}}, "losses.focal.alpha must ", "but got 2."),
        ({"asl": {"clip": 1.5}}, "losses.asl.clip must ", "but got 1.5."),
        ({"bce": {"preset": "x"}}, "losses.bce: Unknown hyperparameter of bce 'preset'.", "Known:"),
        (
            {"sigmoid_f1": {"preset": "nonsense"}},
            "losses.sigmoid_f1: Unknown preset of sigmoid_f1 'nonsense'.",
            "Known:",
        ),
        (
            {"sigmoid_f1": {"preset": ["a", "b"]}},
            "losses.sigmoid_f1.preset must be one name, but got ['a', 'b'].",
            "Write one sweep a preset.",
        ),
    ],
)
def test_what_only_a_loss_knows_is_refused(losses, beginning, also):
    with pytest.raises(SpecError) as caught:
        plan_of(losses)
    line = str(caught.value)
    assert line.startswith(f"spec FILE: {beginning}")
    assert also in line
    assert "\n" not in line


def test_a_preset_and_what_it_fixes_are_refused():
    from sigmoidf1.losses import get_loss

    preset = next(iter(get_loss("sigmoid_f1").presets))
    with pytest.raises(SpecError, match=r"^spec FILE: losses\.sigmoid_f1: Preset .* fixes beta"):
        plan_of({"sigmoid_f1": {"preset": preset, "beta": [1, 2]}})


def test_a_large_plan_takes_seconds():
    document = copy.deepcopy(DOCUMENT)
    document["losses"] = {
        "sigmoid_f1": {
            "beta": {"range": [0.1, 40], "num": 250},
            "eta": {"range": [-4, 4], "num": 200},
        }
    }
    document["seeds"] = 20
    started = time.perf_counter()
    plan = make_plan(parse_spec(document))
    assert plan.n_cells == 200_000
    assert plan.n_replicates == 4_000_000
    # Alone on a core it takes 2 s; the limit leaves room for a busy machine.
    assert time.perf_counter() - started < 20
