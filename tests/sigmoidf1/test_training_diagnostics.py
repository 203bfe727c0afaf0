"""Gradient norms and saturation of trained heads, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from training_cases import Data, bits, make_data, mates, reference_head, train

from sigmoidf1.losses import get_loss
from sigmoidf1.training.batches import batch_order
from sigmoidf1.training.settings import HeadConfig, TrainingSettings


@pytest.fixture(scope="module")
def data() -> Data:
    return make_data()


def norms_by_autograd(data, config, settings, seed):
    """Gradient norms of the first and the last batch of a plain PyTorch loop with SGD."""
    torch.manual_seed(seed)
    head = reference_head(settings)
    inputs = data.features[data.splits["train"]]
    if settings.head == "linear":
        inputs = torch.relu(inputs)
    labels = data.targets[data.splits["train"]].float()
    loss = get_loss(config.loss)
    values = loss.resolve(config.hyperparameters)
    optimiser = torch.optim.SGD(head.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    order = batch_order(seed, len(inputs))
    norms = []
    for _ in range(settings.epochs):
        for batch in next(order).split(settings.batch_size):
            optimiser.zero_grad()
            loss.function(head(inputs[batch]), labels[batch], **values).backward()
            norms.append(
                torch.cat([p.grad.flatten().double() for p in head.parameters()]).norm().item()
            )
            optimiser.step()
    return norms[0], norms[-1]


@pytest.mark.parametrize("head", [{}, {"head": "mlp", "hidden": 20}])
@pytest.mark.parametrize("loss", ["sigmoid_f1", "bce", "asl"])
def test_gradient_norms_are_those_of_autograd(data, head, loss):
    settings = TrainingSettings(
        epochs=3, batch_size=48, optimizer="sgd", momentum=0.0, eval_every=2, **head
    )
    config = HeadConfig(loss=loss, lr=7e-3, weight_decay=1e-2)
    results = train(data, [config, *mates()], settings, seeds=(5,))
    start, end = norms_by_autograd(data, config, settings, 5)
    assert start != pytest.approx(end, rel=1e-2)
    np.testing.assert_allclose(results.gradient_norm_start[0, 0], start, rtol=1e-5)
    np.testing.assert_allclose(results.gradient_norm_end[0, 0], end, rtol=1e-4)


def test_the_norm_of_a_vanishing_gradient_does_not_underflow(data):
    config = HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": 1.0, "eta": -60.0})
    results = train(data, [config], TrainingSettings(epochs=1, batch_size=48))
    assert 0 < results.gradient_norm_start[0, 0] < 1e-20


@pytest.mark.parametrize(
    ("loss", "hyperparameters", "lr"),
    [
        ("sigmoid_f1", {"beta": 20.0, "eta": 0.2}, 0.01),
        ("sigmoid_f1", {"beta": -4.0, "eta": 0.5}, 0.01),
        ("sigmoid_f1", {"beta": 12.0, "eta": 0.1, "input": "probabilities"}, 0.01),
        ("smooth_specificity", {"beta": 3.0, "eta": 0.3}, 0.01),
        ("bce", {}, 0.05),
        ("unbounded_f1", {}, 0.05),
    ],
)
def test_saturation_is_the_share_of_outputs_in_the_flats_of_the_sigmoid(
    data, loss, hyperparameters, lr
):
    settings = TrainingSettings(epochs=6, batch_size=48)
    config = HeadConfig(loss=loss, hyperparameters=hyperparameters, lr=lr)
    results = train(data, [*mates(20), config], settings)
    assert results.parameters is not None
    inputs = torch.relu(data.features[data.splits["validation"]])
    weight, bias = (results.parameters[name][-1, 0].double() for name in ("weight", "bias"))
    u = inputs.double() @ weight + bias
    if hyperparameters.get("input") == "probabilities":
        u = u.sigmoid()
    s = (hyperparameters.get("beta", 1.0) * (u + hyperparameters.get("eta", 0.0))).sigmoid()
    share = ((s - 0.5).abs() > 0.49).double().mean().item()
    assert 0 < share < 1
    assert results.saturation[-1, 0] == pytest.approx(share, abs=1.5 / s.numel())


def test_saturation_follows_values_per_class_and_learned_ones(data):
    betas = [1.0, 5.0, 10.0, 20.0, 40.0]
    config = HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": betas, "eta": 0.3}, lr=0.01)
    settings = {"epochs": 3, "batch_size": 48}
    fixed = train(data, [config], TrainingSettings(**settings))
    learned = train(data, [config], TrainingSettings(**settings, learn=("beta", "eta")))
    for results in (fixed, learned):
        assert results.parameters is not None
        inputs = torch.relu(data.features[data.splits["validation"]])
        logits = inputs @ results.parameters["weight"][0, 0] + results.parameters["bias"][0, 0]
        beta = torch.tensor(results.learned["beta"][0, 0] if results.learned else betas)
        eta = torch.tensor(results.learned["eta"][0, 0] if results.learned else 0.3)
        s = (beta * (logits + eta)).sigmoid()
        share = ((s - 0.5).abs() > 0.49).double().mean().item()
        assert 0 < share < 1
        assert results.saturation[0, 0] == pytest.approx(share, abs=1.5 / s.numel())


def test_diagnostics_are_the_same_alone_and_packed_and_nan_where_a_head_diverged(data):
    config = HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": 6.0}, weight_decay=1e-2)
    settings = TrainingSettings(epochs=9, batch_size=48, keep_epoch="best", patience=2)
    alone, packed = train(data, [config], settings), train(data, [*mates(), config], settings)
    for name in ("saturation", "gradient_norm_start", "gradient_norm_end"):
        assert getattr(alone, name)[0].tobytes() == getattr(packed, name)[-1].tobytes()
    assert bits(alone, 0) == bits(packed, -1)
    destroyed = 3  # the head with a learning rate of 1e38
    assert packed.states[destroyed, 0] == "diverged"
    assert np.isnan(packed.saturation[destroyed, 0])
