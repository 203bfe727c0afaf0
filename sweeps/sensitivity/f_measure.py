"""F-measure maximisation: the labels of an example with the best expected F1.

Not a threshold: how many labels an example gets follows from all its probabilities, and nothing
is tuned.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from sweeps.sensitivity.seed_table import BoolArray, FloatArray

_CHUNK = 200_000  # probabilities at a time: a few arrays of them stay in a core's cache share


def maximise_f_measure(probs: npt.NDArray[np.floating]) -> BoolArray:
    """Return, for each example, the set of labels with the highest expected F1.

    With independent labels Y_i of probability p_i and F1 of two empty sets 1, the best set of k
    labels is that of the k highest probabilities, and its expectation is::

        F(k) = Σ_{i <= k} p_i E[ 2 / (1 + k + Σ_{j != i} Y_j) ]
             = 2 ∫_0^1 x^k Π_j (1 - p_j + p_j x) Σ_{i <= k} p_i / (1 - p_i + p_i x) dx
        F(0) = Π_j (1 - p_j)

    The integrand is a polynomial of degree C - 1 + k < 2C, so C Gauss-Legendre nodes give the
    integral exactly, as a sum of positive terms. All k of an example cost O(C²). Of equal
    expectations the smaller set is taken, of equal probabilities the first label.

    It is exact for the probabilities given and independent labels; where the probabilities are
    not calibrated (a loss of the F1 family moves them), the set is best for labels that are not
    the data's.

    Args:
        probs: (..., C) in [0, 1], C >= 1.

    Returns:
        (..., C), true for the labels of the set.

    Source: Lewis (1995), SIGIR, that the set is of the highest probabilities; Dembczynski et al.
    (2011), NIPS, and Decubber et al. (2018) for F-measure maximisation at inference; Ye et al.
    (2012), ICML, for O(C²) under independence. The quadrature replaces their recursion.

    Example:
        >>> maximise_f_measure(np.array([[0.6, 0.45, 0.3, 0.05], [0.01, 0.02, 0.0, 0.01]]))
        array([[ True,  True, False, False],
               [False, False, False, False]])
    """
    classes = probs.shape[-1]
    rows = np.asarray(probs, np.float64).reshape(-1, classes)
    chosen = np.zeros(rows.shape, bool)
    step = max(1, _CHUNK // classes)
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        order = np.argsort(-rows[part], axis=-1, kind="stable")
        best = expected_f_measures(np.take_along_axis(rows[part], order, axis=-1)).argmax(-1)
        np.put_along_axis(chosen[part], order, np.arange(classes) < best[:, None], axis=-1)
    return chosen.reshape(probs.shape)


def expected_f_measures(ranked: FloatArray) -> FloatArray:
    """Return the expected F1 of predicting the first k labels, for every k.

    Args:
        ranked: (N, C) probabilities in [0, 1], falling along C.

    Returns:
        (N, C + 1), of k = 0 to C; see :func:`maximise_f_measure`.
    """
    classes = ranked.shape[-1]
    expected = np.zeros((len(ranked), classes + 1))
    expected[:, 0] = (1 - ranked).prod(-1)
    sizes = np.arange(1, classes + 1)
    for node, weight in zip(*_nodes(classes), strict=True):
        factors = 1 - ranked * (1 - node)
        shares = np.divide(ranked, factors).cumsum(-1)
        shares *= factors.prod(-1, keepdims=True)
        expected[:, 1:] += shares * (2 * weight * node**sizes)
    return expected


@cache
def _nodes(count: int) -> tuple[FloatArray, FloatArray]:
    """Gauss-Legendre nodes and weights of [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


def f_measure_thresholds(probs: npt.NDArray[np.floating]) -> FloatArray:
    """Return the threshold of each example that predicts the set with the highest expected F1.

    Args:
        probs: (..., C) in [0, 1].

    Returns:
        (...) the lowest probability in the set of
        :func:`maximise_f_measure`; infinite where the set is empty. A label exactly as probable as
        the last one of the set is predicted with it.
    """
    return np.where(maximise_f_measure(probs), probs, np.inf).min(-1).astype(np.float64)


def mean_threshold(thresholds: FloatArray, axis: int | None = None) -> FloatArray:
    """Return the mean of a rule's thresholds, over those that any label is predicted with.

    Args:
        thresholds: of any shape; infinite for examples with an empty set.
        axis: to average over; all by default.

    Returns:
        The mean of those that are not infinite; NaN where all are.

    Example:
        >>> float(mean_threshold(np.array([0.25, np.inf, 0.75])))
        0.5
    """
    counted = ~np.isposinf(thresholds)
    total = np.where(counted, thresholds, 0.0).sum(axis)
    count = counted.sum(axis)
    return np.asarray(np.where(count > 0, total, np.nan) / np.maximum(count, 1))
