"""Packed evaluation: every metric, at every threshold, for many heads at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from sigmoidf1.blocks import Block, iter_blocks
from sigmoidf1.errors import InputError
from sigmoidf1.metric_inputs import (
    Array,
    Thresholds,
    check_scores,
    check_targets,
    check_thresholds,
)
from sigmoidf1.metrics import METRICS, Metric, get_metric


class CollapseFlags(NamedTuple):
    """Which heads make the same prediction for every label of every example.

    Attributes:
        predicts_nothing: Boolean tensor: no label is predicted at the threshold.
        predicts_everything: Boolean tensor: every label is predicted at the threshold.
    """

    predicts_nothing: Tensor
    predicts_everything: Tensor


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate` measured, on the device of the probabilities.

    Attributes:
        scores: For each metric its value at the threshold, float64 (H,).
        curves: For each curve metric its value at every one of the thresholds, in the order in
            which they were given, float64 (H, T); empty when none were given.
        predicted_positive_rate: Share of all (example, class) pairs predicted at the threshold,
            float64 (H,).

    Everything of a head whose probabilities are not all finite is NaN.
    """

    scores: dict[str, Tensor]
    curves: dict[str, Tensor]
    predicted_positive_rate: Tensor

    def collapse_flags(self) -> CollapseFlags:
        """Return which heads predict nothing, or everything, at the threshold."""
        return collapse_flags(self.predicted_positive_rate)


def evaluate(
    probs: Array,
    targets: Array,
    *,
    threshold: float = 0.5,
    thresholds: Thresholds | None = None,
    metrics: Iterable[str] | None = None,
    block_scores: int | None = None,
) -> Evaluation:
    """Evaluate many heads at one threshold, and the curve metrics at many.

    A label is predicted when ``float32(probs) >= float32(t)``. Confusion counts are exact
    integers and all arithmetic on them is float64, in an order that depends on N and C alone: a
    head's results are bit-identical whatever heads are evaluated along with it. Each head is
    sorted once, and counts at all thresholds and average precision are read off that order.

    Args:
        probs: Tensor or array (H, N, C) in [0, 1], any strides: columns (N, H*C), head-major, are
            passed without a copy as ``columns.view(N, H, C).permute(1, 0, 2)``.
        targets: 0/1 tensor or array (N, C).
        threshold: The objective's threshold, in [0, 1], for ``scores``.
        thresholds: Thresholds in [0, 1] for ``curves``; None for no curves.
        metrics: Names of the metrics wanted; None for all of ``METRICS``. One thresholded metric
            without curves (an objective watched while training) costs a tenth of everything.
        block_scores: Largest number of scores handled at once, to bound memory; None for the
            device's default. Results do not depend on it.

    Returns:
        The evaluation; heads with a probability that is not finite get NaN, the others what they
        get alone.

    Raises:
        InputError: A shape, a target, a threshold, a finite probability or a metric's name breaks
            its rule.

    Example:
        >>> import torch
        >>> probs = torch.tensor([[[0.9, 0.2], [0.6, 0.7]], [[0.1, 0.2], [0.1, 0.2]]])
        >>> targets = torch.tensor([[1, 0], [0, 1]])
        >>> evaluation = evaluate(probs, targets, threshold=0.5, thresholds=[0.05, 0.65])
        >>> evaluation.scores["micro_f1"].tolist()
        [0.8, 0.0]
        >>> evaluation.curves["micro_recall"].tolist()
        [[1.0, 1.0], [1.0, 0.0]]
        >>> evaluation.collapse_flags().predicts_nothing.tolist()
        [False, True]
    """
    probs = check_scores(probs)
    if probs.dim() != 3:
        raise InputError(
            f"probs must have shape (H, N, C), but got {tuple(probs.shape)}. "
            "Give a single head as probs[None]."
        )
    hits = check_targets(targets, probs)
    cut = check_thresholds(threshold, probs.device)
    if len(cut) != 1:
        raise InputError(f"threshold must be one number, but got {len(cut)}. Use thresholds.")
    grid = cut[:0] if thresholds is None else check_thresholds(thresholds, probs.device)
    wanted = list(METRICS.values()) if metrics is None else [get_metric(name) for name in metrics]

    scores: dict[str, list[Tensor]] = {metric.name: [] for metric in wanted}
    curves: dict[str, list[Tensor]] = {m.name: [] for m in wanted if m.curve and len(grid)}
    rates: list[Tensor] = []
    for block in iter_blocks(probs, hits, block_scores):
        _evaluate_block(block, wanted, torch.cat([grid, cut]), scores, curves, rates)
    return Evaluation(
        scores={name: torch.cat(parts) for name, parts in scores.items()},
        curves={name: torch.cat(parts) for name, parts in curves.items()},
        predicted_positive_rate=torch.cat(rates),
    )


def baselines(targets: Array) -> dict[str, dict[str, float]]:
    """Evaluate predicting every label of every example, and none.

    Neither depends on a threshold. As constant scores rank nothing, their ``map`` is the mean
    prevalence over classes with a positive, the same for both.

    Args:
        targets: 0/1 tensor or array (N, C).

    Returns:
        ``{"predict_all": {metric: value}, "predict_none": {metric: value}}`` for all of
        ``METRICS``.

    Raises:
        InputError: ``targets`` is not a 0/1 matrix with at least one row and column.

    Example:
        >>> import torch
        >>> baselines(torch.tensor([[1, 0], [1, 1]]))["predict_all"]["micro_precision"]
        0.75
    """
    targets = torch.as_tensor(targets)
    if targets.dim() != 2:
        raise InputError(
            f"targets must have shape (N, C), but got {tuple(targets.shape)}. "
            "Give one row an example and one column a class."
        )
    constant = torch.tensor([1.0, 0.0], device=targets.device)[:, None, None]
    scores = evaluate(constant.expand(2, *targets.shape), targets).scores
    return {
        baseline: {name: values[index].item() for name, values in scores.items()}
        for index, baseline in enumerate(("predict_all", "predict_none"))
    }


def collapse_flags(predicted_positive_rate: Tensor) -> CollapseFlags:
    """Tell which heads predict nothing, or everything, from their predicted-positive rates.

    Args:
        predicted_positive_rate: Shares in [0, 1] of any shape; exact at 0 and 1 as `evaluate`
            gives them. NaN is neither.

    Returns:
        Two boolean tensors of the same shape.
    """
    return CollapseFlags(predicted_positive_rate == 0, predicted_positive_rate == 1)


def _evaluate_block(
    block: Block,
    metrics: Sequence[Metric],
    thresholds: Tensor,
    scores: dict[str, list[Tensor]],
    curves: dict[str, list[Tensor]],
    rates: list[Tensor],
) -> None:
    """Append one block's results; the last threshold is the one of the scores."""
    # Ranking first: once a block is sorted, its counts are cheaper to read off than to compare.
    for metric in metrics:
        if metric.statistics == "ranking":
            scores[metric.name].append(block.mask(metric.compute(block.ranking)))
    counts = block.counts(thresholds if curves else thresholds[-1:])
    at_threshold = counts.at(-1)
    rates.append(block.mask(at_threshold.predicted_positive_rate()))
    samples = None
    for metric in metrics:
        if metric.name in curves:
            values = block.mask(metric.compute(counts))
            scores[metric.name].append(values[:, -1])
            curves[metric.name].append(values[:, :-1])
        elif metric.statistics == "counts":
            scores[metric.name].append(block.mask(metric.compute(at_threshold)))
        elif metric.statistics == "samples":
            samples = samples or block.sample_counts(thresholds[-1])
            scores[metric.name].append(block.mask(metric.compute(samples)))
