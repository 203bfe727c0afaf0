"""Parallel coordinates: every cell as a line over all settings that vary, and its value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dashboards.figures.captions import FigureText, threshold_fact
from dashboards.figures.cells_table import CellsData
from dashboards.naming import axis_name, metric_name, score_text, setting_text, short_name

MOST_LINES = 1500
BEST_LINES = 300
MOST_STEPS = 40
ABSENT = "–"


class ParallelAxis(NamedTuple):
    """One axis: where each cell lies on it, and where its labels are.

    ``places`` is (K,) in [0, 1], NaN for a cell without a value. ``values`` are the settings at
    ``ticks``; an axis with at most ``MOST_STEPS`` settings spaces them evenly, one with more has
    true positions, on a log scale where ``log``.
    """

    column: str
    title: str
    places: np.ndarray
    ticks: tuple[float, ...]
    labels: tuple[str, ...]
    values: tuple[Any, ...]
    log: bool


class ParallelData(NamedTuple):
    """Cells as lines.

    Attributes:
        cells: the table the lines come from.
        axes: one a setting, the metric last.
        rows: (L,) positions in the table of the lines that are drawn, worst first.
        n_cells: all cells with a value.
        matches: (K,) whether a cell meets the filters; all when there are none.
        selected: (K,) whether a cell is selected.
    """

    cells: CellsData
    axes: tuple[ParallelAxis, ...]
    rows: np.ndarray
    n_cells: int
    matches: np.ndarray
    selected: np.ndarray


def parallel_data(
    cells: CellsData, *, matches: pd.Index | None = None, selected: tuple[int, ...] = ()
) -> ParallelData:
    """Arrange cells as lines over parallel axes.

    Of more than ``MOST_LINES`` cells the best ``BEST_LINES``, the selected, and every k-th of the
    rest by rank are drawn.

    Args:
        cells: from `dashboards.figures.cells_table.cells_data`.
        matches: labels of the rows that meet the filters; None for all.
        selected: ids of selected cells.

    Source: Inselberg (1985), The plane with parallel coordinates.
    """
    frame = cells.frame
    columns = [*(["loss"] if frame["loss"].nunique() > 1 else []), *cells.parameters]
    axes = [_setting_axis(frame[column], column) for column in columns]
    axes.append(_value_axis(frame["mean"].to_numpy(float), metric_name(cells.metric)))
    met = np.ones(len(frame), bool) if matches is None else frame.index.isin(matches)
    chosen = frame["cell_id"].isin(selected).to_numpy(bool)
    rank = frame["rank"].to_numpy(float)
    known = np.flatnonzero(np.isfinite(rank))
    ordered = known[np.argsort(-rank[known], kind="stable")]
    drawn = ordered
    if len(ordered) > MOST_LINES:
        rest, best = ordered[:-BEST_LINES], ordered[-BEST_LINES:]
        spread = np.linspace(0, len(rest) - 1, MOST_LINES - BEST_LINES).astype(int)
        keep = np.zeros(len(frame), bool)
        keep[best] = True
        keep[rest[spread]] = True
        keep |= chosen
        drawn = ordered[keep[ordered]]
    return ParallelData(cells, tuple(axes), drawn, len(known), met, chosen)


def _setting_axis(values: pd.Series, column: str) -> ParallelAxis:
    keys = [_key(value) for value in values]
    settings = sorted(set(keys), key=_order)
    numbers = [value for value in settings if value is not None]
    if len(numbers) <= MOST_STEPS or any(isinstance(value, str) for value in numbers):
        return _even_axis(keys, settings, column)
    # Cells without the setting lie at the foot, apart from the numbers.
    foot = 0.1 if None in settings else 0.0
    low, high = float(numbers[0]), float(numbers[-1])
    log = low > 0 and high / low >= 100
    true = np.array([np.nan if key is None else float(key) for key in keys])
    scaled = np.log(true / low) / np.log(high / low) if log else (true - low) / (high - low)
    at = np.linspace(0, 1, 5)
    shown = low * (high / low) ** at if log else low + at * (high - low)
    return ParallelAxis(
        column,
        axis_name(column),
        np.where(np.isfinite(true), foot + (1 - foot) * scaled, 0.0),
        (*([0.0] if foot else []), *(foot + (1 - foot) * at).tolist()),
        (*([ABSENT] if foot else []), *(f"{v:.3g}".replace("-", "−") for v in shown)),
        (*([None] if foot else []), *shown.tolist()),
        log=log,
    )


def _even_axis(keys: list[Any], settings: list[Any], column: str) -> ParallelAxis:
    steps = max(len(settings) - 1, 1)
    place = {value: i / steps if len(settings) > 1 else 0.5 for i, value in enumerate(settings)}
    shown = settings[:: max(1, math.ceil(len(settings) / 12))]
    return ParallelAxis(
        column,
        axis_name(column),
        np.array([place[key] for key in keys], float),
        tuple(place[value] for value in shown),
        tuple(ABSENT if value is None else setting_text(value) for value in shown),
        tuple(shown),
        log=False,
    )


def _key(value: Any) -> Any:
    return None if value is None or (isinstance(value, float) and math.isnan(value)) else value


def _order(key: Any) -> tuple[int, float, str]:
    if key is None:
        return (0, 0.0, "")
    return (2, 0.0, key) if isinstance(key, str) else (1, float(key), "")


def _value_axis(values: np.ndarray, title: str) -> ParallelAxis:
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    span = high - low or 1.0
    at = np.linspace(0, 1, 6)
    shown = low + at * span
    return ParallelAxis(
        "mean",
        title,
        (values - low) / span,
        tuple(at.tolist()),
        tuple(score_text(value) for value in shown),
        tuple(shown.tolist()),
        log=False,
    )


def brushed(data: ParallelData, box: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the filters that a box drawn over the axes stands for, as AG Grid's model.

    Args:
        data: what is drawn.
        box: ``{"x": [x0, x1], "y": [y0, y1]}`` in the figure's coordinates: axis i lies at x = i.

    Returns:
        One filter an axis inside the box: a range of its values, or the words it covers.
    """
    (left, right), (low, high) = sorted(box["x"]), sorted(box["y"])
    model: dict[str, dict[str, Any]] = {}
    for index, axis in enumerate(data.axes):
        if not left <= index <= right:
            continue
        inside = (axis.places >= low - 1e-9) & (axis.places <= high + 1e-9)
        values = [_key(value) for value in data.cells.frame.loc[inside, axis.column]]
        words = sorted({value for value in values if isinstance(value, str)})
        numbers = [float(value) for value in values if value is not None and value not in words]
        if words:
            conditions = [{"filterType": "text", "type": "equals", "filter": w} for w in words]
            model[axis.column] = (
                conditions[0]
                if len(words) == 1
                else {"filterType": "text", "operator": "OR", "conditions": conditions}
            )
        elif numbers:
            model[axis.column] = {
                "filterType": "number",
                "type": "inRange",
                "filter": min(numbers),
                "filterTo": max(numbers),
            }
    return model


