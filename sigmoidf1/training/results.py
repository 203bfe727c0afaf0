"""What packed training returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from sigmoidf1.errors import InputError

COMPLETE, DIVERGED, PRUNED = "complete", "diverged", "pruned"


@dataclass(frozen=True, kw_only=True)
class HeadResults:
    """Results of many heads; every array has the leading shape ``shape``.

    Attributes:
        shape: ``(K, S)`` from :func:`train_heads` (configurations × seeds), ``(R,)`` from
            :func:`train_replicates`.
        states: ``complete``, ``diverged`` or ``pruned``, (*shape,) of str. A head that was pruned
            has scores and curves of its weights at that epoch.
        reasons: why a head is not complete, (*shape,) of str; empty for complete heads.
        objective: (*shape,) float64; NaN unless complete.
        scores: (split, metric) to (*shape,) float64, at the objective's threshold.
        curves: (split, metric) to (*shape, T) float64, at ``thresholds``.
        thresholds: (T,) float64.
        predicted_positive_rate: split to (*shape,): share of (example, class) pairs that are
            predicted at the objective's threshold; 0 and 1 are collapsed heads.
        train_loss: (*shape, epochs) mean training loss of each epoch; NaN after a head stopped.
        objective_curve: (*shape, E) the objective at ``curve_epochs``; NaN after a head stopped.
        curve_epochs: (E,) epochs, counted from 1.
        epochs_run: (*shape,) epochs that the head trained.
        best_epoch: (*shape,) the epoch whose parameters were evaluated and kept.
        saturation: (*shape,) float64, share of (example, class) pairs of the objective's split with
            |S - 0.5| > 0.49 under the kept parameters, where S is the sigmoid of the loss, with its
            beta, eta and input where it has them, and else that of the logit.
        gradient_norm_start: (*shape,) float64, L2 norm of the loss's gradient by the head's weights
            and biases (without weight decay) at the first batch.
        gradient_norm_end: (*shape,) float64, the same at the last batch of the last epoch trained.
        parameters: name to (*shape, ...), or None when not kept: ``weight`` (D, C) and ``bias``
            (C,) of a linear head; ``hidden.weight`` (D, H), ``hidden.bias`` (H,), ``weight``
            (H, C) and ``bias`` (C,) of an MLP; the learned ``beta`` and ``eta`` (C,).
        learned: hyperparameter to (*shape, C), for those that were learned with the head.
        head: ``linear`` or ``mlp``.
        duration_s: wall time of training and evaluation.
    """

    shape: tuple[int, ...]
    states: np.ndarray
    reasons: np.ndarray
    objective: np.ndarray
    scores: Mapping[tuple[str, str], np.ndarray]
    curves: Mapping[tuple[str, str], np.ndarray]
    thresholds: np.ndarray
    predicted_positive_rate: Mapping[str, np.ndarray]
    train_loss: np.ndarray
    objective_curve: np.ndarray
    curve_epochs: np.ndarray
    epochs_run: np.ndarray
    best_epoch: np.ndarray
    saturation: np.ndarray
    gradient_norm_start: np.ndarray
    gradient_norm_end: np.ndarray
    parameters: Mapping[str, Tensor] | None
    learned: Mapping[str, np.ndarray]
    head: str
    duration_s: float

    def reshape(self, *shape: int) -> HeadResults:
        """The same results with another leading shape, e.g. ``(K, S)`` for ``(K * S,)``."""
        n = len(self.shape)

        def view(array: np.ndarray) -> np.ndarray:
            return array.reshape(*shape, *array.shape[n:])

        return replace(
            self,
            shape=shape,
            states=view(self.states),
            reasons=view(self.reasons),
            objective=view(self.objective),
            scores={key: view(values) for key, values in self.scores.items()},
            curves={key: view(values) for key, values in self.curves.items()},
            predicted_positive_rate={
                split: view(values) for split, values in self.predicted_positive_rate.items()
            },
            train_loss=view(self.train_loss),
            objective_curve=view(self.objective_curve),
            epochs_run=view(self.epochs_run),
            best_epoch=view(self.best_epoch),
            saturation=view(self.saturation),
            gradient_norm_start=view(self.gradient_norm_start),
            gradient_norm_end=view(self.gradient_norm_end),
            learned={name: view(values) for name, values in self.learned.items()},
            parameters=None
            if self.parameters is None
            else {
                name: values.reshape(*shape, *values.shape[n:])
                for name, values in self.parameters.items()
            },
        )

    def predict(self, embeddings: Tensor) -> Tensor:
        """Probabilities (*shape, N, C) of all heads for embeddings (N, D).

        Raises:
            InputError: the parameters were not kept.
        """
        if self.parameters is None:
            raise InputError("Predicting needs the parameters. Train with keep_weights=True.")
        return predict_probabilities(embeddings, self.parameters)


def predict_probabilities(embeddings: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
    """Probabilities of trained heads.

    A linear head is ``sigmoid(relu(embeddings) @ weight + bias)``; one with ``hidden.weight`` is
    ``sigmoid(relu(embeddings @ hidden.weight + hidden.bias) @ weight + bias)``. A label is
    predicted when its probability is >= the threshold.

    Args:
        embeddings: (N, D).
        parameters: name to (..., ...), see :class:`HeadResults`.

    Returns:
        (..., N, C) in [0, 1].

    Source: paper, Section 5.2 for the head; Eq. 3 for the threshold.
    """
    if "hidden.weight" in parameters:
        hidden = embeddings @ parameters["hidden.weight"]
        units = torch.relu(hidden + parameters["hidden.bias"][..., None, :])
    else:
        units = torch.relu(embeddings)
    return torch.sigmoid(units @ parameters["weight"] + parameters["bias"][..., None, :])
