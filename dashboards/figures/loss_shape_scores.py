"""S(u; β, η) and its gradient in numpy, and what they are over the scores of a trained head."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from dashboards.figures.grid import FigureError
from storage.kept_files import KeptScores

SATURATED_BEYOND = 0.49
# |S - 1/2| = 0.49 where |β (u + η)| = ln 99.
_SATURATED_AT = math.log(99.0)
# float32 probabilities of exactly 0 and 1 lie beyond these logits.
_EXTREME = 18.0
_FINE, _SHOWN = 4000, 80

Array = npt.NDArray[np.float64]


class Scores(NamedTuple):
    """Counts of a head's scores u over all kept seeds, positives and negatives apart.

    ``edges`` is (B + 1,), counts are (B,). Scores beyond the edges are in the outermost bins.
    """

    edges: Array
    positives: Array
    negatives: Array

    @property
    def centres(self) -> Array:
        """(B,) the middles of the bins."""
        return (self.edges[1:] + self.edges[:-1]) / 2


class KeptHistograms(NamedTuple):
    """Fine histograms of one kept cell on one split, by what u is."""

    by_input: dict[str, Scores]
    n_seeds: int
    n_examples: int
    n_classes: int


class ShapeNumbers(NamedTuple):
    """What the words say of one β and η, as numbers.

    ``saturated`` is the share of scores with |S - 1/2| > 0.49, ``gradient`` the mean of
    4|dS/du| / |β| (1 at the middle of S), ``counted`` the mean of S: the share of the labels that
    the smooth counts take as predicted. Each for positives and negatives.
    """

    centre: float
    reach: float
    saturated: dict[str, float]
    gradient: dict[str, float]
    counted: dict[str, float]


def sigmoid(u: Array, beta: float, eta: float) -> Array:
    """Return ``S(u; β, η) = 1 / (1 + exp(-β (u + η)))``.

    Args:
        u: scores, any shape.
        beta: slope; a negative one inverts predictions, 0 is constant.
        eta: offset: S is 1/2 at u = -η.

    Source: Bénédict et al. (2022), Eq. 6.

    Example:
        >>> sigmoid(np.array([-1.0, 0.0]), beta=10.0, eta=1.0).round(3).tolist()
        [0.5, 1.0]
    """
    return np.asarray(special.expit(beta * (np.asarray(u, np.float64) + eta)))


def sigmoid_gradient(u: Array, beta: float, eta: float) -> Array:
    """Return ``dS/du = β S (1 - S)``, at most |β| / 4 in size, at u = -η.

    Example:
        >>> float(sigmoid_gradient(np.array(0.0), beta=8.0, eta=0.0))
        2.0
    """
    s = sigmoid(u, beta, eta)
    return np.asarray(beta * s * (1.0 - s))


def score_histograms(kept: KeptScores) -> dict[str, Scores]:
    """Count the scores of a kept cell in fine bins, as logits and as probabilities.

    Args:
        kept: probabilities (S, n, C) and targets (n, C).

    Returns:
        ``logits`` and ``probabilities`` to counts in 4,000 bins over all seeds.
    """
    probs = np.asarray(kept.probs, np.float64)
    with np.errstate(divide="ignore"):
        logits = np.clip(special.logit(probs), -_EXTREME, _EXTREME)
    positive = np.broadcast_to(np.asarray(kept.targets) > 0, probs.shape)
    return {
        "logits": _count(logits, positive, np.linspace(-_EXTREME, _EXTREME, _FINE + 1)),
        "probabilities": _count(probs, positive, np.linspace(0.0, 1.0, _FINE + 1)),
    }


def _count(u: Array, positive: npt.NDArray[np.bool_], edges: Array) -> Scores:
    return Scores(
        edges,
        np.histogram(u[positive], edges)[0].astype(float),
        np.histogram(u[~positive], edges)[0].astype(float),
    )


def coarse(scores: Scores, low: float, high: float, bins: int = _SHOWN) -> Scores:
    """Return the counts in ``bins`` wider bins of ``low`` to ``high``, for drawing.

    What lies outside is left out, so that an outermost bar is not a heap of everything beyond.
    """
    edges = np.linspace(low, high, bins + 1)
    inside = (scores.centres >= low) & (scores.centres <= high)
    place = np.clip(np.searchsorted(edges, scores.centres[inside], side="right") - 1, 0, bins - 1)
    return Scores(
        edges,
        np.bincount(place, scores.positives[inside], bins).astype(np.float64),
        np.bincount(place, scores.negatives[inside], bins).astype(np.float64),
    )


def score_range(scores: Scores | None, input: str) -> tuple[float, float]:
    """Return the span of u to draw: all but 0.1 % of the scores, or a default without any."""
    if input == "probabilities":
        return 0.0, 1.0
    if scores is None:
        return -8.0, 8.0
    total = (scores.positives + scores.negatives).cumsum()
    low, high = np.interp([0.001, 0.999], total / total[-1], scores.edges[1:])
    pad = max(0.3, 0.2 * (high - low))
    return float(low - pad), float(high + pad)


def shape_numbers(scores: Scores, beta: float, eta: float) -> ShapeNumbers:
    """Return saturation, gradient and smooth counts of one β and η on a head's scores.

    Args:
        scores: fine counts.
        beta: slope, not 0.
        eta: offset.

    Raises:
        FigureError: β is 0, where S is 1/2 everywhere.
    """
    if beta == 0 or not math.isfinite(beta) or not math.isfinite(eta):
        raise FigureError(
            "The slope β must be a number other than 0, where S is 1/2 for every score and no "
            f"gradient flows, but got {beta:g}. Move it off 0."
        )
    s = sigmoid(scores.centres, beta, eta)
    kinds = {"positives": scores.positives, "negatives": scores.negatives}

    def mean(values: Array) -> dict[str, float]:
        return {
            kind: float(values @ n / n.sum()) if n.sum() else math.nan for kind, n in kinds.items()
        }

    return ShapeNumbers(
        centre=-eta + 0.0,
        reach=_SATURATED_AT / abs(beta),
        saturated=mean((np.abs(s - 0.5) > SATURATED_BEYOND).astype(float)),
        gradient=mean(4.0 * s * (1.0 - s)),
        counted=mean(s),
    )
