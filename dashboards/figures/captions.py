"""The words of a figure: title, subtitle and small print, the same wherever it is shown."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from dashboards.naming import (
    count_text,
    mean_sd_text,
    metric_name,
    score_text,
    settings_text,
    threshold_text,
)


class FigureText(NamedTuple):
    """Title, one line of facts, and the small print of a figure."""

    title: str
    subtitle: str
    caption: str


def objective_text(objective: Mapping[str, Any]) -> str:
    """Write the objective: ``mean weighted F1 on validation at t = 0.5``."""
    return (
        f"mean {metric_name(objective['metric'])} on {objective['split']} "
        f"at t = {threshold_text(objective['threshold'])}"
    )


def threshold_fact(threshold: float | None) -> str:
    """Write the threshold of a figure, or that none enters."""
    return "no threshold enters" if threshold is None else f"t = {threshold_text(threshold)}"


def seeds_fact(n: np.ndarray) -> str:
    """Write over how many seeds the means go: ``5 seeds``, ``2 to 5 seeds``, or ``0 seeds``."""
    seen = n[n > 0]
    if not seen.size:
        return count_text(0, "seed")
    low, high = int(seen.min()), int(seen.max())
    return count_text(high, "seed") if low == high else f"{low} to {high} seeds"


def best_text(best: Any, objective: Mapping[str, Any]) -> str:
    """Write the best cell, how it was chosen and on how many seeds."""
    settings = settings_text(best.settings) or "its only setting"
    return (
        f"{settings}, chosen by {objective_text(objective)}: "
        f"{mean_sd_text(best.mean, best.sd)}, n = {best.n} of {best.planned}"
    )


def levels_text(levels: Mapping[str, float]) -> str:
    """Write the levels of the constant predictions: ``predict all 0.251, predict none 0.000``."""
    names = {"predict_all": "predict-all", "predict_none": "predict-none"}
    return ", ".join(
        f"{names.get(name, name)} {score_text(value)}" for name, value in levels.items()
    )


CONVENTIONS = (
    "Probabilities are σ(logit), never the loss's own sigmoid; a label is predicted when the "
    "probability is at least t. Averages are named as in scikit-learn, with zero_division = 0."
)
SIGMOID = (
    "sigmoidF1: S(u; β, η) = 1 / (1 + exp(−β(u + η))), Eq. 6 of the paper; u is the logit, or "
    "the probability where input = probabilities."
)


def add_title(figure: go.Figure, text: FigureText, height: int) -> None:
    """Put title and facts into a figure that stands alone."""
    figure.update_layout(
        title={
            "text": f"<b>{html.escape(text.title)}</b>",
            "subtitle": {"text": html.escape(text.subtitle), "font": {"size": 13}},
            "x": 0.012,
            "xref": "container",
            "y": 1 - 22 / height,
            "yref": "container",
            "font": {"size": 16},
        }
    )
