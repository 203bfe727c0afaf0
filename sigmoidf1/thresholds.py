"""Thresholds at which metrics are kept: even on the logit scale, so that extreme cuts are seen."""

from __future__ import annotations

import math

import numpy as np

from sigmoidf1.errors import InputError

NAMED_THRESHOLDS = (0.5, 0.05)
"""The paper's two fixed thresholds (Table 8): always kept, whatever the grid."""

SAME_THRESHOLD = 1e-9
"""Two thresholds closer than this are one."""


def logit_grid(num: int = 99, low: float = 1e-4, high: float | None = None) -> np.ndarray:
    """Return thresholds spaced evenly on the logit scale.

    ``t_i = sigmoid(z_i)`` with ``z_i`` evenly spaced from ``logit(low)`` to ``logit(high)``. Even
    spacing in t would miss the decision boundary of a large offset: sigmoid(-9) = 1.2e-4.

    Args:
        num: Number of thresholds, at least 2.
        low: Smallest threshold, in (0, 1).
        high: Largest threshold, in (low, 1); None for 1 - low, which makes the grid symmetric
            about 0.5 (and 0.5 itself a member when ``num`` is odd).

    Returns:
        float64 array of shape (num,), strictly increasing, from ``low`` to ``high`` exactly.

    Raises:
        InputError: ``num`` is below 2, or not 0 < low < high < 1.

    Example:
        >>> logit_grid(3, 0.1).tolist()
        [0.1, 0.5, 0.9]
    """
    if isinstance(num, bool) or not isinstance(num, (int, np.integer)) or num < 2:
        raise InputError(f"num must be an integer >= 2, but got {num!r}. Give at least 2.")
    high = 1.0 - low if high is None else high
    if not 0.0 < low < high < 1.0:
        raise InputError(
            f"0 < low < high < 1 must hold, but got low={low!r}, high={high!r}. "
            "Give two thresholds strictly between 0 and 1."
        )
    logits = np.linspace(math.log(low / (1.0 - low)), math.log(high / (1.0 - high)), int(num))
    grid = 1.0 / (1.0 + np.exp(-logits))
    if num % 2 and high == 1.0 - low:
        grid[num // 2] = 0.5  # rounding of the middle logit must not move the symmetric centre
    grid[0], grid[-1] = low, high
    return grid


def default_thresholds(objective: float = 0.5) -> np.ndarray:
    """Return the thresholds at which every replicate's metrics are kept.

    99 thresholds evenly spaced on the logit scale from 1e-4 to 1 - 1e-4, with 0.05, 0.5 and the
    objective's own added exactly as given. Values closer than 1e-9 are one; the objective's own
    value wins, so it can be looked up by equality.

    Args:
        objective: Threshold of the sweep's objective, in [0, 1].

    Returns:
        float64 array, strictly increasing, of 100 thresholds, or 101 with an objective that is
        not yet among them.

    Raises:
        InputError: ``objective`` is not a finite number in [0, 1].

    Example:
        >>> thresholds = default_thresholds(0.3)
        >>> len(thresholds), 0.3 in thresholds, 0.05 in thresholds, 0.5 in thresholds
        (101, True, True, True)
    """
    objective = check_threshold(objective)
    kept = [objective]
    for value in (*NAMED_THRESHOLDS, *logit_grid().tolist()):
        if all(abs(value - other) > SAME_THRESHOLD for other in kept):
            kept.append(value)
    return np.array(sorted(kept), dtype=np.float64)


def check_threshold(threshold: float) -> float:
    """Return the threshold as a float.

    Args:
        threshold: Cut on the predicted probability: a label is predicted when ``probs >= t``.

    Returns:
        The same value as a Python float.

    Raises:
        InputError: It is not a finite number in [0, 1].
    """
    if isinstance(threshold, bool) or not isinstance(threshold, (float, int, np.number)):
        raise InputError(
            f"A threshold must be a number in [0, 1], but got {threshold!r}. Give one such as 0.5."
        )
    value = float(threshold)
    if not 0.0 <= value <= 1.0:
        raise InputError(
            f"A threshold must lie in [0, 1], but got {value!r}. Thresholds cut probabilities, "
            "not logits: give one such as 0.5."
        )
    return value
