"""Values of the losses: golden numbers from the papers' formulas, and limiting identities."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from sigmoidf1.losses import (
    asl,
    bce,
    focal,
    get_loss,
    sigmoid_f1,
    smooth_accuracy,
    smooth_npv,
    smooth_precision,
    smooth_recall,
    smooth_specificity,
    soft_f1,
    unbounded_f1,
)

# Log odds: sigmoid is 3/4, 1/2 and 1/4.
HIGH, EVEN, LOW = math.log(3), 0.0, -math.log(3)
LOGITS = torch.tensor([[HIGH, EVEN], [LOW, HIGH], [EVEN, LOW]], dtype=torch.float64)
TARGETS = torch.tensor([[1, 0], [0, 0], [1, 1]])
# Class 0: S = 3/4, 1/4, 1/2 and y = 1, 0, 1: tp = 5/4, fp = 1/4, fn = 3/4, tn = 3/4.
# Class 1: S = 1/2, 3/4, 1/4 and y = 0, 0, 1: tp = 1/4, fp = 5/4, fn = 3/4, tn = 3/4.
BY_HAND = {
    # metric: ((numerator, denominator) of class 0, of class 1)
    sigmoid_f1: ((10 / 4, 14 / 4), (2 / 4, 10 / 4)),
    soft_f1: ((10 / 4, 14 / 4), (2 / 4, 10 / 4)),
    smooth_accuracy: ((8 / 4, 3), (4 / 4, 3)),
    smooth_precision: ((5 / 4, 6 / 4), (1 / 4, 6 / 4)),
    smooth_npv: ((3 / 4, 6 / 4), (3 / 4, 6 / 4)),
    smooth_recall: ((5 / 4, 2), (1 / 4, 1)),
    smooth_specificity: ((3 / 4, 1), (3 / 4, 2)),
}
SMOOTH = [function for function in BY_HAND if function is not soft_f1]


def random_batch(n: int = 50, c: int = 6, scale: float = 2.0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    logits = scale * torch.randn(n, c, dtype=torch.float64, generator=generator)
    return logits, (torch.rand(n, c, generator=generator) < 0.3).double()


def smooth_counts(z, y, beta, eta, source, axis):
    u = 1 / (1 + np.exp(-z)) if source == "probabilities" else z
    s = 1 / (1 + np.exp(-beta * (u + eta)))
    terms = (s * y, s * (1 - y), (1 - s) * y, (1 - s) * (1 - y))
    return [term.sum(axis) for term in terms]


def smooth_reference(function, z, y, beta, eta, source, reduction):
    """The paper's Table 5 as printed, in NumPy."""
    axis = None if reduction == "pooled" else 0
    tp, fp, fn, tn = smooth_counts(z, y, beta, eta, source, axis)
    ratio = {
        sigmoid_f1: (2 * tp, 2 * tp + fn + fp),
        smooth_accuracy: (tp + tn, tp + fp + fn + tn),
        smooth_precision: (tp, tp + fp),
        smooth_npv: (tn, tn + fn),
        smooth_recall: (tp, tp + fn),
        smooth_specificity: (tn, tn + fp),
    }[function]
    return np.mean(1 - ratio[0] / (ratio[1] + 1e-16))


@pytest.mark.parametrize("function", BY_HAND, ids=lambda f: f.__name__)
def test_golden_values_of_the_smooth_confusion_matrix(function):
    parts = BY_HAND[function]
    per_class = 1 - sum(top / bottom for top, bottom in parts) / 2
    pooled = 1 - sum(top for top, _ in parts) / sum(bottom for _, bottom in parts)
    assert function(LOGITS, TARGETS).item() == pytest.approx(per_class, rel=1e-12)
    assert function(LOGITS, TARGETS, reduction="pooled").item() == pytest.approx(pooled, rel=1e-12)


@pytest.mark.parametrize("function", SMOOTH, ids=lambda f: f.__name__)
@pytest.mark.parametrize("source", ["logits", "probabilities"])
@pytest.mark.parametrize("reduction", ["per_class", "pooled"])
@pytest.mark.parametrize(("beta", "eta"), [(1, 0), (9, 1), (-0.75, 10.25), (30, -0.5), (-3, 0.2)])
def test_smooth_losses_equal_the_papers_formulas(function, source, reduction, beta, eta):
    logits, targets = random_batch()
    value = function(logits, targets, beta=beta, eta=eta, input=source, reduction=reduction)
    expected = smooth_reference(
        function, logits.numpy(), targets.numpy(), beta, eta, source, reduction
    )
    assert value.item() == pytest.approx(expected, rel=1e-10)


