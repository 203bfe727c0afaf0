"""From trained and evaluated heads to the arrays that are returned."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sigmoidf1.evaluation import Evaluation
from sigmoidf1.training.engine import HeadHistory
from sigmoidf1.training.results import COMPLETE, DIVERGED, HeadResults
from sigmoidf1.training.settings import Objective, TrainingSettings

DIVERGED_LOSS = 10.0  # an epoch's mean loss of the F1 family beyond this has left [0, 1] for good


@dataclass(frozen=True)
class HeadOutcome:
    """One head, trained and evaluated."""

    reason: str
    history: HeadHistory
    scores: Mapping[tuple[str, str], float]
    curves: Mapping[tuple[str, str], np.ndarray]
    rates: Mapping[str, float]


def outcome_of(
    history: HeadHistory,
    evaluations: Mapping[str, Evaluation],
    row: int,
    *,
    f1_family: bool,
    keep_weights: bool,
) -> HeadOutcome:
    """The outcome of the head in row ``row`` of the evaluations."""
    reason = _why_diverged(history, f1_family)
    if keep_weights:
        history.parameters = {name: values.cpu() for name, values in history.parameters.items()}
    else:
        history.parameters = {}
    return HeadOutcome(
        reason=reason,
        history=history,
        scores={
            (split, metric): values[row].item()
            for split, evaluation in evaluations.items()
            for metric, values in evaluation.scores.items()
        },
        curves={
            (split, metric): values[row].cpu().numpy()
            for split, evaluation in evaluations.items()
            for metric, values in evaluation.curves.items()
        },
        rates={
            split: evaluation.predicted_positive_rate[row].item()
            for split, evaluation in evaluations.items()
        },
    )


def collect(
    outcomes: Sequence[HeadOutcome],
    *,
    settings: TrainingSettings,
    objective: Objective,
    thresholds: np.ndarray,
    started: float,
) -> HeadResults:
    """The results of all heads, in order, with the leading shape (R,)."""
    count = len(outcomes)
    reasons = np.array([outcome.reason for outcome in outcomes], dtype=object)
    complete = reasons == ""
    scores = {
        key: np.array([outcome.scores[key] for outcome in outcomes]) for key in outcomes[0].scores
    }
    train_loss = np.full((count, settings.epochs), np.nan, dtype=np.float32)
    epochs = sorted({epoch for outcome in outcomes for epoch in outcome.history.objective})
    curve = np.full((count, len(epochs)), np.nan)
    for row, outcome in enumerate(outcomes):
        losses = outcome.history.train_loss
        train_loss[row, : len(losses)] = losses
        for epoch, value in outcome.history.objective.items():
            curve[row, epochs.index(epoch)] = value
    return HeadResults(
        shape=(count,),
        states=np.where(complete, COMPLETE, DIVERGED),
        reasons=reasons,
        objective=np.where(complete, scores[objective.split, objective.metric], np.nan),
        scores=scores,
        curves={
            key: np.stack([outcome.curves[key] for outcome in outcomes])
            for key in outcomes[0].curves
        },
        thresholds=thresholds,
        predicted_positive_rate={
            split: np.array([outcome.rates[split] for outcome in outcomes])
            for split in outcomes[0].rates
        },
        train_loss=train_loss,
        objective_curve=curve,
        curve_epochs=np.array(epochs),
        epochs_run=np.array([len(outcome.history.train_loss) for outcome in outcomes]),
        best_epoch=np.array([outcome.history.best_epoch for outcome in outcomes]),
        parameters=_stack_parameters(outcomes),
        head=settings.head,
        duration_s=time.perf_counter() - started,
    )


def _stack_parameters(outcomes: Sequence[HeadOutcome]) -> dict[str, Tensor] | None:
    names = list(outcomes[0].history.parameters)
    if not names:
        return None
    return {
        name: torch.stack([outcome.history.parameters[name] for outcome in outcomes])
        for name in names
    }


def _why_diverged(history: HeadHistory, f1_family: bool) -> str:
    """The reason in words; "" for a head that did not diverge."""
    size = np.abs(np.asarray(history.train_loss))
    limit = DIVERGED_LOSS if f1_family else np.inf
    bad = np.flatnonzero(~(np.isfinite(size) & (size <= limit)))
    if len(bad):
        value = size[bad[0]]
        what = "non-finite loss"
        if np.isfinite(value):
            what = f"mean |loss| {value:.4g} > {limit:g}"
        return f"{what} in epoch {int(bad[0]) + 1}"
    if not all(bool(values.isfinite().all()) for values in history.parameters.values()):
        return f"non-finite weight in epoch {history.best_epoch}"
    return ""
