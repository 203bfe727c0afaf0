"""Values of the competitors of the paper's Table 1: by hand, from the printed formulas, limits."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from training_cases import make_data, mates, train

from sigmoidf1 import (
    HeadConfig,
    TrainingSettings,
    bce,
    bp_mll,
    focal,
    hinge_f1,
    poly1_bce,
    poly1_focal,
    recall_at_k,
)


def random_batch(n: int = 40, c: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(8)
    logits = 2 * torch.randn(n, c, dtype=torch.float64, generator=generator)
    return logits, (torch.rand(n, c, generator=generator) < 0.35).double()


def test_bp_mll_by_hand() -> None:
    # tanh(atanh(1/2)) = 1/2; positives 0 and 1, negative 2:
    # (exp(-(1/2 - 0)) + exp(-(0 - 0))) / 2 for c = (1/2, 0, 0).
    logits = torch.tensor([[math.atanh(0.5), 0.0, 0.0]], dtype=torch.float64)
    value = bp_mll(logits, torch.tensor([[1, 1, 0]]))
    assert value.item() == pytest.approx((math.exp(-0.5) + 1) / 2, rel=1e-12)


def test_bp_mll_is_the_sum_over_pairs_and_leaves_out_examples_without_a_pair() -> None:
    logits, targets = random_batch()
    targets[0], targets[1] = 0, 1
    c, y = np.tanh(logits.numpy()), targets.numpy() > 0
    each = []
    for scores, labels in zip(c, y, strict=True):
        pairs = itertools.product(scores[labels], scores[~labels])
        terms = [math.exp(-(k - el)) for k, el in pairs]
        each.append(np.mean(terms) if terms else 0.0)
    assert bp_mll(logits, targets).item() == pytest.approx(np.mean(each), rel=1e-12)
    assert bp_mll(logits, targets, reduction="sum").item() == pytest.approx(np.sum(each))
    assert bp_mll(logits[:2], targets[:2]).item() == 0.0


def test_poly1_adds_epsilon_times_the_error_of_first_order() -> None:
    logits, targets = random_batch()
    assert poly1_bce(logits, targets, epsilon=0.0).item() == pytest.approx(
        bce(logits, targets).item(), rel=1e-12
    )
    p = logits.sigmoid()
    p_t = torch.where(targets > 0, p, 1 - p)
    expected = (-p_t.log() + 2.5 * (1 - p_t)).mean().item()
    assert poly1_bce(logits, targets, epsilon=2.5).item() == pytest.approx(expected, rel=1e-12)
    # p = 1/2: log 2 + 1/2, with y = 1 and y = 0 alike.
    even = poly1_bce(torch.zeros(1, 2), torch.tensor([[1, 0]]), reduction="sum")
    assert even.item() == pytest.approx(2 * (math.log(2) + 0.5), rel=1e-6)


@pytest.mark.parametrize("alpha", [None, 0.25])
def test_poly1_focal_follows_the_printed_formula(alpha: float | None) -> None:
    logits, targets = random_batch()
    assert poly1_focal(logits, targets, epsilon=0.0, gamma=1.5, alpha=alpha).item() == (
        pytest.approx(focal(logits, targets, gamma=1.5, alpha=alpha).item(), rel=1e-12)
    )
    assert poly1_focal(logits, targets, epsilon=3.0, gamma=0.0).item() == pytest.approx(
        poly1_bce(logits, targets, epsilon=3.0).item(), rel=1e-12
    )
    p = logits.sigmoid()
    p_t = torch.where(targets > 0, p, 1 - p)
    weight = 1.0 if alpha is None else torch.where(targets > 0, alpha, 1 - alpha)
    each = weight * (-((1 - p_t) ** 2) * p_t.log() - 0.5 * (1 - p_t) ** 3)
    value = poly1_focal(logits, targets, epsilon=-0.5, gamma=2.0, alpha=alpha)
    assert value.item() == pytest.approx(each.mean().item(), rel=1e-12)


def test_hinge_f1_by_hand() -> None:
    # Class 0: z = 2, 1/2 positive, -1/2 negative: T = 1 + 1/2, F = 1/2, P = 2.
    # Class 1: z = -1 positive, -2, 0 negative: T = -1 (no bound), n = 3.
    logits = torch.tensor([[2.0, -1.0], [0.5, -2.0], [-0.5, 0.0]], dtype=torch.float64)
    targets = torch.tensor([[1, 1], [1, 0], [0, 0]])
    first, second = 1 - 2 * 1.5 / (2 + 1.5 + 0.5), 1 - 2 * -1 / 3
    assert hinge_f1(logits, targets).item() == pytest.approx((first + second) / 2, rel=1e-12)
    # Pooled: T = 1/2, F = 1/2 + 0 + 1, P = 3. Margin 1/2: T = 1 + 1 - 2, F = 0 + 0 + 1.
    pooled = hinge_f1(logits, targets, reduction="pooled")
    assert pooled.item() == pytest.approx(1 - 2 * 0.5 / (3 + 0.5 + 1.5), rel=1e-12)
    narrow = hinge_f1(logits, targets, reduction="pooled", margin=0.5)
    assert narrow.item() == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("margin", [0.25, 1.0, 4.0])
def test_hinge_f1_never_promises_more_than_the_f1_of_predictions_at_one_half(
    margin: float,
) -> None:
    for seed in range(30):
        generator = torch.Generator().manual_seed(seed)
        targets = (torch.rand(20, 4, generator=generator) < 0.4).double()
        noise = torch.randn(20, 4, dtype=torch.float64, generator=generator)
        logits = 3 * (2 * targets - 1) + 2 * noise
        predicted = (logits >= 0).double()
        tp, total = (predicted * targets).sum(0), (predicted + targets).sum(0)
        hard = (1 - 2 * tp / total.clamp(min=1)).mean()
        assert hinge_f1(logits, targets, margin=margin) >= hard - 1e-12
    perfect = (2 * targets - 1) * margin
    assert hinge_f1(perfect, targets, margin=margin).item() == pytest.approx(0.0, abs=1e-12)


def test_hinge_f1_is_the_lagrangian_at_its_closed_form_multipliers() -> None:
    logits, targets = random_batch(c=1)
    leaf = (logits + 4 * targets - 1).requires_grad_()  # T > 0
    (gradient,) = torch.autograd.grad(hinge_f1(leaf, targets), leaf)
    positives = targets.sum()
    level = 1 - hinge_f1(leaf, targets).detach()
    kept = (leaf.clamp(max=1) * targets).sum()
    exceeded = ((leaf + 1).clamp(min=0) * (1 - targets)).sum()
    multiplier = (1 / (positives + kept + exceeded)).detach()
    lagrangian = multiplier * (level * (positives + kept + exceeded) - 2 * kept)
    (expected,) = torch.autograd.grad(lagrangian, leaf)
    torch.testing.assert_close(gradient, expected)


def test_hinge_f1_finds_its_way_back_from_predicting_nothing() -> None:
    targets = torch.tensor([[1.0], [0.0], [0.0]])
    logits = torch.full((3, 1), -50.0, requires_grad=True)
    hinge_f1(logits, targets).backward()
    assert logits.grad is not None
    assert logits.grad[0] < 0
    assert (logits.grad[1:] == 0).all()


def test_recall_at_k_by_hand() -> None:
    # u = (1, 0), positive 1: rank = 1 + s(1) of the one above it, k = 1.
    logits, targets = torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.tensor([[0, 1]])
    rank = 1 + 1 / (1 + math.exp(-1))
    expected = 1 - 1 / (1 + math.exp(-(1 - rank)))
    assert recall_at_k(logits, targets, k=1).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("source", ["logits", "probabilities"])
def test_recall_at_k_follows_the_printed_formula(source: str) -> None:
    logits, targets = random_batch()
    targets[3] = 0
    u = logits.numpy() if source == "logits" else 1 / (1 + np.exp(-logits.numpy()))

    def step(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    each = []
    for scores, labels in zip(u, targets.numpy() > 0, strict=True):
        found = []
        for c in np.flatnonzero(labels):
            rank = 1 + sum(
                step((scores[other] - scores[c]) / 0.3) for other in range(5) if other != c
            )
            found.append(step((2 - rank) / 0.7))
        each.append(1 - np.mean(found) if found else 0.0)
    value = recall_at_k(logits, targets, k=2, tau_recall=0.7, tau_rank=0.3, input=source)
    assert value.item() == pytest.approx(np.mean(each), rel=1e-10)


def test_recall_at_k_approaches_recall_among_the_k_highest() -> None:
    logits, targets = random_batch()
    top = torch.zeros_like(targets).scatter_(1, logits.topk(2).indices, 1.0)
    hard = ((top * targets).sum(1) / targets.sum(1).clamp(min=1))[targets.sum(1) > 0]
    value = recall_at_k(logits, targets, k=2.5, tau_recall=1e-3, tau_rank=1e-6)
    missing = (targets.sum(1) > 0).double().mean()
    assert value.item() == pytest.approx((1 - hard).mean().item() * missing.item(), abs=1e-6)


@pytest.mark.parametrize("name", ["bp_mll", "hinge_f1", "poly1_bce", "poly1_focal", "recall_at_k"])
def test_heads_learn_and_have_the_same_bits_alone_and_in_a_mixed_pack(name: str) -> None:
    data, head = make_data(), HeadConfig(loss=name, lr=0.01)
    settings = TrainingSettings(epochs=8, batch_size=64)
    alone = train(data, [head], settings, seeds=(0, 1))
    together = train(data, [*mates(12), head], settings, seeds=(0, 1))
    assert np.array_equal(together.train_loss[-1], alone.train_loss[0])
    assert np.array_equal(together.objective[-1], alone.objective[0])
    assert (alone.train_loss[0][:, -1] < alone.train_loss[0][:, 0]).all()
    assert set(alone.states.ravel()) == {"complete"}
