"""Across datasets: mean ranks of losses, and the regret of carrying a best cell to another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import stats

from sweeps.sensitivity.comparison import PairedDifference
from sweeps.sensitivity.seed_table import FloatArray

PERMUTATIONS = 9999


@dataclass(frozen=True)
class MeanRanks:
    """Ranks of losses over datasets, 1 the best.

    Attributes:
        losses: the losses, best mean rank first.
        mean_rank: loss to its mean rank.
        ranks: loss to its rank on each dataset, in the order of ``datasets``.
        datasets: the datasets on which every loss has a value.
        left_out: datasets on which one has none.
        friedman_p: p of Friedman's test that all losses rank alike, by permutations within
            datasets; None where it cannot be.
        critical_difference: Nemenyi's at 5 %: mean ranks closer than this cannot be told apart.
        warning: what these ranks cannot show, in words.
    """

    losses: tuple[str, ...]
    mean_rank: dict[str, float]
    ranks: dict[str, list[float]]
    datasets: tuple[str, ...]
    left_out: tuple[str, ...]
    friedman_p: float | None
    critical_difference: float | None
    warning: str


def mean_ranks(scores: pd.DataFrame, *, higher_is_better: bool = True, seed: int = 0) -> MeanRanks:
    """Rank losses on each dataset and average.

    Args:
        scores: one row a dataset, one column a loss: the test value of the loss's chosen cell.
            Datasets with a missing value are left out and named.
        higher_is_better: the metric's direction.
        seed: of the permutations of Friedman's test.

    Returns:
        The ranks, with what they cannot show: mean ranks know neither the size of a difference nor
        its uncertainty; give :func:`~sweeps.sensitivity.comparison.paired_difference` of each
        dataset beside them.

    Source: Demšar (2006), JMLR 7:1; Friedman (1937) by permutations: with a handful of datasets
    neither the chi-square nor the F approximation holds (unanimous ranks of two losses on three
    datasets come up in a quarter of all cases by chance, where F says never).
    """
    ordered = scores.sort_index().sort_index(axis=1)
    values = ordered.to_numpy(np.float64)
    whole = np.isfinite(values).all(axis=1)
    used = values[whole]
    n, k = used.shape
    names = [str(name) for name in ordered.columns]
    if not n or not k:
        warning = "no dataset has a value for every loss: there are no common ranks"
        left = tuple(map(str, ordered.index[~whole]))
        return MeanRanks((), {}, {}, (), left, None, None, warning)
    ranks = stats.rankdata(-used if higher_is_better else used, axis=1)
    means = ranks.mean(axis=0)
    friedman, difference = None, None
    if n > 1 and k > 1:
        friedman = friedman_p(ranks, seed=seed)
        quantile = float(stats.studentized_range.ppf(0.95, k, np.inf))
        difference = quantile / math.sqrt(2) * math.sqrt(k * (k + 1) / (6 * n))
    warning = _warning(n, k, difference)
    order = np.argsort(means, kind="stable")
    return MeanRanks(
        tuple(names[i] for i in order),
        {names[i]: float(means[i]) for i in order},
        {names[i]: ranks[:, i].tolist() for i in order},
        tuple(map(str, ordered.index[whole])),
        tuple(map(str, ordered.index[~whole])),
        friedman,
        difference,
        warning,
    )


def friedman_p(ranks: FloatArray, *, seed: int = 0, permutations: int = PERMUTATIONS) -> float:
    """Return the p-value of Friedman's test by permuting the ranks within each dataset.

    Args:
        ranks: (n, k) ranks of k losses on each of n datasets; ties as mean ranks.
        seed: of the permutations.
        permutations: how many.

    Returns:
        ``(1 + #{permuted spread of mean ranks >= observed}) / (permutations + 1)``.

    Source: Friedman (1937); Good (2005), Permutation Tests, for the + 1.
    """
    observed = float((ranks.sum(axis=0) ** 2).sum())
    drawn = np.broadcast_to(ranks, (permutations, *ranks.shape))
    sums = np.random.default_rng(seed).permuted(drawn, axis=2).sum(axis=1)
    # Sums of half-integers are exact, so that equal spreads count as equal.
    exceed = int(((sums**2).sum(axis=1) >= observed).sum())
    return (exceed + 1) / (permutations + 1)


def _warning(n: int, k: int, difference: float | None) -> str:
    if n == 1 or difference is None:
        return "ranks of one dataset or one loss: no statement across datasets"
    text = (
        f"On {n} datasets and {k} losses, mean ranks must differ by {difference:.2f} to be told "
        f"apart (Nemenyi, 5 %); the largest possible difference is {k - 1}"
    )
    if difference >= k - 1:
        text += ", so these ranks cannot separate any two losses, however large the differences"
    elif n < 10:
        text += (
            ", so only near-unanimous orders show, and a critical-difference diagram says little"
        )
    return text + ". Datasets, not seeds or examples, are the sample here."


@dataclass(frozen=True, eq=False)
class Transfer:
    """Regret of using dataset A's best cell on dataset B.

    Attributes:
        datasets: names, for rows (where chosen) and columns (where used).
        best: dataset to its best cell by validation, as ``validation`` names it.
        regret: (D, D) on test (or validation): value of B's own best less that of A's best on B,
            towards the better; 0 on the diagonal, negative where A's choice reads better on B.
        n_common: cells that all datasets have.
        warning: what to keep in mind.
        paired: (where chosen, where used) to the regret there, paired by seed, with its interval;
            empty where the values of single seeds are not given.
    """

    datasets: tuple[str, ...]
    best: dict[str, str]
    regret: FloatArray
    n_common: int
    warning: str
    paired: dict[tuple[str, str], PairedDifference] = field(default_factory=dict)


def transfer_regret(
    validation: Mapping[str, pd.Series],
    test: Mapping[str, pd.Series] | None = None,
    *,
    higher_is_better: bool = True,
) -> Transfer:
    """Choose on each dataset's validation split and use the choice on every other dataset.

    ``R[A, B] = f_B(best of B) - f_B(best of A)``, f read on test where given. Only cells that every
    dataset has with a value take part, so that B could have chosen A's.

    Args:
        validation: dataset to mean validation value by cell key (a text that is the same setting
            everywhere: hyperparameters, training and head).
        test: the same on test.
        higher_is_better: the metric's direction.

    Returns:
        The matrix; empty when nothing is common.

    Source: regret of transferred configurations, e.g. Wistuba et al. (2015); the paper used VOC's
    optimum for COCO (Appendix D).
    """
    names = tuple(sorted(validation))
    read = validation if test is None else test
    common: list[str] = sorted(
        set.intersection(
            *(set(series.dropna().index) for series in validation.values()),
            *(set(series.dropna().index) for series in read.values()),
        )
        if names
        else set()
    )
    if not common:
        text = "no cell has a value on every dataset: nothing can be carried over"
        return Transfer(names, {}, np.zeros((0, 0)), 0, text)
    sign = 1.0 if higher_is_better else -1.0
    best = {
        name: common[int(np.argmax(sign * validation[name].reindex(common).to_numpy(np.float64)))]
        for name in names
    }
    regret = np.array(
        [
            [sign * float(read[used][best[used]] - read[used][best[chosen]]) for used in names]
            for chosen in names
        ]
    )
    where = "test" if test is not None else "validation, where the choice was made"
    every = "both" if len(names) == 2 else f"all {len(names)}"
    cells = "one cell" if len(common) == 1 else f"{len(common)} cells"
    text = f"among the {cells} that {every} datasets have, read on {where}"
    return Transfer(names, best, regret, len(common), text)
