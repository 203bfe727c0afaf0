"""The fused passes compute what PyTorch's operations do, and heads end where theirs end."""

from __future__ import annotations

import math
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch
from training_cases import Data, bits, flat, make_data, mates, train

from sigmoidf1.losses import get_loss, loss_names
from sigmoidf1.training import fused, trainer
from sigmoidf1.training.settings import HeadConfig, TrainingSettings

ROWS, WIDTH = 150, 128
SMOOTH = [name for name in loss_names() if get_loss(name).smooth is not None]


@pytest.fixture(scope="module")
def kernels() -> ModuleType:
    pytest.importorskip("numba")
    found = fused.kernels()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def data() -> Data:
    return make_data()


def halves(values: torch.Tensor) -> np.ndarray:
    return values.to(torch.bfloat16).view(torch.uint16).numpy()


def widened(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values).view(torch.bfloat16).float()


def test_rounding_is_pytorchs_for_every_kind_of_number(kernels):
    generator = np.random.default_rng(0)
    anything = generator.integers(0, 2**32, (ROWS, WIDTH), dtype=np.uint32).view(np.float32)
    special = [0.0, -0.0, math.inf, -math.inf, math.nan, 3.4e38, -3.4e38, 1e-40, 1 + 2**-8]
    anything[0, : len(special)] = special
    rounded, summed = np.zeros((ROWS, WIDTH), np.uint16), np.zeros(WIDTH, np.float32)
    with np.errstate(all="ignore"):
        kernels.round_and_sum(anything, rounded, summed)
    expected = torch.from_numpy(anything).to(torch.bfloat16).float()
    torch.testing.assert_close(widened(rounded), expected, rtol=0, atol=0, equal_nan=True)


def test_sums_keep_their_digits_over_a_large_batch(kernels):
    ones = np.full((100_000, 64), np.float32(1.1))
    rounded, summed = np.zeros(ones.shape, np.uint16), np.zeros(64, np.float32)
    kernels.round_and_sum(ones, rounded, summed)
    assert (
        np.abs(summed / (np.float64(np.float32(1.1)) * 100_000) - 1).max() < 5e-5
    )  # one after the other: 9e-4


def test_the_passes_of_a_smooth_loss_are_those_of_pytorch(kernels):
    generator = torch.Generator().manual_seed(0)
    product = torch.randn(ROWS, WIDTH, generator=generator) * 3
    product[3, 5], product[4, 6], product[5, 7] = math.nan, math.inf, -math.inf
    lr, bias, eta = (torch.randn(WIDTH, generator=generator) for _ in range(3))
    slope = torch.linspace(-30, 30, WIDTH)
    targets = (torch.rand(ROWS, WIDTH, generator=generator) < 0.2).float()
    labels = targets.to(torch.uint8).numpy()
    wide = product.to(torch.bfloat16).float()
    logits = np.zeros((ROWS, WIDTH), np.float32)
    kernels.unpack(halves(product), lr.numpy(), bias.numpy(), logits)
    torch.testing.assert_close(torch.from_numpy(logits), bias + wide * lr, equal_nan=True)

    scores, overlap, total = np.zeros_like(logits), np.zeros(WIDTH, "f4"), np.zeros(WIDTH, "f4")
    kernels.tuned_sigmoid(
        halves(product), lr.numpy(), bias.numpy(), eta.numpy(), slope.numpy(), labels,
        scores, overlap, total,
    )  # fmt: skip
    expected = torch.sigmoid(slope * (bias + wide * lr + eta))
    torch.testing.assert_close(
        torch.from_numpy(scores), expected, rtol=2e-5, atol=1e-30, equal_nan=True
    )
    for sums, terms in ((overlap, expected * targets), (total, expected)):
        torch.testing.assert_close(
            torch.from_numpy(sums), terms.sum(0), rtol=2e-5, atol=1e-6, equal_nan=True
        )

    by_overlap, by_total = (torch.randn(WIDTH, generator=generator) for _ in range(2))
    gradient, summed = np.zeros(logits.shape, np.uint16), np.zeros(WIDTH, "f4")
    kernels.ratio_gradient(scores, labels, by_overlap.numpy(), by_total.numpy(), gradient, summed)
    own = torch.from_numpy(scores)
    exact = (by_overlap * targets + by_total) * own * (1 - own)
    torch.testing.assert_close(widened(gradient), exact, rtol=2**-8, atol=1e-30, equal_nan=True)
    torch.testing.assert_close(
        torch.from_numpy(summed), exact.sum(0), rtol=1e-4, atol=1e-5, equal_nan=True
    )


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_adam_is_pytorchs(kernels, decay):
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(40, 64, generator=generator)
    reference = torch.nn.Parameter(weight.clone())
    optimiser = torch.optim.Adam([reference], lr=0.05, weight_decay=decay)
    mean, square = np.zeros((40, 64), "f4"), np.zeros((40, 64), "f4")
    own, rounded = weight.numpy().copy(), np.zeros((40, 64), np.uint16)
    for step in range(1, 8):
        gradient = torch.randn(40, 64, generator=generator).to(torch.bfloat16)
        reference.grad = gradient.float()
        optimiser.step()
        kernels.adam(
            own, halves(gradient), mean, square, rounded, np.full(64, decay, "f4"),
            np.float32(0.05 / (1 - 0.9**step)), np.float32((1 - 0.999**step) ** 0.5),
            np.float32(0.999), np.float32(1 - 0.9), np.float32(1 - 0.999), np.float32(1e-8),
        )  # fmt: skip
    torch.testing.assert_close(torch.from_numpy(own), reference.detach(), rtol=1e-5, atol=1e-6)
    assert torch.equal(widened(rounded), torch.from_numpy(own).to(torch.bfloat16).float())


