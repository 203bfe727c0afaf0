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
from dashboards.naming import (
    AVERAGE,
    axis_name,
    count_text,
    metric_name,
    paper_name,
    score_text,
    setting_text,
    short_name,
)


def heatmap_text(data: HeatmapData) -> FigureText:
    """Return the words of the map: what is shown, how it was aggregated, how it was computed."""
    name = metric_name(data.metric)
    axes = [axis_name(axis.parameter) for axis in (data.x, data.y) if axis.parameter]
    over = f" over {' and '.join(axes)}" if axes else ""
    averaged = averaged_settings(data)
    aggregation = f"mean over {seeds_fact(data.n)}"
    if not data.n.any():
        aggregation = "no finished seed yet"
    elif averaged:
        aggregation = "mean over seeds"
        aggregation += f", then over {', '.join(axis_name(item) for item in averaged)}"
    facts = [data.sweep, f"{data.split} split", threshold_fact(data.threshold), aggregation]
    facts += [
        f"{short_name(item)} = {setting_text(value)}"
        for item, value in data.held.items()
        if value != AVERAGE
    ]
    return FigureText(
        title=f"{name[0].upper()}{name[1:]} of {data.loss}{over}",
        subtitle=" · ".join(facts),
        caption=_caption(data),
    )


def _caption(data: HeatmapData) -> str:
    parts = []
    if data.best is not None:
        whose = f"best of all {data.loss} cells" if data.best_is_of_loss else "best on this slice"
        parts.append(f"Outlined: {whose}; {best_text(data.best, data.objective)}.")
    else:
        parts.append(f"No cell has a finished seed to choose by {objective_text(data.objective)}.")
    scale = colour_range(data)
    if scale.below or scale.above:
        parts.append(
            f"The scale spans {score_text(scale.low)} to {score_text(scale.high)}; "
            f"{count_text(scale.below + scale.above, 'cell')} beyond it "
            "take the colour of its end."
        )
    if data.n.any():
        parts.append("The brighter the better.")
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
