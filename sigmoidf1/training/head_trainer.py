"""Trains calls of heads, one after the other, on the same data, which stays on the device."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from sigmoidf1.errors import InputError
from sigmoidf1.thresholds import default_thresholds
from sigmoidf1.training.batches import LabelledSet
from sigmoidf1.training.collecting import ResultArrays
from sigmoidf1.training.groups import HeadGroup
from sigmoidf1.training.inputs import (
    check_data,
    check_objective,
    check_replicates,
    check_views,
    labelled_sets,
    resolve_heads,
)
from sigmoidf1.training.pack import Pack
from sigmoidf1.training.products import Products
from sigmoidf1.training.results import HeadResults
from sigmoidf1.training.settings import HeadConfig, Objective, TrainingSettings
from sigmoidf1.training.workers import run_on_workers

Progress = Callable[[int, int], None]
Prune = Callable[[int, np.ndarray], np.ndarray]
Device = str | torch.device


class HeadTrainer:
    """Trains heads on one set of features, which is checked and laid out once.

    Args:
        features: (N, D) embeddings, finite; kept, so do not write to them.
        targets: (N, C) in {0, 1}; kept as well.
        splits: name to indices into N; ``train`` is needed, and every objective's split.
        views: (k, n_train, D) embeddings of augmented training examples, or None.
        device: where to train; several GPUs share the heads.
        max_device_bytes: features larger than this are streamed to the device in blocks; see
            :func:`sigmoidf1.training.packed.train_heads`.

    Raises:
        InputError: the data break a rule.
    """

    def __init__(
        self,
        features: Tensor,
        targets: Tensor,
        splits: Mapping[str, Tensor],
        *,
        views: Tensor | None = None,
        device: Device | Sequence[Device] = "cpu",
        max_device_bytes: int | None = None,
    ) -> None:
        self._devices = _checked_devices(device)
        check_data(features, targets, splits)
        if views is not None:
            check_views(views, features, splits["train"])
        self._features, self._targets, self._views = features, targets, views
        self._splits = dict(splits)
        self._max_device_bytes = max_device_bytes
        self._layout: tuple[str, torch.dtype] | None = None
        self._sets: dict[torch.device, dict[str, LabelledSet]] = {}

    def train(
        self,
        configs: Sequence[HeadConfig],
        replicates: Sequence[tuple[int, int]],
        *,
        settings: TrainingSettings | None = None,
        objective: Objective | None = None,
        thresholds: Sequence[float] | None = None,
        threads: int | None = None,
        keep_weights: bool = True,
        progress: Progress | None = None,
        rungs: Sequence[int] = (),
        prune: Prune | None = None,
    ) -> HeadResults:
        """Train (configuration index, seed) replicates.

        The arguments are those of :func:`sigmoidf1.training.packed.train_replicates`.

        Returns:
            Results with the leading shape (R,), in the order of ``replicates``.

        Raises:
            InputError: an argument breaks its rule.
        """
        started = time.perf_counter()
        settings = settings or TrainingSettings()
        objective = objective or Objective()
        kept = np.asarray(
            default_thresholds(objective.threshold) if thresholds is None else thresholds,
            dtype=float,
        )
        workers = self._workers(threads)
        check_objective(objective, self._splits)
        _check_rungs(rungs, prune, settings.epochs)
        heads = resolve_heads(configs, self._targets.shape[1], settings.learn)
        check_replicates(replicates, len(heads))
        evaluated = [name for name in self._splits if name != "train" or name == objective.split]
        results = ResultArrays(len(replicates), evaluated, len(kept), settings, keep_weights)
        packs = {
            place: Pack(
                data=self._laid_out(settings, place),
                settings=settings,
                objective=objective,
                thresholds=kept,
                heads=heads,
                replicates=replicates,
                results=results,
            )
            for place in self._devices
        }
        counter = _Counter(progress, settings.epochs * len(replicates))
        whole_seeds = bool(rungs) or settings.patience is not None
        groups = [
            HeadGroup(members, counter.add)
            for members in packs[workers[0]].groups(len(workers), whole_seeds=whole_seeds)
        ]

        def advance(epoch: int) -> np.ndarray:
            found = run_on_workers(
                lambda group, place: group.advance(epoch, packs[place]), groups, workers
            )
            values = np.full(len(replicates), np.nan)
            for group_values in found:
                values[list(group_values)] = list(group_values.values())
            return values

        if prune is not None:
            for rung in rungs:
                values = advance(rung)
                stopped = _check_pruned(prune(rung, values.copy()), len(replicates))
                for group in groups:
                    group.prune(stopped, values)
        advance(settings.epochs)
        return results.finish(objective, kept, time.perf_counter() - started)

    def _workers(self, threads: int | None) -> list[torch.device]:
        """A device for every worker thread."""
        if self._devices[0].type != "cpu":
            return self._devices
        count = torch.get_num_threads() if threads is None else threads
        if count < 1:
            raise InputError(f"threads must be >= 1, but got {threads}.")
        return self._devices * count

    def _laid_out(self, settings: TrainingSettings, device: torch.device) -> dict[str, LabelledSet]:
        """The splits as these heads' inputs; the last layout is kept for the next call."""
        layout = (settings.head, Products(settings.precision).dtype)
        if layout != self._layout:
            self._sets.clear()  # before the next one is made, so that only one takes memory
            self._layout = layout
        if device not in self._sets:
            self._sets[device] = labelled_sets(
                self._features,
                self._targets,
                self._splits,
                settings,
                device,
                self._max_device_bytes,
                self._views,
            )
        return self._sets[device]


def _check_rungs(rungs: Sequence[int], prune: Prune | None, epochs: int) -> None:
    legal = all(isinstance(rung, int) and 1 <= rung < epochs for rung in rungs)
    if not legal or list(rungs) != sorted(set(rungs)):
        raise InputError(
            f"rungs must be increasing epochs in 1 .. {epochs - 1}, but got {list(rungs)}."
        )
    if bool(rungs) != (prune is not None):
        raise InputError("rungs and prune belong together, but only one of them was given.")


def _check_pruned(answer: Sequence[bool] | np.ndarray, count: int) -> np.ndarray:
    stopped = np.asarray(answer)
    if stopped.shape != (count,) or stopped.dtype != bool:
        raise InputError(
            f"prune must return ({count},) booleans, but got {stopped.dtype} of shape "
            f"{stopped.shape}."
        )
    return stopped


def _checked_devices(device: Device | Sequence[Device]) -> list[torch.device]:
    given = [device] if isinstance(device, str | torch.device) else list(device)
    devices = [torch.device(one) for one in given]
    if not devices or (len(devices) > 1 and any(one.type == "cpu" for one in devices)):
        raise InputError(f"device must be cpu, or one GPU or more, but got {given}.")
    return devices


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
