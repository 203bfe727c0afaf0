"""What a map says of each position under the pointer."""

from __future__ import annotations

import html

from dashboards.figures.captions import threshold_fact
from dashboards.figures.heatmap import HeatmapData, averaged_settings
from dashboards.naming import (
    count_text,
    mean_sd_text,
    metric_name,
    score_text,
    setting_text,
    short_name,
)

_LISTED = 10


def hover_texts(data: HeatmapData) -> list[list[str]]:
    """Return the text of every position: mean, spread, n, each seed, and what went wrong."""
    rows, columns = data.mean.shape
    seeds = {} if averaged_settings(data) else _seed_lines(data)
    return [[_text(data, row, column, seeds) for column in range(columns)] for row in range(rows)]


def _text(data: HeatmapData, row: int, column: int, seeds: dict[tuple[int, int], list[str]]) -> str:
    lines = [f"<b>{_place(data, row, column)}</b>"]
    if data.missing[row, column]:
        return "<br>".join([*lines, "not in the plan"])
    value = mean_sd_text(float(data.mean[row, column]), float(data.sd[row, column]), 4)
    n, planned = int(data.n[row, column]), int(data.planned[row, column])
    lines.append(f"{metric_name(data.metric)} <b>{value}</b>" if n else "no value")
    spread = "mean ± sd over seeds, " if n > 1 else ""
    lines.append(f"{spread}n = {n} of {count_text(planned, 'seed')}")
    lines.append(f"{data.split}, {threshold_fact(data.threshold)}")
    if data.best_position == (row, column) and data.best is not None:
        objective = metric_name(data.objective["metric"])
        lines.append(
            f"best cell: {data.objective['split']} {objective} "
            f"{mean_sd_text(data.best.mean, data.best.sd, 4)}"
        )
    nothing, everything = int(data.nothing[row, column]), int(data.everything[row, column])
    if nothing:
        lines.append(f"predicts nothing right: {nothing} of {n}")
    if everything:
        lines.append(f"predicts everything: {everything} of {n}")
    if averaged_settings(data):
        lines.append(f"average of {count_text(int(data.cells[row, column]), 'cell')}")
        return "<br>".join(lines + _counts(data, row, column))
    listed = seeds.get((row, column), [])
    more = [f"and {len(listed) - _LISTED} more"] if len(listed) > _LISTED else []
    return "<br>".join([*lines, *listed[:_LISTED], *more])


def _seed_lines(data: HeatmapData) -> dict[tuple[int, int], list[str]]:
    names = ("row", "column", "seed", "state", "reason", "value")
    lines: dict[tuple[int, int], list[str]] = {}
    for row, column, *seed in zip(*(data.seeds[name].tolist() for name in names), strict=True):
        lines.setdefault((row, column), []).append(_seed(*seed))
    return lines


def _place(data: HeatmapData, row: int, column: int) -> str:
    parts = [
        f"{short_name(axis.parameter)} {setting_text(axis.values[index])}"
        for axis, index in ((data.x, column), (data.y, row))
        if axis.parameter is not None
    ]
    return html.escape(", ".join(parts) or data.loss)


def _seed(seed: int, state: str, reason: object, value: float) -> str:
    if state == "complete":
        return f"seed {seed}: {score_text(value, 4)}"
    why = f", {html.escape(reason[:80])}" if isinstance(reason, str) else ""
    return f"seed {seed}: {state}{why}"


def _counts(data: HeatmapData, row: int, column: int) -> list[str]:
    counts = (
        ("diverged", int(data.diverged[row, column])),
        ("failed", int(data.failed[row, column])),
        ("waiting", int(data.waiting[row, column])),
    )
    return [f"{name}: {count_text(count, 'seed')}" for name, count in counts if count]
