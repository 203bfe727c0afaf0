"""Packed training: many classification heads on the same embeddings as one tensor program."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from sigmoidf1.errors import InputError
from sigmoidf1.thresholds import default_thresholds
from sigmoidf1.training.collecting import ResultArrays
from sigmoidf1.training.inputs import (
    check_data,
    check_replicates,
    check_views,
    labelled_sets,
    resolve_heads,
)
from sigmoidf1.training.pack import Pack
from sigmoidf1.training.results import HeadResults
from sigmoidf1.training.settings import HeadConfig, Objective, TrainingSettings
from sigmoidf1.training.workers import run_on_workers

Progress = Callable[[int, int], None]
Device = str | torch.device


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
) -> HeadResults:
    """Train the given (configuration index, seed) replicates; see :func:`train_heads`.

    Returns:
        Results with the leading shape (R,), in the order of ``replicates``.
    """
    started = time.perf_counter()
    settings = settings or TrainingSettings()
    objective = objective or Objective()
    kept = np.asarray(
        default_thresholds(objective.threshold) if thresholds is None else thresholds, dtype=float
    )
    devices = _worker_devices(device, threads)
    check_data(features, targets, splits, objective)
    if views is not None:
        check_views(views, features, splits["train"])
    heads = resolve_heads(configs, targets.shape[1], settings.learn)
    check_replicates(replicates, len(heads))
    evaluated = [name for name in splits if name != "train" or name == objective.split]
    results = ResultArrays(len(replicates), evaluated, len(kept), settings, keep_weights)
    packs = {
        place: Pack(
            data=labelled_sets(features, targets, splits, settings, place, max_device_bytes, views),
            settings=settings,
            objective=objective,
            thresholds=kept,
            heads=heads,
            replicates=replicates,
            results=results,
        )
        for place in dict.fromkeys(devices)
    }
    counter = _Counter(progress, settings.epochs * len(replicates))
    groups = packs[devices[0]].groups(workers=len(devices))
    run_on_workers(lambda members, place: packs[place].train(members, counter.add), groups, devices)
    return results.finish(objective, kept, time.perf_counter() - started)


def _worker_devices(device: Device | Sequence[Device], threads: int | None) -> list[torch.device]:
    given = [device] if isinstance(device, str | torch.device) else list(device)
    devices = [torch.device(one) for one in given]
    if not devices or (len(devices) > 1 and any(one.type == "cpu" for one in devices)):
        raise InputError(f"device must be cpu, or one GPU or more, but got {given}.")
    if devices[0].type != "cpu":
        return devices
    count = torch.get_num_threads() if threads is None else threads
    if count < 1:
        raise InputError(f"threads must be >= 1, but got {threads}.")
    return devices * count


class _Counter:
    """Counts head-epochs over threads and passes them on."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        self._lock = threading.Lock()

    def add(self, head_epochs: int) -> None:
        with self._lock:
            self._done += head_epochs
            if self._progress is not None:
                self._progress(self._done, self._total)
