"""Which kept threshold a reader means."""

from __future__ import annotations

import numpy as np

from storage.errors import RecordError
from storage.planning import not_found
from storage.records import SPLITS, SweepInfo

THRESHOLD_TOLERANCE = 1e-9


def threshold_index(
    sweep: SweepInfo, split: str, metric: str, threshold: float | None, *, nearest: bool
) -> int | None:
    """The index of a kept threshold; None for the exact scores at the objective's."""
    if split not in SPLITS:
        raise RecordError(not_found("split", split, SPLITS))
    metrics = {entry["name"]: entry for entry in sweep.metrics}
    if metric not in metrics:
        raise RecordError(not_found("metric", metric, list(metrics)))
    own = float(sweep.objective["threshold"])
    if threshold is None or not metrics[metric]["thresholded"]:
        return None
    if abs(threshold - own) <= THRESHOLD_TOLERANCE:
        return None
    if not metrics[metric]["curve"]:
        raise RecordError(
            f"The metric {metric!r} is kept at the objective's threshold {own:g} only, "
            f"but got {threshold:g}. Choose that threshold, or a metric kept at every one."
        )
    distances = np.abs(np.asarray(sweep.thresholds, np.float64) - threshold)
    index = int(np.argmin(distances)) if np.isfinite(distances).all() and len(distances) else -1
    if index < 0 or (not nearest and distances[index] > THRESHOLD_TOLERANCE):
        hint = f" The nearest kept one is {sweep.thresholds[index]!r}." if index >= 0 else ""
        raise RecordError(f"The threshold is one that is kept, but got {threshold!r}.{hint}")
    return index
