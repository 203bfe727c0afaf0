"""From trained and evaluated heads to the arrays that are returned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sigmoidf1.metrics import METRICS
from sigmoidf1.training.engine import HeadHistory
from sigmoidf1.training.results import COMPLETE, DIVERGED, PRUNED, HeadResults
from sigmoidf1.training.scoring import Scored
from sigmoidf1.training.settings import Objective, TrainingSettings

DIVERGED_LOSS = 10.0  # an epoch's mean loss of the F1 family beyond this has left [0, 1] for good


class ResultArrays:
    """The results of all heads of a call, allocated at once and filled tile by tile.

    Tiles write different rows, so threads need no lock.

    Args:
        count: heads, R.
        splits: the splits that are evaluated.
        num_thresholds: T.
        settings: epochs and kind of head.
        keep_weights: keep the trained parameters.
    """

    def __init__(
        self,
        count: int,
        splits: Sequence[str],
        num_thresholds: int,
        settings: TrainingSettings,
        keep_weights: bool,
    ) -> None:
        self._settings = settings
        self._keep_weights = keep_weights
        self._reasons = np.full(count, "", dtype=object)
        self._train_loss = np.full((count, settings.epochs), np.nan, dtype=np.float32)
        self._objective = np.full((count, settings.epochs), np.nan)
        self._epochs_run = np.zeros(count, dtype=np.int64)
        self._best_epoch = np.zeros(count, dtype=np.int64)
        self._saturation = np.full(count, np.nan)
        self._gradient_norm_start = np.full(count, np.nan)
        self._gradient_norm_end = np.full(count, np.nan)
        self._pruned = np.zeros(count, dtype=bool)
        self._scores = {(split, name): np.zeros(count) for split in splits for name in METRICS}
        self._curves = {
            (split, name): np.zeros((count, num_thresholds))
            for split in splits
            for name, metric in METRICS.items()
            if metric.curve
        }
        self._rates = {split: np.zeros(count) for split in splits}
        self._parameters: dict[str, Tensor] = {}

    def put(
        self,
        members: Sequence[int],
        histories: Sequence[HeadHistory],
        scored: Scored,
        f1_family: Sequence[bool],
    ) -> None:
        """Write a tile's heads: what they went through and what they scored."""
        rows = np.asarray(members)
        for row, history, bounded in zip(members, histories, f1_family, strict=True):
            self._train_loss[row, : len(history.train_loss)] = history.train_loss
            for epoch, value in history.objective.items():
                self._objective[row, epoch - 1] = value
            self._epochs_run[row] = len(history.train_loss)
            self._best_epoch[row] = history.best_epoch
            self._gradient_norm_start[row] = history.gradient_norm_start
            self._gradient_norm_end[row] = history.gradient_norm_end
            self._pruned[row] = history.pruned
            self._reasons[row] = _why_diverged(history, bounded)
            for name, values in history.parameters.items():
                if self._keep_weights or name in self._settings.learn:
                    self._storage(name, values)[row] = values.cpu()
        self._saturation[rows] = scored.saturation.cpu().numpy()
        for split, evaluation in scored.evaluations.items():
            self._rates[split][rows] = evaluation.predicted_positive_rate.cpu().numpy()
            for name, scores in evaluation.scores.items():
                self._scores[split, name][rows] = scores.cpu().numpy()
            for name, curve in evaluation.curves.items():
                self._curves[split, name][rows] = curve.cpu().numpy()

    def finish(
        self, objective: Objective, thresholds: np.ndarray, duration_s: float
    ) -> HeadResults:
        """All heads' results, in the order of the replicates, with the leading shape (R,)."""
        diverged = self._reasons != ""
        complete = ~diverged & ~self._pruned
        evaluated = _evaluated_epochs(self._objective)
        values = self._scores[objective.split, objective.metric]
        return HeadResults(
            shape=(len(complete),),
            states=np.where(diverged, DIVERGED, np.where(complete, COMPLETE, PRUNED)),
            reasons=self._reasons_in_words(),
            objective=np.where(complete, values, np.nan),
            scores=self._scores,
            curves=self._curves,
            thresholds=thresholds,
            predicted_positive_rate=self._rates,
            train_loss=self._train_loss,
            objective_curve=self._objective[:, evaluated - 1],
            curve_epochs=evaluated,
            epochs_run=self._epochs_run,
            best_epoch=self._best_epoch,
            saturation=self._saturation,
            gradient_norm_start=self._gradient_norm_start,
            gradient_norm_end=self._gradient_norm_end,
            parameters=self._parameters if self._keep_weights else None,
            learned={name: self._parameters[name].numpy() for name in self._settings.learn},
            head=self._settings.head,
            duration_s=duration_s,
        )

    def _reasons_in_words(self) -> np.ndarray:
        reasons = self._reasons.copy()
        for row in np.flatnonzero(self._pruned & (reasons == "")):
            reasons[row] = f"pruned after epoch {self._epochs_run[row]}"
        return reasons

    def _storage(self, name: str, values: Tensor) -> Tensor:
        # setdefault is atomic: two threads that are first at once agree on one of theirs.
        if name not in self._parameters:
            fresh = torch.zeros(len(self._reasons), *values.shape)
            self._parameters.setdefault(name, fresh)
        return self._parameters[name]


def _evaluated_epochs(curve: np.ndarray) -> np.ndarray:
    """Epochs at which any head has an objective; the last one if none ever had."""
    epochs = np.flatnonzero(~np.isnan(curve).all(axis=0)) + 1
    return epochs if len(epochs) else np.array([curve.shape[1]])


def diverged_loss(train_loss: Sequence[float], f1_family: bool) -> str:
    """Why a training loss (epochs,) counts as diverged, in words; "" where it does not.

    Args:
        train_loss: the mean loss of each epoch.
        f1_family: the loss lies in [0, 1] unless it diverges.
    """
    size = np.abs(np.asarray(train_loss))
    limit = DIVERGED_LOSS if f1_family else np.inf
    bad = np.flatnonzero(~(np.isfinite(size) & (size <= limit)))
    if not len(bad):
        return ""
    value = size[bad[0]]
    what = "non-finite loss"
    if np.isfinite(value):
        what = f"mean |loss| {value:.4g} > {limit:g}"
    return f"{what} in epoch {int(bad[0]) + 1}"


def _why_diverged(history: HeadHistory, f1_family: bool) -> str:
    """The reason in words; "" for a head that did not diverge."""
    reason = diverged_loss(history.train_loss, f1_family)
    if reason:
        return reason
    if not all(bool(values.isfinite().all()) for values in history.parameters.values()):
        return f"non-finite weight in epoch {history.best_epoch}"
    return ""
