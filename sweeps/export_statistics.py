"""How sure an exported choice is, as plain values beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sweeps.export_choice import ChosenCell
from sweeps.sensitivity.analysis_data import Unavailable
from sweeps.sensitivity.intervals import seed_intervals

LEVEL = 0.95
LISTED = 50


def choice_statistics(
    chosen: ChosenCell,
    cells: pd.DataFrame,
    scores: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> dict[str, Any]:
    """Return what an export adds to a result when asked for statistics.

    Args:
        chosen: the choice.
        cells: the cells of its loss, as of :func:`storage.frames.load_cells`.
        scores: split to metric to ``values``, the complete seeds' values of the chosen cell.

    Returns:
        ``rule`` (``name``, ``fallback``), ``threshold`` (``value``, ``how``, and the cell's best
        one on validation under ``tuned`` with its scores), ``intervals`` (over seeds, split to
        metric to ``low``, ``high``, ``reason``), ``tied`` (``size``, ``of``, the best 50
        of ``cells``), ``plateau`` and ``probability_best``. Where there is no answer, ``reason``
        is a sentence that says why.
    """
    analysis = chosen.analysis
    return {
        "rule": {"name": chosen.rule, "fallback": chosen.fallback},
        "threshold": _threshold(chosen),
        "intervals": {
            "level": LEVEL,
            "over": "seeds",
            "method": "t on the logit scale, the cell's own variance; plain t outside [0, 1]",
            **{
                split: {metric: _interval(score["values"]) for metric, score in by_metric.items()}
                for split, by_metric in scores.items()
            },
        },
        "tied": _tied(chosen, cells),
        "plateau": {key: analysis.plateau[key] for key in ("epsilon", "share", "n_cells")},
        "probability_best": _probability(chosen),
    }


def _threshold(chosen: ChosenCell) -> dict[str, Any]:
    found: dict[str, Any] = {"value": chosen.threshold, "how": chosen.how}
    regret, row = chosen.regret, chosen.row
    if isinstance(regret, Unavailable):
        return found | {"tuned": None, "reason": regret.reason}
    return found | {
        "tuned": {
            "value": regret.tuned[row],
            "validation": regret.validation_tuned[row],
            "test": regret.test_tuned[row],
        },
        "reason": None,
    }


def _interval(values: list[float]) -> dict[str, Any]:
    numbers = np.asarray([value for value in values if value is not None], np.float64)
    n = int(np.isfinite(numbers).sum())
    if n < len(values):
        return {"low": None, "high": None, "reason": "not every seed has a value"}
    spread = float(np.var(numbers, ddof=1)) if n > 1 and np.ptp(numbers) > 0 else np.nan
    found = seed_intervals(
        np.array([numbers.mean() if n else np.nan]), np.array([spread]), np.array([n]),
        level=LEVEL, bounded=bool(((numbers >= 0) & (numbers <= 1)).all()),
    )  # fmt: skip
    return {"low": found.low[0], "high": found.high[0], "reason": found.reasons[0]}


def _tied(chosen: ChosenCell, cells: pd.DataFrame) -> dict[str, Any]:
    analysis, tied = chosen.analysis, chosen.analysis.tied
    if isinstance(tied, Unavailable):
        return {"size": None, "of": None, "cells": [], "reason": tied.reason}
    rows = np.flatnonzero(analysis.cells["tied"])
    sign = -1.0 if analysis.question.higher_is_better else 1.0
    means = sign * np.asarray(analysis.cells["mean"])[rows]
    ranked = rows[np.argsort(means, kind="stable")][:LISTED]
    by_id = cells.set_index("cell_id")
    listed = [by_id.loc[int(analysis.cells["cell_id"][row])] for row in ranked]
    return {
        "size": len(rows),
        "of": len(tied.tied),
        "includes_choice": bool(analysis.cells["tied"][chosen.row]),
        "level": tied.level,
        "method": tied.method,
        "cells": [
            {
                "key": cell["key"],
                "hyperparameters": cell["hyperparameters"],
                "training": cell["training"],
                "head": cell["head"],
            }
            for cell in listed
        ],
        "reason": None,
    }


def _probability(chosen: ChosenCell) -> dict[str, Any]:
    found = chosen.analysis.probability
    if isinstance(found, Unavailable):
        return {"value": None, "method": None, "reason": found.reason}
    value = float(chosen.analysis.cells["probability_best"][chosen.row])
    reason = None if np.isfinite(value) else "the chosen cell was not compared: it lacks a seed"
    return {"value": value, "method": found.method, "reason": reason}
