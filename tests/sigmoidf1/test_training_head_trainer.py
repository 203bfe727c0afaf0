"""HeadTrainer: data are laid out once and kept between calls; the planner counts what is held."""

from __future__ import annotations

import pytest
import torch
from training_cases import DIM, NUM_CLASSES, Data, bits, make_data, mates, train

from sigmoidf1.errors import InputError
from sigmoidf1.training import head_trainer
from sigmoidf1.training.head_trainer import HeadTrainer
from sigmoidf1.training.memory import PackMemory, predict_memory
from sigmoidf1.training.settings import HeadConfig, Objective, TrainingSettings
from sigmoidf1.training.tiles import tile_slots

SETTINGS = {"epochs": 2, "batch_size": 48}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data() -> Data:
    return make_data()


def test_calls_share_one_layout_and_equal_separate_calls(data, monkeypatch):
    laid_out = []
    original = head_trainer.labelled_sets

    def counted(*arguments):
        laid_out.append(arguments[3].precision)
        return original(*arguments)

    monkeypatch.setattr(head_trainer, "labelled_sets", counted)
    trainer = HeadTrainer(data.features, data.targets, data.splits)
    float32 = TrainingSettings(**SETTINGS)
    config = HeadConfig(loss="sigmoid_f1", lr=1e-2)
    first = trainer.train([config], [(0, 0)], settings=float32)
    trainer.train(mates(), [(index, 1) for index in range(9)], settings=float32)
    again = trainer.train([*mates(), config], [(64, 0)], settings=float32)
    assert laid_out == ["float32"]
    trainer.train([config], [(0, 0)], settings=TrainingSettings(**SETTINGS, precision="bf16"))
    mlp = TrainingSettings(**SETTINGS, head="mlp", hidden=8)
    trainer.train([config], [(0, 0)], settings=mlp)
    assert laid_out == ["float32", "bf16", "float32"]
    alone = train(data, [config], float32)
    assert bits(first, 0) == bits(again, 0) == bits(alone, (0, 0))


def test_each_call_is_checked(data):
    trainer = HeadTrainer(data.features, data.targets, data.splits)
    with pytest.raises(InputError, match="splits must hold 'dev'"):
        trainer.train([HeadConfig(loss="bce")], [(0, 0)], objective=Objective(split="dev"))
    with pytest.raises(InputError, match="threads must be >= 1"):
        trainer.train([HeadConfig(loss="bce")], [(0, 0)], threads=0)
    with pytest.raises(InputError, match="device must be cpu, or one GPU or more"):
        HeadTrainer(data.features, data.targets, data.splits, device=["cpu", "cpu"])


def predicted(settings: TrainingSettings, **options: bool) -> PackMemory:
    sizes = {"train": 170, "validation": 45, "test": 45}
    return predict_memory(
        settings,
        split_sizes=sizes,
        dim=DIM,
        num_classes=NUM_CLASSES,
        num_thresholds=10,
        device=CPU,
        **options,
    )


def test_heads_that_wait_for_each_other_are_counted_with_their_state():
    plain = predicted(TrainingSettings(**SETTINGS))
    rungs = predicted(TrainingSettings(**SETTINGS), rungs=True)
    stopping = predicted(TrainingSettings(**SETTINGS, keep_epoch="best", patience=2))
    weights = (DIM + 1) * NUM_CLASSES * 4
    assert 3 * weights <= rungs.head_bytes - plain.head_bytes < 3.3 * weights
    assert 4 * weights <= stopping.head_bytes - plain.head_bytes < 4.3 * weights
    assert rungs.fixed_bytes == plain.fixed_bytes


def test_views_take_memory():
    sizes = {"train": 100, "validation": 10, "test": 10}
    options = {
        "split_sizes": sizes,
        "dim": 64,
        "num_classes": 3,
        "num_thresholds": 3,
        "device": CPU,
    }
    one = predict_memory(TrainingSettings(), **options)
    four = predict_memory(TrainingSettings(), **options, num_views=4)
    assert four.fixed_bytes - one.fixed_bytes == 3 * 100 * 64 * 4


@pytest.mark.parametrize(
    ("dim", "num_classes", "heads"), [(384, 20, 48), (768, 145, 7), (2048, 80, 4), (4096, 999, 1)]
)
def test_tiles_narrow_where_their_state_would_leave_the_caches(dim, num_classes, heads):
    slots = tile_slots(TrainingSettings(), dim=dim, num_classes=num_classes, device=CPU)
    assert slots == heads
    assert slots == 1 or slots * num_classes * dim * 16 <= 12 * 2**20
