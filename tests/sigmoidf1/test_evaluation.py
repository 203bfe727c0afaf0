"""The packed evaluation: equal to the plain functions, and for each head as if alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmoidf1 import metrics
from sigmoidf1.counts import Counts
from sigmoidf1.errors import InputError
from sigmoidf1.evaluation import Evaluation, baselines, collapse_flags, evaluate
from sigmoidf1.metrics import METRICS, PAPER_METRICS, Metric
from sigmoidf1.thresholds import default_thresholds

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
RATIOS = {
    "precision": metrics.precision,
    "recall": metrics.recall,
    "f1": metrics.f1,
    "jaccard": metrics.jaccard,
}


def make(
    heads: int = 7, examples: int = 53, classes: int = 5, seed: int = 0, scale: float = 3.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities (H, N, C) of heads from soft to saturated, and targets with an empty class."""
    generator = torch.Generator().manual_seed(seed)
    slope = torch.logspace(-1, 2, heads)[:, None, None]
    logits = scale * slope * (torch.randn(heads, examples, classes, generator=generator) - 1)
    targets = torch.rand(examples, classes, generator=generator) < 0.25
    targets[:, -1] = False
    return logits.sigmoid(), targets


def everything(evaluation: Evaluation) -> dict[str, torch.Tensor]:
    curves = {f"curve {name}": values for name, values in evaluation.curves.items()}
    return {
        **evaluation.scores,
        **curves,
        "rate": evaluation.predicted_positive_rate,
    }


def assert_same_bits(one: Evaluation, other: Evaluation, heads: torch.Tensor | slice) -> None:
    expected = everything(one)
    for name, values in everything(other).items():
        assert torch.equal(
            values.view(torch.int64), expected[name][heads].contiguous().view(torch.int64)
        ), name


@pytest.mark.parametrize("device", DEVICES)
def test_scores_and_curves_equal_the_plain_functions(device: str) -> None:
    probs, targets = make()
    thresholds = default_thresholds(0.3)
    evaluation = evaluate(
        probs.to(device),
        targets.to(device),
        threshold=0.3,
        thresholds=thresholds,
        metrics=[*METRICS, *PAPER_METRICS],
    )
    assert {values.device.type for values in everything(evaluation).values()} == {device}
    plain = {
        "map": metrics.mean_average_precision(probs, targets),
        "map_interpolated": metrics.map_interpolated(probs, targets),
        "map_at_threshold": metrics.map_at_threshold(probs, targets, 0.3),
        "hamming_loss": metrics.hamming_loss(probs, targets, 0.3),
        "subset_accuracy": metrics.subset_accuracy(probs, targets, 0.3),
    }
    for name, values in evaluation.scores.items():
        average, _, ratio = name.partition("_")
        expected = (
            plain[name] if name in plain else RATIOS[ratio](probs, targets, 0.3, average)  # type: ignore[arg-type]
        )
        assert values.dtype == torch.float64
        assert torch.equal(values.cpu(), expected), name
    assert len(evaluation.curves) == 9
    for name, values in evaluation.curves.items():
        average, _, ratio = name.partition("_")
        expected = RATIOS[ratio](probs, targets, thresholds, average)  # type: ignore[arg-type]
        assert torch.equal(values.cpu(), expected), name
        assert torch.equal(values[:, thresholds.tolist().index(0.3)], evaluation.scores[name]), name