def test_the_authors_code_is_the_probabilities_reading_with_s_equal_to_minus_beta():
    logits, targets = random_batch()
    s, e = -9, 1
    u = 1 / (1 + np.exp(-logits.numpy()))
    sig = 1 / (1 + np.exp(s * (u + e)))
    y = targets.numpy()
    tp, fp, fn = (sig * y).sum(0), (sig * (1 - y)).sum(0), ((1 - sig) * y).sum(0)
    expected = (1 - 2 * tp / (2 * tp + fn + fp + 1e-16)).mean()
    values = get_loss("sigmoid_f1").resolve({"preset": "code_s9_e1_probabilities"})
    assert sigmoid_f1(logits, targets, **values).item() == pytest.approx(expected, rel=1e-12)


def test_unbounded_f1_by_hand():
    # u = 2, -1 and y = 1, 0: tp = 2, fp = -1, fn = -1; F1 = 4 / (4 - 2) = 2.
    logits, targets = torch.tensor([[2.0], [-1.0]]), torch.tensor([[1], [0]])
    assert unbounded_f1(logits, targets).item() == pytest.approx(-1.0)
    two = torch.tensor([[2.0, 1.0], [-1.0, 0.0]]), torch.tensor([[1, 0], [0, 1]])
    assert unbounded_f1(*two).item() == pytest.approx((-1 + 1) / 2)
    assert unbounded_f1(*two, reduction="pooled").item() == pytest.approx(1 - 4 / (2 + 2))


def test_bce_by_hand_and_as_in_pytorch():
    # -log 3/4 for the positives at HIGH and negatives at LOW, -log 1/4 when wrong.
    right, wrong, even = math.log(4 / 3), math.log(4), math.log(2)
    expected = (right + even + right + wrong + even + wrong) / 6
    assert bce(LOGITS, TARGETS).item() == pytest.approx(expected)
    assert bce(LOGITS, TARGETS, reduction="sum").item() == pytest.approx(6 * expected)
    weighted = (3 * right + even + right + wrong + 3 * even + 3 * wrong) / 6
    assert bce(LOGITS, TARGETS, pos_weight=3).item() == pytest.approx(weighted)
    logits, targets = random_batch(scale=30.0)
    weight = torch.tensor(2.5, dtype=torch.float64)
    torch.testing.assert_close(
        bce(logits, targets, pos_weight=2.5),
        binary_cross_entropy_with_logits(logits, targets, pos_weight=weight),
    )


def test_focal_by_hand():
    # p_t = 3/4 and 1/4, gamma = 2, alpha = 1/4 for the positive and 3/4 for the negative.
    logits, targets = torch.tensor([[HIGH, HIGH]]), torch.tensor([[1, 0]])
    positive = 1 / 4 * (1 / 4) ** 2 * math.log(4 / 3)
    negative = 3 / 4 * (3 / 4) ** 2 * math.log(4)
    value = focal(logits, targets, gamma=2, alpha=0.25)
    assert value.item() == pytest.approx((positive + negative) / 2)
    unweighted = 4 * positive + 4 / 3 * negative
    value = focal(logits, targets, gamma=2, alpha=None, reduction="sum")
    assert value.item() == pytest.approx(unweighted)


def test_asl_by_hand():
    # Positive at p = 3/4: (1/4)^1 log 3/4. Negative at p = 3/4 with clip 1/4: p⁻ = 1/2, (1/2)^4.
    # Negative at p = 1/4 with clip 1/4: p⁻ = 1, which costs nothing.
    logits = torch.tensor([[HIGH, HIGH, LOW]], dtype=torch.float64)
    expected = 1 / 4 * math.log(4 / 3) + (1 / 2) ** 4 * math.log(2)
    targets = torch.tensor([[1, 0, 0]])
    value = asl(logits, targets, gamma_neg=4, gamma_pos=1, clip=0.25)
    assert value.item() == pytest.approx(expected, rel=1e-12)
    value = asl(logits, targets, gamma_neg=4, gamma_pos=1, clip=0.25, reduction="mean")
    assert value.item() == pytest.approx(expected / 3, rel=1e-12)


