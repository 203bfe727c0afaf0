"""Intervals over examples: a paired bootstrap of the stored probabilities of kept cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.errors import SweepError
from sweeps.sensitivity.label_metrics import CountMetric, count_metric
from sweeps.sensitivity.seed_table import FloatArray

Probs = npt.NDArray[np.floating]

EXAMPLE_RESAMPLES = 2000
_BLOCK = 250


@dataclass(frozen=True)
class ExampleInterval:
    """A value and its interval over examples, the seeds fixed.

    Attributes:
        estimate: mean over seeds on the examples as they are.
        low: lower bound.
        high: upper bound.
        p_above_zero: share of resamples above 0; of use for differences.
        n_examples: N.
        n_seeds: S.
        level: nominal coverage.
        over: always ``examples``.
        method: how, in words.
    """

    estimate: float
    low: float
    high: float
    p_above_zero: float
    n_examples: int
    n_seeds: int
    level: float
    over: str
    method: str


@dataclass(frozen=True, eq=False)
class ExampleBootstrap:
    """Resampled scores of several cells on the same resamples of the same examples.

    Attributes:
        names: the cells.
        estimate: (K,) mean over seeds on all examples.
        samples: (B, K) the same on each resample.
        n_examples: N.
        n_seeds: (K,) seeds of each cell.
    """

    names: list[Any]
    estimate: FloatArray
    samples: FloatArray
    n_examples: int
    n_seeds: list[int]

    def interval(self, name: Any, *, level: float = 0.95) -> ExampleInterval:
        """Return a cell's percentile interval over examples."""
        k = self.names.index(name)
        return self._interval(self.estimate[k], self.samples[:, k], self.n_seeds[k], level)

    def difference(self, a: Any, b: Any, *, level: float = 0.95) -> ExampleInterval:
        """Return the interval of ``a`` less ``b``, paired: both on the same resamples."""
        i, j = self.names.index(a), self.names.index(b)
        n_seeds = min(self.n_seeds[i], self.n_seeds[j])
        return self._interval(
            self.estimate[i] - self.estimate[j], self.samples[:, i] - self.samples[:, j],
            n_seeds, level,
        )  # fmt: skip

    def _interval(
        self, estimate: float, samples: FloatArray, n_seeds: int, level: float
    ) -> ExampleInterval:
        low, high = np.quantile(samples, [(1 - level) / 2, 1 - (1 - level) / 2])
        method = f"percentile bootstrap over examples, {len(samples)} resamples, seeds fixed"
        above = float(((samples > 0) + 0.5 * (samples == 0)).mean())
        return ExampleInterval(
            float(estimate), float(low), float(high), above, self.n_examples, n_seeds, level,
            "examples", method,
        )  # fmt: skip


def bootstrap_examples(
    probs: Mapping[Any, Probs],
    targets: npt.NDArray[Any],
    metric: str | CountMetric,
    threshold: float | Mapping[Any, npt.ArrayLike],
    *,
    seed: int,
    resamples: int = EXAMPLE_RESAMPLES,
) -> ExampleBootstrap:
    """Resample examples with replacement, the same draws for every cell and seed.

    Each resample weighs example i by a multinomial count w_i; per-class counts are then
    ``sum_i w_i [prediction and target]`` and the metric follows from them, so that a resample
    costs a matrix product. The mean over a cell's seeds is what is resampled.

    Args:
        probs: cell to (S, N, C) probabilities.
        targets: (N, C) in {0, 1}.
        metric: a name of :func:`~sweeps.sensitivity.label_metrics.score_of_counts`, or a function
            (tp, predicted, positives) -> score over the last axis.
        threshold: one for all cells; or of each cell one, or what broadcasts with its
            probabilities, such as (S, 1, C) for one a seed and class.
        seed: of the resamples.
        resamples: how many.

    Returns:
        The resampled scores; ``interval`` and ``difference`` of them.

    Raises:
        SweepError: shapes disagree, or there is no example.

    Source: Efron & Tibshirani (1993), ch. 13; paired over systems: Koehn (2004), EMNLP.
    """
    hits = np.asarray(targets) > 0
    n, c = hits.shape
    for name, array in probs.items():
        if array.ndim != 3 or array.shape[1:] != (n, c) or 0 in array.shape:
            raise SweepError(
                f"probs and targets must be (S, N, C) and (N, C), but got {array.shape} and "
                f"{hits.shape} for {name!r}. Give the probabilities of the same split."
            )
    of_counts = count_metric(metric)
    rng = np.random.default_rng(seed)
    weights = [np.ones((1, n), np.float32)]
    weights += [
        rng.multinomial(n, np.full(n, 1 / n), size=min(_BLOCK, resamples - start)).astype(
            np.float32
        )
        for start in range(0, resamples, _BLOCK)
    ]
    drawn = np.concatenate(weights)
    # Counts stay below 2^24, so float32 products of them are exact.
    positives = (drawn @ hits.astype(np.float32)).astype(np.float64)
    columns = []
    for name, array in probs.items():
        cut = threshold[name] if isinstance(threshold, Mapping) else threshold
        chosen = array.astype(np.float32) >= np.asarray(cut, np.float32)
        total = np.zeros(len(drawn))
        for predicted in chosen:
            count = (drawn @ predicted.astype(np.float32)).astype(np.float64)
            tp = (drawn @ (predicted & hits).astype(np.float32)).astype(np.float64)
            total += of_counts(tp, count, positives)
        columns.append(total / len(chosen))
    scores = np.stack(columns, axis=1)
    return ExampleBootstrap(
        list(probs), scores[0], scores[1:], n, [len(array) for array in probs.values()]
    )
