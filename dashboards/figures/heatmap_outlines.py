"""Which positions of a map hold cells as good as the best: the tied set and the plateau."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from dashboards.figures.cells import find_cells
from dashboards.figures.heatmap import HeatmapData
from dashboards.figures.heatmap_cells import BoolArray, load_values
from dashboards.figures.selection import describe_metric
from dashboards.naming import count_text
from dashboards.source import Source
from storage.records import SweepInfo
from sweeps.sensitivity.analysis_parts import compared_rows
from sweeps.sensitivity.collapse import collapse_flags, rate_from_scores
from sweeps.sensitivity.mcb import tied_with_best
from sweeps.sensitivity.reading import positive_share
from sweeps.sensitivity.rules import plateau
from sweeps.sensitivity.seed_table import SeedTable, seed_table

Outline = Literal["best", "tied", "plateau"]
OUTLINES: dict[Outline, str] = {"best": "best", "tied": "+ tied", "plateau": "+ plateau"}
EPSILON = 0.01
LEVEL = 0.95


class _Members(NamedTuple):
    """(K,) members among the cells of a loss, and how they were found."""

    members: BoolArray
    note: str


def heatmap_outlines(
    source: Source, data: HeatmapData, outline: Outline, *, epsilon: float = EPSILON
) -> HeatmapData:
    """Return the map with the positions of the tied set, or of the plateau, marked.

    Both are of the objective, whatever the map shows: cells are chosen on validation. *Tied* are
    the cells that cannot be told from the best of all cells of the loss with 95 % confidence over
    seeds; the *plateau* is the cells whose mean lies within ε of the best mean. A position that
    holds several cells is marked when one of them is a member.

    Args:
        source: where the numbers are read.
        data: from `heatmap_data`.
        outline: which set; ``best`` marks none.
        epsilon: in the unit of the objective's metric, at least 0.

    Source: `sweeps.sensitivity.mcb.tied_with_best` (Hsu, 1984), `sweeps.sensitivity.rules.plateau`.
    """
    if outline == "best":
        return data
    question = (outline, data.loss, epsilon if outline == "plateau" else None)
    found: _Members = source.ask(
        data.sweep, question, lambda _: _find(source, data, outline, epsilon)
    )
    flags = np.zeros(data.value.size, bool)
    flags[data.place[found.members[data.rows]]] = True
    marked = flags.reshape(data.value.shape)
    tied, near = (marked, None) if outline == "tied" else (None, marked)
    return data._replace(tied=tied, plateau=near, outline_note=found.note)


def mark_picked(source: Source, data: HeatmapData, keys: Sequence[str]) -> HeatmapData:
    """Return the map with the positions of some cells marked, as they were selected elsewhere.

    Args:
        source: where the keys are looked up.
        data: from `heatmap_data`.
        keys: of cells of the sweep, or their beginnings; those of other losses and slices are
            counted in the note alone.

    Raises:
        FigureError: a key names no cell, or several.
    """
    if not keys:
        return data
    ids = find_cells(source, data.sweep, keys)
    here = np.isin(data.plan.cell_ids[data.rows], ids)
    flags = np.zeros(data.value.size, bool)
    flags[data.place[here]] = True
    away = len(ids) - int(here.sum())
    note = f"Selected on the Cells page: {count_text(len(ids), 'cell')}"
    note += f", {away} of them of another loss or slice." if away else "."
    return data._replace(picked=flags.reshape(data.value.shape), picked_note=note)


def _find(source: Source, data: HeatmapData, outline: Outline, epsilon: float) -> _Members:
    info = source.sweep(data.sweep)
    better = bool(describe_metric(info, info.objective["metric"])["higher_is_better"])
    cells = source.cells(data.sweep, data.loss)
    table = seed_table(cells, source.replicates(data.sweep, data.loss))
    if outline == "plateau":
        means = np.where(table.finished & ~table.stopped, table.means, np.nan)
        members, share = plateau(means, epsilon, higher_is_better=better)
        note = (
            f"Plateau: {count_text(int(members.sum()), 'cell')} within {epsilon:g} of the best "
            f"mean objective, {share:.0%} of all {data.loss} cells."
        )
        return _Members(members, note)
    members = np.zeros(len(table), bool)
    flags = _collapsed(source, data, table, info)
    compared, _ = compared_rows(table, flags, higher_is_better=better)
    if len(compared) < 2 or len(table.seeds) < 2:
        why = "it takes two cells with the same two seeds or more, complete and not collapsed"
        return _Members(members, f"Tied set: none can be given; {why}.")
    found = tied_with_best(table.values[compared], higher_is_better=better, level=LEVEL)
    members[compared[found.tied]] = True
    noisy = int(found.noisy.sum())
    note = (
        f"Tied with the best at {LEVEL:.0%} confidence over seeds: "
        f"{count_text(int(members.sum()), 'cell')} of the {len(compared):,} compared"
        + (f", {noisy} of them by their own noise alone" if noisy else "")
        + f" ({found.method})."
    )
    return _Members(members, note)


def _collapsed(source: Source, data: HeatmapData, table: SeedTable, info: SweepInfo) -> BoolArray:
    """Return which cells learnt nothing, as the analysis of a loss flags them."""
    split = str(info.objective["split"])
    share = positive_share(info, split)
    replicates = source.replicates(data.sweep, data.loss)
    rate = None
    if split == "validation" and "predicted_positive_rate" in replicates.columns:
        cells = source.cells(data.sweep, data.loss)
        rate = seed_table(cells, replicates, value="predicted_positive_rate").values
    elif share is not None:
        precision, recall = (
            load_values(source, data.sweep, data.loss, name, split, None)
            for name in ("micro_precision", "micro_recall")
        )
        rate = rate_from_scores(precision, recall, positive_rate=share)
    return collapse_flags(table, rate, positive_rate=share).any