def test_asl_clamps_its_logarithms_at_1e_8():
    logits, targets = torch.tensor([[-1e4, -19.0]]), torch.tensor([[1, 1]])
    logits.requires_grad_()
    value = asl(logits, targets, gamma_pos=0.0)
    value.backward()
    assert value.item() == pytest.approx(-2 * math.log(1e-8))
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_asl_gradient_passes_through_the_focusing_weight():
    # One positive at p = 3/4 and gamma = 2: L = -q² log p, dL/du = 2 p q² log p - q³.
    logits = torch.tensor([[HIGH]], dtype=torch.float64, requires_grad=True)
    asl(logits, torch.ones(1, 1), gamma_pos=2.0).backward()
    p, q = 3 / 4, 1 / 4
    assert logits.grad is not None
    assert logits.grad.item() == pytest.approx(2 * p * q**2 * math.log(p) - q**3)


def test_asl_without_focusing_is_bce_summed():
    logits, targets = random_batch()
    torch.testing.assert_close(
        asl(logits, targets, gamma_neg=0, gamma_pos=0, clip=0),
        bce(logits, targets, reduction="sum"),
    )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_symmetric_asl_is_focal_without_alpha(gamma):
    logits, targets = random_batch()
    torch.testing.assert_close(
        asl(logits, targets, gamma_neg=gamma, gamma_pos=gamma, clip=0, reduction="mean"),
        focal(logits, targets, gamma=gamma, alpha=None),
    )


def test_focal_without_focusing_is_bce():
    logits, targets = random_batch()
    torch.testing.assert_close(focal(logits, targets, gamma=0, alpha=None), bce(logits, targets))
    torch.testing.assert_close(focal(logits, targets, gamma=0, alpha=0.5), bce(logits, targets) / 2)


@pytest.mark.parametrize("reduction", ["per_class", "pooled"])
def test_soft_f1_is_sigmoid_f1_at_slope_one(reduction):
    logits, targets = random_batch()
    torch.testing.assert_close(
        soft_f1(logits, targets, reduction=reduction),
        sigmoid_f1(logits, targets, beta=1, eta=0, reduction=reduction),
    )


@pytest.mark.parametrize("function", SMOOTH, ids=lambda f: f.__name__)
def test_negative_beta_mirrors_the_predictions(function):
    logits, targets = random_batch()
    torch.testing.assert_close(
        function(logits, targets, beta=-3.0, eta=0.7),
        function(-logits, targets, beta=3.0, eta=-0.7),
    )
    exchanged = {
        smooth_npv: smooth_precision,
        smooth_precision: smooth_npv,
        smooth_recall: smooth_specificity,
        smooth_specificity: smooth_recall,
        smooth_accuracy: smooth_accuracy,
    }
    if function in exchanged:  # negatives take the place of positives
        torch.testing.assert_close(
            function(logits, targets, beta=-3.0, eta=0.7),
            exchanged[function](logits, 1 - targets, beta=3.0, eta=0.7),
        )


@pytest.mark.parametrize("function", [*SMOOTH, soft_f1, unbounded_f1], ids=lambda f: f.__name__)
def test_pooled_equals_per_class_for_one_class(function):
    logits, targets = random_batch(c=1)
    torch.testing.assert_close(
        function(logits, targets, reduction="pooled"),
        function(logits, targets, reduction="per_class"),
    )


def test_steep_slope_approaches_the_hard_f1():
    logits, targets = random_batch()
    predicted = (logits >= 0).double()
    tp, total = (predicted * targets).sum(0), (predicted + targets).sum(0)
    hard = (1 - 2 * tp / total).mean()
    errors = [
        abs(sigmoid_f1(logits, targets, beta=beta).item() - hard.item())
        for beta in (1.0, 10.0, 100.0, 1e6)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-6


def test_nothing_predicted_and_nothing_positive_is_a_loss_of_one_without_gradient():
    logits = torch.full((8, 3), -1e4, requires_grad=True)
    value = sigmoid_f1(logits, torch.zeros(8, 3), beta=100.0)
    value.backward()
    assert value.item() == 1.0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("gamma", [0.0, 0.01, 0.3, 1.0, 2.0])
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_focal_and_asl_gradients_are_finite_where_the_prediction_is_perfect(gamma, label):
    for logit in (1e4, 120.0, 89.0, 17.0, -17.0, -89.0, -120.0, -1e4):
        logits = torch.full((1, 1), logit, requires_grad=True)
        targets = torch.full((1, 1), label)
        total = (
            focal(logits, targets, gamma=gamma)
            + asl(logits, targets, gamma_neg=gamma, gamma_pos=gamma, clip=0.0)
            + asl(logits, targets, gamma_neg=gamma, gamma_pos=gamma, clip=0.05)
        )
        (gradient,) = torch.autograd.grad(total, logits)
        assert total.isfinite().all()
        assert gradient.isfinite().all()
