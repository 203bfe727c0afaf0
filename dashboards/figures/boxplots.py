"""Box plots over seeds, one row a loss and one panel a metric, like the paper's Figures 4-7."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards.figures.captions import CONVENTIONS, FigureText, objective_text, threshold_fact
from dashboards.figures.selection import (
    PAPER_METRICS,
    RULE,
    BestCell,
    best_of_losses,
    describe_metric,
    known_threshold,
)
from dashboards.naming import count_text, metric_name, paper_name, score_text, settings_text
from dashboards.source import Source
from dashboards.theme import Theme, get_theme, style_figure

# Pixels.
_ROW, _HEAD, _FOOT, _LEFT, _TITLE = 58, 64, 40, 168, 70
_STATES = ("diverged", "failed", "waiting", "running")


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
    states = replicates.groupby(["loss", "state"]).size()
    rows = [
        BoxRow(loss, best.get(loss), {str(k): int(v) for k, v in states.get(loss, {}).items()})
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
        panels.append(
            BoxPanel(metric, shown if described["thresholded"] else None, seeds, levels)
        )
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


def row_label(row: BoxRow) -> str:
    """Return the label of a loss on two lines: its name; its settings and n."""
    if row.best is None:
        counts = [count_text(row.states[s], "seed") + f" {s}" for s in _STATES if row.states.get(s)]
        facts = ", ".join(counts) or "no finished cell"
    else:
        short = settings_text(row.best.settings)
        n = f"n = {row.best.n}"
        if row.best.n < row.best.planned:
            n += f" of {row.best.planned}"
        facts = f"{short} · {n}" if short else n
    # The label's column is narrow: what does not fit goes to a third line.
    if len(facts) > 26 and ", " in facts:
        middle = facts.find(", ", len(facts) // 2 - 4)
        if middle > 0:
            facts = f"{facts[: middle + 1]}<br>{facts[middle + 2 :]}"
    return f"{html.escape(row.loss)}<br><span style='font-size:11px'>{facts}</span>"


def plot_boxplots(
    data: BoxplotData, *, scheme: str = "light", standalone: bool = True, columns: int | None = None
) -> go.Figure:
    """Draw the box plots: panels side by side, or in ``columns`` for a narrow page.

    Args:
        data: from `boxplot_data`.
        scheme: ``"light"`` or ``"dark"``.
        standalone: put the title into the figure.
        columns: panels beside each other; all by default.

    Source: Bénédict et al. (2022), Figures 4 to 7.
    """
    theme = get_theme(scheme)
    across = min(columns or len(data.panels), len(data.panels)) or 1
    down = max(1, math.ceil(len(data.panels) / across))
    inner = max(1, len(data.rows)) * _ROW
    top = _HEAD + _TITLE * standalone
    height = down * inner + (down - 1) * (_HEAD + _FOOT) + top + _FOOT
    space = height - top - _FOOT
    figure = make_subplots(
        rows=down,
        cols=across,
        shared_yaxes=True,
        horizontal_spacing=0.028 if across > 1 else 0,
        vertical_spacing=(_HEAD + _FOOT) / space if down > 1 else 0,
    )
    for index, panel in enumerate(data.panels):
        place = {"row": index // across + 1, "col": index % across + 1}
        for position, row in enumerate(data.rows):
            seeds = panel.seeds.get(row.loss)
            if seeds is not None and len(seeds):
                figure.add_trace(_box(panel, position, row, seeds, theme), **place)
        _finish_panel(figure, data, panel, place, theme)
    style_figure(figure, theme)
    figure.update_layout(
        height=height,
        margin={"l": _LEFT, "r": 18, "t": top, "b": _FOOT, "autoexpand": False},
        showlegend=False,
        boxgap=0.45,
        uirevision="boxes",
        meta={"kind": "boxplots", "sweep": data.sweep},
    )
    figure.update_xaxes(nticks=5, ticklen=4, ticks="outside", fixedrange=True)
    figure.update_yaxes(
        tickvals=list(range(len(data.rows))),
        ticktext=[row_label(row) for row in data.rows],
        range=[len(data.rows) - 0.5, -0.5],
        showgrid=False,
        tickfont={"size": 12.5, "color": theme.ink},
        fixedrange=True,
    )
    if standalone:
        text = boxplot_text(data)
        figure.update_layout(
            title={
                "text": f"<b>{html.escape(text.title)}</b>",
                "subtitle": {"text": html.escape(text.subtitle), "font": {"size": 13}},
                "x": 0.012,
                "xref": "container",
                "y": 1 - 22 / height,
                "yref": "container",
                "font": {"size": 16},
            }
        )
    return figure


def _box(panel: BoxPanel, position: int, row: BoxRow, seeds: pd.DataFrame, theme: Theme) -> go.Box:
    return go.Box(
        x=seeds["value"],
        y=np.full(len(seeds), position),
        orientation="h",
        boxpoints="all",
        jitter=0.55,
        pointpos=0,
        quartilemethod="linear",
        width=0.5,
        line={"color": theme.box, "width": 1.4},
        fillcolor=theme.box_fill,
        marker={
            "size": 6,
            "color": theme.box,
            "line": {"width": 1, "color": theme.surface},
            "opacity": 0.95,
        },
        hoveron="points",
        customdata=seeds["seed"],
        name=row.loss,
        hovertemplate=(
            f"<b>{html.escape(row.loss)}</b>, seed %{{customdata}}<br>"
            f"{metric_name(panel.metric)} %{{x:.4f}}<extra></extra>"
        ),
    )


def panel_range(panel: BoxPanel) -> tuple[float, float]:
    """Return the span of a panel: its seeds, and predict-all where that is not far away."""
    values = np.concatenate([seeds["value"].to_numpy() for seeds in panel.seeds.values()] or [[]])
    level = panel.levels.get("predict_all", math.nan)
    if not values.size:
        return (0.0, 1.0)
    low, high = float(values.min()), float(values.max())
    reach = max(high - low, 0.01)
    if low - reach <= level <= high + reach:
        low, high = min(low, level), max(high, level)
    pad = max(0.08 * (high - low), 0.004)
    return low - pad, high + pad


def _finish_panel(
    figure: go.Figure, data: BoxplotData, panel: BoxPanel, place: dict[str, int], theme: Theme
) -> None:
    low, high = panel_range(panel)
    figure.update_xaxes(range=[low, high], **place)
    paper = paper_name(panel.metric)
    lines = [f"<b>{metric_name(panel.metric)}</b>"]
    if paper:
        lines.append(f"paper: {paper}")
    note = {"showarrow": False, "align": "left", "font": {"size": 11, "color": theme.muted}}
    level = panel.levels.get("predict_all", math.nan)
    words = f"predict-all {score_text(level)}"
    inside = low <= level <= high
    if math.isfinite(level) and not inside:
        lines.append(f"◂ {words}" if level < low else f"{words} ▸")
    elif inside:
        lines.append(f"┆ {words}")
        figure.add_vline(
            x=level, line={"color": theme.muted, "width": 1.2, "dash": "dash"}, **place
        )
    text = f"{lines[0]}<br><span style='font-size:11px'>{'<br>'.join(lines[1:])}</span>"
    figure.add_annotation(
        text=text,
        x=0,
        y=1,
        xref="x domain",
        yref="y domain",
        xanchor="left",
        yanchor="bottom",
        yshift=6,
        **(note | {"font": {"size": 12.5, "color": theme.ink}}),
        **place,
    )
    for position, row in enumerate(data.rows):
        seeds = panel.seeds.get(row.loss)
        if seeds is None or not len(seeds):
            figure.add_annotation(
                text="no complete seed",
                x=0.5,
                y=position,
                xref="x domain",
                **note,
                **place,
            )
