"""Multilabel metrics for one head or many, at one threshold or many.

What holds for every function here:

- ``probs`` (..., N, C) lie in [0, 1] and may be a tensor or an array; ``targets`` (N, C) are 0 or
  1 and shared by all leading axes, which are kept: (..., N, C) gives (...).
- A label is predicted when ``float32(probs) >= float32(threshold)``. One threshold gives (...);
  a flat list of T thresholds gives (..., T).
- Results are float64 on the device of ``probs``, 0 where a ratio is undefined (scikit-learn's
  ``zero_division=0``), NaN for a head with a probability that is not finite.
- Averages carry scikit-learn's names. Bénédict et al. (TMLR 2022) swap two: their *macro* (Eq. 9)
  is ``micro`` here, their *micro* (Eq. 10) is ``macro``; Eq. 11 is ``weighted`` up to
  normalisation, Eq. 12 (precision) is ``macro_precision``, Eq. 13 (mAP) is ``map_interpolated``.
- `InputError` is raised for shapes that disagree, targets other than 0 and 1, thresholds or
  probabilities outside [0, 1] and unknown averages.
"""

from __future__ import annotations

from torch import Tensor

from sigmoidf1.counts import Counts, SampleCounts
from sigmoidf1.measuring import (
    Average,
    averaged,
    confusion_counts,
    of_counts,
    of_ranking,
    of_samples,
)
from sigmoidf1.metric_inputs import Array, Thresholds
from sigmoidf1.metric_registry import METRICS, PAPER_METRICS, Metric, get_metric
from sigmoidf1.ranking import Ranking

__all__ = [
    "METRICS",
    "PAPER_METRICS",
    "Metric",
    "average_precision",
    "confusion_counts",
    "f1",
    "get_metric",
    "hamming_loss",
    "jaccard",
    "map_at_threshold",
    "map_interpolated",
    "mean_average_precision",
    "precision",
    "predicted_positive_rate",
    "recall",
    "subset_accuracy",
]


def precision(
    probs: Array, targets: Array, threshold: Thresholds = 0.5, average: Average | None = "micro"
) -> Tensor:
    """Return the share of predicted labels that are right: tp / (tp + fp).

    Args:
        probs: Probabilities (..., N, C).
        targets: Labels (N, C).
        threshold: One threshold, or T of them.
        average: ``micro`` pools all classes, ``macro`` is the mean over classes, ``weighted``
            weighs classes by their positives, ``samples`` is the mean over examples; None
            returns each class's own value.

    Returns:
        float64 (...) or (..., T), with a last axis C when ``average`` is None.

    Raises:
        InputError: As the module's conventions say.

    Example:
        >>> import torch
        >>> precision(torch.tensor([[0.9, 0.6], [0.2, 0.1]]), torch.tensor([[1, 0], [0, 1]]))
        tensor(0.5000, dtype=torch.float64)

    Source: scikit-learn's ``precision_score``; the paper's Eq. 12 is ``macro``.
    """
    return averaged("precision", probs, targets, threshold, average)


def recall(
    probs: Array, targets: Array, threshold: Thresholds = 0.5, average: Average | None = "micro"
) -> Tensor:
    """Return the share of actual labels that are predicted: tp / (tp + fn).

    Arguments, returns and errors are those of `precision`.

    Source: scikit-learn's ``recall_score``.
    """
    return averaged("recall", probs, targets, threshold, average)


def f1(
    probs: Array, targets: Array, threshold: Thresholds = 0.5, average: Average | None = "micro"
) -> Tensor:
    """Return the harmonic mean of precision and recall: 2 tp / (2 tp + fp + fn).

    Arguments, returns and errors are those of `precision`.

    Source: scikit-learn's ``f1_score``. The paper's macroF1 (Eq. 9) is ``micro``, its microF1
    (Eq. 10) is ``macro``, its weightedF1 (Eq. 11) is ``weighted``.
    """
    return averaged("f1", probs, targets, threshold, average)


