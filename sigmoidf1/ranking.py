"""Scores in ascending order beside their targets, and the average precision read off them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from sigmoidf1.counts import mean_over_supported, tree_sum


def probability_keys(probs: Tensor) -> Tensor:
    """Return int32 keys that order float32 probabilities and leave the lowest bit free.

    The bit pattern of a float in [0, 1] is at most 0x3F800000 and grows with the float, so shifted
    by one it still fits a signed 32-bit integer.
    """
    return probs.view(torch.int32) << 1


@dataclass(frozen=True, eq=False)
class Ranking:
    """The scores of each row in ascending order, as integer keys that carry the target.

    Attributes:
        keys: Integers of shape (..., C, N), ascending along the last axis. Two entries tie when
            their keys agree but for the lowest bit, which is the target.
        positives: Positives of each class, (C,).
    """

    keys: Tensor
    positives: Tensor

    @classmethod
    def of_probabilities(cls, probs: Tensor, targets: Tensor, positives: Tensor) -> Ranking:
        """Rank float32 probabilities in [0, 1].

        Args:
            probs: Contiguous float32 tensor (..., C, N), without -0.0.
            targets: Boolean tensor (C, N).
            positives: Positives of each class, (C,).

        Returns:
            The ranking; its keys are those of ``probability_keys``.
        """
        keys = probability_keys(probs)
        keys |= targets.int()
        if keys.device.type == "cpu":
            # NumPy sorts integers with vector instructions; torch.sort, which also has to return
            # the order, takes over 20 times as long.
            keys.numpy().sort(axis=-1)
        else:
            keys = torch.sort(keys, dim=-1).values
        return cls(keys, positives)

    @classmethod
    def of_scores(cls, scores: Tensor, targets: Tensor, positives: Tensor) -> Ranking:
        """Rank finite scores of any range and floating dtype, ties decided in that dtype.

        Args:
            scores: Tensor (..., C, N), N < 2**30.
            targets: Boolean tensor (C, N).
            positives: Positives of each class, (C,).

        Returns:
            The ranking; its keys number the groups of equal scores.
        """
        ordered, order = torch.sort(scores, dim=-1)
        group = torch.zeros_like(order, dtype=torch.int32)
        torch.cumsum(
            ordered[..., 1:] != ordered[..., :-1], -1, dtype=torch.int32, out=group[..., 1:]
        )
        hit = targets.expand(scores.shape).gather(-1, order)
        return cls((group << 1) | hit, positives)

    @cached_property
    def positives_below(self) -> Tensor:
        """Number of positives among the i lowest scores, i = 0 … N: int32 (..., C, N + 1)."""
        *lead, size = self.keys.shape
        below = torch.zeros((*lead, size + 1), dtype=torch.int32, device=self.keys.device)
        torch.cumsum(self.keys & 1, dim=-1, dtype=torch.int32, out=below[..., 1:])
        return below

    def counts_at(self, thresholds: Tensor) -> tuple[Tensor, Tensor]:
        """Count what lies at or above each threshold; for rankings of probabilities.

        Args:
            thresholds: float32 tensor (T,), in [0, 1], in any order.

        Returns:
            True positives and predicted positives, int64 tensors (..., T, C).
        """
        *lead, size = self.keys.shape
        # A threshold's key has target bit 0, so the search stops before every equal score.
        cuts = probability_keys(thresholds).expand(*lead, -1).contiguous()
        below = torch.searchsorted(self.keys, cuts)
        tp = self.positives[:, None] - self.positives_below.gather(-1, below)
        return tp.transpose(-1, -2), (size - below).transpose(-1, -2)

    def average_precision(self) -> Tensor:
        """Return the average precision of each row: the mean over positives of the precision.

        ``AP = sum_n (R_n - R_(n-1)) P_n`` over distinct scores from high to low. As recall rises
        by 1/P with each positive, this is the mean, over positives, of the precision among all
        entries that score at least as high.

        Returns:
            float64 tensor (..., C), NaN where a class has no positive.
        """
        # Plus one, so that the zeros written over ties stay below the maximum so far. Equal maxima
        # give the later index, so the index is where the entry's group starts.
        below = self.positives_below[..., :-1] + 1
        below[..., 1:] &= self._group_start_mask
        below, start = below.cummax(-1)
        tp = self.positives.int()[:, None] + 1 - below
        return self._mean_over_positives(tp, self.keys.shape[-1] - start)

    def interpolated_precision(self) -> Tensor:
        """Return the interpolated average precision of each row.

        ``AP = sum_n (R_n - R_(n-1)) max_(m: R_m >= R_n) P_m``: each precision is raised to the
        highest one at the same or a higher recall.

        Returns:
            float64 tensor (..., C), NaN where a class has no positive.
        """
        size = self.keys.shape[-1]
        tp = (self.positives[:, None] - self.positives_below[..., :-1]).double()
        precision = tp / torch.arange(size, 0, -1, device=tp.device)
        # Only a whole group of ties is an operating point; what lies inside one is not reachable.
        precision[..., 1:].masked_fill_(self._group_start_mask == 0, 0.0)
        return self._mean_over_positives(precision.cummax(-1).values)

    def mean_average_precision(self) -> Tensor:
        """Return average precision averaged over classes with a positive, float64 (...)."""
        return mean_over_supported(self.average_precision(), self.positives)

    def mean_interpolated_precision(self) -> Tensor:
        """Return its interpolated kind averaged over classes with a positive, float64 (...)."""
        return mean_over_supported(self.interpolated_precision(), self.positives)

    @cached_property
    def _group_start_mask(self) -> Tensor:
        """All bits set where a new group of ties starts, none elsewhere; from the second entry."""
        return (self.keys[..., 1:] ^ self.keys[..., :-1]).ge_(2).neg_()

    def _mean_over_positives(self, numerator: Tensor, denominator: Tensor | None = None) -> Tensor:
        """Return the mean of numerator / denominator over the entries whose target is 1."""
        values = (numerator * (self.keys & 1)).double()
        if denominator is not None:
            values /= denominator
        # 0 / 0 is the NaN wanted for a class without a positive.
        return tree_sum(values) / self.positives.double()
