"""A head trained in a pack is the head trained alone, bit by bit, and the one PyTorch trains."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sigmoidf1.losses import get_loss, loss_names
from sigmoidf1.training.engine import batch_order
from sigmoidf1.training.packed import train_heads, train_replicates
from sigmoidf1.training.results import HeadResults
from sigmoidf1.training.settings import HeadConfig, TrainingSettings
from sigmoidf1.training.tiles import tile_shape

NUM_CLASSES = 5
SETTINGS = TrainingSettings(epochs=4, batch_size=48)
LOSSES = sorted(set(loss_names()))


@pytest.fixture(scope="module")
def data() -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(7)
    features = torch.randn(260, 24, generator=generator)
    truth = torch.randn(24, NUM_CLASSES, generator=generator)
    noise = torch.randn(260, NUM_CLASSES, generator=generator)
    targets = (features @ truth + noise > 3.0).to(torch.uint8)
    rows = torch.arange(260)
    return features, targets, {"train": rows[:170], "validation": rows[170:215], "test": rows[215:]}


def train(data, configs, seeds=(0,), settings=SETTINGS, **options) -> HeadResults:
    features, targets, splits = data
    return train_heads(
        features, targets, configs, list(seeds), splits=splits, settings=settings, **options
    )


def mates() -> list[HeadConfig]:
    """Pack-mates that saturate, invert and diverge."""
    return [
        HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": 30.0, "eta": 2.0}),
        HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": -10.0}),
        HeadConfig(loss="unbounded_f1", lr=1e3),
        HeadConfig(loss="bce", lr=1e30),
        *(HeadConfig(loss="asl", lr=1e-3 * (1 + i)) for i in range(120)),
    ]


def bits(results: HeadResults, index: int) -> list[bytes]:
    assert results.weight is not None
    assert results.bias is not None
    return [
        results.weight[index].numpy().tobytes(),
        results.bias[index].numpy().tobytes(),
        results.train_loss[index].tobytes(),
        *(results.scores[key][index].tobytes() for key in sorted(results.scores)),
        *(results.curves[key][index].tobytes() for key in sorted(results.curves)),
    ]


@pytest.mark.parametrize("loss", LOSSES)
def test_packed_equals_alone_bit_for_bit(data, loss):
    config = HeadConfig(loss=loss, lr=3e-3, weight_decay=1e-3)
    alone = train(data, [config])
    first = train(data, [config, *mates()])
    last = train(data, [*mates(), config])
    assert bits(alone, 0) == bits(first, 0) == bits(last, -1)


def test_mates_of_another_loss_in_one_tile_change_no_bit(data):
    slots, _ = tile_shape(NUM_CLASSES, torch.device("cpu"))
    assert slots > len(LOSSES)  # so that all of them share a tile
    configs = [HeadConfig(loss=loss) for loss in LOSSES]
    together = train(data, configs)
    for index, config in enumerate(configs):
        assert bits(train(data, [config]), 0) == bits(together, index), config.loss


def test_threads_order_and_subset_change_no_bit(data):
    features, targets, splits = data
    configs = [HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": b}) for b in range(1, 180)]
    whole = train(data, configs, seeds=(0, 1), threads=1)
    threaded = train(data, configs, seeds=(0, 1), threads=3)
    for key, values in whole.scores.items():
        assert values.tobytes() == threaded.scores[key].tobytes()
    some = [(150, 1), (3, 0), (77, 1)]
    part = train_replicates(features, targets, configs, some, splits=splits, settings=SETTINGS)
    for row, (config, seed) in enumerate(some):
        assert bits(part, row) == bits(whole, (config, seed))


def test_evaluating_more_often_changes_no_bit(data):
    config = HeadConfig(loss="sigmoid_f1")
    often = train(data, [config], settings=TrainingSettings(epochs=4, batch_size=48, eval_every=1))
    rarely = train(data, [config], settings=TrainingSettings(epochs=4, batch_size=48, eval_every=9))
    assert bits(often, 0) == bits(rarely, 0)
    assert list(often.curve_epochs) == [1, 2, 3, 4]
    assert list(rarely.curve_epochs) == [4]
    assert often.objective_curve[0, 0, -1] == rarely.objective[0, 0]


def sequential(data, config: HeadConfig, settings: TrainingSettings, seed: int) -> torch.Tensor:
    """The same head by plain PyTorch: nn.Linear, torch.optim, autograd through the loss."""
    features, targets, splits = data
    inputs = torch.relu(features[splits["train"]])
    labels = targets[splits["train"]].float()
    torch.manual_seed(seed)
    head = torch.nn.Linear(inputs.shape[1], labels.shape[1])
    loss = get_loss(config.loss)
    values = loss.resolve(config.hyperparameters)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer]
    optimiser = kind(head.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    order = batch_order(seed, len(inputs))
    for _ in range(settings.epochs):
        for batch in next(order).split(settings.batch_size):
            optimiser.zero_grad()
            loss.function(head(inputs[batch]), labels[batch], **values).backward()
            optimiser.step()
    return torch.cat([head.weight.detach().t(), head.bias.detach()[None]])


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
@pytest.mark.parametrize("loss", LOSSES)
def test_packed_equals_a_pytorch_loop(data, loss, optimizer):
    settings = TrainingSettings(epochs=25, batch_size=48, optimizer=optimizer)  # 100 steps
    config = HeadConfig(loss=loss, lr=2e-3, weight_decay=1e-2)
    results = train(data, [config, *mates()], seeds=(3,), settings=settings)
    assert results.weight is not None
    assert results.bias is not None
    packed = torch.cat([results.weight[0, 0], results.bias[0, 0][None]])
    reference = sequential(data, config, settings, seed=3)
    assert (packed - reference).norm() <= 1e-5 * reference.norm()


def test_full_batch_and_batches_of_one(data):
    for batch_size in (10_000, 1):
        settings = TrainingSettings(epochs=1, batch_size=batch_size)
        config = HeadConfig(loss="bce", lr=1e-3)
        results = train(data, [config], settings=settings)
        assert results.weight is not None
        reference = sequential(data, config, settings, seed=0)[:-1]
        assert (results.weight[0, 0] - reference).norm() <= 1e-5 * reference.norm()


def test_a_seed_has_its_own_start_and_order_the_same_in_every_cell(data):
    still = TrainingSettings(epochs=1, batch_size=10_000)
    configs = [HeadConfig(loss="bce", lr=1e-30), HeadConfig(loss="asl", lr=1e-29)]
    results = train(data, configs, seeds=(0, 1), settings=still)
    assert results.weight is not None
    torch.manual_seed(1)
    start = torch.nn.Linear(24, NUM_CLASSES).weight.detach().t()
    np.testing.assert_allclose(results.weight[0, 1], start, rtol=1e-6)
    np.testing.assert_allclose(results.weight[0], results.weight[1], rtol=1e-6)
    assert not torch.allclose(results.weight[0, 0], results.weight[0, 1])
    assert torch.equal(next(batch_order(1, 50)), next(batch_order(1, 50)))
    assert not torch.equal(next(batch_order(1, 50)), next(batch_order(2, 50)))
