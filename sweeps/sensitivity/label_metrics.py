"""Micro, macro and weighted precision, recall and F1 of confusion counts, in numpy alone.

The definitions are scikit-learn's with ``zero_division=0``, the same as `sigmoidf1.counts`; counts
may be fractions here, as those of a bootstrap sample or a weighted one are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.errors import SweepError
from sweeps.sensitivity.seed_table import FloatArray
from sweeps.wording import suggestion

CountMetric = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
"""(tp, predicted, positives), each (..., C) or broadcastable, to (...)."""

AVERAGES = ("micro", "macro", "weighted")
RATIOS = ("precision", "recall", "f1")
COUNT_METRICS = tuple(f"{average}_{ratio}" for average in AVERAGES for ratio in RATIOS)


def _ratio(ratio: str, tp: FloatArray, predicted: FloatArray, positives: FloatArray) -> FloatArray:
    if ratio == "precision":
        numerator, denominator = tp, predicted
    elif ratio == "recall":
        numerator, denominator = tp, positives
    else:
        numerator, denominator = 2 * tp, predicted + positives
    return numerator / np.where(denominator > 0, denominator, 1.0)


def score_of_counts(
    metric: str, tp: npt.ArrayLike, predicted: npt.ArrayLike, positives: npt.ArrayLike
) -> FloatArray:
    """Return a metric of per-class counts.

    Args:
        metric: ``{micro,macro,weighted}_{precision,recall,f1}``.
        tp: (..., C) true positives.
        predicted: (..., C) predicted positives.
        positives: (..., C) actual positives, broadcastable.

    Returns:
        (...) float64 in [0, 1].

    Raises:
        SweepError: the metric is not one of these.

    Example:
        >>> float(score_of_counts("macro_f1", [1, 0], [1, 1], [1, 1]))
        0.5
    """
    if metric not in COUNT_METRICS:
        raise SweepError(
            f"The metric must be one of confusion counts, but got {metric!r}. "
            f"{suggestion(metric, COUNT_METRICS)}"
        )
    average, ratio = metric.split("_")
    t, p, y = (np.asarray(a, np.float64) for a in (tp, predicted, positives))
    t, p, y = np.broadcast_arrays(t, p, y)
    if average == "micro":
        return _ratio(ratio, t.sum(-1), p.sum(-1), y.sum(-1))
    by_class = _ratio(ratio, t, p, y)
    if average == "macro":
        return by_class.mean(-1)
    whole = y.sum(-1)
    return (by_class * y).sum(-1) / np.where(whole > 0, whole, 1.0)


def count_metric(metric: str | CountMetric) -> CountMetric:
    """Return a metric as a function of counts: by its name, or as given."""
    if callable(metric):
        return metric
    score_of_counts(metric, [0.0], [0.0], [0.0])
    return lambda tp, predicted, positives: score_of_counts(metric, tp, predicted, positives)


def score(
    metric: str | CountMetric,
    probs: npt.NDArray[np.floating],
    targets: npt.NDArray[Any],
    threshold: npt.ArrayLike,
) -> FloatArray:
    """Return a metric of probabilities cut at a threshold.

    Args:
        metric: a name as of :func:`score_of_counts`, or a function of counts.
        probs: (..., N, C) in [0, 1].
        targets: (N, C) in {0, 1}.
        threshold: anything that broadcasts with ``probs``: one number, (C,) one a class,
            (..., N, 1) one an example. A label is predicted when ``probs >= threshold``, both in
            float32, as everywhere in this project.

    Returns:
        (...) float64.
    """
    hits = np.asarray(targets) > 0
    chosen = probs.astype(np.float32) >= np.asarray(threshold, np.float32)
    tp = (chosen & hits).sum(axis=-2, dtype=np.float64)
    return count_metric(metric)(
        tp, chosen.sum(axis=-2, dtype=np.float64), hits.sum(0).astype(float)
    )
