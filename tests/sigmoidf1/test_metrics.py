"""Metrics equal scikit-learn's, on ordinary and on degenerate data."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as skm

from sigmoidf1 import metrics
from sigmoidf1.errors import InputError

RATIOS: dict[str, tuple[Callable, Callable]] = {
    "precision": (metrics.precision, skm.precision_score),
    "recall": (metrics.recall, skm.recall_score),
    "f1": (metrics.f1, skm.f1_score),
    "jaccard": (metrics.jaccard, skm.jaccard_score),
}
AVERAGES = ("micro", "macro", "weighted", "samples")
TIGHT = {"rtol": 0, "atol": 1e-12}


def indicator(matrix: np.ndarray) -> np.ndarray:
    """Give scikit-learn two columns at least: it reads a single one as a binary problem.

    An empty class predicted for nobody changes neither pooled counts nor examples nor weights;
    only the mean over classes has to be undone (`macro_scale`).
    """
    if matrix.shape[1] > 1:
        return matrix
    return np.hstack([matrix, np.zeros_like(matrix)])


def reference(score: Callable, targets: np.ndarray, predicted: np.ndarray, average: str) -> float:
    value = score(indicator(targets), indicator(predicted), average=average, zero_division=0)
    return value * (2 if average == "macro" and targets.shape[1] == 1 else 1)


def reference_map(targets: np.ndarray, scores: np.ndarray) -> float:
    per_class = [
        skm.average_precision_score(targets[:, c], scores[:, c])
        for c in range(targets.shape[1])
        if targets[:, c].any()
    ]
    return float(np.mean(per_class)) if per_class else float("nan")


def reference_interpolated(targets: np.ndarray, scores: np.ndarray) -> float:
    per_class = []
    for c in range(targets.shape[1]):
        if targets[:, c].any():
            precision, recall, _ = skm.precision_recall_curve(targets[:, c], scores[:, c])
            envelope = np.maximum.accumulate(precision[:-1])
            per_class.append(float(-np.sum(np.diff(recall) * envelope)))
    return float(np.mean(per_class)) if per_class else float("nan")


def check_all(probs: np.ndarray, targets: np.ndarray, threshold: float) -> None:
    """Compare every metric of one head with its reference."""
    predicted = (probs.astype(np.float32) >= np.float32(threshold)).astype(int)
    for (name, (ours, theirs)), average in itertools.product(RATIOS.items(), AVERAGES):
        value = ours(probs, targets, threshold, average).item()
        expected = reference(theirs, targets, predicted, average)
        assert value == pytest.approx(expected, abs=1e-12), f"{average}_{name}"
    for name, (ours, theirs) in RATIOS.items():
        expected_each = theirs(
            indicator(targets), indicator(predicted), average=None, zero_division=0
        )[: targets.shape[1]]
        values = ours(probs, targets, threshold, average=None).numpy()
        np.testing.assert_allclose(values, expected_each, err_msg=name, **TIGHT)
    assert metrics.hamming_loss(probs, targets, threshold).item() == pytest.approx(
        np.mean(targets != predicted), abs=1e-12
    )
    assert metrics.subset_accuracy(probs, targets, threshold).item() == pytest.approx(
        skm.accuracy_score(indicator(targets), indicator(predicted)), abs=1e-12
    )
    for ours, theirs, scores in (
        (metrics.mean_average_precision, reference_map, probs),
        (metrics.map_interpolated, reference_interpolated, probs),
        (lambda p, y: metrics.map_at_threshold(p, y, threshold), reference_map, predicted),
    ):
        np.testing.assert_allclose(ours(probs, targets).item(), theirs(targets, scores), **TIGHT)
    assert metrics.predicted_positive_rate(probs, targets, threshold).item() == predicted.mean()


COARSE = st.sampled_from([0.0, 0.05, 0.25, 0.5, 0.75, 1.0])
FINE = st.floats(0, 1, width=32)


@st.composite
def heads_and_targets(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (H, N, C), with or without many ties, and targets (N, C)."""
    heads, examples, classes = draw(st.tuples(*[st.integers(1, top) for top in (3, 12, 4)]))
    elements = draw(st.sampled_from([COARSE, FINE]))
    probs = draw(hnp.arrays(np.float32, (heads, examples, classes), elements=elements))
    targets = draw(hnp.arrays(np.int64, (examples, classes), elements=st.integers(0, 1)))
    return probs, targets


@settings(max_examples=80, deadline=None)
@given(heads_and_targets(), st.sampled_from([0.0, 0.05, 0.25, 0.3, 0.5, 1.0]))
@example((np.zeros((1, 1, 1), np.float32), np.zeros((1, 1), int)), 0.5)
@example((np.ones((1, 1, 1), np.float32), np.ones((1, 1), int)), 0.5)
def test_equal_to_scikit_learn(data: tuple[np.ndarray, np.ndarray], threshold: float) -> None:
    probs, targets = data
    for head in probs:
        check_all(head, targets, threshold)