@pytest.mark.parametrize("device", DEVICES)
def test_a_heads_results_do_not_depend_on_its_company(device: str) -> None:
    probs, targets = (tensor.to(device) for tensor in make(heads=9))
    arguments = {"threshold": 0.5, "thresholds": default_thresholds()}
    together = evaluate(probs, targets, **arguments)
    for head in range(len(probs)):
        alone = evaluate(probs[head : head + 1], targets, **arguments)
        assert_same_bits(together, alone, slice(head, head + 1))
    order = torch.tensor([5, 0, 7, 7, 2])
    assert_same_bits(together, evaluate(probs[order], targets, **arguments), order)
    broken = probs.clone()
    broken[::2, 0, 0] = torch.nan
    broken[4] = torch.inf
    beside = evaluate(broken, targets, **arguments)
    assert_same_bits(
        Evaluation(
            {k: v[1::2] for k, v in beside.scores.items()},
            {k: v[1::2] for k, v in beside.curves.items()},
            beside.predicted_positive_rate[1::2],
        ),
        evaluate(probs[1::2], targets, **arguments),
        slice(None),
    )
    for name, values in everything(beside).items():
        assert values[::2].isnan().all(), name
        assert not values[1::2].isnan().any(), name


def test_a_long_heads_results_do_not_depend_on_its_company_or_on_threads() -> None:
    # Above 32,768 elements torch splits a lone sum over threads and so changes its order.
    probs, targets = make(heads=3, examples=40_000, classes=2)
    together = evaluate(probs, targets)
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            assert_same_bits(together, evaluate(probs[1:2], targets), slice(1, 2))
    finally:
        torch.set_num_threads(threads)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 6),
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(0, 3),
    st.integers(1, 200),
)
def test_results_do_not_depend_on_block_size_or_layout(
    heads: int, examples: int, classes: int, seed: int, block_scores: int
) -> None:
    probs, targets = make(heads, examples, classes, seed)
    arguments = {"threshold": 0.2, "thresholds": np.linspace(0, 1, 7)}
    whole = evaluate(probs, targets, **arguments)
    columns = probs.permute(1, 0, 2).reshape(examples, heads * classes)
    view = columns.view(examples, heads, classes).permute(1, 0, 2)
    assert_same_bits(
        whole, evaluate(view, targets, block_scores=block_scores, **arguments), slice(None)
    )
    padded = torch.full((examples, heads * classes + 3), 0.5)
    padded[:, : heads * classes] = columns
    tile = padded[:, : heads * classes].unflatten(1, (heads, classes)).permute(1, 0, 2)
    assert_same_bits(whole, evaluate(tile, targets, **arguments), slice(None))
    assert torch.equal(padded[:, : heads * classes], columns)


