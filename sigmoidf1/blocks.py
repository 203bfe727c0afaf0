"""Checked probabilities of many heads, walked in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from sigmoidf1.counts import Counts, SampleCounts
from sigmoidf1.errors import InputError
from sigmoidf1.ranking import Ranking

BLOCK_SCORES_CPU = 2**18
"""Scores handled at once on a CPU: what a core's caches hold, found by measuring."""

BLOCK_SCORES_DEVICE = 2**25
"""Scores handled at once on an accelerator: large enough to fill it, about 2 GB of temporaries."""

DIRECT_THRESHOLDS = 4
"""Up to so many thresholds are counted by comparing; beyond, sorting once is cheaper."""


@dataclass(frozen=True, eq=False)
class Block:
    """The probabilities of some heads, class by class.

    Attributes:
        probs: Contiguous float32 tensor (K, C, N), in [0, 1]; heads that are not valid hold 0.
        targets: Boolean tensor (C, N).
        positives: Positives of each class, int64 (C,).
        valid: Boolean tensor (K,): the head's probabilities are all finite.
    """

    probs: Tensor
    targets: Tensor
    positives: Tensor
    valid: Tensor

    @cached_property
    def ranking(self) -> Ranking:
        """The block sorted along its examples; made when first needed, then kept."""
        return Ranking.of_probabilities(self.probs, self.targets, self.positives)

    def counts(self, thresholds: Tensor) -> Counts:
        """Count by class, ``probs >= t`` in float32.

        Args:
            thresholds: float32 tensor (T,).

        Returns:
            Counts with a leading axis of K heads.
        """
        if len(thresholds) > DIRECT_THRESHOLDS or "ranking" in self.__dict__:
            tp, predicted = self.ranking.counts_at(thresholds)
        else:
            cut = [self.probs >= threshold for threshold in thresholds.unbind()]
            tp = _stack_sums([each & self.targets for each in cut])
            predicted = _stack_sums(cut)
        return Counts(tp, predicted, self.positives, self.targets.shape[1])

    def sample_counts(self, threshold: Tensor) -> SampleCounts:
        """Count by example, ``probs >= t`` in float32.

        Args:
            threshold: float32 scalar tensor.

        Returns:
            Sample counts with a leading axis of K heads.
        """
        predicted = self.probs >= threshold
        return SampleCounts(
            tp=(predicted & self.targets).sum(1, dtype=torch.int32),
            predicted=predicted.sum(1, dtype=torch.int32),
            positives=self.targets.sum(0, dtype=torch.int32),
        )

    def mask(self, values: Tensor) -> Tensor:
        """Return values (K, ...) with NaN for the heads that are not valid."""
        return mask_invalid(values, self.valid)


def mask_invalid(values: Tensor, valid: Tensor) -> Tensor:
    """Return values (K, ...) with NaN where a head (K,) is not valid."""
    return torch.where(valid.view(-1, *[1] * (values.dim() - 1)), values, torch.nan)


def iter_blocks(probs: Tensor, targets: Tensor, block_scores: int | None = None) -> Iterator[Block]:
    """Walk over the heads in blocks.

    Args:
        probs: Floating tensor (H, N, C) in [0, 1], any strides; compared in float32.
        targets: Boolean tensor (N, C) on the same device.
        block_scores: Largest number of scores in a block (at least one head is taken); None for
            the device's default. Results do not depend on it.

    Yields:
        Blocks of consecutive heads.

    Raises:
        InputError: A finite probability lies outside [0, 1].
    """
    by_class = targets.t().contiguous()
    positives = by_class.sum(1)
    step = _heads_per_block(probs, block_scores)
    # At least one block, so that no heads give empty results of the right shapes.
    for start in range(0, max(len(probs), 1), step):
        block = probs[start : start + step].transpose(1, 2)
        block = block.to(torch.float32, memory_format=torch.contiguous_format).contiguous()
        valid = torch.ones(len(block), dtype=torch.bool, device=block.device)
        low, high = block.flatten(1).amin(1), block.flatten(1).amax(1)
        if not ((low >= 0) & (high <= 1)).all():
            valid = block.isfinite().flatten(1).all(1)
            _check_range(low[valid], high[valid])
            block = torch.where(valid[:, None, None], block, 0.0)
        yield Block(block, by_class, positives, valid)


def iter_rankings(
    scores: Tensor, targets: Tensor, block_scores: int | None = None
) -> Iterator[tuple[Ranking, Tensor]]:
    """Walk over the rankings of scores of any range, ties decided in their own dtype.

    Args:
        scores: Floating tensor (H, N, C), any strides.
        targets: Boolean tensor (N, C) on the same device.
        block_scores: As of `iter_blocks`.

    Yields:
        Rankings of consecutive heads, and for each head whether its scores are all finite.
    """
    by_class = targets.t().contiguous()
    positives = by_class.sum(1)
    step = _heads_per_block(scores, block_scores)
    for start in range(0, max(len(scores), 1), step):
        block = scores[start : start + step].transpose(1, 2).contiguous()
        valid = block.isfinite().flatten(1).all(1)
        block = torch.where(valid[:, None, None], block, 0.0)
        yield Ranking.of_scores(block, by_class, positives), valid


def _heads_per_block(scores: Tensor, block_scores: int | None) -> int:
    if block_scores is None:
        block_scores = BLOCK_SCORES_CPU if scores.device.type == "cpu" else BLOCK_SCORES_DEVICE
    return max(1, block_scores // scores.shape[1:].numel())


def _stack_sums(cut: list[Tensor]) -> Tensor:
    return torch.stack([each.sum(-1, dtype=torch.int32).long() for each in cut], dim=-2)


def _check_range(low: Tensor, high: Tensor) -> None:
    for bad in (low[low < 0], high[high > 1]):
        if len(bad):
            raise InputError(
                f"probs must lie in [0, 1], but got {bad[0].item():.6g}. "
                "Apply torch.sigmoid to logits first."
            )
