"""What stored probabilities give: bootstrap over examples, threshold rules, optimism."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special
from sklearn import metrics

from sweeps.errors import SweepError
from sweeps.sensitivity.example_bootstrap import bootstrap_examples
from sweeps.sensitivity.label_metrics import COUNT_METRICS, count_metric, score, score_of_counts
from sweeps.sensitivity.optimism import optimism_over_examples, optimism_over_seeds
from sweeps.sensitivity.threshold_rules import (
    best_global_threshold,
    counts_at_thresholds,
    counts_of_places,
    fit_instance_thresholds,
    instance_thresholds,
    per_class_thresholds,
    threshold_averaging,
    threshold_places,
    threshold_rules,
)
from sweeps.sensitivity.thresholds import offset_threshold_trade_off, threshold_regret

GRID = special.expit(np.linspace(-6, 6, 49))


def labelled(rng, n, c=4, seeds=2, quality=1.5, offset=0.0):
    """Targets of about one in four, and probabilities that carry some of them."""
    targets = (rng.random((n, c)) < 0.25).astype(np.uint8)
    logits = quality * (targets - 0.5) + offset + rng.standard_normal((seeds, n, c))
    return special.expit(logits), targets


@pytest.mark.parametrize("metric", COUNT_METRICS)
def test_metrics_are_scikit_learns(metric):
    average, ratio = metric.split("_")
    probs, targets = labelled(np.random.default_rng(0), 60)
    targets[:, 3] = 0
    wanted = getattr(metrics, f"{ratio}_score")(
        targets, probs[1] >= 0.5, average=average, zero_division=0
    )
    assert score(metric, probs, targets, 0.5)[1] == pytest.approx(wanted, abs=1e-12)


def test_an_unknown_metric_is_refused_with_the_nearest():
    with pytest.raises(SweepError, match="Did you mean 'micro_f1'"):
        count_metric("mirco_f1")


def test_counts_at_thresholds_are_direct_counts_also_of_some_examples():
    rng = np.random.default_rng(1)
    probs, targets = labelled(rng, 40)
    probs[0, 0, 0] = GRID[10]
    rows = rng.permutation(40)[:17]
    places = threshold_places(probs, GRID)
    for some, counts in (
        (np.arange(40), counts_at_thresholds(probs, targets, GRID)),
        (rows, counts_of_places(places[:, rows], targets[rows] > 0, len(GRID))),
    ):
        tp, predicted, positives = counts
        for t in (0, 10, 24, 48):
            chosen = probs[:, some].astype(np.float32) >= np.float32(GRID[t])
            assert np.array_equal(predicted[:, t], chosen.sum(axis=1))
            assert np.array_equal(tp[:, t], (chosen & (targets[some] > 0)).sum(axis=1))
        assert np.array_equal(positives, targets[some].sum(axis=0))


def test_bootstrap_weights_equal_resampled_rows():
    probs, targets = labelled(np.random.default_rng(2), 50)
    found = bootstrap_examples({"a": probs}, targets, "weighted_f1", 0.5, seed=3, resamples=20)
    rng = np.random.default_rng(3)
    weights = rng.multinomial(50, np.full(50, 1 / 50), size=20)
    rows = np.repeat(np.arange(50), weights[4])
    assert found.samples[4, 0] == pytest.approx(
        score("weighted_f1", probs[:, rows], targets[rows], 0.5).mean()
    )
    assert found.estimate[0] == pytest.approx(score("weighted_f1", probs, targets, 0.5).mean())


def test_interval_over_examples_covers_and_pairing_shortens_it():
    """400 examples, micro-F1, truth from 200,000 examples; nominal 95 %."""
    rng = np.random.default_rng(4)
    big, big_targets = labelled(rng, 200_000, seeds=1)
    truth = float(score("micro_f1", big, big_targets, 0.5)[0])
    covered = []
    for i in range(200):
        probs, targets = labelled(rng, 400, seeds=1)
        found = bootstrap_examples({"a": probs}, targets, "micro_f1", 0.5, seed=i, resamples=300)
        interval = found.interval("a")
        covered.append(interval.low <= truth <= interval.high)
    assert 0.92 <= np.mean(covered) <= 0.975
    worse = np.clip(probs - 0.02, 0, 1)
    both = bootstrap_examples({"a": probs, "b": worse}, targets, "micro_f1", 0.5, seed=0)
    paired, alone = both.difference("a", "b"), both.interval("a")
    assert paired.high - paired.low < 0.5 * (alone.high - alone.low)
    assert paired.over == alone.over == "examples"


def test_bootstrap_refuses_other_examples():
    probs, targets = labelled(np.random.default_rng(5), 20)
    with pytest.raises(SweepError, match="same split"):
        bootstrap_examples({"a": probs}, targets[:10], "micro_f1", 0.5, seed=0)


def test_a_function_of_counts_serves_as_metric():
    probs, targets = labelled(np.random.default_rng(6), 30)
    own = bootstrap_examples(
        {"a": probs}, targets, lambda tp, p, y: score_of_counts("macro_f1", tp, p, y), 0.5,
        seed=0, resamples=5,
    )  # fmt: skip
    named = bootstrap_examples({"a": probs}, targets, "macro_f1", 0.5, seed=0, resamples=5)
    assert np.array_equal(own.samples, named.samples)


def test_threshold_averaging_by_hand():
    probs = np.array([[[0.9, 0.4, 0.1], [0.2, 0.8, 0.3], [0.5, 0.5, 0.5]]])
    targets = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]])
    # 0.4 for the first, 0.8 for the second, the third has no label
    assert threshold_averaging(probs, targets) == pytest.approx([0.6])
    tied = np.array([[[0.7, 0.7, 0.1]]])
    assert threshold_averaging(tied, np.array([[1, 0, 0]])) == pytest.approx([0.7])
    assert np.isnan(threshold_averaging(probs, np.zeros((3, 3)))).all()


def test_rules_beat_a_bad_fixed_threshold_and_per_class_maximises_macro_f1():
    rng = np.random.default_rng(7)
    offset = np.array([-3.0, -2.0, 1.0, 2.0])
    tune, tune_targets = labelled(rng, 1500, offset=offset)
    read, read_targets = labelled(rng, 1500, offset=offset)
    found = {
        rule.rule: rule
        for rule in threshold_rules(
            tune, tune_targets, read, read_targets, metric="macro_f1", thresholds=GRID, fixed=0.5
        )
    }
    tuned = ["global", "threshold_averaging", "per_class", "per_instance"]
    assert list(found) == ["fixed", *tuned, "f_measure"]
    on_read = {name: rule.read_on.mean() for name, rule in found.items()}
    assert on_read["per_class"] > on_read["global"] >= on_read["fixed"]
    by_class = per_class_thresholds(tune, tune_targets, GRID)
    for c in range(4):
        values = [
            metrics.f1_score(tune_targets[:, c], tune[0, :, c] >= t, zero_division=0) for t in GRID
        ]
        assert score_at(tune[0, :, c], tune_targets[:, c], by_class[0, c]) == pytest.approx(
            max(values)
        )
    chosen = best_global_threshold(tune, tune_targets, "macro_f1", GRID)
    assert found["global"].tuned_on[0] == pytest.approx(
        max(score("macro_f1", tune[:1], tune_targets, t)[0] for t in GRID)
    )
    assert (found["global"].thresholds == chosen).all()


def score_at(probs, targets, threshold):
    return metrics.f1_score(targets, probs >= threshold, zero_division=0)


def test_instance_thresholds_follow_the_example():
    """Each example's probabilities are shifted by its own amount: no one threshold fits all."""
    rng = np.random.default_rng(8)
    sets = []
    for _ in range(2):
        targets = (rng.random((2000, 5)) < 0.3).astype(np.uint8)
        shift = rng.uniform(0.1, 0.6, (2000, 1))
        sets.append(
            (
                np.clip(shift + 0.25 * targets + 0.02 * rng.standard_normal((2000, 5)), 0, 1)[None],
                targets,
            )
        )
    (tune, tune_targets), (read, read_targets) = sets
    rules = threshold_rules(
        tune, tune_targets, read, read_targets, metric="micro_f1", thresholds=GRID, fixed=0.5
    )
    by_name = {rule.rule: rule.read_on[0] for rule in rules}
    assert by_name["per_instance"] > by_name["global"] + 0.1
    model = fit_instance_thresholds(tune, tune_targets)
    assert instance_thresholds(model, read).shape == (1, 2000)


