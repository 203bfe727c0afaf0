"""What a sampler learns from: the asked cells and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from storage.records import CellRecord

Told = Literal["complete", "pruned", "failed", "running"]


@dataclass(frozen=True)
class Outcome:
    """One asked cell.

    Args:
        cell: the cell.
        told: ``complete``; ``pruned``, with the value it had then; ``failed``, without a value;
            ``running``, still open.
        values: one number an objective, mean over the complete seeds; None without.
        batch: which ask of the sampler it came from.
        diverged: whether it has no value because training diverged in every seed.
        step: the epoch at which a pruned cell was stopped.
    """

    cell: CellRecord
    told: Told
    values: tuple[float, ...] | None
    batch: int
    diverged: bool = False
    step: int = 1


def with_penalties(
    history: Sequence[Outcome], maximize: Sequence[bool], *, whole_batches: bool = False
) -> list[Outcome]:
    """Give cells that diverged in every seed the worst value seen in each objective.

    A failed trial teaches a sampler nothing, so it would ask there again; the metric's own worst
    (0, say) would be an outlier to its model. Before there is any value they stay failed, and so
    do cells that failed for other reasons than divergence.

    Args:
        history: the asked cells of one loss.
        maximize: the direction of each objective.
        whole_batches: whether a cell that failed counts as diverged, for a sampler whose
            generations must have a value for every member.
    """
    known = [outcome.values for outcome in history if outcome.values is not None]
    if not known:
        return list(history)
    seen = np.array(known)
    worst = np.where(maximize, seen.min(axis=0), seen.max(axis=0))
    penalty = tuple(float(value) for value in worst)
    return [
        Outcome(outcome.cell, "complete", penalty, outcome.batch)
        if outcome.diverged or (whole_batches and outcome.told == "failed")
        else outcome
        for outcome in history
    ]
