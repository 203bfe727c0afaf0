"""Names and numbers as people read them."""

from __future__ import annotations

import math

import pytest

from dashboards import naming


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"), (0.1 + 0.2, "0.3"), (-0.5, "−0.5"), (1e-5, "1e−5"), (None, "none"),
        (math.nan, "none"), ("logits", "logits"), (True, "True"), (0.0, "0"),
    ],
)  # fmt: skip
def test_settings(value: object, text: str) -> None:
    assert naming.setting_text(value) == text


@pytest.mark.parametrize(
    ("mean", "sd", "text"),
    [
        (0.51234, 0.0041, "0.512 ± 0.004"),
        (0.5, math.nan, "0.500"),
        (0.5, 1e-5, "0.500 ± <0.001"),
        (0.5, 0.0, "0.500 ± 0.000"),
        (math.nan, math.nan, "–"),
    ],
)
def test_means_with_their_spread(mean: float, sd: float, text: str) -> None:
    assert naming.mean_sd_text(mean, sd) == text


@pytest.mark.parametrize(
    ("threshold", "text"),
    [(0.5, "0.5"), (math.nan, "–"), (0.05, "0.05"), (1e-4, "0.0001"), (0.9999, "0.9999")],
)
def test_thresholds(threshold: float, text: str) -> None:
    assert naming.threshold_text(threshold) == text


def test_metrics_have_scikit_learns_names_and_the_papers_beside() -> None:
    assert naming.metric_name("weighted_f1") == "weighted F1"
    assert naming.metric_name("subset_accuracy") == "subset accuracy"
    assert naming.paper_name("micro_f1") == "macroF1"
    assert naming.paper_name("macro_f1") == "microF1"
    assert naming.paper_name("samples_f1") is None
    assert naming.axis_name("beta") == "slope β"
    assert naming.axis_name("unheard_of") == "unheard of"
