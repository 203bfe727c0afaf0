"""Losses by name, the rules of their hyperparameters, presets, modules and users' own losses."""

from __future__ import annotations

import doctest
import importlib
import math
import pkgutil
import subprocess
import sys

import numpy as np
import pytest
import torch

import sigmoidf1
from sigmoidf1 import losses
from sigmoidf1.errors import InputError
from sigmoidf1.losses import (
    Hyperparameter,
    Loss,
    autograd_gradient,
    get_loss,
    loss_names,
    modules,
    register_loss,
    registry,
    sigmoid_f1,
)
from sigmoidf1.losses.modules import BCE, Focal, LossModule, SigmoidF1

BUILT_IN = {
    "asl",
    "bce",
    "bp_mll",
    "focal",
    "hinge_f1",
    "poly1_bce",
    "poly1_focal",
    "recall_at_k",
    "sigmoid_f1",
    "smooth_accuracy",
    "smooth_npv",
    "smooth_precision",
    "smooth_recall",
    "smooth_specificity",
    "soft_f1",
    "unbounded_f1",
}
MARGIN = Hyperparameter(name="margin", default=1.0, description="margin", minimum=0)


@pytest.fixture
def own_losses():
    """Forget what a test registers."""
    known = registry._losses()
    before = dict(known)
    yield
    known.clear()
    known.update(before)


def hinge(logits, targets, *, margin):
    return torch.relu(margin - (2 * targets - 1) * logits).mean()


def test_every_loss_is_found_documented_and_consistent():
    assert set(loss_names()) >= BUILT_IN
    for name in BUILT_IN:
        loss = get_loss(name)
        assert loss.name == name
        assert loss.function is getattr(losses, name) is getattr(sigmoidf1, name)
        assert loss.summary
        assert loss.source
        assert loss.gradient is not None
        assert loss.f1_family == name.startswith(("sigmoid_", "smooth_", "soft_", "unbounded_"))
        defaults = loss.resolve({})
        assert list(defaults) == list(loss.hyperparameters)
        assert loss.function.__kwdefaults__ == defaults


def test_unknown_names_are_refused_with_the_nearest_one():
    with pytest.raises(InputError, match=r"Unknown loss 'sigmoidf2'\. Did you mean 'sigmoid_f1'"):
        get_loss("sigmoidf2")
    with pytest.raises(InputError, match=r"of sigmoid_f1 'betta'\. Did you mean 'beta'"):
        get_loss("sigmoid_f1").resolve({"betta": 1})
    with pytest.raises(InputError, match="Unknown preset of sigmoid_f1"):
        get_loss("sigmoid_f1").resolve({"preset": "voc"})
    with pytest.raises(InputError, match="of bce 'preset'"):
        get_loss("bce").resolve({"preset": "voc"})


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("sigmoid_f1", {"beta": 0}, "beta must be a finite number other than 0, but got 0"),
        ("sigmoid_f1", {"beta": math.nan}, "beta must be a finite number"),
        ("sigmoid_f1", {"eta": math.inf}, "eta must be a finite number"),
        ("sigmoid_f1", {"eta": True}, "eta must be a finite number"),
        ("sigmoid_f1", {"eta": "1"}, "eta must be a finite number"),
        ("sigmoid_f1", {"eta": None}, "eta must be a finite number"),
        ("sigmoid_f1", {"beta": 10**400}, "beta must be a finite number"),
        ("sigmoid_f1", {"input": "probs"}, "input must be one of logits, probabilities"),
        ("sigmoid_f1", {"reduction": "mean"}, "reduction must be one of per_class, pooled"),
        ("bce", {"pos_weight": 0}, "pos_weight must be a finite number > 0"),
        ("bce", {"reduction": "none"}, "reduction must be one of mean, sum"),
        ("focal", {"gamma": -1}, "gamma must be a finite number >= 0"),
        ("focal", {"alpha": 1.5}, "alpha must be a finite number >= 0 and <= 1 or null"),
        ("asl", {"clip": -0.1}, "clip must be a finite number >= 0 and <= 1"),
        ("asl", {"gamma_neg": None}, "gamma_neg must be a finite number >= 0"),
        ("bp_mll", {"reduction": "pooled"}, "reduction must be one of mean, sum"),
        ("hinge_f1", {"margin": 0}, "margin must be a finite number > 0"),
        ("poly1_bce", {"epsilon": -2}, "epsilon must be a finite number >= -1"),
        ("poly1_focal", {"alpha": -1}, "alpha must be a finite number >= 0 and <= 1 or null"),
        ("recall_at_k", {"k": 0}, "k must be a finite number >= 1"),
        ("recall_at_k", {"tau_rank": 0.0}, "tau_rank must be a finite number > 0"),
    ],
)
def test_rules_of_hyperparameters(name, values, message):
    loss = get_loss(name)
    with pytest.raises(InputError, match=message) as error:
        loss.resolve(values)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=message):
        loss.function(torch.zeros(2, 2), torch.zeros(2, 2), **values)


