"""Draws the box plots of `dashboards.figures.boxplots`."""

from __future__ import annotations

import html
import math

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards.figures.boxplots import BoxPanel, BoxplotData, BoxRow, boxplot_text
from dashboards.figures.captions import add_title
from dashboards.naming import (
    count_text,
    metric_name,
    score_text,
    settings_text,
    threshold_text,
)
from dashboards.theme import Theme, get_theme, style_figure

# Pixels.
_ROW, _HEAD, _FOOT, _LEFT, _TITLE = 58, 78, 40, 168, 70
_LEVELS = {
    "predict_all": ("predict-all", "┆", "dash"),
    "predict_none": ("predict-none", "┊", "dot"),
}
_STATES = ("diverged", "failed", "waiting", "running")


def row_label(row: BoxRow, *, own_threshold: bool = False) -> str:
    """Return the label of a loss: its name; its settings and n, and a threshold of its own."""
    if row.best is None:
        counts = [count_text(row.states[s], "seed") + f" {s}" for s in _STATES if row.states.get(s)]
        facts = ", ".join(counts) or row.missing
    else:
        n = f"n = {row.best.n}"
        if row.best.n < row.best.planned:
            n += f" of {row.best.planned}"
        if own_threshold:
            n = f"t = {threshold_text(row.threshold)} · {n}"
        facts = " · ".join(filter(None, (settings_text(row.best.settings), n)))
    # The label's column is narrow: what does not fit goes to a third line.
    if len(facts) > 26:
        sign = " · " if own_threshold and " · " in facts else ", "
        middle = facts.find(sign, 0 if sign == " · " else len(facts) // 2 - 4)
        if middle > 0:
            facts = f"{facts[:middle]}{sign.rstrip()}<br>{facts[middle + len(sign) :]}"
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
        if not any(len(seeds) for seeds in panel.seeds.values()):
            # Without a trace Plotly lays out no axes, and the words would have no place.
            figure.add_trace(go.Scatter(x=[None], y=[None], hoverinfo="skip"), **place)
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
    figure.update_xaxes(nticks=4, tickangle=0, ticklen=4, ticks="outside", fixedrange=True)
    figure.update_yaxes(
        tickvals=list(range(len(data.rows))),
        ticktext=[row_label(row, own_threshold=data.own_thresholds) for row in data.rows],
        range=[len(data.rows) - 0.5, -0.5],
        showgrid=False,
        tickfont={"size": 12.5, "color": theme.ink},
        fixedrange=True,
    )
    if standalone:
        add_title(figure, boxplot_text(data), height)
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
    values = np.concatenate(
        [np.empty(0), *(seeds["value"].to_numpy() for seeds in panel.seeds.values())]
    )
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
    lines = [f"<b>{metric_name(panel.metric)}</b>"]
    if panel.printed:
        lines.append(f"paper: {panel.printed}")
    note = {"showarrow": False, "align": "left", "font": {"size": 11, "color": theme.muted}}
    for name, (label, sign, dash) in _LEVELS.items():
        level = panel.levels.get(name, math.nan)
        words = f"{label} {score_text(level)}"
        if low <= level <= high:
            lines.append(f"{sign} {words}")
            line = {"color": theme.muted, "width": 1.2, "dash": dash}
            figure.add_vline(x=level, line=line, **place)
        elif math.isfinite(level):
            lines.append(f"◂ {words}" if level < low else f"{words} ▸")
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
