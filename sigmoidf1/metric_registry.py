"""The metrics by name, each with its direction and what it is computed from.

A further metric is one function of `Counts`, `SampleCounts` or `Ranking` and one `Metric` added to
``METRICS``; the packed evaluation then computes it with the others.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from torch import Tensor

from sigmoidf1.counts import CLASS_AVERAGES, RATIOS, Counts, Ratio, SampleCounts
from sigmoidf1.errors import InputError
from sigmoidf1.ranking import Ranking


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric as `sigmoidf1.evaluation.evaluate` computes it.

    Attributes:
        name: The key under which its values are kept.
        higher_is_better: Direction.
        thresholded: Depends on the threshold.
        curve: Kept at every threshold, not only at the objective's.
        description: What it is in scikit-learn, and what the paper calls it.
        statistics: What ``compute`` is given: ``counts`` (`Counts`, any number of thresholds),
            ``samples`` (`SampleCounts`, one threshold) or ``ranking`` (`Ranking`).
        compute: From those statistics of K heads to float64 values (K, ...).
    """

    name: str
    higher_is_better: bool
    thresholded: bool
    curve: bool
    description: str
    statistics: Literal["counts", "samples", "ranking"]
    compute: Callable[[Any], Tensor]


def get_metric(name: str) -> Metric:
    """Return the metric of that name, of ``METRICS`` or ``PAPER_METRICS``.

    Args:
        name: A key of either.

    Returns:
        The metric.

    Raises:
        InputError: There is none of that name; the nearest is named.

    Example:
        >>> get_metric("hamming_loss").higher_is_better
        False
    """
    known = {**METRICS, **PAPER_METRICS}
    if name not in known:
        nearest = difflib.get_close_matches(str(name), known, n=1, cutoff=0.0)[0]
        raise InputError(
            f"Unknown metric {name!r}. Did you mean {nearest!r}? Known: {', '.join(known)}."
        )
    return known[name]


_SCIKIT_LEARN = {
    "precision": "precision_score",
    "recall": "recall_score",
    "f1": "f1_score",
    "jaccard": "jaccard_score",
}
_PAPER = {
    "micro_f1": "the paper's macroF1 (Eq. 9)",
    "macro_f1": "the paper's microF1 (Eq. 10)",
    "weighted_f1": "the paper's weightedF1 (Eq. 11)",
    "macro_precision": "the paper's precision (Eq. 12)",
}


def _describe(name: str, scikit_learn: str) -> str:
    return f"sklearn.metrics.{scikit_learn}; {_PAPER.get(name, 'not in the paper')}"


def _class_average(ratio: Ratio, average: Any) -> Metric:
    name = f"{average}_{ratio}"
    return Metric(
        name=name,
        higher_is_better=True,
        thresholded=True,
        curve=ratio != "jaccard",
        description=_describe(
            name, f"{_SCIKIT_LEARN[ratio]}(average={average!r}, zero_division=0)"
        ),
        statistics="counts",
        compute=partial(Counts.average, ratio=ratio, average=average),
    )


def _sample_average(ratio: Ratio) -> Metric:
    name = f"samples_{ratio}"
    return Metric(
        name=name,
        higher_is_better=True,
        thresholded=True,
        curve=False,
        description=_describe(name, f"{_SCIKIT_LEARN[ratio]}(average='samples', zero_division=0)"),
        statistics="samples",
        compute=partial(SampleCounts.average, ratio=ratio),
    )


def _by_name(*metrics: Metric) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


METRICS: dict[str, Metric] = _by_name(
    *(_class_average(ratio, average) for average in CLASS_AVERAGES for ratio in RATIOS),
    *(_sample_average(ratio) for ratio in RATIOS),
    Metric(
        name="map",
        higher_is_better=True,
        thresholded=False,
        curve=False,
        description="sklearn.metrics.average_precision_score(average='macro') over the classes "
        "with a positive; the paper's mAP (Eq. 13) is interpolated: map_interpolated",
        statistics="ranking",
        compute=Ranking.mean_average_precision,
    ),
    Metric(
        name="hamming_loss",
        higher_is_better=False,
        thresholded=True,
        curve=False,
        description=_describe("hamming_loss", "hamming_loss"),
        statistics="counts",
        compute=Counts.hamming_loss,
    ),
    Metric(
        name="subset_accuracy",
        higher_is_better=True,
        thresholded=True,
        curve=False,
        description=_describe("subset_accuracy", "accuracy_score of indicator matrices"),
        statistics="samples",
        compute=SampleCounts.subset_accuracy,
    ),
)
"""Every metric that `sigmoidf1.evaluation.evaluate` computes unless told otherwise."""

PAPER_METRICS: dict[str, Metric] = _by_name(
    Metric(
        name="map_interpolated",
        higher_is_better=True,
        thresholded=False,
        curve=False,
        description="the paper's mAP (Eq. 13); not in scikit-learn",
        statistics="ranking",
        compute=Ranking.mean_interpolated_precision,
    ),
    Metric(
        name="map_at_threshold",
        higher_is_better=True,
        thresholded=True,
        curve=False,
        description="sklearn.metrics.average_precision_score of 0/1 predictions; the mAP of the "
        "paper's published text code",
        statistics="counts",
        compute=Counts.map_at_threshold,
    ),
)
"""Metrics for comparisons with the paper only: computed when asked for by name."""
