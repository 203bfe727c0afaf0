"""The map of a metric over two hyperparameters, like the paper's Figure 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dashboards.figures.grid import (
    PREFIX,
    Axis,
    FigureError,
    cells_of_slice,
    choose_axes,
    choose_slice,
    make_axis,
    varying_parameters,
)
from dashboards.figures.selection import BestCell, best_cell, describe_metric, known_threshold
from dashboards.naming import AVERAGE
from dashboards.source import Source

# Kept curves are 16-bit fixed point; a precision of predict-all is met within this.
_STEP = 2e-5


class HeatmapData(NamedTuple):
    """What a map shows, as plain arrays of shape (len(y.values), len(x.values)).

    ``mean`` and ``sd`` are over the seeds with a value, NaN where there is none; ``sd`` is the
    sample standard deviation. With averaged settings a position holds several cells: ``mean`` is
    then the mean of their means and ``sd`` the root mean square of their standard deviations, so
    that it still speaks of seeds alone. ``nothing`` and ``everything`` count the seeds that
    predict no label that is right, or every label, at the threshold.
    """

    sweep: str
    dataset: str
    encoder: str
    loss: str
    metric: str
    higher_is_better: bool
    split: str
    threshold: float | None
    objective: Mapping[str, Any]
    x: Axis
    y: Axis
    held: Mapping[str, Any]
    mean: np.ndarray
    sd: np.ndarray
    n: np.ndarray
    planned: np.ndarray
    cells: np.ndarray
    diverged: np.ndarray
    failed: np.ndarray
    waiting: np.ndarray
    nothing: np.ndarray
    everything: np.ndarray
    seeds: pd.DataFrame
    best: BestCell | None
    best_position: tuple[int, int] | None
    best_is_of_loss: bool
    levels: Mapping[str, float]

    @property
    def missing(self) -> np.ndarray:
        """Positions at which no cell was planned."""
        return self.cells == 0

    @property
    def collapsed(self) -> np.ndarray:
        """Positions at which every seed with a value predicts nothing or everything."""
        return (self.n > 0) & (self.nothing + self.everything == self.n)


def heatmap_data(
    source: Source,
    sweep: str,
    *,
    loss: str,
    metric: str | None = None,
    split: str = "validation",
    threshold: float | None = None,
    x: str | None = None,
    y: str | None = None,
    held: Mapping[str, Any] | None = None,
) -> HeatmapData:
    """Collect the map of ``metric`` over two hyperparameters of one loss.

    The colour of a position is the mean over seeds, (1/n) Σ_s v_s, over the complete replicates
    of its cell; diverged, failed and waiting replicates are counted apart and never averaged.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.
        loss: name of the loss.
        metric: a metric of the sweep; its objective's by default.
        split: ``validation`` or ``test`` (``train`` where it was kept).
        threshold: a kept threshold in (0, 1); the objective's by default. Metrics that no
            threshold enters, and those kept at the objective's alone, ignore it.
        x: hyperparameter across; y: hyperparameter upwards. By default β over η, else the first
            two that vary.
        held: value of each other varying setting, or ``"average"``; by default the slice goes
            through the best cell of the loss.

    Returns:
        The data of the figure; no aggregation in it is silent.

    Raises:
        FigureError: unknown loss, metric, axis, slice or threshold.
        StoreError: the store cannot be read, or has no such sweep.

    Source: Bénédict et al. (2022), Figure 3, which shows one run a position and no spread.
    """
    info = source.sweep(sweep)
    cells = source.cells(sweep, loss)
    if cells.empty:
        known = ", ".join(source.losses(sweep))
        raise FigureError(f"The sweep must hold the loss, but got '{loss}'. Known: {known}.")
    described = describe_metric(info, metric or info.objective["metric"])
    threshold = known_threshold(info, described, threshold)
    replicates = source.replicates(sweep, loss)
    overall = best_cell(info, cells, replicates)
    x, y = choose_axes(cells, x, y)
    centre = None if overall is None else _settings(cells, overall.cell_id)
    chosen = choose_slice(cells, (x, y), held or {}, centre)
    # An axis with one value alone is legal, but it must not hide another: what is left is held.
    shown = cells_of_slice(cells, chosen)
    best = best_cell(info, shown, replicates[replicates["cell_id"].isin(shown["cell_id"])])
    values = source.scores(sweep, loss, described["name"], split, threshold)
    seeds = replicates.loc[
        replicates["cell_id"].isin(shown["cell_id"]),
        ["replicate_id", "cell_id", "seed", "state", "reason"],
    ].merge(values[["replicate_id", "value"]], on="replicate_id", how="left")
    seeds.loc[seeds["state"] != "complete", "value"] = np.nan
    base = info.baselines.get("predict_all", {}).get(split, {})
    if described["thresholded"]:
        at = info.objective["threshold"] if threshold is None else threshold
        seeds = _mark_collapsed(
            seeds,
            source.scores(sweep, loss, "micro_precision", split, threshold),
            source.scores(sweep, loss, "micro_recall", split, threshold),
            base.get("micro_precision", np.nan),
        )
    else:
        at = None
        seeds = seeds.assign(nothing=False, everything=False)
    x_axis, columns = make_axis(shown, x)
    y_axis, rows = make_axis(shown, y)
    place = pd.DataFrame({"cell_id": shown["cell_id"].to_numpy(), "row": rows, "column": columns})
    seeds = seeds.merge(place, on="cell_id", how="left").sort_values(["row", "column", "cell_id"])
    position = None
    if best is not None:
        spot = place[place["cell_id"] == best.cell_id].iloc[0]
        position = (int(spot["row"]), int(spot["column"]))
    return HeatmapData(
        sweep=sweep,
        dataset=info.dataset,
        encoder=info.encoder,
        loss=loss,
        metric=described["name"],
        higher_is_better=described["higher_is_better"],
        split=split,
        threshold=at,
        objective=info.objective,
        x=x_axis,
        y=y_axis,
        held=chosen,
        **_arrays(seeds, place, (len(y_axis.values), len(x_axis.values))),
        seeds=seeds.reset_index(drop=True),
        best=best,
        best_position=position,
        best_is_of_loss=best is not None
        and overall is not None
        and best.cell_id == overall.cell_id,
        levels={
            name: float(level[split][described["name"]])
            for name, level in info.baselines.items()
            if described["name"] in level.get(split, {})
        },
    )


def _settings(cells: pd.DataFrame, cell_id: int) -> dict[str, Any]:
    row = cells[cells["cell_id"] == cell_id].iloc[0]
    return {name: row[PREFIX + name] for name in varying_parameters(cells)}


def _mark_collapsed(
    seeds: pd.DataFrame, precision: pd.DataFrame, recall: pd.DataFrame, base_rate: float
) -> pd.DataFrame:
    """Mark the seeds whose predictions are all negative or all positive.

    From pooled counts: tp / predicted is the share of positives and tp / positives is 1 exactly
    when every label is predicted; tp = 0 when nothing right is.
    """
    pooled = precision[["replicate_id", "value"]].merge(
        recall[["replicate_id", "value"]], on="replicate_id", suffixes=("_precision", "_recall")
    )
    seeds = seeds.merge(pooled, on="replicate_id", how="left")
    complete = seeds["state"] == "complete"
    seeds["nothing"] = complete & (seeds["value_recall"] == 0.0)
    seeds["everything"] = (
        complete
        & (seeds["value_recall"] >= 1.0 - _STEP)
        & ((seeds["value_precision"] - base_rate).abs() <= _STEP)
    )
    return seeds.drop(columns=["value_precision", "value_recall"])


def _arrays(
    seeds: pd.DataFrame, place: pd.DataFrame, shape: tuple[int, int]
) -> dict[str, np.ndarray]:
    cells = seeds.groupby(["row", "column", "cell_id"], sort=False)["value"].agg(
        ["mean", "var", "count"]
    )
    positions = cells.groupby(["row", "column"]).agg(
        mean=("mean", "mean"), var=("var", "mean"), n=("count", "sum")
    )
    states = seeds.assign(
        planned=1,
        diverged=seeds["state"] == "diverged",
        failed=seeds["state"] == "failed",
        waiting=seeds["state"].isin(["waiting", "running"]),
    )
    names = ["planned", "diverged", "failed", "waiting", "nothing", "everything"]
    counted = states.groupby(["row", "column"])[names].sum()
    arrays = {
        "mean": _spread(positions["mean"], shape, np.nan),
        "sd": np.sqrt(_spread(positions["var"], shape, np.nan)),
        "n": _spread(positions["n"], shape, 0),
        "cells": _spread(place.groupby(["row", "column"]).size(), shape, 0),
    }
    return arrays | {name: _spread(counted[name], shape, 0) for name in names}


def _spread(series: pd.Series, shape: tuple[int, int], fill: float) -> np.ndarray:
    array = np.full(shape, fill, dtype=float if np.isnan(fill) else int)
    if len(series):
        rows = series.index.get_level_values(0).to_numpy(dtype=int)
        columns = series.index.get_level_values(1).to_numpy(dtype=int)
        array[rows, columns] = series.to_numpy()
    return array


def averaged_settings(data: HeatmapData) -> list[str]:
    """Return the settings over which a position averages."""
    return [name for name, value in data.held.items() if value == AVERAGE]
