"""Draws the main effects and the interaction of `dashboards.figures.sensitivity_effects`."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards.figures.captions import add_title
from dashboards.figures.sensitivity import TITLE, say_instead
from dashboards.figures.sensitivity_effects import (
    EffectsData,
    InteractionData,
    effects_text,
    interaction_text,
)
from dashboards.naming import axis_name, metric_name, setting_text
from dashboards.theme import SCALE, Theme, get_theme, mixed, style_figure

# Pixels.
_PANEL, _TOP, _FOOT, _LEFT, _GAP = 236, 14, 58, 72, 74
_LINES, _LEGEND_ROW = 330, 24
# Levels over that many decades, or closer than that share of the axis, ask for a logarithmic one.
_DECADES, _CROWDED = 1.5, 0.08


def plot_effects(
    data: EffectsData, *, scheme: str = "light", standalone: bool = True, width: int | None = None
) -> go.Figure:
    """Draw one panel a hyperparameter, all on one scale of the metric.

    Args:
        data: from `effects_data`.
        scheme: ``"light"`` or ``"dark"``.
        standalone: put the title into the figure.
        width: width of the page in pixels, for panels below each other on a narrow one.
    """
    theme = get_theme(scheme)
    across = max(1, min(len(data.effects), 1 if width and width < 500 else 3))
    down = max(1, math.ceil(len(data.effects) / across))
    top = _TOP + TITLE * standalone
    height = top + _FOOT + down * _PANEL + (down - 1) * _GAP
    inner = height - top - _FOOT
    figure = make_subplots(
        rows=down,
        cols=across,
        shared_yaxes=True,
        horizontal_spacing=0.03 if across > 1 else 0,
        vertical_spacing=_GAP / inner if down > 1 else 0,
    )
    style_figure(figure, theme)
    ends = [0.0, 1.0]
    if data.effects:
        edges = [(e.means, e.low, e.high) for e in data.effects]
        known = np.concatenate([np.concatenate(parts) for parts in edges])
        known = known[np.isfinite(known)]
        pad = max(0.06 * float(np.ptp(known)), 0.002)
        ends = [float(known.min()) - pad, float(known.max()) + pad]
    for index, effect in enumerate(data.effects):
        place = {"row": index // across + 1, "col": index % across + 1}
        positions, axis = _axis(effect.levels, theme)
        error = np.where(np.isfinite(effect.high), effect.high - effect.means, 0.0)
        figure.add_trace(
            go.Scatter(
                x=positions, y=effect.means, mode="lines+markers",
                line={"width": 1.4, "color": mixed(theme.accent, theme.surface, 0.55)},
                marker={"size": 7, "color": theme.accent},
                error_y={"type": "data", "array": error, "color": theme.accent, "thickness": 1.5,
                         "width": 4},
                hovertemplate=[
                    f"<b>{html.escape(axis_name(effect.parameter))} {setting_text(level)}</b><br>"
                    f"{metric_name(data.question.metric)} {mean:.4f}{_span(low, high)}<br>"
                    f"{n} cells<extra></extra>"
                    for level, mean, low, high, n in zip(
                        effect.levels, effect.means, effect.low, effect.high, effect.n_cells,
                        strict=True,
                    )
                ],
                showlegend=False,
            ),
            **place,
        )  # fmt: skip
        figure.update_xaxes(title_text=axis_name(effect.parameter), **axis, **place)
        first = place["col"] == 1
        figure.update_yaxes(
            range=ends, title_text=metric_name(data.question.metric) if first else None, **place
        )
    if not data.effects:
        say_instead(figure, data.reason or "no parameter varies", theme, width=width)
        height = 92 + TITLE * standalone
    _finish(figure, height, top, {"kind": "effects", "sweep": data.question.sweep})
    if standalone:
        add_title(figure, effects_text(data), height)
    return figure


def plot_interaction(
    data: InteractionData,
    *,
    scheme: str = "light",
    standalone: bool = True,
    width: int | None = None,
) -> go.Figure:
    """Draw one line a level of the second hyperparameter.

    Args:
        data: from `interaction_data`.
        scheme: ``"light"`` or ``"dark"``.
        standalone: put the title into the figure.
        width: width of the page in pixels.
    """
    theme = get_theme(scheme)
    figure = go.Figure()
    style_figure(figure, theme)
    a_row = max(1, (width or 1100) // 92)
    legend = _LEGEND_ROW * math.ceil(max(len(data.lines), 1) / a_row)
    top = _TOP + TITLE * standalone + legend
    height = top + _FOOT + _LINES
    positions, axis = _axis(list(data.levels), theme)
    for index, line in enumerate(data.lines):
        colour = _shade(index, len(data.lines), theme)
        known = np.isfinite(line.mean)
        error = np.where(np.isfinite(line.high), line.high - line.mean, 0.0)
        minus = np.where(np.isfinite(line.low), line.mean - line.low, 0.0)
        figure.add_trace(
            go.Scatter(
                x=positions, y=line.mean, mode="lines+markers", name=line.name,
                connectgaps=False,
                line={"width": 1.8, "color": colour},
                marker={"size": 6, "color": colour},
                error_y={"type": "data", "symmetric": False, "array": error, "arrayminus": minus,
                         "color": colour, "thickness": 1.1, "width": 3},
                hovertemplate=[
                    f"<b>{html.escape(line.name)}, {html.escape(axis_name(str(data.x)))} "
                    f"{setting_text(level)}</b><br>{mean:.4f}{_span(low, high)}<extra></extra>"
                    for level, mean, low, high in zip(
                        data.levels, line.mean, line.low, line.high, strict=True
                    )
                ],
                showlegend=bool(known.any() or np.isfinite(line.collapsed).any()),
            )
        )  # fmt: skip
        if np.isfinite(line.collapsed).any():
            figure.add_trace(
                go.Scatter(
                    x=positions, y=line.collapsed, mode="markers",
                    marker={"size": 6, "symbol": "x-thin", "line": {"width": 1.3, "color": colour}},
                    hovertemplate=f"<b>{html.escape(line.name)}</b>, collapsed<br>%{{y:.4f}}"
                    "<extra></extra>",
                    showlegend=False,
                )
            )  # fmt: skip
    if data.lines:
        figure.update_xaxes(title_text=axis_name(str(data.x)), **axis)
        figure.update_yaxes(title_text=metric_name(data.question.metric))
    else:
        say_instead(figure, data.reason or "nothing varies", theme, width=width)
        height, top = 120 + TITLE * standalone, _TOP + TITLE * standalone
    figure.update_layout(
        legend={"x": 0, "y": 1, "xanchor": "left", "yanchor": "bottom", "traceorder": "normal"}
    )
    _finish(figure, height, top, {"kind": "interaction", "sweep": data.question.sweep})
    if standalone:
        add_title(figure, interaction_text(data), height)
    return figure


def _axis(levels: Sequence[Any], theme: Theme) -> tuple[list[float], dict[str, Any]]:
    """Return where levels lie and how their axis is written: true, logarithmic, or one a step."""
    numbers = [float(level) for level in levels if isinstance(level, int | float)]
    if len(numbers) == len(levels) and numbers:
        few = len(levels) <= 9
        axis: dict[str, Any] = {"type": "log"} if _is_logarithmic(numbers, few=few) else {}
        if few:
            axis |= {"tickvals": numbers, "ticktext": [setting_text(level) for level in levels]}
        return numbers, axis
    places = [float(place) for place in range(len(levels))]
    text = [html.escape(setting_text(level)) for level in levels]
    return places, {"tickvals": places, "ticktext": text}


def _is_logarithmic(numbers: Sequence[float], *, few: bool) -> bool:
    """Whether levels span decades, or would crowd at one end of a plain axis but not of this."""
    if min(numbers) <= 0 or len(numbers) < 2:
        return False
    logs = [math.log10(number) for number in numbers]
    if logs[-1] - logs[0] >= _DECADES:
        return True
    return few and _narrowest(numbers) < _CROWDED <= _narrowest(logs)


def _narrowest(ordered: Sequence[float]) -> float:
    """The smallest gap between neighbours, as a share of the range."""
    return float(np.diff(ordered).min() / (ordered[-1] - ordered[0]))


def _shade(index: int, count: int, theme: Theme) -> str:
    """Return a colour of the scale for an ordered level, readable on the scheme's ground."""
    usable = SCALE[2:] if theme.scheme == "dark" else SCALE[:8]
    return usable[round(index * (len(usable) - 1) / max(count - 1, 1))]


def _span(low: float, high: float) -> str:
    return f" [{low:.4f}, {high:.4f}]" if math.isfinite(low) and math.isfinite(high) else ""


def _finish(figure: go.Figure, height: int, top: int, meta: dict[str, Any]) -> None:
    figure.update_layout(
        height=height,
        margin={"l": _LEFT, "r": 18, "t": top, "b": _FOOT},
        meta=meta,
        hovermode="closest",
    )
    figure.update_xaxes(
        showgrid=False, ticks="outside", ticklen=4, tickangle=0, showline=True, fixedrange=True
    )
    figure.update_yaxes(fixedrange=True, nticks=6, tickformat=".3~f")
