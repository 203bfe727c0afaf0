"""The words of a map."""

from __future__ import annotations

from dashboards.figures.captions import (
    CONVENTIONS,
    SIGMOID,
    FigureText,
    best_text,
    levels_text,
    objective_text,
    seeds_fact,
    threshold_fact,
)
from dashboards.figures.colour_range import colour_range
from dashboards.figures.heatmap import HeatmapData, averaged_settings
from dashboards.figures.heatmap_cells import AGGREGATES, LEVEL
from dashboards.figures.heatmap_frame import MAX_SEEDS_NAMED
from dashboards.naming import (
    AVERAGE,
    axis_name,
    capitalised,
    count_text,
    metric_name,
    paper_name,
    score_text,
    setting_text,
    short_name,
)

_OF_KIND = {
    "contour": "Contours interpolate between the middles of cells.",
    "points": "A point is a cell at its own settings; an open one has no value.",
    "surface": "The surface joins the middles of cells; gaps are cells without a value.",
}


def heatmap_text(data: HeatmapData, kind: str = "cells") -> FigureText:
    """Return the words of the map: what is shown, how it was aggregated, how it was computed.

    Args:
        data: from `heatmap_data`.
        kind: how it is drawn, see `dashboards.figures.heatmap_plot.plot_heatmap`.
    """
    name = metric_name(data.metric)
    axes = [axis_name(axis.parameter) for axis in (data.x, data.y) if axis.parameter]
    over = f" over {' and '.join(axes)}" if axes else ""
    what = name if data.aggregate in ("mean", "median", "iqm") else f"{_aggregate(data)}: {name}"
    facts = [data.sweep, f"{data.split} split", threshold_fact(data.threshold), _aggregation(data)]
    facts += [
        f"{short_name(item)} = {setting_text(value)}"
        for item, value in data.held.items()
        if value != AVERAGE
    ]
    return FigureText(
        title=f"{capitalised(what)} of {data.loss}{over}",
        subtitle=" · ".join(facts),
        caption=" ".join(filter(None, [_OF_KIND.get(kind), _caption(data)])),
    )


def _aggregate(data: HeatmapData) -> str:
    """Return the aggregate by its name; bounds and extremes by the side that is the bad one."""
    if data.aggregate == "bound":
        return f"one-sided {LEVEL:.0%} {'lower' if data.higher_is_better else 'upper'} bound"
    if data.aggregate == "worst":
        return f"worst seed ({'minimum' if data.higher_is_better else 'maximum'})"
    return AGGREGATES[data.aggregate]


def _aggregation(data: HeatmapData) -> str:
    if not data.n.any():
        return "no finished seed yet"
    several = averaged_settings(data)
    over = "seeds" if several or data.is_binned else seeds_fact(data.n)
    if not data.every_seed:
        shown = ", ".join(map(str, data.seeds[:MAX_SEEDS_NAMED]))
        more = ", …" if len(data.seeds) > MAX_SEEDS_NAMED else ""
        noun = "seed" if len(data.seeds) == 1 else "seeds"
        over = f"{noun} {shown}{more} alone"
    text = f"{_aggregate(data)} over {over}"
    if data.aggregate == "n":
        text = "complete seeds"
    then = "then summed over" if data.aggregate == "n" else "then averaged over"
    if data.aggregate in ("mean", "median", "iqm"):
        then = "then over"
    if several:
        text += f", {then} {', '.join(axis_name(item) for item in several)}"
    if data.is_binned:
        binned = [axis for axis in (data.x, data.y) if axis.bounds is not None]
        names = " and ".join(short_name(axis.parameter or "") for axis in binned)
        text += f", {then} the cells of a bin ({names} in {len(binned[0].values)} bins)"
    return text


def _caption(data: HeatmapData) -> str:
    parts = []
    if data.best is not None:
        whose = f"best of all {data.loss} cells" if data.best_is_of_loss else "best on this slice"
        parts.append(f"Outlined: {whose}; {best_text(data.best, data.objective)}.")
    else:
        parts.append(f"No cell has a finished seed to choose by {objective_text(data.objective)}.")
    scale = colour_range(data)
    if data.span is not None:
        parts.append(
            f"The scale was fixed at {score_text(scale.low)} to {score_text(scale.high)}; "
            f"{count_text(scale.below + scale.above, 'cell')} lie beyond it."
        )
    elif scale.below or scale.above:
        parts.append(
            f"The scale spans {score_text(scale.low)} to {score_text(scale.high)}; "
            f"{count_text(scale.below + scale.above, 'cell')} beyond it "
            "take the colour of its end."
        )
    if data.n.any():
        better = "the larger the brighter" if data.aggregate == "n" else "the brighter the better"
        parts.append(f"{capitalised(better)}.")
    if data.outline_note:
        parts.append(data.outline_note)
    if data.picked_note:
        parts.append(data.picked_note)
    paper = paper_name(data.metric)
    if paper:
        parts.append(f"The paper's tables call this metric {paper}.")
    collapsed = int(data.collapsed.sum())
    if collapsed:
        parts.append(
            f"{count_text(collapsed, 'cell')} collapsed: every seed predicts nothing right "
            "(no true positive) or every label at this threshold."
        )
    if data.levels:
        parts.append(f"Constant predictions on this split: {levels_text(data.levels)}.")
    parts.append(CONVENTIONS)
    if data.loss == "sigmoid_f1":
        parts.append(SIGMOID)
    parts.append(f"Data {data.dataset}, encoder {data.encoder}.")
    return " ".join(parts)
