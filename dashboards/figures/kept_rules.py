"""Rules of decision that need every probability, applied to the kept cells of each loss."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from dashboards.figures.cells import describe_cells
from dashboards.figures.grid import FigureError
from dashboards.figures.selection import BestCell, describe_metric
from dashboards.naming import metric_name
from dashboards.source import Source
from storage import frames
from storage.kept_encoding import KeptFileError
from storage.kept_files import KeptScores, load_kept_scores
from storage.store import Store
from sweeps.sensitivity.f_measure import f_measure_thresholds, mean_threshold
from sweeps.sensitivity.label_metrics import COUNT_METRICS, score_of_counts
from sweeps.sensitivity.reading_kept import FEWEST_CELLS, MOST_CELLS, MOST_VALUES
from sweeps.sensitivity.seed_table import FloatArray
from sweeps.sensitivity.threshold_rules import Probs, threshold_averaging

KEPT_RULES = {
    "threshold_averaging": "Threshold Averaging on validation",
    "f_measure": "F-measure maximisation",
}
"""Rule to what it is called in the facts of a figure."""

KEPT_RULE_WORDS = {
    "threshold_averaging": (
        "one threshold a seed, the mean over the validation examples of the own probability that "
        "gives each its best F1 (Decubber et al., 2018)"
    ),
    "f_measure": (
        "each example gets the labels with the best expected F1 for its own probabilities, if "
        "labels were independent (Dembczynski et al., 2011); nothing is tuned, and t is the mean "
        "of the lowest probability that is predicted, over the examples that get a label"
    ),
}


class RuleCell(NamedTuple):
    """The kept cell of a loss that a rule chooses, and what it scores there.

    Attributes:
        cell_id: the cell.
        threshold: mean over seeds, and examples that get a label, of the rule's threshold on the
            split shown; NaN where none gets one.
        mean: mean over seeds of the objective's metric on validation under the rule.
        seeds: metric to ``seed`` and ``value`` on the split shown.
    """

    cell_id: int
    threshold: float
    mean: float
    seeds: Mapping[str, pd.DataFrame]


class RuleCells(NamedTuple):
    """Loss to its cell, and a sentence for each loss whose scores are not at hand."""

    cells: Mapping[str, RuleCell]
    notes: tuple[str, ...]


def rule_cells(source: Source, sweep: str, rule: str, split: str) -> RuleCells:
    """Return, for each loss, its kept cell that is best on validation under a rule.

    Only kept cells have the probabilities that these rules need. Of a loss at most ten are tried,
    the best by the sweep's objective; fewer where their probabilities are many.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.
        rule: one of `KEPT_RULES`.
        split: the split to score on.

    Raises:
        FigureError: the objective's metric does not follow from confusion counts.
        StoreError: the store cannot be read, or has no such sweep.

    Source: Dembczynski et al. (2011) and Decubber et al. (2018); the paper's Table 4.
    """
    objective = source.sweep(sweep).objective
    metric = str(objective["metric"])
    if metric not in COUNT_METRICS:
        raise FigureError(
            f"A rule of decision is judged by a micro, macro or weighted score, but the objective "
            f"is {metric_name(metric)}. Choose a fixed threshold."
        )
    higher = bool(describe_metric(source.sweep(sweep), metric)["higher_is_better"])
    kept = source.ask(sweep, ("kept rows",), lambda store: _kept_keys(store, sweep))
    cells: dict[str, RuleCell] = {}
    unkept, notes = [], []
    for loss in source.losses(sweep):
        keys = kept.get(loss, {})
        ranked = _ranked(describe_cells(source, sweep, keys), higher)
        named = tuple((cell.cell_id, keys[cell.cell_id]) for cell in ranked)
        if not named:
            unkept.append(loss)
            continue
        try:
            cells[loss] = source.ask(
                sweep,
                ("rule", rule, loss, split, named),
                partial(
                    _best,
                    sweep=sweep,
                    named=named,
                    rule=rule,
                    metric=metric,
                    split=split,
                    higher=higher,
                ),
            )
        except KeptFileError as error:
            notes.append(f"{loss}: {error}")
    if unkept:
        notes.append(
            f"No scores of {', '.join(unkept)} are kept, which this rule needs; sigmoidf1 sweep "
            f"keep {sweep} keeps those of its best cells."
        )
    return RuleCells(cells, tuple(notes))


def _kept_keys(store: Store, sweep: str) -> dict[str, dict[int, str]]:
    """Loss to the kept cells' keys by id."""
    found: dict[str, dict[int, str]] = {}
    rows = frames.load_kept(store, sweep)
    for loss, cell_id, key in zip(rows["loss"], rows["cell_id"], rows["cell_key"], strict=True):
        found.setdefault(str(loss), {})[int(cell_id)] = str(key)
    return found


def _ranked(cells: list[BestCell], higher: bool) -> list[BestCell]:
    """The cells whose every seed is complete, the best first; without any, all with a value."""
    known = [cell for cell in cells if np.isfinite(cell.mean)]
    whole = [cell for cell in known if cell.n == cell.planned] or known
    sign = -1.0 if higher else 1.0
    return sorted(whole, key=lambda cell: sign * cell.mean)[:MOST_CELLS]


def _best(
    store: Store,
    *,
    sweep: str,
    named: tuple[tuple[int, str], ...],
    rule: str,
    metric: str,
    split: str,
    higher: bool,
) -> RuleCell:
    best: tuple[float, int, str, KeptScores] | None = None
    tried = MOST_CELLS
    for place, (cell_id, key) in enumerate(named):
        if place >= tried:
            break
        scores = load_kept_scores(store, sweep, key, "validation")
        tried = int(np.clip(MOST_VALUES // max(scores.probs.size, 1), FEWEST_CELLS, MOST_CELLS))
        counts = _counts(_cuts(rule, scores, scores.probs), scores)
        mean = float(score_of_counts(metric, *counts).mean())
        if best is None or (mean > best[0] if higher else mean < best[0]):
            best = (mean, cell_id, key, scores)
    if best is None:
        raise KeptFileError(f"No cell of {sweep!r} is kept.")
    mean, cell_id, key, tuned = best
    read = tuned if split == "validation" else load_kept_scores(store, sweep, key, split)
    cuts = _cuts(rule, tuned, read.probs)
    counts = _counts(cuts, read)
    seeds = {
        name: pd.DataFrame({"seed": read.seeds, "value": score_of_counts(name, *counts)})
        for name in COUNT_METRICS
    }
    return RuleCell(cell_id, float(mean_threshold(cuts)), mean, seeds)


def _cuts(rule: str, tune: KeptScores, probs: Probs) -> FloatArray:
    """What (S, N, C) probabilities are compared with: (S, 1, 1) or (S, N, 1)."""
    if rule == "f_measure":
        return np.asarray(f_measure_thresholds(probs)[..., None])
    return threshold_averaging(tune.probs, tune.targets)[:, None, None]


def _counts(cuts: FloatArray, scores: KeptScores) -> tuple[FloatArray, FloatArray, FloatArray]:
    chosen, hits = scores.probs >= np.float32(cuts), scores.targets > 0
    return (
        (chosen & hits).sum(axis=-2, dtype=np.float64),
        chosen.sum(axis=-2, dtype=np.float64),
        hits.sum(axis=0, dtype=np.float64),
    )
