"""Epoch choice, early stopping, learned hyperparameters, precision, memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from training_cases import NUM_CLASSES, Data, bits, flat, make_data, train

from sigmoidf1.errors import InputError
from sigmoidf1.training.engine import SeedTraining
from sigmoidf1.training.packed import train_heads
from sigmoidf1.training.schedules import Schedule
from sigmoidf1.training.settings import HeadConfig, Objective, TrainingSettings
from sigmoidf1.training.trainer import TileTrainer

SIGMOID = [
    HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": 1.0 + b / 7}, lr=0.03)
    for b in range(230)
]


@pytest.fixture(scope="module")
def data() -> Data:
    return make_data()


@pytest.mark.parametrize("schedule", ["constant", "cosine", "onecycle"])
def test_warm_up_multiplies_the_schedule(schedule):
    plain = Schedule(TrainingSettings(epochs=10, schedule=schedule), 5)
    warm = Schedule(TrainingSettings(epochs=10, schedule=schedule, warmup_epochs=2), 5)
    for step in range(50):
        share = min(1.0, (step + 1) / 10)
        assert warm.at(step).factor == pytest.approx(share * plain.at(step).factor)
        assert warm.at(step).momentum == plain.at(step).momentum


def test_best_epoch_is_the_best_of_the_curve(data):
    every = TrainingSettings(epochs=12, batch_size=48, eval_every=1, keep_epoch="best")
    results = train(data, SIGMOID[:40], every)
    best = results.objective_curve.argmax(-1)
    np.testing.assert_array_equal(results.best_epoch, best + 1)
    np.testing.assert_array_equal(results.objective, results.objective_curve.max(-1))
    assert len(set(results.best_epoch.ravel())) > 1
    # The kept weights are those of a run that ends at that epoch.
    epoch = int(results.best_epoch[3, 0])
    ended = train(data, [SIGMOID[3]], TrainingSettings(epochs=epoch, batch_size=48, eval_every=1))
    assert torch.equal(flat(results, (3, 0)), flat(ended))


def test_best_epoch_of_a_loss_metric_is_the_lowest(data):
    settings = TrainingSettings(epochs=8, batch_size=48, eval_every=1, keep_epoch="best")
    objective = Objective(metric="hamming_loss")
    results = train(data, SIGMOID[:20], settings, objective=objective)
    np.testing.assert_array_equal(results.objective, results.objective_curve.min(-1))


def test_stopped_heads_free_their_share_and_change_no_bit(data, monkeypatch):
    base = {"epochs": 40, "batch_size": 48, "eval_every": 1, "keep_epoch": "best"}
    stopping = TrainingSettings(**base, patience=3)
    heads_of_steps = []
    original = TileTrainer.step

    def counted(self, inputs, targets, rates, **options):
        heads_of_steps.append(len(self.tile.members))
        original(self, inputs, targets, rates, **options)

    monkeypatch.setattr(TileTrainer, "step", counted)
    together = train(data, SIGMOID, stopping, threads=1)
    monkeypatch.undo()
    assert len(set(together.epochs_run.ravel())) > 3
    assert (together.epochs_run < 40).any()
    full = train(data, SIGMOID[:2], TrainingSettings(**base), threads=1)
    assert full.epochs_run.max() == 40
    # The heads that went on were moved into fewer tiles ...
    steps_an_epoch = -(-len(data.splits["train"]) // 48)
    tiles = -(-len(SIGMOID) // max(heads_of_steps))
    assert tiles > 1
    assert len(heads_of_steps) < tiles * steps_an_epoch * together.epochs_run.max()
    # ... and each is what it is alone.
    for index in (0, 57, 111, 229):
        alone = train(data, [SIGMOID[index]], stopping)
        assert bits(alone, 0) == bits(together, index)
        assert alone.epochs_run[0, 0] == together.epochs_run[index, 0]
        run = int(alone.epochs_run[0, 0])
        assert np.isnan(together.train_loss[index, 0, run:]).all()
        assert np.isfinite(together.train_loss[index, 0, :run]).all()


def test_one_value_a_class_equals_heads_of_one_class(data):
    betas = [1.0, 2.0, 5.0, 10.0, -3.0]
    settings = TrainingSettings(epochs=3, batch_size=48)
    per_class = train(
        data, [HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": betas})], settings
    )
    assert per_class.parameters is not None
    for column, beta in enumerate(betas):
        scalar = train(
            data, [HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": beta})], settings
        )
        assert scalar.parameters is not None
        assert torch.equal(
            per_class.parameters["weight"][0, 0, :, column],
            scalar.parameters["weight"][0, 0, :, column],
        )


def test_learned_beta_and_eta_follow_their_gradient(data):
    start = {"beta": -2.0, "eta": 0.5}
    settings = TrainingSettings(epochs=1, batch_size=10_000, learn=("beta", "eta"))
    config = HeadConfig(loss="sigmoid_f1", hyperparameters=start, lr=1e-3)
    results = train(data, [config], settings)
    assert results.parameters is not None
    beta = results.parameters["beta"][0, 0].numpy()
    eta = results.parameters["eta"][0, 0].numpy()
    assert beta.shape == eta.shape == (NUM_CLASSES,)
    # Adam's first step moves each by lr against its gradient's sign: eta by 1e-3, beta by a factor.
    np.testing.assert_allclose(np.abs(eta - 0.5), 1e-3, rtol=1e-3)
    np.testing.assert_allclose(np.abs(np.log(beta / -2.0)), 1e-3, rtol=1e-3)
    # The signs are those of autograd through the loss.
    from sigmoidf1.losses import get_loss

    rows = data.splits["train"]
    torch.manual_seed(0)
    logits = torch.nn.Linear(24, NUM_CLASSES)(torch.relu(data.features[rows])).detach()
    b = torch.full((NUM_CLASSES,), -2.0, requires_grad=True)
    e = torch.full((NUM_CLASSES,), 0.5, requires_grad=True)
    get_loss("sigmoid_f1").function(logits, data.targets[rows].float(), beta=b, eta=e).backward()
    np.testing.assert_array_equal(np.sign(eta - 0.5), -e.grad.sign().numpy())
    np.testing.assert_array_equal(
        np.sign(np.log(beta / -2.0)), (-b.grad * b.detach()).sign().numpy()
    )


def test_learning_reaches_further_than_the_fixed_start(data):
    settings = TrainingSettings(epochs=60, batch_size=48, learn=("beta", "eta"))
    fixed = TrainingSettings(epochs=60, batch_size=48)
    config = HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": 0.2}, lr=0.02)
    learned, scalar = train(data, [config], settings), train(data, [config], fixed)
    assert learned.train_loss[0, 0, -1] < scalar.train_loss[0, 0, -1]
    assert learned.learned["beta"].shape == (1, 1, NUM_CLASSES)
    assert (learned.learned["beta"] > 0).all()  # the sign of the start is kept
    assert scalar.learned == {}


def test_learning_needs_a_loss_that_has_it(data):
    with pytest.raises(InputError, match=r"bce has no beta"):
        train(data, [HeadConfig(loss="bce")], TrainingSettings(epochs=1, learn=("beta",)))


def test_bf16_is_close_and_keeps_float32_weights(data):
    settings = {"epochs": 20, "batch_size": 48}
    configs = [HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": b}) for b in (1, 3, 9)]
    exact = train(data, configs, TrainingSettings(**settings), seeds=(0, 1))
    rounded = train(data, configs, TrainingSettings(**settings, precision="bf16"), seeds=(0, 1))
    assert exact.parameters is not None
    assert rounded.parameters is not None
    assert rounded.parameters["weight"].dtype == torch.float32
    difference = rounded.parameters["weight"] - exact.parameters["weight"]
    assert 0 < difference.norm() < 0.05 * exact.parameters["weight"].norm()
    np.testing.assert_allclose(rounded.objective, exact.objective, atol=0.05)


def test_out_of_memory_halves_and_goes_on(data, monkeypatch):
    configs = SIGMOID[:50]
    settings = TrainingSettings(epochs=3, batch_size=48)
    whole = train(data, configs, settings)
    original = SeedTraining.advance
    sizes = []

    def short_of_memory(self, epoch):
        sizes.append(len(self.histories))
        original(self, epoch)
        if len(self.histories) > 15:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(SeedTraining, "advance", short_of_memory)
    told = []
    halved = train(data, configs, settings, progress=lambda done, total: told.append((done, total)))
    assert max(sizes) > 15
    assert told[-1] == (150, 150)
    for index in range(50):
        assert bits(whole, index) == bits(halved, index)


def test_memory_too_small_for_one_head_is_an_error(data, monkeypatch):
    def no_memory(self, epoch):
        raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes.")

    monkeypatch.setattr(SeedTraining, "advance", no_memory)
    with pytest.raises(RuntimeError, match="not enough memory"):
        train(data, SIGMOID[:3], TrainingSettings(epochs=1))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_agrees_with_cpu(data):
    settings = TrainingSettings(epochs=25, batch_size=48)
    configs = [HeadConfig(loss=name) for name in ("sigmoid_f1", "bce", "asl", "focal")]
    cpu, gpu = train(data, configs, settings), train(data, configs, settings, device="cuda")
    for index in range(len(configs)):
        reference = flat(cpu, (index, 0))
        assert (flat(gpu, (index, 0)) - reference).norm() <= 1e-5 * reference.norm()


def test_evaluation_is_chosen_to_cost_little(data):
    results = train_heads(data.features, data.targets, SIGMOID[:1], [0], splits=data.splits)
    assert results.curve_epochs[-1] == 60
    assert 1 < len(results.curve_epochs) <= 60
    gaps = np.diff(results.curve_epochs)
    assert (gaps[:-1] == gaps[0]).all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"patience": 2}, "keep_epoch = 'best'"),
        ({"dropout": 1.0}, r"in \[0, 1\)"),
        ({"schedule": "step"}, "one of constant, cosine, onecycle"),
        ({"learn": ("gamma",)}, "learn may hold beta and eta"),
        ({"pct_start": 0}, r"in \(0, 1\)"),
        ({"warmup_epochs": -1}, "finite number >= 0"),
        ({"precision": "fp8"}, "one of float32, bf16, tf32"),
    ],
)
def test_bad_options_are_refused(settings, words):
    with pytest.raises(InputError, match=words):
        TrainingSettings(**settings)


def test_views_are_drawn_by_the_seed_and_equal_views_are_the_plain_examples(data):
    settings = TrainingSettings(epochs=4, batch_size=48)
    config = HeadConfig(loss="sigmoid_f1")
    train_rows = data.features[data.splits["train"]]
    generator = torch.Generator().manual_seed(0)
    noisy = torch.stack(
        [train_rows + 0.3 * torch.randn(train_rows.shape, generator=generator) for _ in range(3)]
    )
    plain = train(data, [config], settings, seeds=(0, 1))
    one = train(data, [config], settings, seeds=(0, 1), views=train_rows[None])
    assert bits(plain, (0, 1)) == bits(one, (0, 1))
    augmented = train(data, [config, *SIGMOID[:30]], settings, seeds=(0, 1), views=noisy)
    alone = train(data, [config], settings, seeds=(0, 1), views=noisy)
    streamed = train(data, [config], settings, seeds=(0,), views=noisy, max_device_bytes=0)
    assert bits(augmented, (0, 1)) == bits(alone, (0, 1))
    assert bits(streamed, (0, 0)) == bits(alone, (0, 0))
    assert bits(plain, (0, 0)) != bits(alone, (0, 0))
    with pytest.raises(InputError, match=r"views must have shape \(k, n_train, D\)"):
        train(data, [config], settings, views=noisy[:, :5])
