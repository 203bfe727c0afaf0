"""What a map says of each position under the pointer."""

from __future__ import annotations

import html

import numpy as np

from dashboards.figures.captions import threshold_fact
from dashboards.figures.heatmap import HeatmapData, averaged_settings
from dashboards.figures.heatmap_cells import AGGREGATES, NOT_PLANNED
from dashboards.naming import (
    count_text,
    metric_name,
    score_text,
    sd_text,
    short_name,
)
from storage.records import STATES

_LISTED = 10
# Values of single seeds go with the map up to so many; beyond, the cell's page has them.
_MOST_NUMBERS = 100_000


def hover_texts(data: HeatmapData) -> list[list[str]]:
    """Return the text of every position: mean, interval, n, each seed, and what went wrong."""
    rows, columns = data.value.shape
    several = bool((data.cells > 1).any())
    cells = {} if several else dict(zip(data.place.tolist(), range(len(data.rows)), strict=True))
    return [
        [_text(data, row, column, cells.get(row * columns + column)) for column in range(columns)]
        for row in range(rows)
    ]


def hover_text(data: HeatmapData, row: int, column: int) -> str:
    """Return the text of one position, for maps too large to carry every text."""
    found = np.flatnonzero(data.place == row * data.value.shape[1] + column)
    return _text(data, row, column, int(found[0]) if len(found) == 1 else None)


def hover_numbers(data: HeatmapData) -> tuple[np.ndarray, str]:
    """Return numbers for every position (rows, columns, numbers), and the template of their text.

    The numbers are n, the interval's ends, the standard deviation and, where a position is one
    cell and the map not of the largest, the value of each seed.
    """
    layers = [data.n, data.low, data.high, data.sd]
    names = ["n = %{customdata[0]}, 95 % interval %{customdata[1]:.4f} to %{customdata[2]:.4f}"]
    names.append("sd over seeds %{customdata[3]:.4f}")
    small = data.value.size * len(data.seeds) <= _MOST_NUMBERS
    if not (data.cells > 1).any() and len(data.seeds) <= _LISTED and small:
        for position, seed in enumerate(data.seeds):
            layer = np.full(data.value.size, np.nan)
            layer[data.place] = data.numbers[:, position]
            layers.append(layer.reshape(data.value.shape))
            names.append(f"seed {seed}: %{{customdata[{len(layers) - 1}]:.4f}}")
    axes = [
        f"{short_name(axis.parameter)} %{{{letter}}}"
        for letter, axis in (("x", data.x), ("y", data.y))
        if axis.parameter is not None
    ]
    head = f"<b>{html.escape(', '.join(axes))}</b>"
    value = f"{_aggregate_name(data)} <b>%{{z:.4f}}</b>"
    numbers = np.stack([np.asarray(layer, np.float32) for layer in layers], axis=-1)
    return numbers, "<br>".join([head, value, *names]) + "<extra></extra>"


def _text(data: HeatmapData, row: int, column: int, cell: int | None) -> str:
    lines = [f"<b>{_place(data, row, column)}</b>"]
    if data.missing[row, column]:
        return "<br>".join([*lines, "not in the plan"])
    n, planned = int(data.n[row, column]), int(data.planned[row, column])
    lines += _value(data, row, column) if n else ["no value"]
    lines.append(f"n = {n} of {count_text(planned, 'seed')}")
    lines.append(f"{data.split}, {threshold_fact(data.threshold)}")
    if data.best_position == (row, column) and data.best is not None:
        objective = metric_name(data.objective["metric"])
        value = f"{score_text(data.best.mean, 4)} {sd_text(data.best.sd, 4)}".rstrip()
        lines.append(f"best cell: {data.objective['split']} {objective} {value}")
    if data.tied is not None and data.tied[row, column]:
        lines.append("tied with the best")
    nothing, everything = int(data.nothing[row, column]), int(data.everything[row, column])
    if nothing:
        lines.append(f"predicts nothing right: {nothing} of {n}")
    if everything:
        lines.append(f"predicts everything: {everything} of {n}")
    if cell is None:
        lines.append(f"average of {count_text(int(data.cells[row, column]), 'cell')}")
        return "<br>".join(lines + _counts(data, row, column))
    return "<br>".join([*lines, *_seed_lines(data, cell), "click for the cell’s page"])


def _value(data: HeatmapData, row: int, column: int) -> list[str]:
    value, sd = float(data.value[row, column]), float(data.sd[row, column])
    if data.aggregate == "n":
        return []
    lines = [f"{_aggregate_name(data)} <b>{score_text(value, 4)}</b>"]
    if data.aggregate == "mean" and np.isfinite(sd):
        lines[0] += f" {sd_text(sd, 4)} (sd over seeds)"
    elif np.isfinite(sd):
        mean = score_text(float(data.mean[row, column]), 4)
        lines.append(f"mean {mean} {sd_text(sd, 4)} (sd over seeds)")
    low, high = float(data.low[row, column]), float(data.high[row, column])
    if np.isfinite(low) and np.isfinite(high):
        ends = f"{score_text(low, 4)} to {score_text(high, 4)}"
        lines.append(f"95 % interval of the mean over seeds {ends}")
    return lines


def _aggregate_name(data: HeatmapData) -> str:
    name = metric_name(data.metric)
    return name if data.aggregate == "mean" else f"{AGGREGATES[data.aggregate]} of {name}"


def _place(data: HeatmapData, row: int, column: int) -> str:
    parts = [
        f"{short_name(axis.parameter)} {axis.label(index)}"
        for axis, index in ((data.x, column), (data.y, row))
        if axis.parameter is not None
    ]
    return html.escape(", ".join(parts) or data.loss)


def _seed_lines(data: HeatmapData, cell: int) -> list[str]:
    row = int(data.rows[cell])
    lines = []
    for column, seed in enumerate(data.plan.seeds):
        if seed not in data.seeds or data.plan.states[row, column] == NOT_PLANNED:
            continue
        state = STATES[data.plan.states[row, column]]
        if state == "complete":
            value = data.numbers[cell, data.seeds.index(seed)]
            lines.append(f"seed {seed}: {score_text(float(value), 4)}")
            continue
        reason = data.reasons.get((int(data.plan.cell_ids[row]), seed))
        why = f", {html.escape(reason[:80])}" if reason else ""
        lines.append(f"seed {seed}: {state}{why}")
    more = [f"and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
    stopped = data.plan.stopped.get(row)
    note = [f"stopped early: {html.escape(stopped.replace('_', ' '))}"] if stopped else []
    return lines[:_LISTED] + more + note


def _counts(data: HeatmapData, row: int, column: int) -> list[str]:
    counts = (
        ("diverged", int(data.diverged[row, column])),
        ("failed", int(data.failed[row, column])),
        ("pruned", int(data.pruned[row, column])),
        ("running", int(data.running[row, column])),
        ("waiting", int(data.waiting[row, column])),
    )
    held = averaged_settings(data)
    over = [f"over {', '.join(short_name(name) for name in held)}"] if held else []
    return over + [f"{name}: {count_text(count, 'seed')}" for name, count in counts if count]
