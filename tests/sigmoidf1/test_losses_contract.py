"""The contract of every loss, run over every registered loss and every combination of choices."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from sigmoidf1.losses import autograd_gradient, get_loss, loss_names

BATCH, HEADS, CLASSES, WIDTH = 37, 7, 5, 64
USED = HEADS * CLASSES
# One number a head, every one of them awkward for someone.
NUMBERS = {
    "beta": [1.0, 30.0, -10.0, 100.0, -100.0, 0.05, 5.0],
    "eta": [0.0, 2.0, -1.0, 10.25, 0.5, -0.75, 9.0],
    "pos_weight": [1.0, 0.1, 10.0, 2.0, 1.0, 3.0, 0.5],
    "gamma": [0.0, 0.1, 1.0, 2.0, 5.0, 0.5, 3.7],
    "alpha": [0.25, None, 0.0, 1.0, 0.5, 0.75, None],
    "gamma_neg": [0.0, 4.0, 0.1, 2.0, 1.0, 6.0, 0.5],
    "gamma_pos": [0.0, 1.0, 0.1, 0.0, 2.0, 1.0, 0.5],
    "epsilon": [1.0, -1.0, 0.0, 2.0, 5.0, -0.5, 0.1],
    "margin": [1.0, 0.5, 4.0, 7.0, 1.0, 0.3, 2.0],
    "k": [1.0, 3.0, 5.0, 2.0, 10.0, 1.5, 4.0],
    "tau_recall": [1.0, 0.5, 2.0, 1.0, 0.1, 1.0, 3.0],
    "tau_rank": [1.0, 0.1, 0.5, 2.0, 0.05, 5.0, 1.0],
    "clip": [0.0, 0.05, 0.05, 0.0, 0.2, 1.0, 0.0],
}


class Case(NamedTuple):
    name: str
    choices: dict[str, str]

    @property
    def loss(self):
        return get_loss(self.name)

    @property
    def numbers(self) -> list[str]:
        return [n for n, rule in self.loss.hyperparameters.items() if rule.choices is None]

    def of_head(self, head: int) -> dict:
        values = {name: NUMBERS[name][head % len(NUMBERS[name])] for name in self.numbers}
        return {**values, **self.choices}

    def rows(self, dtype: torch.dtype) -> dict[str, Tensor]:
        rows = {}
        for name in self.numbers:
            values = [math.nan if v is None else v for v in NUMBERS[name]]
            rows[name] = torch.ones(WIDTH, dtype=dtype)
            rows[name][:USED] = torch.tensor(values, dtype=dtype).repeat_interleave(CLASSES)
        return rows


def _cases() -> list[Case]:
    cases = []
    for name in loss_names():
        rules = get_loss(name).hyperparameters.values()
        words = {rule.name: rule.choices for rule in rules if rule.choices is not None}
        cases += [
            Case(name, dict(zip(words, chosen, strict=True)))
            for chosen in itertools.product(*words.values())
        ]
    return cases


CASES = _cases()
every_case = pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join([c[0], *c[1].values()]))


def batch(scale: float = 3.0, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(11)
    logits = torch.zeros(BATCH, WIDTH)
    targets = torch.zeros(BATCH, WIDTH)
    logits[:, :USED] = scale * torch.randn(BATCH, USED, generator=generator)
    targets[:, :USED] = (torch.rand(BATCH, USED, generator=generator) < 0.3).float()
    targets[:, :CLASSES] = 0  # a head without a positive
    targets[:, CLASSES : 2 * CLASSES] = 1  # and one without a negative
    return logits.to(dtype), targets.to(dtype)


def closed(case: Case, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    assert case.loss.gradient is not None
    rows = case.rows(logits.dtype)
    return case.loss.gradient(
        logits, targets, rows, num_heads=HEADS, num_classes=CLASSES, choices=case.choices
    )


def by_autograd(case: Case, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Head by head, with plain numbers: what a user's own training loop computes."""
    losses, gradient = [], torch.zeros_like(logits)
    for head in range(HEADS):
        columns = slice(head * CLASSES, (head + 1) * CLASSES)
        leaf = logits[:, columns].clone().requires_grad_()
        loss = case.loss.function(leaf, targets[:, columns], **case.of_head(head))
        (gradient[:, columns],) = torch.autograd.grad(loss, leaf)
        losses.append(loss.detach())
    return torch.stack(losses), gradient


