"""F-measure maximisation against brute force over every set of labels."""

from __future__ import annotations

import doctest
import itertools

import numpy as np
import pytest

from sweeps.sensitivity import f_measure
from sweeps.sensitivity.f_measure import (
    expected_f_measures,
    f_measure_thresholds,
    maximise_f_measure,
    mean_threshold,
)
from sweeps.sensitivity.threshold_rules import cuts_of, threshold_rules


def expectation_of_every_set(probs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return all 2^C sets, and (N, 2^C) the expected F1 of each under independent labels."""
    sets = np.array(list(itertools.product([0, 1], repeat=probs.shape[-1])))
    chances = np.where(sets == 1, probs[:, None], 1 - probs[:, None]).prod(-1)
    both, sizes = sets @ sets.T, sets.sum(1)
    total = sizes[:, None] + sizes
    return sets, chances @ np.where(total == 0, 1.0, 2 * both / np.maximum(total, 1))


def made_up(classes: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    probs = rng.random((25, classes)) ** rng.uniform(0.3, 4, (25, 1))
    probs[0], probs[1], probs[2] = 0.0, 1.0, 0.3
    probs[3, : classes // 2] = 1.0
    probs[4, : classes // 2] = 0.0
    return probs


@pytest.mark.parametrize("classes", [1, 2, 3, 6, 10])
def test_no_set_of_labels_has_a_better_expectation(classes: int) -> None:
    probs = made_up(classes, seed=classes)
    sets, expected = expectation_of_every_set(probs)
    place = maximise_f_measure(probs) @ (2 ** np.arange(classes)[::-1])
    assert np.array_equal(sets[place], maximise_f_measure(probs).astype(int))
    reached = expected[np.arange(len(probs)), place]
    assert reached == pytest.approx(expected.max(-1), abs=1e-13)


def test_expectations_of_every_size_are_exact() -> None:
    probs = -np.sort(-made_up(8, seed=3), axis=-1)
    sets, expected = expectation_of_every_set(probs)
    for size in range(9):
        first = [*[1] * size, *[0] * (8 - size)]
        column = np.flatnonzero((sets == first).all(-1))[0]
        assert expected_f_measures(probs)[:, size] == pytest.approx(expected[:, column], abs=1e-13)


def test_many_classes_agree_with_the_recursion_over_counts() -> None:
    """E[1 / (1 + k + count of the others)] from the distribution of the count, by convolution."""
    classes = 60
    ranked = -np.sort(-(np.random.default_rng(1).random(classes) ** 3))
    found = expected_f_measures(ranked[None])[0]
    without = []
    for i in range(classes):
        counts = np.ones(1)
        for p in np.delete(ranked, i):
            counts = np.convolve(counts, [1 - p, p])
        without.append(counts)
    for k in (1, 7, 30, 60):
        shares = [counts @ (2 / (1 + k + np.arange(classes))) for counts in without[:k]]
        assert found[k] == pytest.approx(ranked[:k] @ shares, rel=1e-12)


def test_labels_of_equal_probability_are_in_the_set_together() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        high, equal = rng.integers(0, 4), rng.integers(2, 6)
        upper, p = np.sort(rng.random(2))[::-1]
        probs = np.r_[np.full(high, upper), np.full(equal, p), rng.random(2) * p]
        chosen = maximise_f_measure(probs)[probs == p]
        assert chosen.all() or not chosen.any()


def test_large_sets_are_worked_on_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    probs = np.random.default_rng(2).random((2, 31, 4)).astype(np.float32)
    whole = maximise_f_measure(probs)
    monkeypatch.setattr(f_measure, "_CHUNK", 20)
    assert np.array_equal(maximise_f_measure(probs), whole)
    assert np.array_equal(probs >= f_measure_thresholds(probs)[..., None], whole)
    empty = f_measure_thresholds(np.full((1, 3), 0.01))
    assert empty.tolist() == [np.inf]


def test_examples_without_a_label_have_no_part_in_the_mean_threshold() -> None:
    probs = np.array([[[0.9, 0.6], [0.01, 0.02], [0.75, 0.1]], [[0.01, 0.02]] * 3])
    cuts = f_measure_thresholds(probs)
    assert cuts[0].tolist() == [0.6, np.inf, 0.75]
    assert float(mean_threshold(cuts)) == pytest.approx(0.675)
    assert mean_threshold(cuts, axis=1) == pytest.approx([0.675, np.nan], nan_ok=True)
    assert np.isnan(mean_threshold(cuts[1]))
    assert float(mean_threshold(np.array([1.0, 1.0]))) == 1.0


def test_the_rule_is_read_with_its_own_sets_and_needs_no_tuning() -> None:
    rng = np.random.default_rng(6)
    probs = rng.random((2, 80, 5)).astype(np.float32)
    targets = (rng.random((80, 5)) < probs.mean(0)).astype(np.uint8)
    grid = np.linspace(0.05, 0.95, 19)
    options = {"metric": "micro_f1", "thresholds": grid, "fixed": 0.5}
    first, again = (
        {rule.rule: rule for rule in threshold_rules(tune, labels, probs, targets, **options)}
        for tune, labels in ((probs, targets), (probs[:, :9], targets[:9]))
    )
    sets = maximise_f_measure(probs)
    both = (sets & (targets > 0)).sum((1, 2))
    expected = 2 * both / (sets.sum((1, 2)) + targets.sum())
    assert first["f_measure"].read_on == pytest.approx(expected)
    assert np.array_equal(again["f_measure"].read_on, first["f_measure"].read_on)
    assert np.array_equal(probs >= cuts_of(first["f_measure"]), sets)


def test_the_example_runs() -> None:
    assert doctest.testmod(f_measure).failed == 0
