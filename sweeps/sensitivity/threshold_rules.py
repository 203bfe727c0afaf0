"""Rules that turn probabilities into labels: one threshold, one a class, one an example.

Each rule is tuned on one set of examples (validation, or a holdout) and read on another; the fixed
threshold and F-measure maximisation are tuned on none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.sensitivity.f_measure import f_measure_thresholds
from sweeps.sensitivity.label_metrics import CountMetric, count_metric, score
from sweeps.sensitivity.seed_table import FloatArray

Probs = npt.NDArray[np.floating]
Targets = npt.NDArray[Any]

UNTUNED = ("fixed", "f_measure")
"""Rules that no set of examples is needed for."""


@dataclass(frozen=True, eq=False)
class RuleScore:
    """One rule, one entry a seed.

    Attributes:
        rule: its name.
        thresholds: (S,) global, (S, C) per class, (S, N) per example of the read set.
        tuned_on: (S,) score on the set it was tuned on; biased upwards.
        read_on: (S,) score on the other set.
    """

    rule: str
    thresholds: FloatArray
    tuned_on: FloatArray
    read_on: FloatArray


def threshold_rules(
    tune_probs: Probs,
    tune_targets: Targets,
    read_probs: Probs,
    read_targets: Targets,
    *,
    metric: str | CountMetric,
    thresholds: FloatArray,
    fixed: float,
) -> list[RuleScore]:
    """Apply every rule to one cell: tuned on one set, read on the other, seed by seed.

    Args:
        tune_probs: (S, N, C) probabilities of validation or of a holdout.
        tune_targets: (N, C) their labels.
        read_probs: (S, M, C) probabilities to read on, usually of test.
        read_targets: (M, C) their labels.
        metric: what the global threshold maximises and every rule is scored by.
        thresholds: (T,) candidates.
        fixed: the threshold that is not tuned, for comparison.

    Returns:
        ``fixed``, ``global``, ``threshold_averaging``, ``per_class``, ``per_instance``,
        ``f_measure`` (:func:`sweeps.sensitivity.f_measure.maximise_f_measure`).
    """
    chosen = best_global_threshold(tune_probs, tune_targets, metric, thresholds)
    averaged = threshold_averaging(tune_probs, tune_targets)
    by_class = per_class_thresholds(tune_probs, tune_targets, thresholds)
    model = fit_instance_thresholds(tune_probs, tune_targets)
    seeds = len(tune_probs)
    rules: list[tuple[str, FloatArray, FloatArray, FloatArray]] = [
        ("fixed", np.full(seeds, fixed), *(np.full((seeds, 1, 1), fixed),) * 2),
        ("global", chosen, *(chosen[:, None, None],) * 2),
        ("threshold_averaging", averaged, *(averaged[:, None, None],) * 2),
        ("per_class", by_class, *(by_class[:, None, :],) * 2),
    ]
    for name, at_tune, at_read in (
        (
            "per_instance",
            instance_thresholds(model, tune_probs),
            instance_thresholds(model, read_probs),
        ),
        ("f_measure", f_measure_thresholds(tune_probs), f_measure_thresholds(read_probs)),
    ):
        rules.append((name, at_read, at_tune[:, :, None], at_read[:, :, None]))
    return [
        RuleScore(
            name, kept, score(metric, tune_probs, tune_targets, tune),
            score(metric, read_probs, read_targets, read),
        )
        for name, kept, tune, read in rules
    ]  # fmt: skip


def cuts_of(rule: RuleScore) -> FloatArray:
    """Return a rule's thresholds shaped to be compared with (S, M, C) probabilities."""
    if rule.thresholds.ndim == 1:
        return rule.thresholds[:, None, None]
    if rule.rule == "per_class":
        return rule.thresholds[:, None, :]
    return rule.thresholds[:, :, None]