def jaccard(
    probs: Array, targets: Array, threshold: Thresholds = 0.5, average: Average | None = "micro"
) -> Tensor:
    """Return the intersection over union of predicted and actual labels: tp / (tp + fp + fn).

    Arguments, returns and errors are those of `precision`.

    Source: scikit-learn's ``jaccard_score``; not in the paper.
    """
    return averaged("jaccard", probs, targets, threshold, average)


def hamming_loss(probs: Array, targets: Array, threshold: Thresholds = 0.5) -> Tensor:
    """Return the share of (example, class) pairs that is wrong: (fp + fn) / (N C).

    Arguments, returns and errors are those of `precision`.

    Source: scikit-learn's ``hamming_loss``; not in the paper.
    """
    return of_counts(Counts.hamming_loss, probs, targets, threshold)


def subset_accuracy(probs: Array, targets: Array, threshold: Thresholds = 0.5) -> Tensor:
    """Return the share of examples whose whole label set is right.

    Arguments, returns and errors are those of `precision`.

    Source: scikit-learn's ``accuracy_score`` of indicator matrices; not in the paper.
    """
    return of_samples(SampleCounts.subset_accuracy, probs, targets, threshold)


def predicted_positive_rate(probs: Array, targets: Array, threshold: Thresholds = 0.5) -> Tensor:
    """Return the share of (example, class) pairs predicted: exactly 0 or 1 for a collapsed head.

    Arguments, returns and errors are those of `precision`.
    """
    return of_counts(Counts.predicted_positive_rate, probs, targets, threshold)


def average_precision(scores: Array, targets: Array) -> Tensor:
    """Return each class's average precision: the sum over n of (R_n - R_(n-1)) P_n.

    R_n and P_n are recall and precision at the n-th highest distinct score; tied scores enter
    together. Any increasing map of the scores gives the same, so logits do as well.

    Args:
        scores: Scores (..., N, C) of any range; ties are decided in their own dtype.
        targets: Labels (N, C).

    Returns:
        float64 (..., C); NaN for a class without a positive (scikit-learn warns and returns 0)
        and for a head with a score that is not finite.

    Raises:
        InputError: The shapes disagree or a target is neither 0 nor 1.

    Example:
        >>> import torch
        >>> average_precision(torch.tensor([[0.9], [0.8], [0.7]]), torch.tensor([[1], [0], [1]]))
        tensor([0.8333], dtype=torch.float64)

    Source: scikit-learn's ``average_precision_score(average=None)``.
    """
    return of_ranking(Ranking.average_precision, scores, targets)


def mean_average_precision(scores: Array, targets: Array) -> Tensor:
    """Return the average precision averaged over the classes that have a positive (mAP).

    Arguments and errors are those of `average_precision`.

    Returns:
        float64 (...); NaN when no class has a positive.

    Source: scikit-learn's ``average_precision_score(average="macro")`` over those classes. The
    paper's mAP is `map_interpolated`; what its authors' text code computed, `map_at_threshold`.
    """
    return of_ranking(Ranking.mean_average_precision, scores, targets)


def map_interpolated(scores: Array, targets: Array) -> Tensor:
    """Return mAP with each precision raised to the highest at the same or a higher recall.

    ``AP = sum_n (R_n - R_(n-1)) max_(m >= n) P_m``, so never below `mean_average_precision`.
    For comparisons with the paper only. Arguments and errors are those of `average_precision`.

    Returns:
        float64 (...); NaN when no class has a positive.

    Source: the paper's Eq. 13.
    """
    return of_ranking(Ranking.mean_interpolated_precision, scores, targets)


def map_at_threshold(probs: Array, targets: Array, threshold: Thresholds = 0.5) -> Tensor:
    """Return the mAP of the 0/1 predictions at a threshold instead of the scores.

    A class contributes tp/P * tp/(tp + fp) + fn/P * P/N. For comparisons with the paper only.
    Arguments, returns and errors are those of `precision`; NaN when no class has a positive.

    Source: the paper's published text code, which thresholds with a strict ``>``.
    """
    return of_counts(Counts.map_at_threshold, probs, targets, threshold)
