"""Confusion counts by class and by example, and the ratios that are averages of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor

from sigmoidf1.errors import InputError

Ratio = Literal["precision", "recall", "f1", "jaccard"]
ClassAverage = Literal["micro", "macro", "weighted"]
RATIOS: tuple[Ratio, ...] = get_args(Ratio)
CLASS_AVERAGES: tuple[ClassAverage, ...] = get_args(ClassAverage)


def tree_sum(values: Tensor) -> Tensor:
    """Sum over the last axis by folding halves, in an order that depends on its length alone.

    ``torch.sum`` picks its order of additions by shape, layout and number of threads, so the same
    head could differ in its last bit with the heads beside it. Folding is elementwise, hence the
    same for every head in every company and on every device, and as accurate as pairwise sums.

    Args:
        values: Tensor of shape (..., n), n >= 1.

    Returns:
        Tensor of shape (...).
    """
    while (size := values.shape[-1]) > 1:
        half = size // 2
        folded = values[..., :half] + values[..., half : 2 * half]
        if size % 2:
            folded[..., 0] += values[..., -1]
        values = folded
    return values[..., 0]


def ratio_of_counts(ratio: Ratio, tp: Tensor, predicted: Tensor, positives: Tensor) -> Tensor:
    """Return precision, recall, F1 or Jaccard index of integer counts, 0 where undefined.

    precision = tp / predicted, recall = tp / positives, F1 = 2 tp / (predicted + positives),
    Jaccard = tp / (predicted + positives - tp).

    Args:
        ratio: Which of the four.
        tp: True positives, integers of any shape.
        predicted: Predicted positives (tp + fp), broadcastable.
        positives: Actual positives (tp + fn), broadcastable.

    Returns:
        float64 tensor of the broadcast shape, in [0, 1].

    Raises:
        InputError: ``ratio`` is none of the four.
    """
    if ratio == "precision":
        numerator, denominator = tp, predicted
    elif ratio == "recall":
        numerator, denominator = tp, positives
    elif ratio == "f1":
        numerator, denominator = 2 * tp, predicted + positives
    elif ratio == "jaccard":
        numerator, denominator = tp, predicted + positives - tp
    else:
        raise InputError(f"Unknown ratio {ratio!r}. Known: {', '.join(RATIOS)}.")
    # A zero denominator implies a zero numerator, so clamping gives scikit-learn's zero_division=0.
    return numerator.double() / denominator.clamp(min=1)


@dataclass(frozen=True, eq=False)
class Counts:
    """Confusion counts of each head, at each threshold, for each class.

    Attributes:
        tp: True positives, int64 of shape (..., T, C).
        predicted: Predicted positives (tp + fp), int64 of shape (..., T, C).
        positives: Actual positives (tp + fn), int64 of shape (C,).
        n: Number of examples.
    """

    tp: Tensor
    predicted: Tensor
    positives: Tensor
    n: int
    _per_class: dict[Ratio, Tensor] = field(default_factory=dict, init=False, repr=False)

    def at(self, index: int) -> Counts:
        """Return the counts at one of the thresholds; their tensors have no axis T."""
        return Counts(self.tp[..., index, :], self.predicted[..., index, :], self.positives, self.n)

    def per_class(self, ratio: Ratio) -> Tensor:
        """Return a ratio for each class.

        Args:
            ratio: ``precision``, ``recall``, ``f1`` or ``jaccard``.

        Returns:
            float64 tensor (..., T, C), 0 where the ratio is undefined.
        """
        if ratio not in self._per_class:
            self._per_class[ratio] = ratio_of_counts(ratio, self.tp, self.predicted, self.positives)
        return self._per_class[ratio]

    def average(self, ratio: Ratio, average: ClassAverage) -> Tensor:
        """Return a ratio averaged over classes, in scikit-learn's sense of the names.

        ``micro`` pools the counts of all classes, ``macro`` is the plain mean over classes (those
        without a positive included, as 0), ``weighted`` weighs classes by their positives.

        Args:
            ratio: ``precision``, ``recall``, ``f1`` or ``jaccard``.
            average: ``micro``, ``macro`` or ``weighted``.

        Returns:
            float64 tensor (..., T).

        Raises:
            InputError: ``average`` is none of the three.
        """
        if average == "micro":
            return ratio_of_counts(
                ratio, self.tp.sum(-1), self.predicted.sum(-1), self.positives.sum()
            )
        if average == "macro":
            return tree_sum(self.per_class(ratio)) / self.positives.shape[0]
        if average == "weighted":
            support = self.positives.sum().clamp(min=1)
            return tree_sum(self.per_class(ratio) * self.positives) / support
        raise InputError(f"Unknown average {average!r}. Known: {', '.join(CLASS_AVERAGES)}.")

    def predicted_positive_rate(self) -> Tensor:
        """Return the share of all (example, class) pairs that is predicted, float64 (..., T)."""
        return self.predicted.sum(-1).double() / (self.n * self.positives.shape[0])

    def hamming_loss(self) -> Tensor:
        """Return the share of all (example, class) pairs that is wrong, float64 (..., T)."""
        wrong = (self.predicted + self.positives - 2 * self.tp).sum(-1)
        return wrong.double() / (self.n * self.positives.shape[0])

    def map_at_threshold(self) -> Tensor:
        """Return the mean over classes of the average precision of 0/1 predictions, (..., T).

        With scores of two values a class has two operating points: what is predicted (precision
        tp / predicted, recall tp / P) and everything (precision P / n, recall 1), so
        ``AP = tp/P * tp/predicted + (P - tp)/P * P/n``. Classes without a positive are left out;
        NaN when no class has one.
        """
        average_precision = (
            self.per_class("recall") * self.per_class("precision")
            + (self.positives - self.tp).double() / self.n
        )
        return mean_over_supported(average_precision, self.positives)


@dataclass(frozen=True, eq=False)
class SampleCounts:
    """Confusion counts of each head for each example, at one threshold.

    Attributes:
        tp: True positives, integers of shape (..., N).
        predicted: Predicted labels, integers of shape (..., N).
        positives: Actual labels, integers of shape (N,).
    """

    tp: Tensor
    predicted: Tensor
    positives: Tensor

    def average(self, ratio: Ratio) -> Tensor:
        """Return a ratio of each example, averaged over examples, float64 of shape (...)."""
        values = ratio_of_counts(ratio, self.tp, self.predicted, self.positives)
        return tree_sum(values) / self.positives.shape[0]

    def subset_accuracy(self) -> Tensor:
        """Return the share of examples whose whole label set is right, float64 (...)."""
        exact = (self.tp == self.predicted) & (self.tp == self.positives)
        return exact.sum(-1).double() / self.positives.shape[0]


def mean_over_supported(values: Tensor, positives: Tensor) -> Tensor:
    """Return the mean over the classes that have a positive, NaN when none has.

    Args:
        values: float64 tensor (..., C); entries of classes without a positive are ignored.
        positives: Positives of each class, (C,).

    Returns:
        float64 tensor (...).
    """
    supported = positives > 0
    # 0 / 0 is the NaN wanted when no class has a positive.
    return tree_sum(torch.where(supported, values, 0.0)) / supported.sum().double()
