"""What is said of each cell by itself: moments over seeds, what became of the rest, saturation."""

from __future__ import annotations

import numpy as np
from scipy import special

from sweeps.sensitivity.seed_table import FloatArray, SeedTable, row_means

SATURATED_BEYOND = 0.49


def cell_moments(table: SeedTable) -> dict[str, np.ndarray]:
    """Return n, mean, median, IQM, sd, minimum and maximum over seeds of each cell.

    IQM is the interquartile mean: the mean without the ``floor(n / 4)`` lowest and highest seeds,
    less swayed by one bad seed than the mean, more efficient than the median.

    Args:
        table: cells × seeds.

    Returns:
        name to (K,) array; NaN where there is no number (sd below two seeds).

    Source: Agarwal et al. (2021), Deep RL at the edge of the statistical precipice, for the IQM.
    """
    ordered = np.sort(table.values, axis=1)  # NaN last
    n, width = table.n, table.values.shape[1]
    place = np.arange(width)[None, :]
    cut = n // 4
    middle = (place >= cut[:, None]) & (place < (n - cut)[:, None])
    median = np.full(len(table), np.nan)
    minimum, maximum = median.copy(), median.copy()
    some = n > 0
    if width and some.any():
        rows = np.flatnonzero(some)
        half = (ordered[rows, (n[rows] - 1) // 2] + ordered[rows, n[rows] // 2]) / 2
        median[rows], minimum[rows] = half, ordered[rows, 0]
        maximum[rows] = ordered[rows, n[rows] - 1]
    return {
        "n": n,
        "mean": table.means,
        "median": median,
        "iqm": row_means(np.where(middle, ordered, np.nan)),
        "sd": np.sqrt(table.variances),
        "minimum": minimum,
        "maximum": maximum,
    }


def saturation(probs: FloatArray, *, beta: float, eta: float, input: str = "logits") -> FloatArray:
    """Return the share of predictions where sigmoidF1's sigmoid is saturated.

    ``mean(|S(u; beta, eta) - 0.5| > 0.49)`` with ``S = expit(beta (u + eta))`` and u the logit of
    the stored probability, or the probability itself: there the surrogate's gradient is next to
    nothing (below 4 % of its maximum).

    Args:
        probs: (..., N, C) stored probabilities, ``sigmoid(logits)``.
        beta: slope, not 0.
        eta: offset.
        input: ``logits`` (the paper's Eq. 6) or ``probabilities`` (the authors' code).

    Returns:
        (...) shares in [0, 1].

    Source: paper, Eq. 6.

    Example:
        >>> float(saturation(np.array([[0.5, 0.999]]), beta=1.0, eta=0.0))
        0.5
    """
    u = np.asarray(probs, np.float64)
    if input == "logits":
        with np.errstate(divide="ignore"):
            u = special.logit(u)
    s = special.expit(beta * (u + eta))
    return (np.abs(s - 0.5) > SATURATED_BEYOND).mean(axis=(-2, -1))