def extreme(case: Case, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Logits up to ±1e4 of both signs, for both labels."""
    logits, targets = batch()
    edges = torch.tensor([1e4, 1e3, 200.0, 104.0, 90.0, 88.0, 80.0, 40.0, 20.0, 17.0, 10.0, 0.0])
    edges = torch.cat([edges, -edges])
    places = torch.arange(BATCH * USED) % len(edges)
    logits[:, :USED] = edges[places].view(BATCH, USED)
    return logits.to(dtype), targets.to(dtype)


def assert_heads_close(got: Tensor, expected: Tensor, tolerance: float) -> None:
    """Within a tolerance relative to the largest element of each head, or to 1e-4."""
    error = (got - expected)[:, :USED].abs().unflatten(1, (HEADS, CLASSES)).amax((0, 2))
    size = expected[:, :USED].abs().unflatten(1, (HEADS, CLASSES)).amax((0, 2))
    assert (error <= tolerance * size.clamp(min=1e-4)).all(), (error / size).tolist()


@every_case
def test_closed_form_is_the_gradient_of_the_function(case):
    logits, targets = batch(dtype=torch.float64)
    losses, gradient = closed(case, logits, targets)
    expected_losses, expected = by_autograd(case, logits, targets)
    torch.testing.assert_close(losses, expected_losses, rtol=1e-10, atol=1e-12)
    assert_heads_close(gradient, expected, 1e-7)


@every_case
def test_closed_form_in_float32_is_as_good_as_float32_can_be(case):
    logits, targets = batch()
    losses, gradient = closed(case, logits, targets)
    true_losses, true_gradient = by_autograd(case, logits.double(), targets.double())
    assert gradient.dtype == losses.dtype == torch.float32
    # unbounded_f1 divides by sums that cancel: its condition is part of the published loss.
    rtol = 1e-3 if case.name == "unbounded_f1" else 2e-5
    torch.testing.assert_close(losses.double(), true_losses, rtol=rtol, atol=1e-6)
    assert_heads_close(gradient.double(), true_gradient, 10 * rtol)
    function_losses, function_gradient = by_autograd(case, logits, targets)
    torch.testing.assert_close(losses, function_losses, rtol=rtol, atol=1e-6)
    assert_heads_close(function_gradient.double(), true_gradient, 1e-3)


@every_case
def test_extreme_logits_give_finite_values_and_gradients(case):
    logits, targets = extreme(case)
    losses, gradient = closed(case, logits, targets)
    function_losses, function_gradient = by_autograd(case, logits, targets)
    for values in (losses, gradient, function_losses, function_gradient):
        assert values.isfinite().all()
    torch.testing.assert_close(losses, function_losses, rtol=1e-5, atol=1e-6)
    if case.name != "unbounded_f1":
        assert_heads_close(gradient, function_gradient, 1e-4)


@every_case
@pytest.mark.parametrize("label", [0.0, 1.0])
@pytest.mark.parametrize("logit", [-1e4, -300.0, -40.0, 0.0, 40.0, 1e4])
def test_constant_labels_and_saturated_logits_are_finite(case, label, logit):
    logits, targets = torch.full((BATCH, WIDTH), logit), torch.full((BATCH, WIDTH), label)
    for values in (*closed(case, logits, targets), *by_autograd(case, logits, targets)):
        assert values[..., :USED].isfinite().all()


@every_case
def test_padding_is_not_nan_and_other_heads_change_no_bit(case):
    logits, targets = batch()
    losses, gradient = closed(case, logits, targets)
    assert gradient.shape == logits.shape
    assert gradient.isfinite().all()
    broken = logits.clone()
    broken[:, : 3 * CLASSES] = torch.tensor([math.nan, math.inf, -math.inf, 1e30, math.nan]).tile(3)
    same = slice(3, None)
    broken_losses, broken_gradient = closed(case, broken, targets)
    assert torch.equal(broken_losses[same], losses[same])
    assert torch.equal(broken_gradient[:, 3 * CLASSES :], gradient[:, 3 * CLASSES :])


@every_case
def test_a_heads_bits_do_not_depend_on_its_place(case):
    logits, targets = batch()
    rows = case.rows(torch.float32)
    order = torch.arange(WIDTH)
    order[:USED] = torch.arange(USED).view(HEADS, CLASSES).flip(0).flatten()
    sizes = {"num_heads": HEADS, "num_classes": CLASSES, "choices": case.choices}
    losses, gradient = case.loss.gradient(logits, targets, rows, **sizes)
    moved = {name: row[order].contiguous() for name, row in rows.items()}
    moved_losses, moved_gradient = case.loss.gradient(
        logits[:, order].contiguous(), targets[:, order].contiguous(), moved, **sizes
    )
    assert torch.equal(moved_losses, losses.flip(0))
    assert torch.equal(moved_gradient[:, :USED], gradient[:, order][:, :USED])
    fewer_losses, fewer_gradient = case.loss.gradient(
        logits, targets, rows, **{**sizes, "num_heads": 2}
    )
    assert torch.equal(fewer_losses, losses[:2])
    assert torch.equal(fewer_gradient[:, : 2 * CLASSES], gradient[:, : 2 * CLASSES])


@every_case
def test_inputs_are_left_as_they_are(case):
    logits, targets = batch()
    rows = case.rows(torch.float32)
    kept = [tensor.clone() for tensor in (logits, targets, *rows.values())]
    sizes = {"num_heads": HEADS, "num_classes": CLASSES, "choices": case.choices}
    _, gradient = case.loss.gradient(logits, targets, rows, **sizes)
    again = gradient.clone()
    case.loss.gradient(-logits, targets, rows, **sizes)
    assert torch.equal(gradient, again)
    for before, after in zip(kept, (logits, targets, *rows.values()), strict=True):
        assert torch.equal(before.nan_to_num(), after.nan_to_num())


@every_case
def test_autograd_gradient_equals_the_closed_form(case):
    logits, targets = batch(dtype=torch.float64)
    losses, gradient = autograd_gradient(
        case.loss,
        logits,
        targets,
        case.rows(torch.float64),
        num_heads=HEADS,
        num_classes=CLASSES,
        choices=case.choices,
    )
    expected_losses, expected = closed(case, logits, targets)
    torch.testing.assert_close(losses, expected_losses, rtol=1e-10, atol=1e-12)
    assert_heads_close(gradient, expected, 1e-7)
    assert (gradient[:, USED:] == 0).all()


@every_case
def test_gradcheck(case):
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(6, 3, dtype=torch.float64, generator=generator).requires_grad_()
    targets = (torch.rand(6, 3, generator=generator) < 0.5).double()
    for head in (0, 1, 5, 6):
        values = case.of_head(head)
        assert torch.autograd.gradcheck(
            lambda x, v=values: case.loss.function(x, targets, **v), (logits,)
        )


@every_case
def test_order_of_examples_and_classes_does_not_matter(case):
    logits, targets = batch(dtype=torch.float64)
    logits, targets = logits[:, -WIDTH : -WIDTH + USED], targets[:, -WIDTH : -WIDTH + USED]
    rows, columns = torch.randperm(BATCH), torch.randperm(USED)
    values = case.of_head(1)
    first = case.loss.function(logits, targets, **values)
    second = case.loss.function(logits[rows][:, columns], targets[rows][:, columns], **values)
    torch.testing.assert_close(first, second)


@every_case
def test_leading_axes_and_one_value_a_head_or_class(case):
    logits, targets = batch(dtype=torch.float64)
    heads = logits[:, :USED].unflatten(1, (HEADS, CLASSES)).transpose(0, 1)
    labels = targets[:, :USED].unflatten(1, (HEADS, CLASSES)).transpose(0, 1)
    values = {
        name: torch.tensor([math.nan if v is None else v for v in NUMBERS[name]])
        for name in case.numbers
    }
    together = case.loss.function(heads, labels, **values, **case.choices)
    alone = [case.loss.function(heads[i], labels[i], **case.of_head(i)) for i in range(HEADS)]
    torch.testing.assert_close(together, torch.stack(alone))
    shared = case.loss.function(heads, labels[2], **case.of_head(2))
    torch.testing.assert_close(
        shared[3], case.loss.function(heads[3], labels[2], **case.of_head(2))
    )
    by_class = {name: value[:CLASSES] for name, value in values.items()}
    per_class = case.loss.function(heads[3], labels[3], **by_class, **case.choices)
    spelled_out = {name: value[None, :] for name, value in by_class.items()}
    assert per_class == case.loss.function(heads[3], labels[3], **spelled_out, **case.choices)


@every_case
def test_half_precision_logits_are_computed_in_float32(case):
    logits, targets = batch()
    logits, targets = logits[:, :CLASSES].bfloat16(), targets[:, :CLASSES]
    value = case.loss.function(logits, targets.to(torch.uint8), **case.of_head(1))
    assert value.dtype == torch.float32
    assert value == case.loss.function(logits.float(), targets, **case.of_head(1))