def test_legal_values_become_floats():
    resolved = get_loss("focal").resolve({"alpha": None, "gamma": np.float32(0.5)})
    assert resolved == {"gamma": 0.5, "alpha": None, "reduction": "mean"}
    assert type(resolved["gamma"]) is float
    assert get_loss("sigmoid_f1").resolve({"eta": 0, "beta": -10})["eta"] == 0.0
    strict = Hyperparameter(name="x", default=0.5, description="x", exclusive_maximum=1)
    with pytest.raises(InputError, match="x must be a finite number < 1"):
        strict.check(1)
    with pytest.raises(InputError, match="margin must be"):
        Hyperparameter(name="margin", default=-1, description="margin", minimum=0)


def test_presets_fix_beta_eta_and_input():
    loss = get_loss("sigmoid_f1")
    assert len(loss.presets) == 14
    for name, preset in loss.presets.items():
        assert set(preset) == {"beta", "eta", "input"}
        assert name.endswith(str(preset["input"]))
    expected = {"beta": -0.75, "eta": 10.25, "input": "logits", "reduction": "pooled"}
    values = {"preset": "voc_as_printed_logits", "reduction": "pooled"}
    assert loss.resolve(values) == expected
    with pytest.raises(InputError, match=r"already fixes beta = -0\.75, but got beta = 3"):
        loss.resolve({"preset": "voc_as_printed_logits", "beta": 3})


@pytest.mark.parametrize(
    ("logits", "targets", "message"),
    [
        (torch.zeros(32, 20), torch.zeros(32, 19), r"\(32, 20\) and \(32, 19\).*num_classes to 19"),
        (torch.zeros(32, 20), torch.zeros(31, 20), "must share shape"),
        (torch.zeros(2, 3, 4), torch.zeros(5, 3, 4), "must share shape"),
        (torch.zeros(3, 4), torch.zeros(2, 3, 4), "must share shape"),
        (torch.zeros(4), torch.zeros(4), "logits must be floating with shape"),
        (torch.zeros(0, 4), torch.zeros(0, 4), "N >= 1"),
        (torch.zeros(2, 2, dtype=torch.int64), torch.zeros(2, 2), "logits must be floating"),
    ],
)
@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_shapes_that_do_not_fit_are_refused(name, logits, targets, message):
    with pytest.raises(InputError, match=message):
        get_loss(name).function(logits, targets)


def test_tensors_of_hyperparameters_must_fit():
    logits = torch.zeros(2, 3, 4)
    with pytest.raises(InputError, match="beta must have the leading axes"):
        sigmoid_f1(logits, logits, beta=torch.ones(4))
    sigmoid_f1(logits, logits, beta=torch.ones(2, 4), eta=torch.zeros(()))


def test_a_users_loss_is_found_by_name_and_trains_packed(own_losses):
    loss = register_loss(Loss(name="hinge", function=hinge, hyperparameters={"margin": MARGIN}))
    assert register_loss(loss) is get_loss("hinge")
    assert "hinge" in loss_names()
    logits, targets = torch.randn(5, 64), (torch.rand(5, 64) < 0.5).float()
    rows = {"margin": torch.linspace(0.5, 2, 16).repeat_interleave(4)}
    sizes = {"num_heads": 16, "num_classes": 4, "choices": {}}
    values, gradient = autograd_gradient(loss, logits, targets, rows, **sizes)
    for head in range(16):
        columns = slice(4 * head, 4 * head + 4)
        leaf = logits[:, columns].clone().requires_grad_()
        expected = hinge(leaf, targets[:, columns], margin=float(rows["margin"][4 * head]))
        (by_hand,) = torch.autograd.grad(expected, leaf)
        torch.testing.assert_close(values[head], expected.detach())
        torch.testing.assert_close(gradient[:, columns], by_hand)


@pytest.mark.parametrize("batch", [1, 3, 37, 64])
def test_a_users_loss_gives_the_same_bits_anywhere_in_the_tile(batch):
    def loss_function(logits, targets, *, power):
        return ((logits.sigmoid() - targets).abs().log1p() ** power).mean().exp()

    power = Hyperparameter(name="power", default=1.0, description="power")
    loss = Loss(name="odd", function=loss_function, hyperparameters={"power": power})
    logits, targets = torch.randn(batch, 64), (torch.rand(batch, 64) < 0.5).float()
    rows = {"power": torch.linspace(1, 2, 12).repeat_interleave(5)}
    rows["power"] = torch.cat([rows["power"], torch.ones(4)])
    sizes = {"num_heads": 12, "num_classes": 5, "choices": {}}
    order = torch.arange(64)
    order[:60] = torch.arange(60).view(12, 5).flip(0).flatten()
    values, gradient = autograd_gradient(loss, logits, targets, rows, **sizes)
    logits[:, :5] = math.nan
    broken = autograd_gradient(loss, logits, targets, rows, **sizes)
    assert torch.equal(broken[0][1:], values[1:])
    assert torch.equal(broken[1][:, 5:], gradient[:, 5:])
    moved = {"power": rows["power"][order]}
    flipped = autograd_gradient(loss, logits[:, order], targets[:, order], moved, **sizes)
    assert torch.equal(flipped[0].flip(0)[1:], values[1:])
    assert torch.equal(flipped[1][:, order][:, 5:], gradient[:, 5:])