@pytest.mark.parametrize("options", [{}, {"optimizer": "adamw"}, {"schedule": "onecycle"}])
@pytest.mark.parametrize("loss", [*SMOOTH, "bce"])
def test_heads_end_where_pytorchs_step_ends(data, kernels, monkeypatch, loss, options):
    configs = [HeadConfig(loss=loss, lr=3e-3, weight_decay=wd) for wd in (0.0, 1e-2)]
    if loss in SMOOTH:
        names = {"reduction": "pooled"}, {"input": "probabilities"}, {"beta": 8.0, "eta": 0.5}
        configs += [HeadConfig(loss=loss, lr=3e-3, hyperparameters=each) for each in names]
    settings = TrainingSettings(epochs=10, batch_size=48, precision="bf16", **options)
    own = train(data, configs, settings)
    monkeypatch.setattr(trainer, "make_fused_step", lambda *_: None)
    theirs = train(data, configs, settings)
    for index in range(len(configs)):
        mine, other = flat(own, (index, 0)), flat(theirs, (index, 0))
        assert torch.linalg.norm(mine - other) < 0.01 * torch.linalg.norm(other)
    np.testing.assert_allclose(own.train_loss, theirs.train_loss, atol=2e-3)


def test_a_head_that_diverges_is_seen_to_and_leaves_its_mates_alone(data, kernels):
    settings = TrainingSettings(epochs=4, batch_size=48, precision="bf16")
    config = HeadConfig(loss="sigmoid_f1", lr=3e-3)
    wild = HeadConfig(loss="unbounded_f1", lr=1e38)
    alone = train(data, [config], settings)
    beside = train(data, [wild, config, *mates()], settings)
    assert (beside.states[0, 0], beside.states[1, 0]) == ("diverged", "complete")
    assert bits(alone, 0) == bits(beside, 1)


def test_without_numba_the_step_is_pytorchs(data, monkeypatch):
    settings = TrainingSettings(epochs=2, batch_size=48, precision="bf16")
    config = HeadConfig(loss="sigmoid_f1", lr=3e-3)
    monkeypatch.setattr(fused, "kernels", lambda: None)
    missing = train(data, [config], settings)
    monkeypatch.setattr(trainer, "make_fused_step", lambda *_: None)
    assert bits(missing, 0) == bits(train(data, [config], settings), 0)
    float32 = replace(settings, precision="float32")
    assert not fused._may_fuse(float32, torch.device("cpu"))