def best_global_threshold(
    probs: Probs, targets: Targets, metric: str | CountMetric, thresholds: FloatArray
) -> FloatArray:
    """Return each seed's threshold with the best score; of equal ones the middle one.

    Args:
        probs: (S, N, C).
        targets: (N, C).
        metric: to be maximised.
        thresholds: (T,) candidates, increasing.

    Returns:
        (S,) thresholds.
    """
    tp, predicted, positives = counts_at_thresholds(probs, targets, thresholds)
    values = count_metric(metric)(tp, predicted, positives)
    best: npt.NDArray[np.bool_] = np.asarray(values >= values.max(axis=1, keepdims=True))
    return np.array([thresholds[_middle(row)] for row in best])


def _middle(row: npt.NDArray[np.bool_]) -> int:
    places = np.flatnonzero(row)
    return int(places[(len(places) - 1) // 2])


def counts_at_thresholds(
    probs: Probs, targets: Targets, thresholds: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return counts per class at every threshold, by one histogram.

    Args:
        probs: (S, N, C).
        targets: (N, C).
        thresholds: (T,) increasing.

    Returns:
        tp (S, T, C), predicted (S, T, C), positives (C,).
    """
    hits = np.asarray(targets) > 0
    return counts_of_places(threshold_places(probs, thresholds), hits, len(thresholds))


def threshold_places(probs: Probs, thresholds: FloatArray) -> npt.NDArray[np.int64]:
    """Return the bin of each probability: of its seed, its class, and its place among thresholds.

    Args:
        probs: (S, N, C).
        thresholds: (T,) increasing.

    Returns:
        (S, N, C) indices into S × C × (T + 1) bins, for :func:`counts_of_places`.
    """
    s, _, c = probs.shape
    # A probability counts at every threshold up to its own place: "right" makes it >=.
    place = np.searchsorted(thresholds.astype(np.float32), probs.astype(np.float32), side="right")
    first = (np.arange(s)[:, None, None] * c + np.arange(c)) * (len(thresholds) + 1)
    return np.asarray(first + place, np.int64)


def counts_of_places(
    places: npt.NDArray[np.int64], hits: npt.NDArray[np.bool_], n_thresholds: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return counts per class at every threshold of some examples, placed before.

    Args:
        places: (S, N, C) from :func:`threshold_places`, of the examples to count.
        hits: (N, C) their labels.
        n_thresholds: T.

    Returns:
        tp (S, T, C), predicted (S, T, C), positives (C,).
    """
    s, _, c = places.shape
    shape = (s, c, n_thresholds + 1)
    size = s * c * (n_thresholds + 1)
    every = np.bincount(places.ravel(), minlength=size)
    true = np.bincount(places[:, hits].ravel(), minlength=size)
    return _from_top(true, shape), _from_top(every, shape), hits.sum(axis=0).astype(np.float64)


def _from_top(histogram: npt.NDArray[Any], shape: tuple[int, int, int]) -> FloatArray:
    above = histogram.reshape(shape).astype(np.float64)[..., ::-1].cumsum(-1)[..., ::-1]
    return np.asarray(above[..., 1:].transpose(0, 2, 1))


def threshold_averaging(probs: Probs, targets: Targets) -> FloatArray:
    """Return Threshold Averaging's global threshold of each seed.

    For each example take, among its own predicted probabilities, the one that as a threshold gives
    that example the best F1 (of equal ones the highest probability, the fewest labels); the mean
    over examples is the threshold. Examples without a label have no best F1 and are left out.

    Args:
        probs: (S, N, C).
        targets: (N, C).

    Returns:
        (S,) thresholds; NaN when no example has a label.

    Source: Decubber et al. (2018); the paper's Table 4.

    Example:
        >>> float(threshold_averaging(np.array([[[0.9, 0.4, 0.1]]]), np.array([[1, 1, 0]]))[0])
        0.4
    """
    return np.array(
        [own[np.isfinite(own)].mean() if np.isfinite(own).any() else np.nan
         for own in best_instance_thresholds(probs, targets)]
    )  # fmt: skip


def best_instance_thresholds(probs: Probs, targets: Targets) -> FloatArray:
    """Return the own probability of each example that gives it the best F1, (S, N).

    NaN for an example without a label.
    """
    hits = np.asarray(targets) > 0
    order = np.argsort(-probs, axis=-1, kind="stable")
    ranked = np.take_along_axis(probs.astype(np.float64), order, axis=-1)
    true = np.take_along_axis(np.broadcast_to(hits, probs.shape), order, axis=-1).cumsum(-1)
    # Labels of equal probability are predicted together: only the last of a tie is a cut.
    last = np.ones(ranked.shape, bool)
    last[..., :-1] = ranked[..., :-1] > ranked[..., 1:]
    f1 = 2 * true / (np.arange(1, probs.shape[-1] + 1) + hits.sum(-1)[None, :, None])
    place = np.where(last, f1, -1.0).argmax(-1)
    best = np.take_along_axis(ranked, place[..., None], axis=-1)[..., 0]
    return np.where(hits.sum(-1) > 0, best, np.nan)


def per_class_thresholds(probs: Probs, targets: Targets, thresholds: FloatArray) -> FloatArray:
    """Return the threshold of each class with the best F1 of that class.

    This maximises macro-F1 exactly and weighted F1 as well, both being averages of the classes'
    F1 with weights that no threshold changes; for micro-F1 it is a rule of thumb. A class without
    a positive gets the highest threshold.

    Args:
        probs: (S, N, C).
        targets: (N, C).
        thresholds: (T,) candidates, increasing.

    Returns:
        (S, C) thresholds.

    Source: Yang (2001), SIGIR, SCut; the paper's open question (i).
    """
    tp, predicted, positives = counts_at_thresholds(probs, targets, thresholds)
    f1 = 2 * tp / np.maximum(predicted + positives, 1e-300)
    best: npt.NDArray[np.bool_] = np.asarray(f1 >= f1.max(axis=1, keepdims=True))
    best = best.transpose(0, 2, 1)
    return np.array(
        [
            [
                thresholds[_middle(row)] if positives[c] else thresholds[-1]
                for c, row in enumerate(seed)
            ]
            for seed in best
        ]
    )


def fit_instance_thresholds(probs: Probs, targets: Targets) -> FloatArray:
    """Fit a threshold that depends on the example, from its sorted probabilities.

    Least squares of each example's best threshold (:func:`best_instance_thresholds`) on its
    probabilities in falling order and a constant, with a ridge of 1e-3 N against collinearity.

    Args:
        probs: (S, N, C).
        targets: (N, C).

    Returns:
        (S, C + 1) coefficients, the constant last.

    Source: Elisseeff & Weston (2001), NIPS, sec. 3, with sorted scores; open question (ii).
    """
    wanted = best_instance_thresholds(probs, targets)
    models = []
    for own, scores in zip(wanted, probs, strict=True):
        known = np.isfinite(own)
        x, y = -np.sort(-scores[known].astype(np.float64), axis=-1), own[known]
        if not len(y):
            models.append(np.full(probs.shape[-1] + 1, np.nan))
            continue
        centre, level = x.mean(0), y.mean()
        x = x - centre
        gram = x.T @ x + 1e-3 * len(y) * np.eye(x.shape[1])
        slope = np.linalg.solve(gram, x.T @ (y - level))
        models.append(np.append(slope, level - centre @ slope))
    return np.array(models)


def instance_thresholds(model: FloatArray, probs: Probs) -> FloatArray:
    """Return the (S, N) thresholds that a fitted model gives to examples, within [0, 1]."""
    x = -np.sort(-probs.astype(np.float64), axis=-1)
    return np.clip(np.einsum("snc,sc->sn", x, model[:, :-1]) + model[:, -1:], 0.0, 1.0)
