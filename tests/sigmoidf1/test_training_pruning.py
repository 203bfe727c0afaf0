"""Heads that are pruned at a rung: they stop, are evaluated, and change no bit of the others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from training_cases import Data, bits, make_data, train

from sigmoidf1.errors import InputError
from sigmoidf1.training.engine import SeedTraining
from sigmoidf1.training.packed import train_replicates
from sigmoidf1.training.settings import HeadConfig, TrainingSettings
from sigmoidf1.training.trainer import TileTrainer

CONFIGS = [
    HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": 1.0 + b / 40}, lr=0.01)
    for b in range(430)
]
REPLICATES = [(index, seed) for index in range(len(CONFIGS)) for seed in (0, 1)]
EPOCHS = 12


@pytest.fixture(scope="module")
def data() -> Data:
    return make_data()


def train_pruned(data, configs=CONFIGS, replicates=REPLICATES, *, settings, **options):
    return train_replicates(
        data.features,
        data.targets,
        configs,
        replicates,
        splits=data.splits,
        settings=settings,
        thresholds=[0.3, 0.5],
        **options,
    )


def worse_half(epoch, objective):
    """Keeps about half of the heads that are still in the race."""
    return objective < np.nanmedian(objective)


VARIANTS = {
    "last epoch": {},
    "best epoch": {"keep_epoch": "best", "eval_every": 2},
    "early stopping": {"keep_epoch": "best", "eval_every": 1, "patience": 3},
    "average": {"ema_decay": 0.9, "schedule": "onecycle"},
}


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("variant", VARIANTS)
def test_survivors_are_what_they_are_without_pruning(data, variant, threads):
    settings = TrainingSettings(epochs=EPOCHS, batch_size=48, **VARIANTS[variant])
    asked = []

    def prune(epoch, objective):
        asked.append((epoch, int(np.isfinite(objective).sum())))
        return worse_half(epoch, objective)

    pruned = train_pruned(data, settings=settings, rungs=(3, 7), prune=prune, threads=threads)
    whole = train_pruned(data, settings=settings)
    assert [epoch for epoch, _ in asked] == [3, 7]
    assert asked[0][1] == len(REPLICATES) > asked[1][1] > len(REPLICATES) // 4
    survived = np.flatnonzero(pruned.states == "complete")
    assert 0 < len(survived) < len(REPLICATES) // 2
    for row in survived:
        assert bits(pruned, row) == bits(whole, row)
        assert pruned.objective[row] == whole.objective[row]
        assert pruned.gradient_norm_end[row] == whole.gradient_norm_end[row]
        assert pruned.saturation[row] == whole.saturation[row]


def test_pruned_heads_are_those_of_a_run_that_ends_there(data):
    settings = TrainingSettings(epochs=EPOCHS, batch_size=48)
    pruned = train_pruned(data, settings=settings, rungs=(3, 7), prune=worse_half)
    for epoch in (3, 7):
        rows = np.flatnonzero((pruned.states == "pruned") & (pruned.epochs_run == epoch))
        assert len(rows) > 50
        ended = train_pruned(data, settings=TrainingSettings(epochs=epoch, batch_size=48))
        for row in rows[::7]:
            assert pruned.parameters is not None
            assert ended.parameters is not None
            assert torch.equal(pruned.parameters["weight"][row], ended.parameters["weight"][row])
            key = ("test", "weighted_f1")
            assert pruned.scores[key][row] == ended.scores[key][row]
            assert np.isnan(pruned.objective[row])
            assert pruned.objective_curve[row][pruned.curve_epochs == epoch] == ended.objective[row]
            assert pruned.gradient_norm_end[row] == ended.gradient_norm_end[row]
            assert pruned.reasons[row] == f"pruned after epoch {epoch}"
            assert pruned.best_epoch[row] == epoch
            assert np.isnan(pruned.train_loss[row, epoch:]).all()


def test_pruned_heads_free_their_share_of_the_work(data, monkeypatch):
    slots = []  # of every step: the width that it computes
    original = TileTrainer.step

    def counted(self, *arguments, **options):
        slots.append(self.tile.num_slots)
        original(self, *arguments, **options)

    monkeypatch.setattr(TileTrainer, "step", counted)
    settings = TrainingSettings(epochs=EPOCHS, batch_size=48)
    train_pruned(data, settings=settings, threads=1)
    whole = sum(slots)
    slots.clear()
    told = []
    train_pruned(
        data,
        settings=settings,
        threads=1,
        rungs=(2, 4),
        prune=lambda epoch, objective: np.arange(len(objective)) % 8 >= (4 if epoch == 2 else 2),
        progress=lambda done, total: told.append((done, total)),
    )
    # All heads for two epochs, half of them for two, a quarter for eight: 5 / 12 of the work.
    assert sum(slots) < 0.5 * whole
    assert told[-1] == (len(REPLICATES) * EPOCHS,) * 2
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_all_may_be_pruned_and_diverged_heads_stay_diverged(data):
    configs = [*CONFIGS[:3], HeadConfig(loss="bce", lr=1e38)]
    replicates = [(index, 0) for index in range(4)]
    seen = []

    def everything(epoch, objective):
        seen.append(objective.copy())
        return np.ones(len(objective), dtype=bool)

    results = train_pruned(
        data,
        configs,
        replicates,
        settings=TrainingSettings(epochs=5, batch_size=48),
        rungs=(1, 2),
        prune=everything,
    )
    assert list(results.states) == ["pruned"] * 3 + ["diverged"]
    assert list(results.epochs_run) == [1, 1, 1, 1]
    assert np.isnan(seen[0]).tolist() == [False, False, False, True]
    assert np.isnan(seen[1]).all()
    assert np.isfinite(results.scores["test", "weighted_f1"][:3]).all()


def test_pruning_survives_memory_that_runs_out(data, monkeypatch):
    settings = TrainingSettings(epochs=6, batch_size=48)
    replicates = [(index, 0) for index in range(40)]
    options = {"rungs": (2, 4), "prune": worse_half}
    plenty = train_pruned(data, CONFIGS, replicates, settings=settings, **options)
    original = SeedTraining.advance

    def short_of_memory(self, epoch):
        original(self, epoch)
        if len(self.histories) > 12 and epoch > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(SeedTraining, "advance", short_of_memory)
    told = []
    short = train_pruned(
        data,
        CONFIGS,
        replicates,
        settings=settings,
        **options,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told[-1] == (240, 240)
    assert list(short.states) == list(plenty.states)
    for row in range(40):
        assert bits(short, row) == bits(plenty, row)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rungs": (3, 2), "prune": worse_half}, "increasing epochs in 1 .. 11"),
        ({"rungs": (12,), "prune": worse_half}, "increasing epochs in 1 .. 11"),
        ({"rungs": (2,)}, "rungs and prune belong together"),
        ({"prune": worse_half}, "rungs and prune belong together"),
        ({"rungs": (2,), "prune": lambda e, o: [True]}, "prune must return (860,) booleans"),
        ({"rungs": (2,), "prune": lambda e, o: o}, "but got float64"),
    ],
)
def test_bad_rungs_are_refused(data, options, words):
    with pytest.raises(InputError) as error:
        train_pruned(data, settings=TrainingSettings(epochs=EPOCHS, batch_size=48), **options)
    assert words in str(error.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_survivors_on_a_gpu_agree_to_rounding(data):
    settings = TrainingSettings(epochs=EPOCHS, batch_size=48)
    options = {"settings": settings, "device": "cuda"}
    whole = train_pruned(data, **options)
    pruned = train_pruned(data, **options, rungs=(3, 7), prune=worse_half)
    for row in np.flatnonzero(pruned.states == "complete"):
        assert pruned.parameters is not None
        assert whole.parameters is not None
        reference = whole.parameters["weight"][row]
        difference = pruned.parameters["weight"][row] - reference
        assert difference.norm() <= 1e-5 * reference.norm()


def test_a_seed_alone_prunes_as_among_others(data):
    settings = TrainingSettings(epochs=4, batch_size=48)
    chosen = np.arange(430) % 3 == 0
    alone = train(data, CONFIGS, settings, seeds=(1,))
    both = train_pruned(
        data,
        settings=settings,
        rungs=(2,),
        prune=lambda epoch, objective: np.repeat(chosen, 2),
    )
    for index in np.flatnonzero(~chosen)[::20]:
        assert both.parameters is not None
        assert alone.parameters is not None
        assert torch.equal(
            both.parameters["weight"][2 * index + 1], alone.parameters["weight"][index, 0]
        )
