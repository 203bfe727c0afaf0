"""train_heads: what it returns, what it refuses, what diverges, what learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sigmoidf1.errors import InputError
from sigmoidf1.losses import register_loss
from sigmoidf1.losses.base import Hyperparameter, Loss
from sigmoidf1.metrics import f1
from sigmoidf1.training.packed import train_heads, train_replicates
from sigmoidf1.training.settings import HeadConfig, Objective, TrainingSettings

SETTINGS = TrainingSettings(epochs=3, batch_size=32)


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(300, 16, generator=generator)
    targets = (features[:, :4] + 0.3 * torch.randn(300, 4, generator=generator) > 0.8).float()
    rows = torch.arange(300)
    return features, targets, {"train": rows[:200], "validation": rows[200:250], "test": rows[250:]}


def train(data, configs, **options):
    features, targets, splits = data
    options = {"seeds": [0, 1], "splits": splits, "settings": SETTINGS, **options}
    seeds = options.pop("seeds")
    return train_heads(features, targets, configs, seeds, **options)


def test_shapes_and_agreement_with_the_returned_weights(data):
    features, targets, splits = data
    configs = [HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": b}) for b in (1, 2, 5)]
    results = train(data, configs, thresholds=[0.25, 0.5])
    assert results.shape == results.objective.shape == (3, 2)
    assert results.parameters is not None
    assert results.parameters["weight"].shape == (3, 2, 16, 4)
    assert results.train_loss.shape == (3, 2, 3)
    assert results.curves["test", "macro_recall"].shape == (3, 2, 2)
    assert {split for split, _ in results.scores} == {"validation", "test"}
    rows = splits["validation"]
    probs = results.predict(features[rows])
    again = f1(probs, targets[rows], 0.5, average="weighted").numpy()
    np.testing.assert_allclose(results.objective, again, atol=1e-12)
    np.testing.assert_array_equal(results.objective, results.scores["validation", "weighted_f1"])
    np.testing.assert_array_equal(
        results.curves["test", "micro_f1"][..., 1], results.scores["test", "micro_f1"]
    )
    rate = (probs >= 0.5).double().mean((-2, -1)).numpy()
    np.testing.assert_allclose(results.predicted_positive_rate["validation"], rate)


def test_it_learns(data):
    settings = TrainingSettings(epochs=60, batch_size=32)
    config = HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": 2.0}, lr=1e-2)
    results = train(data, [config], settings=settings)
    assert (results.objective > 0.8).all()
    assert (results.train_loss[..., -1] < results.train_loss[..., 0]).all()


def test_diverged_heads_are_said_so_and_have_no_objective(data):
    configs = [
        HeadConfig(loss="bce"),
        HeadConfig(loss="bce", lr=1e38),
        HeadConfig(loss="test_far_off"),
    ]
    register_loss(
        Loss(
            name="test_far_off",
            summary="A loss of the F1 family outside its range.",
            source="test",
            function=lambda logits, targets: logits.mean((-2, -1)) * 0 + 11,
            hyperparameters={},
            f1_family=True,
        )
    )
    results = train(data, configs, settings=TrainingSettings(epochs=10, batch_size=32))
    assert list(results.states[0]) == ["complete", "complete"]
    assert list(results.reasons[0]) == ["", ""]
    assert set(results.states[1:].ravel()) == {"diverged"}
    assert all("epoch" in reason for reason in results.reasons[1:].ravel())
    assert np.isfinite(results.objective[0]).all()
    assert np.isnan(results.objective[1:]).all()


def test_progress_counts_every_head_epoch_and_can_stop(data):
    told = []
    configs = [HeadConfig(loss="bce")] * 1 + [HeadConfig(loss="asl")]
    train(data, configs, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (12, 12)
    assert [done for done, _ in told] == sorted(done for done, _ in told)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(data, configs, progress=stop)


def test_a_users_own_loss_trains_packed(data):
    def squared_hinge(logits, targets, *, margin):
        margin = torch.as_tensor(margin)[..., None, None]
        signs = 2 * targets - 1
        return torch.relu(margin - signs * logits).square().mean((-2, -1))

    register_loss(
        Loss(
            name="test_squared_hinge",
            summary="Squared hinge.",
            source="test",
            function=squared_hinge,
            hyperparameters={
                "margin": Hyperparameter(name="margin", default=1.0, description="Margin.")
            },
        )
    )
    configs = [
        HeadConfig(loss="test_squared_hinge", hyperparameters={"margin": m}, lr=1e-2)
        for m in (0.5, 1.0)
    ]
    settings = TrainingSettings(epochs=40, batch_size=32)
    results = train(data, [*configs, HeadConfig(loss="bce", lr=1e-2)], settings=settings)
    assert (results.objective > 0.7).all()
    assert not np.array_equal(results.objective[0], results.objective[1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"configs": []}, "at least one HeadConfig"),
        ({"seeds": []}, "at least one (configuration, seed)"),
        ({"seeds": [0, 0]}, "one is repeated"),
        ({"seeds": [-1]}, "0 .. 2**31 - 1"),
        ({"objective": Objective(metric="f2")}, "Unknown metric 'f2'"),
        ({"objective": Objective(threshold=1.0)}, "a threshold must be in (0, 1)"),
        ({"objective": Objective(split="dev")}, "splits must hold 'dev'"),
        ({"threads": 0}, "threads must be >= 1"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(data, change, words):
    options = {"configs": [HeadConfig(loss="bce")], **change}
    configs = options.pop("configs")
    with pytest.raises(InputError) as error:
        train(data, configs, **options)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda x, y, s: (x[:5], y, s), "shapes (N, D) and (N, C)"),
        (lambda x, y, s: (x.index_fill(0, torch.tensor([3]), torch.nan), y, s), "must be finite"),
        (lambda x, y, s: (x, y + 1, s), "targets must be 0 or 1"),
        (lambda x, y, s: (x, y, {**s, "test": torch.tensor([300])}), "must index 0 .. 299"),
        (lambda x, y, s: (x, y, {**s, "test": torch.tensor([], dtype=int)}), "is empty"),
        (lambda x, y, s: (x, y, {"validation": s["test"]}), "splits must hold 'train'"),
    ],
)
def test_bad_data_are_refused_in_one_line(data, edit, words):
    features, targets, splits = edit(*data)
    with pytest.raises(InputError) as error:
        train_replicates(features, targets, [HeadConfig(loss="bce")], [(0, 0)], splits=splits)
    assert words in str(error.value)


@pytest.mark.parametrize("lr", [0.0, -1.0, float("nan"), float("inf"), "fast"])
def test_bad_learning_rates_are_refused(lr):
    with pytest.raises(InputError, match="lr must be a finite number above 0"):
        HeadConfig(loss="bce", lr=lr)


@pytest.mark.parametrize(
    "settings",
    [{"epochs": 0}, {"epochs": 1.5}, {"batch_size": True}, {"optimizer": "lion"}, {"head": "x"}],
)
def test_bad_settings_are_refused(settings):
    with pytest.raises(InputError, match="must be"):
        TrainingSettings(**settings)
