"""From a pack of a plan to trained heads to the record that the store keeps."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

from sigmoidf1.training.head_trainer import HeadTrainer, Prune
from sigmoidf1.training.results import COMPLETE, HeadResults
from sigmoidf1.training.settings import HeadConfig, Objective, TrainingSettings
from storage.records import CellRecord, PackResult
from sweeps.packs import PackTask


@dataclass(frozen=True)
class PackData:
    """What every pack of a sweep is trained on, as arrays that Ray shares without a copy.

    Attributes:
        embeddings: (N, D) float32.
        targets: (N, C) uint8.
        splits: name to (n,) int64 indices.
        views: (k, n_train, D) float32 augmented views of the training examples, or None.
        objective: metric, split and threshold.
        thresholds: where the threshold curves are kept.
        device: where to train.
        halving: the normalised ``halving`` section, or None.
        maximize: whether a larger objective is better.
    """

    embeddings: np.ndarray
    targets: np.ndarray
    splits: Mapping[str, np.ndarray]
    views: np.ndarray | None
    objective: Objective
    thresholds: Sequence[float]
    device: str
    halving: Mapping[str, Any] | None = None
    maximize: bool = True


def head_config(cell: CellRecord) -> HeadConfig:
    """The head that a cell describes."""
    return HeadConfig(
        loss=cell.loss,
        hyperparameters=cell.hyperparameters,
        lr=float(cell.training["lr"]),
        weight_decay=float(cell.training["weight_decay"]),
    )


class PackTrainer:
    """Trains packs on one set of features, which stay on the device between packs."""

    def __init__(self, data: PackData) -> None:
        self._data = data
        views = None if data.views is None else _shared(data.views)
        self._trainer = HeadTrainer(
            _shared(data.embeddings),
            _shared(data.targets),
            {name: _shared(rows) for name, rows in data.splits.items()},
            views=views,
            device=data.device,
        )

    def train(
        self,
        task: PackTask,
        claimed: set[int],
        *,
        worker: str,
        progress: Callable[[int, int], None] | None = None,
        rungs: Sequence[int] = (),
        prune: Prune | None = None,
    ) -> PackResult:
        """Train the claimed replicates of a pack.

        Args:
            task: the pack.
            claimed: ids of the replicates to train.
            worker: who trains it, for the record.
            progress: called with (head-epochs done, head-epochs in all).
            rungs: epochs at which ``prune`` is asked which heads to stop; see
                :func:`sigmoidf1.training.packed.train_replicates`.
            prune: called with (epoch, objective) of the claimed replicates, in the order of the
                task.
        """
        started = datetime.now(UTC)
        chosen = [entry for entry in task.replicates if entry[0] in claimed]
        results = self._trainer.train(
            [head_config(cell) for cell in task.cells],
            [(cell, seed) for _, cell, seed in chosen],
            settings=training_settings(task.settings, task.head),
            objective=self._data.objective,
            thresholds=self._data.thresholds,
            threads=1,
            keep_weights=False,
            progress=progress,
            rungs=rungs,
            prune=prune,
        )
        return pack_result(
            [entry[0] for entry in chosen], results, self._data.objective.split, started, worker
        )


def _shared(array: np.ndarray) -> torch.Tensor:
    """A tensor on the array's memory. Ray's arrays are read-only; training does not write to it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # PyTorch cannot mark a tensor read-only
        return torch.from_numpy(array)


def training_settings(settings: Mapping[str, Any], head: Mapping[str, Any]) -> TrainingSettings:
    """The training settings that a plan's mappings describe."""
    named = {"head" if key == "kind" else key: value for key, value in head.items()}
    if "learn" in named:
        named["learn"] = tuple(named["learn"])
    return TrainingSettings(**named, **settings)


def pack_result(
    replicate_ids: Sequence[int],
    results: HeadResults,
    objective_split: str,
    started: datetime,
    worker: str,
) -> PackResult:
    """The store's record of trained heads, shape (R,)."""
    objective_curve = np.full(results.train_loss.T.shape, np.nan, dtype=np.float32)
    objective_curve[np.asarray(results.curve_epochs) - 1] = results.objective_curve.T
    last = results.epochs_run - 1
    diagnostics = {
        "train_loss": results.train_loss[np.arange(len(last)), last].astype(float),
        "best_epoch": results.best_epoch.astype(float),
        "saturation": results.saturation,
        "gradient_norm_start": results.gradient_norm_start,
        "gradient_norm_end": results.gradient_norm_end,
    }
    for name, values in results.learned.items():
        for summary, of in (("mean", np.mean), ("min", np.min), ("max", np.max)):
            diagnostics[f"learned_{name}_{summary}"] = of(values.astype(float), axis=1)
    for split, rate in results.predicted_positive_rate.items():
        suffix = "" if split == objective_split else f"_{split}"
        diagnostics[f"predicted_positive_rate{suffix}"] = rate
    return PackResult(
        replicate_ids=list(replicate_ids),
        states=[str(state) for state in results.states],
        reasons=[
            None if state == COMPLETE else str(reason)
            for state, reason in zip(results.states, results.reasons, strict=True)
        ],
        objective=results.objective,
        scores=dict(results.scores),
        slices=dict(results.curves),
        curves={"train_loss": results.train_loss.T, "objective": objective_curve},
        curve_epochs=list(range(1, results.train_loss.shape[1] + 1)),
        diagnostics=diagnostics,
        started_at=started,
        finished_at=datetime.now(UTC),
        duration_s=results.duration_s,
        worker=worker,
    )
