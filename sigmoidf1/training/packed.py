"""Packed training: many classification heads on the same embeddings as one tensor program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sigmoidf1.training.head_trainer import Device, HeadTrainer, Progress, Prune
from sigmoidf1.training.results import HeadResults
from sigmoidf1.training.settings import HeadConfig, Objective, TrainingSettings


def train_heads(
    features: Tensor,
    targets: Tensor,
    configs: Sequence[HeadConfig],
    seeds: Sequence[int],
    *,
    splits: Mapping[str, Tensor] | None = None,
    views: Tensor | None = None,
    settings: TrainingSettings | None = None,
    objective: Objective | None = None,
    thresholds: Sequence[float] | None = None,
    device: Device | Sequence[Device] = "cpu",
    threads: int | None = None,
    keep_weights: bool = True,
    max_device_bytes: int | None = None,
    progress: Progress | None = None,
) -> HeadResults:
    """Train one head for every configuration and seed, all together.

    The heads see the same batches: seed s gives the same initial weights and the same batch order
    in every configuration. A head's result does not depend on the other heads: on a CPU it is
    equal bit by bit to that of the head trained alone.

    Args:
        features: (N, D) embeddings, finite.
        targets: (N, C) in {0, 1}.
        configs: K configurations.
        seeds: S seeds, each in 0 .. 2**31 - 1.
        splits: name to indices into N; ``train`` is needed, and the objective's split. Without
            it, all examples are in ``train``, and the objective is read there.
        views: (k, n_train, D) embeddings of augmented training examples, in the order of
            ``splits["train"]``; every epoch trains on one view of each, drawn by the seed.
        settings: epochs, batch size, optimiser, head; defaults to :class:`TrainingSettings`.
        objective: metric, split and threshold; defaults to weighted F1 on validation at 0.5.
        thresholds: where precision, recall and F1 are kept; defaults to
            :func:`sigmoidf1.thresholds.default_thresholds`.
        device: where to train; several GPUs share the heads.
        threads: heads trained at the same time on a CPU, in tiles of one thread each; defaults
            to PyTorch's number of threads. It changes the time only, never a bit of the result.
        keep_weights: return the trained parameters.
        max_device_bytes: features larger than this stay in host memory and are streamed to the
            device in blocks; None is half of a GPU's free memory, and no limit on a CPU.
        progress: called with (head-epochs done, head-epochs in all), from any thread.

    Returns:
        Results with the leading shape (K, S).

    Raises:
        InputError: an argument breaks its rule.

    Example:
        >>> import torch
        >>> from sigmoidf1 import HeadConfig, TrainingSettings, train_heads
        >>> x = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
        >>> y = (x[:, :3] > 0).float()
        >>> configs = [HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": b}) for b in (1, 5)]
        >>> trained = train_heads(x, y, configs, seeds=[0, 1], settings=TrainingSettings(epochs=2))
        >>> trained.objective.shape
        (2, 2)
    """
    replicates = [(index, seed) for index in range(len(configs)) for seed in seeds]
    if splits is None:
        splits = {"train": torch.arange(len(features))}
        objective = objective or Objective(split="train")
    results = train_replicates(
        features,
        targets,
        configs,
        replicates,
        splits=splits,
        views=views,
        settings=settings,
        objective=objective,
        thresholds=thresholds,
        device=device,
        threads=threads,
        keep_weights=keep_weights,
        max_device_bytes=max_device_bytes,
        progress=progress,
    )
    return results.reshape(len(configs), len(seeds))


def train_replicates(
    features: Tensor,
    targets: Tensor,
    configs: Sequence[HeadConfig],
    replicates: Sequence[tuple[int, int]],
    *,
    splits: Mapping[str, Tensor],
    views: Tensor | None = None,
    settings: TrainingSettings | None = None,
    objective: Objective | None = None,
    thresholds: Sequence[float] | None = None,
    device: Device | Sequence[Device] = "cpu",
    threads: int | None = None,
    keep_weights: bool = True,
    max_device_bytes: int | None = None,
    progress: Progress | None = None,
    rungs: Sequence[int] = (),
    prune: Prune | None = None,
) -> HeadResults:
    """Train the given (configuration index, seed) replicates; see :func:`train_heads`.

    Args:
        features: see :func:`train_heads`, as all that is not named here.
        targets: see there.
        configs: K configurations.
        replicates: R pairs (configuration index, seed), each at most once.
        splits: see there.
        views: see there.
        settings: see there.
        objective: see there.
        thresholds: see there.
        device: see there.
        threads: see there.
        keep_weights: see there.
        max_device_bytes: see there.
        progress: see there.
        rungs: increasing epochs in 1 .. epochs - 1. When all heads have reached one, ``prune`` is
            asked. The state of all heads is held in memory for this.
        prune: called with (epoch, objective (R,)), gives (R,) booleans: True stops a head now. The
            objective is NaN for heads that diverged or were pruned, and that of the best epoch for
            heads that stopped early. A pruned head is evaluated with its current weights and frees
            its share of the work; the other heads' bits do not change.

    Returns:
        Results with the leading shape (R,), in the order of ``replicates``.

    Raises:
        InputError: an argument breaks its rule.
    """
    trainer = HeadTrainer(
        features, targets, splits, views=views, device=device, max_device_bytes=max_device_bytes
    )
    return trainer.train(
        configs,
        replicates,
        settings=settings,
        objective=objective,
        thresholds=thresholds,
        threads=threads,
        keep_weights=keep_weights,
        progress=progress,
        rungs=rungs,
        prune=prune,
    )
