"""The winner's curse: how much better the chosen cell looks where it was chosen."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.sensitivity.label_metrics import CountMetric, count_metric
from sweeps.sensitivity.seed_table import FloatArray
from sweeps.sensitivity.threshold_rules import counts_of_places, threshold_places

MAX_SPLITS = 100


@dataclass(frozen=True)
class Optimism:
    """Mean over half-splits of: value of the chosen where chosen, less where read.

    Attributes:
        optimism: towards the better, in the metric's unit: how much the choice flatters itself.
        chosen_value: mean value on the half that chose.
        read_value: mean value of the same cells on the other half.
        over: ``seeds`` or ``examples``: what was split.
        n_splits: splits averaged.
        n_chosen: different cells that were chosen in some split.
        method: how, in words.
    """

    optimism: float
    chosen_value: float
    read_value: float
    over: str
    n_splits: int
    n_chosen: int
    method: str


def optimism_over_seeds(
    values: FloatArray, *, higher_is_better: bool = True, seed: int
) -> Optimism:
    """Choose by one half of the seeds and read by the other.

    With S seeds, ``floor(S / 2)`` choose and the rest read; all splits up to 100 are used, else
    100 random ones. Fewer seeds choose here than in the sweep, so this is the optimism of a choice
    on half of the seeds: an upper estimate of that on all. Both halves share the examples; what
    another validation set would change stays hidden.

    Args:
        values: (K, S) without gaps, S >= 2.
        higher_is_better: the metric's direction.
        seed: of the splits, when there are more than 100.

    Returns:
        The estimate.

    Raises:
        ValueError: fewer than two seeds.

    Source: data splitting for selection bias, Cawley & Talbot (2010), JMLR 11:2079.
    """
    signed = values if higher_is_better else -values
    s = signed.shape[1]
    if s < 2:
        raise ValueError(f"optimism over seeds needs two seeds, but got {s}. Add seeds.")
    half = s // 2
    rng = np.random.default_rng(seed)
    splits: list[tuple[int, ...]] = list(itertools.islice(
        itertools.combinations(range(s), half), MAX_SPLITS + 1
    ))  # fmt: skip
    if len(splits) > MAX_SPLITS:
        splits = [tuple(rng.permutation(s)[:half]) for _ in range(MAX_SPLITS)]
    picks, at_choice, at_reading = [], [], []
    for split in splits:
        mask = np.zeros(s, bool)
        mask[list(split)] = True
        means = signed[:, mask].mean(axis=1)
        row = int(np.argmax(means))
        picks.append(row)
        at_choice.append(float(means[row]))
        at_reading.append(float(signed[row, ~mask].mean()))
    sign = 1.0 if higher_is_better else -1.0
    chosen, read = float(np.mean(at_choice)), float(np.mean(at_reading))
    method = (
        f"chosen on {half} of {s} seeds, read on the other {s - half}, "
        f"mean of {len(splits)} splits; the examples are the same"
    )
    return Optimism(
        chosen - read, sign * chosen, sign * read, "seeds", len(splits), len(set(picks)), method
    )


def optimism_over_examples(
    probs: Mapping[Any, npt.NDArray[np.floating]],
    targets: npt.NDArray[Any],
    metric: str | CountMetric,
    thresholds: FloatArray,
    *,
    seed: int,
    splits: int = 30,
) -> Optimism:
    """Choose cell and threshold on one half of the examples and read them on the other.

    Both halves of each random split choose in turn. With one threshold only the cell is chosen;
    with more, cell and threshold together, nested: the reading half sees neither choice.

    Args:
        probs: cell to (S, N, C) probabilities on one split of the data.
        targets: (N, C).
        metric: higher is better.
        thresholds: (T,) candidates, increasing; one is a fixed threshold.
        seed: of the splits.
        splits: how many.

    Returns:
        The estimate, over examples: of a choice among these cells on N / 2 examples.

    Source: as :func:`optimism_over_seeds`; nested choice, Varma & Simon (2006).
    """
    of_counts = count_metric(metric)
    hits = np.asarray(targets) > 0
    n = len(hits)
    cuts = np.asarray(thresholds, np.float64)
    rng = np.random.default_rng(seed)
    names = list(probs)
    placed = {name: threshold_places(probs[name], cuts) for name in names}
    at_choice, at_reading, picks = [], [], set()
    for _ in range(splits):
        order = rng.permutation(n)
        halves: list[list[FloatArray]] = [[], []]
        for name in names:
            for half, rows in zip(halves, (order[: n // 2], order[n // 2 :]), strict=True):
                counts = counts_of_places(placed[name][:, rows], hits[rows], len(cuts))
                half.append(of_counts(*counts).mean(axis=0))
        scores = [np.stack(half) for half in halves]
        for chosen, read in (scores, scores[::-1]):
            place = np.unravel_index(int(np.argmax(chosen)), chosen.shape)
            at_choice.append(float(chosen[place]))
            at_reading.append(float(read[place]))
            picks.add(int(place[0]))
    chosen_value, read_value = float(np.mean(at_choice)), float(np.mean(at_reading))
    what = "cell" if len(cuts) == 1 else "cell and threshold"
    method = (
        f"{what} chosen on one half of {n} examples among {len(names)} kept cells, read on the "
        f"other, mean of {2 * splits} choices; the seeds are the same"
    )
    return Optimism(
        chosen_value - read_value, chosen_value, read_value, "examples", 2 * splits, len(picks),
        method,
    )  # fmt: skip