@pytest.mark.parametrize("targets", ["all_zero", "all_one", "empty_class", "empty_rows", "mixed"])
@pytest.mark.parametrize("probs", ["zero", "one", "ties", "saturated", "spread"])
@pytest.mark.parametrize(("examples", "classes"), [(1, 1), (1, 5), (40, 1), (40, 5)])
def test_degenerate_data(probs: str, targets: str, examples: int, classes: int) -> None:
    rng = np.random.default_rng(0)
    shape = (examples, classes)
    y = (rng.random(shape) < 0.3).astype(int)
    if targets in ("all_zero", "all_one"):
        y[:] = targets == "all_one"
    elif targets == "empty_class":
        y[:, 0] = 0
    elif targets == "empty_rows":
        y[::2] = 0
    p = {
        "zero": np.zeros(shape),
        "one": np.ones(shape),
        "ties": rng.integers(0, 4, shape) / 4,
        "saturated": 1 / (1 + np.exp(-200 * rng.standard_normal(shape).clip(-3, 3))),
        "spread": rng.random(shape),
    }[probs].astype(np.float32)
    check_all(p, y, 0.5)


@settings(max_examples=30, deadline=None)
@given(heads_and_targets())
def test_leading_axes_and_thresholds_are_kept(data: tuple[np.ndarray, np.ndarray]) -> None:
    probs, targets = data
    lead = torch.from_numpy(np.stack([probs, probs[::-1].copy()]))
    thresholds = [0.5, 0.05, 0.25, 0.75, 1.0, 0.0]  # unsorted, and enough to be read off a sort
    for (ours, _), average in itertools.product(RATIOS.values(), (*AVERAGES, None)):
        values = ours(lead, targets, thresholds, average)
        last = (targets.shape[1],) if average is None else ()
        assert values.shape == (2, len(probs), 6, *last)
        for head, t in itertools.product(range(len(probs)), range(6)):
            alone = ours(probs[head], targets, thresholds[t], average)
            assert torch.equal(values[0, head, t], alone)
            assert torch.equal(values[1, len(probs) - 1 - head, t], alone)
    assert metrics.mean_average_precision(lead, targets).shape == (2, len(probs))
    assert metrics.average_precision(lead, targets).shape == (2, len(probs), targets.shape[1])
    assert metrics.hamming_loss(lead, targets, thresholds).shape == (2, len(probs), 6)
    assert metrics.subset_accuracy(lead, targets).shape == (2, len(probs))