def test_losses_that_break_the_contract_are_refused(own_losses):
    rules = {"margin": MARGIN}
    logits, sizes = torch.zeros(3, 64), {"num_heads": 4, "num_classes": 5, "choices": {}}
    row = {"margin": torch.ones(64)}
    per_class = Loss(name="a", function=lambda x, y, *, margin: x.mean(0), hyperparameters=rules)
    with pytest.raises(InputError, match=r"'a' must return one number .* got \(5,\)"):
        autograd_gradient(per_class, logits, logits, row, **sizes)
    constant = Loss(name="b", function=lambda x, y, *, margin: y.sum(), hyperparameters=rules)
    with pytest.raises(InputError, match="'b' must be differentiable"):
        autograd_gradient(constant, logits, logits, row, **sizes)
    with pytest.raises(InputError, match="has no 'margin'"):
        Loss(name="c", function=lambda x, y: x.sum(), hyperparameters=rules)
    with pytest.raises(InputError, match="key must be its name"):
        Loss(name="d", function=hinge, hyperparameters={"width": MARGIN})
    with pytest.raises(InputError, match="'bce' is taken"):
        register_loss(Loss(name="bce", function=hinge, hyperparameters=rules))
    assert get_loss("bce").function is losses.bce


def test_modules_cover_every_loss_with_its_defaults():
    classes = [
        value
        for value in vars(modules).values()
        if isinstance(value, type) and issubclass(value, LossModule)
        if value is not LossModule and not value.__name__.startswith("_")
    ]
    assert {cls().loss.name for cls in classes} == BUILT_IN
    logits, targets = torch.randn(6, 3), (torch.rand(6, 3) < 0.5).float()
    for cls in classes:
        module = cls()
        assert getattr(sigmoidf1, cls.__name__) is cls
        assert module.values == module.loss.resolve({})
        assert torch.equal(module(logits, targets), module.loss.function(logits, targets))


def test_modules_learn_parameters_and_keep_tensors_as_buffers():
    beta = torch.nn.Parameter(torch.full((3,), 2.0))
    module = SigmoidF1(beta=beta, eta=torch.tensor([0.0, 0.5, 1.0]))
    assert [name for name, _ in module.named_parameters()] == ["beta"]
    assert [name for name, _ in module.named_buffers()] == ["eta"]
    logits, targets = torch.randn(6, 3), (torch.rand(6, 3) < 0.5).float()
    module(logits, targets).backward()
    assert beta.grad is not None
    assert (beta.grad != 0).all()
    expected = sigmoid_f1(logits[:, 1:2], targets[:, 1:2], beta=2.0, eta=0.5)
    one = SigmoidF1(beta=2.0, eta=0.5)(logits[:, 1:2], targets[:, 1:2])
    assert one.item() == expected.item()
    assert "beta=(3,)" in repr(module)


def test_modules_refuse_what_the_functions_refuse():
    for make in (
        lambda: SigmoidF1(beta=0.0),
        lambda: BCE(pos_weight=-1.0),
        lambda: Focal(alpha=2.0),
        lambda: LossModule("sigmoid_f2"),
        lambda: LossModule("bce", beta=torch.ones(3)),
        lambda: LossModule("bce", reduction=torch.ones(3)),
        lambda: LossModule("sigmoid_f1", preset="code_s1_e0_logits", beta=torch.ones(3)),
    ):
        with pytest.raises(InputError):
            make()
    assert LossModule("focal", alpha=None).values["alpha"] is None


def test_importing_the_package_loads_no_torch_and_exports_resolve_lazily():
    code = (
        "import sys, sigmoidf1; assert 'torch' not in sys.modules; sigmoidf1.InputError; "
        "assert 'torch' not in sys.modules; from sigmoidf1 import SigmoidF1, sigmoid_f1; "
        "assert 'SigmoidF1' in dir(sigmoidf1)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    for name in sigmoidf1.__all__:
        assert getattr(sigmoidf1, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'sigmoid_f2'"):
        sigmoidf1.sigmoid_f2  # noqa: B018


@pytest.mark.parametrize("name", [file.name for file in pkgutil.iter_modules(losses.__path__)])
def test_examples_in_docstrings_run(name, own_losses):
    module = importlib.import_module(f"sigmoidf1.losses.{name}")
    assert doctest.testmod(module).failed == 0
