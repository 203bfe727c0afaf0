"""Box plots over seeds, one row a loss and one panel a metric, like the paper's Figures 4-7."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from dashboards.figures.captions import CONVENTIONS, FigureText, objective_text, threshold_fact
from dashboards.figures.selection import (
    PAPER_METRICS,
    RULE,
    BestCell,
    best_of_losses,
    describe_metric,
    known_threshold,
)
from dashboards.naming import metric_name, paper_name
from dashboards.source import Source


class BoxRow(NamedTuple):
    """One loss: its best cell, or None, and the states of all its replicates."""

    loss: str
    best: BestCell | None
    states: Mapping[str, int]


class BoxPanel(NamedTuple):
    """One metric: per loss the seeds of its best cell (``seed``, ``value``), and the levels."""

    metric: str
    threshold: float | None
    seeds: Mapping[str, pd.DataFrame]
    levels: Mapping[str, float]


class BoxplotData(NamedTuple):
    """What the box plots show: rows are losses in the order of the plan, panels are metrics."""

    sweep: str
    dataset: str
    encoder: str
    split: str
    threshold: float
    objective: Mapping[str, Any]
    rows: tuple[BoxRow, ...]
    panels: tuple[BoxPanel, ...]


def boxplot_data(
    source: Source,
    sweep: str,
    *,
    metrics: Sequence[str] | None = None,
    split: str = "test",
    threshold: float | None = None,
) -> BoxplotData:
    """Collect, for the best cell of each loss, the value of each metric at every seed.

    The cell is chosen by the sweep's objective (on validation) and shown on ``split``.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.
        metrics: one panel each; by default those of the paper that the sweep kept.
        split: the split to show.
        threshold: a kept threshold in (0, 1), for the metrics kept as curves; the others stay at
            the objective's.

    Returns:
        The data of the figure; only complete replicates have a value, the rest are counted.

    Raises:
        FigureError: unknown metric or threshold.
        StoreError: the store cannot be read, or has no such sweep.

    Source: Bénédict et al. (2022), Figures 4 to 7 (five seeds a loss).
    """
    info = source.sweep(sweep)
    kept = {described["name"] for described in info.metrics}
    wanted = [name for name in PAPER_METRICS if name in kept] if metrics is None else metrics
    replicates = source.replicates(sweep)
    best = best_of_losses(info, source.cells(sweep), replicates)
    rows = [
        BoxRow(
            loss,
            best.get(loss),
            Counter(replicates.loc[replicates["loss"] == loss, "state"].tolist()),
        )
        for loss in source.losses(sweep)
    ]
    panels = []
    for metric in wanted:
        described = describe_metric(info, metric)
        at = known_threshold(info, described, threshold)
        seeds = {}
        for loss, cell in best.items():
            values = source.scores(sweep, loss, metric, split, at)
            values = values[(values["cell_id"] == cell.cell_id) & (values["state"] == "complete")]
            seeds[loss] = values[["seed", "value"]].dropna().sort_values("seed")
        shown = info.objective["threshold"] if at is None else at
        levels = {
            name: float(level[split][metric])
            for name, level in info.baselines.items()
            if metric in level.get(split, {})
        }
        panels.append(BoxPanel(metric, shown if described["thresholded"] else None, seeds, levels))
    cuts = [panel.threshold for panel in panels if panel.threshold is not None]
    return BoxplotData(
        sweep=sweep,
        dataset=info.dataset,
        encoder=info.encoder,
        split=split,
        threshold=cuts[0] if cuts else info.objective["threshold"],
        objective=info.objective,
        rows=tuple(rows),
        panels=tuple(panels),
    )


def boxplot_text(data: BoxplotData) -> FigureText:
    """Return the words of the box plots: what is shown, how cells were chosen, the names."""
    names = [
        f"{metric_name(panel.metric)} is the paper's {paper_name(panel.metric)}"
        for panel in data.panels
        if paper_name(panel.metric)
    ]
    caption = [
        f"Each row is the best cell of one loss by {objective_text(data.objective)} ({RULE}).",
        "A point is a seed; the box spans the quartiles (linear interpolation), the line in it "
        "is the median. The dashed line is predicting every label for every example.",
        CONVENTIONS,
    ]
    if names:
        caption.append(f"Names as in the paper's Table 3: {'; '.join(names)}.")
    return FigureText(
        title="The best cell of each loss, seed by seed",
        subtitle=" · ".join(
            [data.sweep, f"{data.split} split", threshold_fact(data.threshold), "every seed drawn"]
        ),
        caption=" ".join(caption),
    )