def test_few_metrics_give_the_same_bits_as_all() -> None:
    probs, targets = make()
    whole = evaluate(probs, targets, threshold=0.4, thresholds=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    for name in METRICS:
        one = evaluate(probs, targets, threshold=0.4, metrics=[name])
        assert list(one.scores) == [name]
        assert one.curves == {}
        assert torch.equal(one.scores[name], whole.scores[name]), name
    curve = evaluate(probs, targets, thresholds=[0.1, 0.2], metrics=["map", "macro_f1"])
    assert list(curve.curves) == ["macro_f1"]
    assert torch.equal(curve.curves["macro_f1"], whole.curves["macro_f1"][:, :2])


def test_curves_keep_the_order_of_the_thresholds() -> None:
    probs, targets = make()
    grid = [0.9, 0.1, 0.5, 0.1, 0.7, 0.3]
    curves = evaluate(probs, targets, thresholds=grid).curves
    for index, threshold in enumerate(grid):
        scores = evaluate(probs, targets, threshold=threshold).scores
        for name, values in curves.items():
            assert torch.equal(values[:, index], scores[name])


def test_no_class_with_a_positive() -> None:
    probs, _ = make(heads=2)
    scores = evaluate(probs, torch.zeros(probs.shape[1:])).scores
    assert scores["map"].isnan().all()
    assert not torch.stack([v for k, v in scores.items() if k != "map"]).isnan().any()


def test_a_perfect_head_is_exactly_perfect() -> None:
    targets = make(examples=101)[1][:, :4]
    targets[0] = True
    has_label = targets[targets.any(1)]
    scores = evaluate(has_label.float()[None], has_label).scores
    assert {name: values.item() for name, values in scores.items()} == {
        name: 0.0 if name == "hamming_loss" else 1.0 for name in METRICS
    }


def test_no_heads() -> None:
    evaluation = evaluate(torch.empty(0, 4, 2), torch.ones(4, 2), thresholds=[0.1, 0.5])
    assert {tuple(values.shape) for values in evaluation.scores.values()} == {(0,)}
    assert {tuple(values.shape) for values in evaluation.curves.values()} == {(0, 2)}
    assert evaluation.predicted_positive_rate.shape == (0,)


def test_a_metric_added_to_the_registry_is_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    def label_count_error(counts: Counts) -> torch.Tensor:
        return (counts.predicted - counts.positives).abs().sum(-1).double() / counts.n

    metric = Metric(
        name="label_count_error",
        higher_is_better=False,
        thresholded=True,
        curve=True,
        description="mean gap between predicted and actual label counts",
        statistics="counts",
        compute=label_count_error,
    )
    monkeypatch.setitem(METRICS, metric.name, metric)
    targets = torch.tensor([[1, 0], [1, 1]])
    evaluation = evaluate(torch.ones(1, 2, 2), targets, thresholds=[0.5, 1.0])
    assert evaluation.scores["label_count_error"].tolist() == [0.5]
    assert evaluation.curves["label_count_error"].tolist() == [[0.5, 0.5]]


def test_baselines() -> None:
    targets = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 0, 0]])
    result = baselines(targets)
    assert set(result) == {"predict_all", "predict_none"}
    everything, nothing = result["predict_all"], result["predict_none"]
    assert set(everything) == set(nothing) == set(METRICS)
    assert everything["micro_precision"] == 4 / 12
    assert everything["micro_recall"] == 1.0
    assert everything["macro_recall"] == pytest.approx(2 / 3)
    assert everything["samples_precision"] == pytest.approx((1 / 3 + 2 / 3 + 0 + 1 / 3) / 4)
    assert everything["hamming_loss"] == pytest.approx(8 / 12)
    assert everything["map"] == nothing["map"] == pytest.approx((3 / 4 + 1 / 4) / 2)
    assert nothing["hamming_loss"] == pytest.approx(4 / 12)
    assert nothing["subset_accuracy"] == 0.25
    zero = set(METRICS) - {"map", "hamming_loss", "subset_accuracy"}
    assert {nothing[name] for name in zero} == {0.0}
    assert all(isinstance(value, float) for value in everything.values())
    with pytest.raises(InputError, match=r"targets must have shape \(N, C\)"):
        baselines(np.ones(3))


def test_collapse_flags() -> None:
    probs = torch.tensor([0.0, 1.0, 0.5, torch.nan])[:, None, None].repeat(1, 3, 2)
    probs[2, 0] = 0.1
    evaluation = evaluate(probs, torch.ones(3, 2))
    assert evaluation.predicted_positive_rate[:3].tolist() == [0.0, 1.0, 4 / 6]
    flags = evaluation.collapse_flags()
    assert flags.predicts_nothing.tolist() == [True, False, False, False]
    assert flags.predicts_everything.tolist() == [False, True, False, False]
    assert collapse_flags(torch.tensor(1.0)).predicts_everything


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"probs": torch.rand(4, 2)}, r"shape \(H, N, C\), but got \(4, 2\)"),
        ({"threshold": [0.1, 0.2]}, "threshold must be one number, but got 2"),
        ({"thresholds": [0.1, 1.2]}, r"lie in \[0, 1\], but got 1.2"),
        ({"metrics": ["weighted-f1"]}, "Did you mean 'weighted_f1'"),
        ({"probs": torch.full((1, 4, 2), 1.5)}, "but got 1.5. Apply torch.sigmoid"),
    ],
)
def test_bad_input_is_refused(arguments: dict, text: str) -> None:
    good = {"probs": torch.rand(1, 4, 2), "targets": torch.ones(4, 2)}
    with pytest.raises(InputError, match=text):
        evaluate(**{**good, **arguments})