def parallel_text(data: ParallelData) -> FigureText:
    """Return the words of the lines: how many are drawn, and what colour and place mean."""
    cells = data.cells
    drawn = f"{len(data.rows):,} cells"
    if len(data.rows) < data.n_cells:
        drawn = f"{len(data.rows):,} of {data.n_cells:,} cells drawn"
    facts = [cells.sweep, drawn, metric_name(cells.metric), f"{cells.split} split",
             threshold_fact(cells.threshold)]  # fmt: skip
    caption = [
        "A line is a cell, its colour the mean over its complete seeds, the best on top. Settings "
        "with few values are spaced evenly; – is a setting that the loss does not have."
    ]
    if len(data.rows) < data.n_cells:
        caption.append(
            f"Of more than {MOST_LINES:,} cells the best {BEST_LINES}, the selected, and every "
            "k-th of the rest by rank are drawn; filters count all."
        )
    if len(data.cells.frame) > data.n_cells:
        without = len(data.cells.frame) - data.n_cells
        caption.append(f"{without:,} cells without a complete seed have no line.")
    return FigureText("Parallel coordinates", " · ".join(facts), " ".join(caption))


def line_name(data: ParallelData, cell: Mapping[Any, Any]) -> str:
    """Return what is said of a line, a row of the table: loss, settings, mean, n."""
    settings = [
        f"{short_name(name)} {setting_text(cell[name])}"
        for name in data.cells.parameters
        if _key(cell[name]) is not None
    ]
    return (
        f"{cell['loss']} {', '.join(settings)}: {score_text(cell['mean'], 4)}, "
        f"n = {cell['n']} of {cell['planned']}"
    )
