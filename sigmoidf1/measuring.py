"""The way from probabilities, head by head, to one array of values: check, walk, compute, mask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor

from sigmoidf1.blocks import iter_blocks, iter_rankings, mask_invalid
from sigmoidf1.counts import Counts, Ratio, SampleCounts
from sigmoidf1.errors import InputError
from sigmoidf1.metric_inputs import (
    Array,
    Thresholds,
    check_scores,
    check_targets,
    check_thresholds,
)
from sigmoidf1.ranking import Ranking

Average = Literal["micro", "macro", "weighted", "samples"]
AVERAGES: tuple[Average, ...] = get_args(Average)


def averaged(
    ratio: Ratio, probs: Array, targets: Array, threshold: Thresholds, average: Average | None
) -> Tensor:
    """Return a ratio of counts under an average of any kind.

    Args:
        ratio: ``precision``, ``recall``, ``f1`` or ``jaccard``.
        probs: Probabilities (..., N, C).
        targets: Labels (N, C).
        threshold: One threshold, or T of them.
        average: ``micro``, ``macro``, ``weighted``, ``samples``, or None for each class's value.

    Returns:
        float64 (...) or (..., T), with a last axis C when ``average`` is None.

    Raises:
        InputError: The average is unknown, or an input breaks its rule.
    """
    if average is None:
        return of_counts(lambda counts: counts.per_class(ratio), probs, targets, threshold)
    if average not in AVERAGES:
        raise InputError(f"Unknown average {average!r}. Known: {', '.join(AVERAGES)}, or None.")
    if average == "samples":
        return of_samples(lambda counts: counts.average(ratio), probs, targets, threshold)
    return of_counts(lambda counts: counts.average(ratio, average), probs, targets, threshold)


def of_counts(
    compute: Callable[[Counts], Tensor], probs: Array, targets: Array, threshold: Thresholds
) -> Tensor:
    """Return ``compute`` of every head's counts, which maps (K, T, C) to (K, T) or (K, T, C)."""
    scores = check_scores(probs)
    hits = check_targets(targets, scores)
    cuts = check_thresholds(threshold, scores.device)
    values = torch.cat(
        [
            block.mask(compute(block.counts(cuts)))
            for block in iter_blocks(scores.reshape(-1, *scores.shape[-2:]), hits)
        ]
    )
    return _shaped(values, scores, threshold)


def of_samples(
    compute: Callable[[SampleCounts], Tensor], probs: Array, targets: Array, threshold: Thresholds
) -> Tensor:
    """Return ``compute`` of every head's counts by example, which maps (K, N) to (K,)."""
    scores = check_scores(probs)
    hits = check_targets(targets, scores)
    cuts = check_thresholds(threshold, scores.device)
    values = torch.cat(
        [
            block.mask(
                torch.stack([compute(block.sample_counts(cut)) for cut in cuts.unbind()], dim=1)
            )
            for block in iter_blocks(scores.reshape(-1, *scores.shape[-2:]), hits)
        ]
    )
    return _shaped(values, scores, threshold)


def of_ranking(compute: Callable[[Ranking], Tensor], scores: Array, targets: Array) -> Tensor:
    """Return ``compute`` of every head's ranking, which maps (K, C, N) to (K,) or (K, C)."""
    checked = check_scores(scores, name="scores")
    hits = check_targets(targets, checked, name="scores")
    values = torch.cat(
        [
            mask_invalid(compute(ranking), valid)
            for ranking, valid in iter_rankings(checked.reshape(-1, *checked.shape[-2:]), hits)
        ]
    )
    return values.reshape((*checked.shape[:-2], *values.shape[1:]))


def confusion_counts(probs: Array, targets: Array, thresholds: Thresholds) -> Counts:
    """Count true and predicted positives of each class at each threshold.

    Args:
        probs: Probabilities (..., N, C).
        targets: Labels (N, C).
        thresholds: One threshold or T of them; the result has an axis T either way.

    Returns:
        Counts with ``tp`` and ``predicted`` (..., T, C), ``positives`` (C,) and ``n``.

    Raises:
        InputError: As the module's conventions say, or a probability is not finite: counts are
            integers and know no NaN.
    """
    scores = check_scores(probs)
    hits = check_targets(targets, scores)
    cuts = check_thresholds(thresholds, scores.device)
    tp, predicted = [], []
    for block in iter_blocks(scores.reshape(-1, *scores.shape[-2:]), hits):
        if not block.valid.all():
            raise InputError("probs must be finite to be counted, but got NaN or inf. Drop them.")
        counts = block.counts(cuts)
        tp.append(counts.tp)
        predicted.append(counts.predicted)
    shape = (*scores.shape[:-2], len(cuts), scores.shape[-1])
    return Counts(
        torch.cat(tp).reshape(shape), torch.cat(predicted).reshape(shape), hits.sum(0), len(hits)
    )


def _shaped(values: Tensor, scores: Tensor, threshold: Thresholds) -> Tensor:
    """Give values (H, T, ...) the leading axes of the scores, and T only if many were asked."""
    if torch.as_tensor(threshold).dim() == 0:
        values = values[:, 0]
    return values.reshape((*scores.shape[:-2], *values.shape[1:]))