def test_threshold_regret_by_hand():
    thresholds = np.array([0.1, 0.5, 0.9])
    validation = np.array([[0.2, 0.6, np.nan], [0.5, 0.4, np.nan], [0.3, 0.4, np.nan]])
    found = threshold_regret(validation, thresholds, fixed=0.5, test=validation - 0.1)
    assert found.tuned[:2].tolist() == [0.5, 0.1]
    assert found.regret_validation[:2] == pytest.approx([0, 0.2])
    assert found.regret_test[:2] == pytest.approx([0, 0.2])
    assert np.isnan(found.tuned[2])
    assert (found.best_fixed, found.best_tuned) == (0, 1)
    nothing = threshold_regret(np.full((3, 2), np.nan), thresholds, fixed=0.5)
    assert nothing.best_fixed is None
    lower = threshold_regret(validation, thresholds, fixed=0.5, higher_is_better=False)
    assert lower.tuned[:2].tolist() == [0.1, 0.5]
    assert lower.regret_validation[:2] == pytest.approx([0.3, 0])


def test_trade_off_of_a_pure_shift_is_minus_one():
    eta = np.array([0.0, 1.0, 2.0, 3.0])
    slope, correlation = offset_threshold_trade_off(eta, special.expit(-eta))
    assert (slope, correlation) == pytest.approx((-1, -1))
    assert offset_threshold_trade_off(np.zeros(4), special.expit(-eta)) is None


