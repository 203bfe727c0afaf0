"""What packed training returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

COMPLETE, DIVERGED = "complete", "diverged"


@dataclass(frozen=True, kw_only=True)
class HeadResults:
    """Results of many heads; every array has the leading shape ``shape``.

    Attributes:
        shape: ``(K, S)`` from :func:`train_heads` (configurations × seeds), ``(R,)`` from
            :func:`train_replicates`.
        states: ``complete`` or ``diverged``, (*shape,) of str.
        reasons: why a head diverged, (*shape,) of str; empty for complete heads.
        objective: (*shape,) float64; NaN unless complete.
        scores: (split, metric) to (*shape,) float64, at the objective's threshold.
        curves: (split, metric) to (*shape, T) float64, at ``thresholds``.
        thresholds: (T,) float64.
        predicted_positive_rate: split to (*shape,): share of (example, class) pairs that are
            predicted at the objective's threshold; 0 and 1 are collapsed heads.
        train_loss: (*shape, epochs) mean training loss of each epoch.
        objective_curve: (*shape, E) the objective at ``curve_epochs``.
        curve_epochs: (E,) epochs, counted from 1.
        weight: (*shape, D, C), or None when not kept.
        bias: (*shape, C), or None when not kept.
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
    curve_epochs: Sequence[int]
    weight: Tensor | None
    bias: Tensor | None
    duration_s: float

    def reshape(self, *shape: int) -> HeadResults:
        """The same results with another leading shape, e.g. ``(K, S)`` for ``(K * S,)``."""
        n = len(self.shape)

        def view(array: np.ndarray) -> np.ndarray:
            return array.reshape(*shape, *array.shape[n:])

        def view_tensor(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.reshape(*shape, *tensor.shape[n:])

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
            weight=view_tensor(self.weight),
            bias=view_tensor(self.bias),
        )


def predict_probabilities(embeddings: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Probabilities of linear heads: ``sigmoid(relu(embeddings) @ weight + bias)``.

    Args:
        embeddings: (N, D).
        weight: (..., D, C).
        bias: (..., C).

    Returns:
        (..., N, C) in [0, 1]. A label is predicted when its probability is >= the threshold.

    Source: paper, Section 5.2 for the head; Eq. 3 for the threshold.
    """
    return torch.sigmoid(torch.relu(embeddings) @ weight + bias[..., None, :])
