"""Which cell an export takes: by a rule, a metric, and a threshold that may be tuned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from storage import frames
from storage.records import SweepInfo
from storage.store import Store
from sweeps.errors import SweepError
from sweeps.sensitivity.analysis import analyse
from sweeps.sensitivity.analysis_data import Analysis, Question, ThresholdCurves, Unavailable
from sweeps.sensitivity.best import RULE
from sweeps.sensitivity.reading import analyse_stored, find_metric, load_threshold_curves
from sweeps.sensitivity.seed_table import FloatArray, seed_table
from sweeps.sensitivity.thresholds import ThresholdRegret
from sweeps.wording import suggestion

TUNED: Literal["tuned"] = "tuned"
# The export's rules, each with the rule of `sweeps.sensitivity.rules` behind it, in words.
RULES = {
    "mean": ("mean", RULE),
    "lower-bound": (
        "lower-bound",
        "the best one-sided 95 % lower bound of the mean over seeds by the shared variance, among "
        "the loss's finished cells that are not collapsed",
    ),
    "robust": (
        "robust-mean",
        "the best mean of a cell and its neighbours on the grid, one step in any numeric "
        "parameter, among the loss's finished cells that are not collapsed",
    ),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class ChosenCell:
    """The cell that an export takes for a loss, and what it was chosen by.

    Attributes:
        loss: the loss.
        cell_id: the cell.
        row: its row in ``analysis``.
        rule: the rule that chose it, as named in :data:`RULES`.
        fallback: why the rule asked for could not choose and ``mean`` did; None when it could.
        threshold: the cut its metrics are read at.
        how: ``objective``, ``given`` or ``tuned on validation``.
        analysis: the statistics at that threshold; with tuned thresholds, of every cell at its own.
        regret: the fixed against the tuned threshold of every cell.
    """

    loss: str
    cell_id: int
    row: int
    rule: str
    fallback: str | None
    threshold: float
    how: str
    analysis: Analysis
    regret: ThresholdRegret | Unavailable


def choose_cell(
    store: Store,
    info: SweepInfo,
    loss: str,
    *,
    rule: str = "mean",
    metric: str | None = None,
    threshold: float | Literal["tuned"] | None = None,
) -> ChosenCell | None:
    """Choose the cell of one loss on validation.

    Args:
        store: an open store.
        info: the sweep.
        loss: a loss of the sweep.
        rule: ``mean``, ``lower-bound`` or ``robust``. Where it cannot choose (one seed, or no
            grid), ``mean`` does, and ``fallback`` says why.
        metric: what to choose by; the objective's by default.
        threshold: a kept one; ``tuned`` gives every cell its own best threshold on validation
            before cells are compared; the objective's by default.

    Returns:
        The choice; None when the loss has no finished cell with a value.

    Raises:
        SweepError: the rule or metric is unknown, or the metric has no threshold to tune.
        StoreError: the threshold is not kept.
    """
    if rule not in RULES:
        raise SweepError(f"Unknown rule {rule!r}. {suggestion(rule, RULES)}")
    name, entry = find_metric(info, metric)
    cells = frames.load_cells(store, info.name, losses=[loss])
    curves = load_threshold_curves(store, info, cells, loss, name) if entry["curve"] else None
    fixed = None if threshold == TUNED else threshold
    analysis = analyse_stored(
        store, info.name, loss, metric=name, threshold=fixed, curves=curves or False, kept=False
    )
    regret = analysis.threshold
    if threshold == TUNED:
        if curves is None:
            raise SweepError(
                f"A threshold can be tuned for a metric that is kept at every one, but {name!r} "
                "is not. Choose such a metric, for example micro_f1, or a fixed threshold."
            )
        if isinstance(regret, Unavailable):
            return None
        analysis = _at_tuned(store, info, cells, analysis.question, curves, regret)
    row, fallback = analysis.row(RULES[rule][0]), None
    if row is None:
        chosen = next(c for c in analysis.choices if c.rule == RULES[rule][0])
        row, fallback = analysis.row("mean"), chosen.reason
        rule = "mean"
    if row is None:
        return None
    own = float(info.objective["threshold"])
    cut, how = (own, "objective") if fixed is None else (float(fixed), "given")
    if threshold == TUNED and not isinstance(regret, Unavailable):
        cut, how = float(regret.tuned[row]), "tuned on validation"
    return ChosenCell(
        loss=loss,
        cell_id=int(analysis.cells["cell_id"][row]),
        row=row,
        rule=rule,
        fallback=fallback,
        threshold=cut,
        how=how,
        analysis=analysis,
        regret=regret,
    )


def _at_tuned(
    store: Store,
    info: SweepInfo,
    cells: pd.DataFrame,
    question: Question,
    curves: ThresholdCurves,
    regret: ThresholdRegret,
) -> Analysis:
    """Analyse the cells with every one read at its own best threshold on validation."""
    known = np.isfinite(regret.tuned)
    distance = np.abs(curves.thresholds[:, None] - np.where(known, regret.tuned, 0.0)[None, :])
    at = distance.argmin(axis=0)

    def scores(split: str, values: FloatArray) -> pd.DataFrame:
        frame = frames.load_scores(
            store, info.name, split=split, metric=question.metric, losses=[question.loss]
        )
        table = seed_table(cells, frame, value="value")
        tuned = np.where(known[:, None], values[at, np.arange(len(at))], np.nan)
        row = pd.Index(table.cell_ids).get_indexer(pd.Index(frame["cell_id"]))
        column = pd.Index(table.seeds).get_indexer(pd.Index(frame["seed"]))
        return frame.assign(value=tuned[row, column])

    on_validation = scores("validation", curves.validation)
    return analyse(
        cells,
        frames.load_replicates(store, info.name, losses=[question.loss]),
        on_validation,
        question=question,
        test_scores=None if curves.test is None else scores("test", curves.test),
        # The recorded rates are those at the objective's threshold: at another they are unknown.
        predicted_rate=np.full(curves.validation.shape[1:], np.nan),
    )


def scores_at(
    store: Store, info: SweepInfo, loss: str, cell_id: int, threshold: float, exact: pd.DataFrame
) -> pd.DataFrame:
    """Return one cell's scores at a kept threshold that is not the objective's.

    Args:
        store: an open store.
        info: the sweep.
        loss: the cell's loss.
        cell_id: the cell.
        threshold: a kept one.
        exact: the cell's scores at the objective's threshold, as of
            :func:`storage.cell_scores.load_cell_scores`.

    Returns:
        Rows as of ``exact``: metrics that take no threshold as they are, metrics kept at every
        threshold read there; the others are left out, since they are not known there.
    """
    free = {entry["name"] for entry in info.metrics if not entry["thresholded"]}
    parts: list[Any] = [exact[exact["metric"].isin(free)]]
    for split in ("validation", "test"):
        for entry in info.metrics:
            if entry["curve"] and entry["thresholded"]:
                rows = frames.load_scores(
                    store, info.name, split=split, metric=entry["name"], threshold=threshold,
                    losses=[loss],
                )  # fmt: skip
                own = rows[rows["cell_id"] == cell_id]
                parts.append(own.assign(split=split, metric=entry["name"])[list(exact.columns)])
    return pd.concat([part for part in parts if len(part)] or [exact.iloc[:0]], ignore_index=True)
