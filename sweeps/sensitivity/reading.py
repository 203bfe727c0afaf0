"""Reads from a store what an analysis needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from storage import arrays
from storage.frame_rows import replicate_frame
from storage.records import SweepInfo
from storage.store import Store
from sweeps.errors import SweepError
from sweeps.imported import is_imported
from sweeps.sensitivity.analysis import analyse
from sweeps.sensitivity.analysis_data import (
    Analysis,
    KeptScores,
    Question,
    ThresholdCurves,
    Unavailable,
)
from sweeps.sensitivity.analysis_kept import NOT_KEPT
from sweeps.sensitivity.collapse import rate_from_scores
from sweeps.sensitivity.reading_kept import load_kept_of
from sweeps.sensitivity.seed_table import FloatArray, seed_table
from sweeps.sensitivity.sweep_frames import SweepFrames
from sweeps.wording import suggestion

SAME_THRESHOLD = 1e-9
# Of one loss, both splits: 400 MB. A grid of 100 × 100 cells with 20 seeds has 4e7.
MOST_CURVE_VALUES = 5e7


class TooManyValuesError(SweepError):
    """There are more values than an analysis reads; the text says how many."""


def analyse_stored(
    store: Store,
    sweep: str,
    loss: str,
    *,
    metric: str | None = None,
    split: str = "validation",
    threshold: float | None = None,
    curves: bool | ThresholdCurves | Unavailable = True,
    kept: bool | KeptScores | Unavailable = True,
    read: SweepFrames | None = None,
    **options: Any,
) -> Analysis:
    """Analyse one loss of a stored sweep.

    Args:
        store: an open store.
        sweep: the sweep's name.
        loss: the loss.
        metric: the objective's by default.
        split: where cells are compared; test values are read beside them when it is not test.
        threshold: a kept one; the objective's by default.
        curves: also read the metric at every threshold, for the threshold statistics; or what
            :func:`load_threshold_curves` read before.
        kept: also read the stored probabilities of the best kept cells; or what was read before.
        read: what was read of the sweep before.
        options: ``epsilon``, ``level``, ``seed``, ``importances`` of
            :func:`~sweeps.sensitivity.analysis.analyse`.

    Returns:
        The analysis.

    Raises:
        SweepError: the sweep has no such metric or loss.
        StoreError: the sweep, split or threshold is not there.
    """
    read = read or SweepFrames(store, sweep)
    info, cells = read.info, read.cells
    name, entry = find_metric(info, metric)
    own = float(info.objective["threshold"])
    cut = (own if threshold is None else float(threshold)) if entry["thresholded"] else None
    if loss not in set(cells["loss"]):
        losses = list(dict.fromkeys(cells["loss"]))
        raise SweepError(f"Unknown loss {loss!r}. {suggestion(loss, losses)}")
    cells = cells[cells["loss"] == loss]
    own_scores = read.scores(loss, split, name, cut)
    probabilities: KeptScores | Unavailable | None
    if isinstance(kept, bool):
        table = seed_table(cells, own_scores, value="value")
        higher = bool(entry["higher_is_better"])
        probabilities = None
        if kept and is_imported(info.spec):
            probabilities = Unavailable(f"{NOT_KEPT} (the results were imported)")
        elif kept:
            probabilities = load_kept_of(store, sweep, cells, loss, table, higher_is_better=higher)
    else:
        probabilities = kept
    positive_rate = positive_share(info, split)
    rate = _predicted_rate(read, cells, loss, split, cut, positive_rate)
    return analyse(
        cells,
        read.replicates(loss),
        own_scores,
        question=Question(
            sweep=sweep, loss=loss, metric=name, split=split, threshold=cut,
            higher_is_better=bool(entry["higher_is_better"]),
        ),
        test_scores=None if split == "test" else read.scores(loss, "test", name, cut),
        curves=read_curves(store, info, cells, loss, entry, curves),
        kept=probabilities,
        design=store.design(info.sweep_id),
        predicted_rate=rate,
        positive_rate=positive_rate,
        baselines={
            kind: by_split[split][name]
            for kind, by_split in info.baselines.items()
            if name in by_split.get(split, {})
        },
        **options,
    )  # fmt: skip


def read_curves(
    store: Store,
    info: SweepInfo,
    cells: Any,
    loss: str,
    entry: Mapping[str, Any],
    curves: bool | ThresholdCurves | Unavailable,
) -> ThresholdCurves | Unavailable | None:
    """Return a metric at every threshold: what was read before, or read now if ``curves`` is True.

    None for a metric that is kept at one threshold; a sentence for more than an analysis reads.
    """
    if not isinstance(curves, bool):
        return curves
    if not (curves and entry["curve"]):
        return None
    try:
        return load_threshold_curves(store, info, cells, loss, entry["name"])
    except TooManyValuesError as error:
        return Unavailable(str(error))


def load_threshold_curves(
    store: Store,
    info: SweepInfo,
    cells: Any,
    loss: str,
    metric: str,
    splits: Sequence[str] = ("validation", "test"),
) -> ThresholdCurves:
    """Read one metric at every kept threshold, in the order of :func:`seed_table`.

    All thresholds and splits are of one moment of the store, whatever is recorded meanwhile.

    Raises:
        TooManyValuesError: they would take more memory than an analysis has.
    """
    thresholds = np.asarray(info.thresholds, np.float64)
    own = np.flatnonzero(np.abs(thresholds - float(info.objective["threshold"])) <= SAME_THRESHOLD)
    stacked: dict[str, FloatArray] = {}
    with store.reading() as connection:
        frame, selection = replicate_frame(connection, info.sweep_id, [loss], detailed=False)
        if len(frame) * len(thresholds) * len(splits) > MOST_CURVE_VALUES:
            raise TooManyValuesError(
                f"the metric at every threshold of {len(frame):,} replicates is more than an "
                "analysis reads"
            )
        rows = frame.assign(row=np.arange(len(frame), dtype=np.float64))
        places = seed_table(cells, rows, value="row").values
        known = np.isfinite(places)
        row = np.where(known, places, 0).astype(np.int64)
        for split in splits:
            values = arrays.pick_slices(
                connection, selection, split, metric, n_thresholds=len(thresholds)
            )
            values[own] = arrays.pick_scores(connection, selection, split, metric)
            stacked[split] = (
                np.where(known, values[:, row], np.nan)
                if len(frame)
                else np.full((len(thresholds), *places.shape), np.nan)
            )
    return ThresholdCurves(thresholds, stacked["validation"], stacked.get("test"))


def find_metric(info: SweepInfo, metric: str | None) -> tuple[str, Mapping[str, Any]]:
    """Return the name and entry of a sweep's metric, the objective's for None.

    Raises:
        SweepError: the sweep has no such metric.
    """
    name = metric or str(info.objective["metric"])
    by_name = {entry["name"]: entry for entry in info.metrics}
    if name not in by_name:
        raise SweepError(f"Unknown metric {name!r}. {suggestion(name, by_name)}")
    return name, by_name[name]


def positive_share(info: SweepInfo, split: str) -> float | None:
    """Return the share of positive labels of a split; None when the store does not know it."""
    positives = info.features_info.get("positives", {}).get(split)
    n = info.features_info.get(f"n_{split}")
    return sum(positives) / (n * len(positives)) if positives and n else None


def _predicted_rate(
    read: SweepFrames,
    cells: Any,
    loss: str,
    split: str,
    cut: float | None,
    positive_rate: float | None,
) -> FloatArray | None:
    """Return predicted-positive rates at the question's threshold, from what is kept."""
    info = read.info
    own = float(info.objective["threshold"])
    at = own if cut is None else cut
    if abs(at - own) <= SAME_THRESHOLD and split == "validation":
        return None
    known = {entry["name"] for entry in info.metrics if entry["curve"]}
    if positive_rate is None or not {"micro_precision", "micro_recall"} <= known:
        scores = read.scores(loss, split, str(info.objective["metric"]), None)
        return np.full(seed_table(cells, scores, value="value").values.shape, np.nan)
    values = [
        seed_table(cells, read.scores(loss, split, metric, at), value="value").values
        for metric in ("micro_precision", "micro_recall")
    ]
    return rate_from_scores(values[0], values[1], positive_rate=positive_rate)
