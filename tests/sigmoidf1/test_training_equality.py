"""A head trained in a pack is the head trained alone, bit by bit, and the one PyTorch trains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from training_cases import DIM, NUM_CLASSES, Data, bits, flat, make_data, mates, sequential, train

from sigmoidf1.losses import loss_names
from sigmoidf1.training import pack, products
from sigmoidf1.training.batches import batch_order
from sigmoidf1.training.packed import train_replicates
from sigmoidf1.training.products import product_backend
from sigmoidf1.training.settings import HeadConfig, TrainingSettings
from sigmoidf1.training.tiles import tile_slots
from sigmoidf1.training.trainer import TileTrainer

CPU = torch.device("cpu")
SETTINGS = TrainingSettings(epochs=4, batch_size=48)
LOSSES = loss_names()

VARIANTS = {
    "adamw": {"optimizer": "adamw"},
    "sgd": {"optimizer": "sgd"},
    "sgd without momentum": {"optimizer": "sgd", "momentum": 0.0},
    "cosine": {"schedule": "cosine"},
    "onecycle": {"schedule": "onecycle", "pct_start": 0.2},
    "onecycle sgd": {"schedule": "onecycle", "optimizer": "sgd"},
    "ema": {"ema_decay": 0.9},
    "mlp": {"head": "mlp", "hidden": 20},
    "mlp onecycle adamw": {
        "head": "mlp",
        "hidden": 70,
        "schedule": "onecycle",
        "optimizer": "adamw",
    },
}


@pytest.fixture(scope="module")
def data() -> Data:
    return make_data()


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("loss", LOSSES)
def test_packed_equals_alone_bit_for_bit(data, loss, precision):
    settings = replace(SETTINGS, precision=precision)
    config = HeadConfig(loss=loss, lr=3e-3, weight_decay=1e-3)
    alone = train(data, [config], settings)
    first = train(data, [config, *mates()], settings)
    last = train(data, [*mates(), config], settings)
    assert bits(alone, 0) == bits(first, 0) == bits(last, -1)


@pytest.mark.parametrize("variant", [*VARIANTS, "dropout", "bf16", "learn"])
def test_packed_equals_alone_for_every_head_and_optimiser(data, variant):
    special = {
        "dropout": {"head": "mlp", "hidden": 20, "dropout": 0.3},
        "bf16": {"precision": "bf16"},
        "learn": {"learn": ("beta", "eta")},
    }
    settings = TrainingSettings(epochs=3, batch_size=48, **{**VARIANTS, **special}[variant])
    config = HeadConfig(
        loss="sigmoid_f1", hyperparameters={"beta": 2.0}, lr=3e-3, weight_decay=1e-2
    )
    others = [
        HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": b}, lr=10.0**-b)
        for b in range(1, 30)
    ]
    alone = train(data, [config], settings)
    first = train(data, [config, *others], settings)
    last = train(data, [*others, config], settings)
    assert bits(alone, 0) == bits(first, 0) == bits(last, -1)


@pytest.mark.parametrize("loss", LOSSES)
def test_packed_equals_a_pytorch_loop_for_every_loss(data, loss):
    settings = TrainingSettings(epochs=25, batch_size=48)  # 100 steps
    config = HeadConfig(loss=loss, lr=2e-3, weight_decay=1e-2)
    packed = flat(train(data, [config, *mates()], settings, seeds=(3,)))
    reference = sequential(data, config, settings, seed=3)
    assert (packed - reference).norm() <= 1e-5 * reference.norm()


@pytest.mark.parametrize("variant", VARIANTS)
def test_packed_equals_a_pytorch_loop_for_every_head_and_optimiser(data, variant):
    settings = TrainingSettings(epochs=25, batch_size=48, **VARIANTS[variant])
    config = HeadConfig(loss="bce", lr=5e-3, weight_decay=1e-2)
    packed = flat(train(data, [config, *mates()], settings, seeds=(3,)))
    reference = sequential(data, config, settings, seed=3)
    assert (packed - reference).norm() <= 1e-5 * reference.norm()


@pytest.mark.parametrize("batch_size", [10_000, 170, 169, 1])
def test_full_batch_and_batches_of_one(data, batch_size):
    settings = TrainingSettings(epochs=1, batch_size=batch_size)
    config = HeadConfig(loss="bce", lr=1e-3)
    reference = sequential(data, config, settings)
    assert (flat(train(data, [config], settings)) - reference).norm() <= 1e-5 * reference.norm()


def test_mates_of_another_loss_in_one_tile_change_no_bit(data):
    slots = tile_slots(SETTINGS, dim=DIM, num_classes=NUM_CLASSES, device=CPU)
    assert slots > len(LOSSES)  # they share a tile
    configs = [HeadConfig(loss=loss) for loss in LOSSES]
    together = train(data, configs, SETTINGS)
    for index, config in enumerate(configs):
        assert bits(train(data, [config], SETTINGS), 0) == bits(together, index), config.loss


@pytest.mark.parametrize("variant", ["float32", "bf16", "mlp"])
def test_narrow_tiles_change_no_bit(data, monkeypatch, variant):
    options = {"bf16": {"precision": "bf16"}, "mlp": {"head": "mlp", "hidden": 20}}
    # Enough steps an epoch that the order in which their losses are added matters.
    settings = TrainingSettings(epochs=3, batch_size=8, **options.get(variant, {}))
    configs = [
        HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": 4.0}, lr=k * 1e-3) for k in (1, 3, 5)
    ]
    widths = []
    original = TileTrainer.step

    def noted(self, *arguments, **kept):
        widths.append(self.tile.num_slots)
        original(self, *arguments, **kept)

    monkeypatch.setattr(TileTrainer, "step", noted)
    narrow = train(data, configs, settings)
    slots = set(widths)
    # A machine on which widths round otherwise takes the full width, with the same result.
    monkeypatch.setattr(pack, "rounds_alike", lambda *shape, backwards: False)
    widths.clear()
    full = train(data, configs, settings)
    assert len(slots) == len(set(widths)) == 1
    assert max(slots) < max(widths) or product_backend(CPU) != "onednn"
    for index in range(len(configs)):
        assert bits(narrow, index) == bits(full, index)


def test_a_width_that_rounds_otherwise_is_found(monkeypatch):
    shape = (48, DIM, 64, 256, "float32")
    products.rounds_alike.cache_clear()
    original = products.matmul

    def by_width(left, right):
        result = original(left, right)
        return result * (1 + 2**-23) if right.shape[1] == 64 else result

    monkeypatch.setattr(products, "matmul", by_width)
    assert not products.rounds_alike(*shape, backwards=False)
    monkeypatch.undo()
    products.rounds_alike.cache_clear()


def test_threads_order_and_subset_change_no_bit(data):
    configs = [HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": b}) for b in range(1, 180)]
    whole = train(data, configs, SETTINGS, seeds=(0, 1), threads=1)
    threaded = train(data, configs, SETTINGS, seeds=(0, 1), threads=3)
    for key, values in whole.scores.items():
        assert values.tobytes() == threaded.scores[key].tobytes()
    some = [(150, 1), (3, 0), (77, 1)]
    part = train_replicates(
        data.features, data.targets, configs, some, splits=data.splits, settings=SETTINGS
    )
    for row, (config, seed) in enumerate(some):
        assert bits(part, row) == bits(whole, (config, seed))


def test_evaluating_more_often_changes_no_bit(data):
    config = HeadConfig(loss="sigmoid_f1")
    often = train(data, [config], TrainingSettings(epochs=4, batch_size=48, eval_every=1))
    rarely = train(data, [config], TrainingSettings(epochs=4, batch_size=48, eval_every=9))
    assert bits(often, 0) == bits(rarely, 0)
    assert list(often.curve_epochs) == [1, 2, 3, 4]
    assert list(rarely.curve_epochs) == [4]
    assert often.objective_curve[0, 0, -1] == rarely.objective[0, 0]


def test_streaming_from_host_memory_changes_no_bit(data):
    configs = [HeadConfig(loss="sigmoid_f1"), HeadConfig(loss="bce")]
    resident = train(data, configs, SETTINGS)
    streamed = train(data, configs, SETTINGS, max_device_bytes=0)
    assert bits(resident, 0) == bits(streamed, 0)
    assert bits(resident, 1) == bits(streamed, 1)


def test_a_seed_has_its_own_start_and_order_the_same_in_every_cell(data):
    still = TrainingSettings(epochs=1, batch_size=10_000)
    configs = [HeadConfig(loss="bce", lr=1e-30), HeadConfig(loss="asl", lr=1e-29)]
    results = train(data, configs, still, seeds=(0, 1))
    assert results.parameters is not None
    weight = results.parameters["weight"]
    torch.manual_seed(1)
    start = torch.nn.Linear(DIM, NUM_CLASSES).weight.detach().t()
    np.testing.assert_allclose(weight[0, 1], start, rtol=1e-6)
    np.testing.assert_allclose(weight[0], weight[1], rtol=1e-6)
    assert not torch.allclose(weight[0, 0], weight[0, 1])
    assert torch.equal(next(batch_order(1, 50)), next(batch_order(1, 50)))
    assert not torch.equal(next(batch_order(1, 50)), next(batch_order(2, 50)))