def test_optimism_of_identical_cells_is_the_winners_curse():
    """100 equal cells of sd .01: the best of 100 means of two is 2.5 × .0071 too good."""
    rng = np.random.default_rng(9)
    found = [
        optimism_over_seeds(0.4 + 0.01 * rng.standard_normal((100, 5)), seed=i) for i in range(60)
    ]
    assert np.mean([f.optimism for f in found]) == pytest.approx(2.51 * 0.01 / np.sqrt(2), rel=0.1)
    assert np.mean([f.read_value for f in found]) == pytest.approx(0.4, abs=0.001)
    assert found[0].over == "seeds"
    assert found[0].n_splits == 10
    assert optimism_over_seeds(np.ones((3, 20)), seed=0).n_splits == 100
    with pytest.raises(ValueError, match="two seeds"):
        optimism_over_seeds(np.ones((3, 1)), seed=0)


def test_optimism_over_examples_counts_the_threshold_too():
    rng = np.random.default_rng(10)
    targets = (rng.random((120, 3)) < 0.3).astype(np.uint8)
    probs = {cell: rng.random((2, 120, 3)) for cell in range(12)}
    cell = optimism_over_examples(probs, targets, "micro_f1", np.array([0.5]), seed=0)
    both = optimism_over_examples(probs, targets, "micro_f1", GRID, seed=0)
    assert cell.over == "examples"
    assert "cell and threshold" in both.method
    assert 0 < cell.optimism < 0.2
    assert both.optimism > 0
    assert both == optimism_over_examples(probs, targets, "micro_f1", GRID, seed=0)
    lower = optimism_over_seeds(
        -np.random.default_rng(0).random((9, 4)), higher_is_better=False, seed=0
    )
    assert lower.optimism > 0