def test_average_precision_by_hand() -> None:
    scores = torch.tensor([[0.9], [0.8], [0.7], [0.7]], dtype=torch.float64)
    targets = torch.tensor([[1], [0], [1], [0]])
    assert metrics.average_precision(scores, targets).item() == (1 + 2 / 4) / 2
    assert metrics.map_interpolated(scores, targets).item() == (1 + 1 / 2) / 2
    rising = torch.tensor([[0.9], [0.8], [0.7]])
    hits = torch.tensor([[0], [1], [1]])
    assert metrics.average_precision(rising, hits).item() == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert metrics.map_interpolated(rising, hits).item() == pytest.approx(2 / 3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_average_precision_of_logits_in_every_dtype(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = (8 * torch.randn(3, 60, 4, generator=generator)).to(dtype)
    targets = (torch.rand(60, 4, generator=generator) < 0.3).int()
    expected = [reference_map(targets.numpy(), head.double().numpy()) for head in logits]
    values = metrics.mean_average_precision(logits, targets)
    np.testing.assert_allclose(values, expected, **TIGHT)


def test_average_precision_sees_float64_differences() -> None:
    scores = np.array([[0.5], [0.5 + 1e-12]])
    targets = np.array([[1], [0]])
    assert metrics.average_precision(scores, targets).item() == 0.5


def test_negative_zero_ties_with_zero() -> None:
    probs = torch.tensor([[-0.0], [0.0]])
    targets = torch.tensor([[1], [0]])
    assert metrics.mean_average_precision(probs, targets).item() == 0.5
    assert metrics.recall(probs, targets, [0.0] * 5).tolist() == [1.0] * 5


def test_probabilities_and_thresholds_are_compared_in_float32() -> None:
    probs = np.full((1, 1), 0.1 - 1e-10)
    assert np.float32(probs[0, 0]) == np.float32(0.1)
    assert metrics.recall(probs, np.ones((1, 1)), 0.1).item() == 1.0


@pytest.mark.parametrize("few", [[0.5], [0.5] * 7])
def test_confusion_counts(few: list[float]) -> None:
    probs = torch.tensor([[[0.9, 0.5], [0.4, 0.6]], [[0.1, 0.5], [0.5, 0.5]]])
    targets = torch.tensor([[1, 0], [1, 1]])
    counts = metrics.confusion_counts(probs, targets, few)
    assert counts.tp.dtype == torch.int64
    assert counts.tp[:, 0].tolist() == [[1, 1], [1, 1]]
    assert counts.predicted[:, 0].tolist() == [[1, 2], [1, 2]]
    assert counts.positives.tolist() == [2, 1]
    assert counts.n == 2
    assert counts.tp.shape == (2, len(few), 2)
    assert metrics.confusion_counts(probs[0], targets, 0.5).tp.shape == (1, 2)
    with pytest.raises(InputError, match="probs must be finite to be counted"):
        metrics.confusion_counts(probs / 0.0, targets, few)


def test_heads_that_are_not_finite_get_nan_and_no_other_does() -> None:
    probs = torch.full((4, 3, 2), 0.7)
    probs[1, 0, 0] = torch.nan
    probs[2, 2, 1] = torch.inf
    targets = torch.tensor([[1, 0], [1, 1], [0, 0]])
    expected = [False, True, True, False]
    for metric in (metrics.f1, metrics.hamming_loss, metrics.subset_accuracy):
        assert metric(probs, targets).isnan().tolist() == expected
    assert metrics.mean_average_precision(probs, targets).isnan().tolist() == expected
    assert metrics.average_precision(probs, targets).isnan().any(-1).tolist() == expected


def test_no_heads_give_no_values() -> None:
    probs, targets = torch.empty(0, 3, 2), torch.ones(3, 2)
    assert metrics.f1(probs, targets).shape == (0,)
    assert metrics.recall(probs, targets, [0.1] * 6, average=None).shape == (0, 6, 2)
    assert metrics.f1(probs, targets, [0.1, 0.2], "samples").shape == (0, 2)
    assert metrics.mean_average_precision(probs, targets).shape == (0,)


def test_gradients_are_not_followed() -> None:
    probs = torch.rand(5, 2, requires_grad=True)
    assert not metrics.f1(probs, torch.ones(5, 2)).requires_grad


GOOD = torch.full((2, 3, 2), 0.5)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: metrics.f1(GOOD, torch.ones(3, 4)), r"agree in N and C, .*\(3, 4\)"),
        (lambda: metrics.f1(GOOD, 2 * torch.ones(3, 2)), "targets must be 0 or 1, but got 2.0"),
        (lambda: metrics.f1(GOOD, torch.full((3, 2), torch.nan)), "but got nan"),
        (lambda: metrics.f1(GOOD * 4, torch.ones(3, 2)), r"lie in \[0, 1\], but got 2. Apply"),
        (lambda: metrics.f1(-GOOD, torch.ones(3, 2)), r"lie in \[0, 1\], but got -0.5"),
        (lambda: metrics.f1(GOOD, torch.ones(3, 2), 1.5), r"lie in \[0, 1\], but got 1.5"),
        (lambda: metrics.f1(GOOD, torch.ones(3, 2), []), "one number or a flat list"),
        (lambda: metrics.f1(GOOD, torch.ones(3, 2), average="mean"), "Unknown average 'mean'"),
        (lambda: metrics.f1(GOOD > 0, torch.ones(3, 2)), "floating-point numbers.*torch.bool"),
        (lambda: metrics.f1(GOOD[0, 0], torch.ones(2)), r"\(..., N, C\) with N, C >= 1"),
        (lambda: metrics.f1(GOOD[:, :0], torch.ones(0, 2)), r"but got \(2, 0, 2\)"),
        (lambda: metrics.average_precision(GOOD, torch.ones(1, 1)), r"^scores \(..., N, C\)"),
        (lambda: metrics.get_metric("f1_micro"), "Unknown metric 'f1_micro'. Did you mean"),
    ],
)
def test_bad_input_is_refused_in_one_line(call: Callable, text: str) -> None:
    with pytest.raises(InputError, match=text) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_registry() -> None:
    ratios = {f"{a}_{r}" for a in AVERAGES for r in RATIOS}
    assert set(metrics.METRICS) == ratios | {"map", "hamming_loss", "subset_accuracy"}
    assert set(metrics.PAPER_METRICS) == {"map_interpolated", "map_at_threshold"}
    for name, metric in {**metrics.METRICS, **metrics.PAPER_METRICS}.items():
        assert metric.name == name
        assert metric.higher_is_better == (name != "hamming_loss")
        assert metric.thresholded == (name not in ("map", "map_interpolated"))
        assert "sklearn" in metric.description or "scikit-learn" in metric.description
        assert "paper" in metric.description
    curves = {name for name, metric in metrics.METRICS.items() if metric.curve}
    assert curves == {
        f"{a}_{r}" for a in ("micro", "macro", "weighted") for r in ("precision", "recall", "f1")
    }
    assert "paper's macroF1 (Eq. 9)" in metrics.METRICS["micro_f1"].description
    assert "paper's microF1 (Eq. 10)" in metrics.METRICS["macro_f1"].description
