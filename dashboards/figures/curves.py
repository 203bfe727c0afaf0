"""Learning curves of some cells: training loss and objective at every epoch, every seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dashboards.figures.captions import FigureText
from dashboards.figures.cells import cell_names, chosen_cells
from dashboards.figures.selection import RULE, BestCell
from dashboards.naming import count_text, metric_name, threshold_text
from dashboards.source import Source
from storage import frames

NAMES = ("objective", "train_loss")


class LearningCurve(NamedTuple):
    """One cell's curve: ``values`` is (S, E), NaN where a seed recorded nothing.

    ``mean`` is over the seeds with a value at that epoch, ``n`` counts them.
    """

    epochs: np.ndarray
    seeds: np.ndarray
    values: np.ndarray
    mean: np.ndarray
    n: np.ndarray


class LearningData(NamedTuple):
    """Learning curves of cells, in the order asked for.

    Attributes:
        sweep: name of the sweep.
        objective: the sweep's objective.
        cells: the cells.
        names: a name for each cell.
        curves: ``objective`` and ``train_loss`` to one curve a cell (empty while none is kept).
        states: of each cell, the states of its replicates.
    """

    sweep: str
    objective: Mapping[str, Any]
    cells: tuple[BestCell, ...]
    names: tuple[str, ...]
    curves: Mapping[str, tuple[LearningCurve, ...]]
    states: tuple[Mapping[str, int], ...]


def learning_data(source: Source, sweep: str, *, keys: Sequence[str] = ()) -> LearningData:
    """Collect the learning curves of some cells.

    Diverged seeds are drawn as far as they came; their states are counted beside.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.
        keys: keys of cells, or their beginnings; by default the best cell of each loss.

    Raises:
        FigureError: a key names no cell, or there are too many.
        StoreError: the store cannot be read, or has no such sweep.

    Example:
        >>> data = learning_data(Source("sqlite:///sweeps.db"), "films")  # doctest: +SKIP
        >>> data.curves["train_loss"][0].mean[-1]                         # doctest: +SKIP
        0.412
    """
    info = source.sweep(sweep)
    cells = chosen_cells(source, sweep, keys)
    replicates = source.replicates(sweep)
    states = []
    curves: dict[str, list[LearningCurve]] = {name: [] for name in NAMES}
    for cell in cells:
        own = replicates[replicates["cell_id"] == cell.cell_id]
        states.append({str(state): int(n) for state, n in own["state"].value_counts().items()})
        found = _read(source, sweep, cell.cell_id)
        for name, of_cell in curves.items():
            of_cell.append(_curve(found[found["name"] == name]))
    return LearningData(
        sweep,
        info.objective,
        tuple(cells),
        tuple(cell_names(cells)),
        {name: tuple(of_cell) for name, of_cell in curves.items()},
        tuple(states),
    )


def _read(source: Source, sweep: str, cell_id: int) -> pd.DataFrame:
    return source.ask(
        sweep,
        ("curves", cell_id),
        lambda store: frames.load_curves(store, sweep, cell_id=cell_id),
    )


def _curve(rows: Any) -> LearningCurve:
    """Arrange rows (seed, epoch, value) as seeds × epochs, epochs without any value left out."""
    wide = rows.pivot(index="seed", columns="epoch", values="value").dropna(axis=1, how="all")
    values = wide.to_numpy(float)
    known = np.isfinite(values)
    n = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    mean = np.where(n > 0, total / np.maximum(n, 1), np.nan)
    return LearningCurve(wide.columns.to_numpy(int), wide.index.to_numpy(int), values, mean, n)


def learning_text(data: LearningData, name: str, *, best: bool) -> FigureText:
    """Return the words of the curves of ``name``: what is drawn, and what cannot be compared.

    Args:
        data: from `learning_data`.
        name: ``objective`` or ``train_loss``.
        best: whether the cells are the best of each loss rather than chosen by the reader.
    """
    which = "best cell of each loss" if best else count_text(len(data.cells), "chosen cell")
    metric, cut = data.objective["metric"], data.objective["threshold"]
    if name == "objective":
        title = f"{metric_name(metric)} on {data.objective['split']} while training"
        body = (
            f"The objective, read at t = {threshold_text(cut)}, at the epochs where it was "
            "evaluated (the same in every sweep of this size)."
        )
    else:
        title = "Training loss"
        body = (
            "The mean loss of each epoch. Losses have scales of their own (bce and focal are means "
            "over labels, asl a sum, the F1 family lies in 0 to 1): compare shapes, not heights. A "
            "loss that still falls at the end asks for more epochs."
        )
    chosen = f" The best cells are chosen by: {RULE}." if best else ""
    return FigureText(
        title=title,
        subtitle=f"{data.sweep} · {which} · mean over seeds, every seed drawn thin",
        caption=body + chosen,
    )
