"""The numbers of figures as tables: one row a cell, a seed, or a point of a curve."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboards.figures.boxplots import BoxplotData
from dashboards.figures.classes import ClassesData
from dashboards.figures.curves import LearningData
from dashboards.figures.curves_threshold import ThresholdData
from dashboards.figures.heatmap import HeatmapData
from dashboards.figures.loss_table import LossTable

_COUNTS = (
    "n", "planned", "cells", "diverged", "failed", "pruned", "running", "waiting", "nothing",
    "everything",
)  # fmt: skip


def map_table(data: HeatmapData) -> pd.DataFrame:
    """One row a position of a map: the two settings, the value drawn, sd, and every count.

    ``nothing`` and ``everything`` count the seeds that predict no label that is right, or all.
    """
    rows, columns = np.indices(data.mean.shape)
    frame: dict[str, Any] = {"sweep": data.sweep, "loss": data.loss}
    for name, axis, places in (("y", data.y, rows), ("x", data.x, columns)):
        if axis.parameter is not None:
            frame[axis.parameter or name] = [axis.values[place] for place in places.ravel()]
    frame |= {f"held_{name}": value for name, value in data.held.items()}
    frame |= {
        "metric": data.metric,
        "split": data.split,
        "threshold": data.threshold,
        "aggregate": data.aggregate,
        "value": data.value.ravel(),
        "mean": data.mean.ravel(),
        "sd": data.sd.ravel(),
        "low": data.low.ravel(),
        "high": data.high.ravel(),
    }
    frame |= {name: np.asarray(getattr(data, name)).ravel() for name in _COUNTS}
    return pd.DataFrame(frame)


def boxplot_table(data: BoxplotData) -> pd.DataFrame:
    """One row a loss, metric and seed; and one a metric for each constant prediction."""
    thresholds = {row.loss: row.threshold for row in data.rows}
    settings = {row.loss: row.best.settings if row.best else {} for row in data.rows}
    rows = []
    for panel in data.panels:
        fixed = {"sweep": data.sweep, "split": data.split, "metric": panel.metric}
        for loss, seeds in panel.seeds.items():
            at = None if panel.threshold is None and not data.own_thresholds else thresholds[loss]
            for seed, value in zip(seeds["seed"], seeds["value"], strict=True):
                rows.append(
                    {**fixed, "loss": loss, "threshold": at, "seed": seed, "value": value}
                    | {f"best_{name}": setting for name, setting in settings[loss].items()}
                )
        for level, value in panel.levels.items():
            rows.append({**fixed, "loss": level, "threshold": panel.threshold, "value": value})
    frame = pd.DataFrame(rows)
    return frame.astype({"seed": "Int64"}) if "seed" in frame else frame


def differences_table(table: LossTable) -> pd.DataFrame:
    """One row a metric and loss: its mean less the reference's, paired by seed, with interval."""
    rows = []
    for metric, losses in table.differences.items():
        for loss, difference in losses.items():
            values = difference._asdict() if hasattr(difference, "_asdict") else vars(difference)
            plain = {k: v for k, v in values.items() if np.isscalar(v) or v is None}
            rows.append({"metric": metric, "loss": loss, "reference": table.reference, **plain})
    return pd.DataFrame(rows)


def learning_table(data: LearningData, name: str) -> pd.DataFrame:
    """One row a cell, seed and epoch of one curve, ``objective`` or ``train_loss``."""

    def rows() -> Iterator[dict[str, Any]]:
        for cell, curve in zip(data.names, data.curves.get(name, ()), strict=False):
            for seed, values in zip(curve.seeds, curve.values, strict=True):
                for epoch, value in zip(curve.epochs, values, strict=True):
                    if np.isfinite(value):
                        yield {"cell": cell, "seed": seed, "epoch": epoch, name: value}

    return pd.DataFrame(rows(), columns=["cell", "seed", "epoch", name])


def threshold_table(data: ThresholdData) -> pd.DataFrame:
    """One row a cell, split, seed and threshold."""

    def rows() -> Iterator[dict[str, Any]]:
        for cell, curve in zip(data.names, data.curves, strict=True):
            for split, values in curve.values.items():
                for seed, line in zip(curve.seeds, values, strict=True):
                    for t, value in zip(data.thresholds, line, strict=True):
                        yield {
                            "cell": cell, "split": split, "seed": seed,
                            "threshold": t, data.metric: value,
                        }  # fmt: skip

    return pd.DataFrame(rows(), columns=["cell", "split", "seed", "threshold", data.metric])


def classes_table(data: ClassesData) -> pd.DataFrame:
    """One row a class: its positives in each split, and the examples of the split."""
    frame = pd.DataFrame({"class": data.labels})
    for split, positives in data.positives.items():
        frame[f"positives_{split}"] = positives
        frame[f"examples_{split}"] = data.examples[split]
    return frame


def traces_table(figure: go.Figure) -> pd.DataFrame:
    """One row a drawn point of any figure: its panel, its series, x, y, z and error bars.

    For figures whose marks are their data: bars, lines, grids. Legend entries and outlines, which
    have no numbers or no name, are left out.
    """
    rows: list[dict[str, Any]] = []
    for trace in figure.data:
        if trace.visible == "legendonly":
            continue
        common = {"panel": _axis_title(figure, trace), "series": trace.name}
        rows += [{**common, **point} for point in _points(trace)]
    return pd.DataFrame(rows).dropna(axis="columns", how="all")


def _axis_title(figure: go.Figure, trace: Any) -> str | None:
    name = f"yaxis{(_part(trace, 'yaxis') or 'y').removeprefix('y')}"
    axis = _part(figure.layout, name)
    title: str | None = None if axis is None else axis.title.text
    return title


def _points(trace: Any) -> Iterator[dict[str, Any]]:
    x, y, z = (_list(_part(trace, name)) for name in ("x", "y", "z"))
    if z:
        for row, line in enumerate(z):
            for column, value in enumerate(_list(line)):
                yield {
                    "x": x[column] if x else column, "y": y[row] if y else row, "z": value
                }  # fmt: skip
        return
    spread = {f"error_{axis}": _errors(_part(trace, f"error_{axis}"), len(x)) for axis in "xy"}
    for index, (across, up) in enumerate(zip(x, y, strict=False)):
        if across is None or up is None:
            continue
        yield {"x": across, "y": up} | {
            f"{name}_{side}": values[index]
            for name, sides in spread.items()
            for side, values in sides.items()
        }


def _part(element: Any, name: str) -> Any:
    """A part of a trace or layout; None for a kind that has no such part."""
    return element[name] if name in element else None  # noqa: SIM401 - these have no ``get``


def _errors(bar: Any, count: int) -> dict[str, list[Any]]:
    if bar is None or bar.visible is False:
        return {}
    up = _list(bar.array)
    down = _list(bar.arrayminus) or up
    return {"up": up, "down": down} if len(up) == len(down) == count else {}


def _list(values: Any) -> list[Any]:
    return [] if values is None else list(values)
