"""Draws the threshold curves of `dashboards.figures.curves_threshold`."""

from __future__ import annotations

import html
import math

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from scipy import special

from dashboards.figures.captions import add_title
from dashboards.figures.curves_plot import every_seed
from dashboards.figures.curves_threshold import FIXED, SPLITS, ThresholdData, threshold_text_of
from dashboards.figures.series import faded, legend_rows, series_style
from dashboards.naming import metric_name, score_text, threshold_text
from dashboards.theme import Theme, get_theme, style_figure

# Pixels.
_PANEL, _HEAD, _FOOT, _LEFT, _TITLE, _LEGEND_ROW = 320, 44, 48, 62, 70, 21
_TICKS = (0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.99, 0.999)
_FEW_TICKS = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999)
_STILL = 2e-3
_LEVELS = {"predict_all": ("predict-all", "dash"), "predict_none": ("predict-none", "dot")}


def plot_threshold_curves(
    data: ThresholdData,
    *,
    scheme: str = "light",
    standalone: bool = True,
    stacked: bool = False,
    best: bool = True,
    whole: bool = False,
    width: int = 1000,
) -> go.Figure:
    """Draw the metric against the threshold, validation beside test on one scale.

    Args:
        data: from `threshold_data`.
        scheme: ``"light"`` or ``"dark"``.
        standalone: put the title into the figure.
        stacked: test below validation, for a narrow page.
        best: whether the cells are the best of each loss, for the title.
        whole: draw every kept threshold, not just those at which a curve moves.
        width: expected width in pixels, for the rows of the legend.

    Returns:
        A Plotly figure of fixed height and free width.
    """
    theme = get_theme(scheme)
    down, across = (2, 1) if stacked else (1, 2)
    top = _HEAD + _TITLE * standalone
    below = _FOOT + 8 + _LEGEND_ROW * legend_rows(data.names, width - _LEFT - 18)
    between = _HEAD + 30
    height = down * _PANEL + (down - 1) * between + top + below
    figure = make_subplots(
        rows=down,
        cols=across,
        shared_yaxes=True,
        horizontal_spacing=0.03,
        vertical_spacing=between / (height - top - below) if stacked else 0,
    )
    for index, split in enumerate(SPLITS):
        place = {"row": index + 1, "col": 1} if stacked else {"row": 1, "col": index + 1}
        _draw_split(figure, data, split, place, theme, legend=index == 0)
    style_figure(figure, theme)
    figure.update_layout(
        height=height,
        margin={"l": _LEFT, "r": 18, "t": top, "b": below, "autoexpand": False},
        legend={
            "x": 0,
            "xanchor": "left",
            "y": -_FOOT / (height - top - below),
            "yanchor": "top",
            "tracegroupgap": 0,
        },
        hovermode="closest",
        uirevision="thresholds",
        meta={"kind": "thresholds", "sweep": data.sweep, "metric": data.metric},
    )
    low, high = moving_range(data) if not whole else (data.thresholds.min(), data.thresholds.max())
    span = special.logit([low, high]) + np.array([-0.25, 0.25])
    labels = [t for t in (_FEW_TICKS if stacked else _TICKS) if low <= t <= high]
    figure.update_xaxes(
        tickvals=[float(special.logit(t)) for t in labels],
        ticktext=[threshold_text(t) for t in labels],
        tickangle=0,
        range=span.tolist(),
        ticks="outside",
        ticklen=4,
        showgrid=False,
        fixedrange=True,
    )
    figure.update_xaxes(title_text="threshold t", row=down)
    figure.update_yaxes(fixedrange=True, nticks=7, rangemode="tozero")
    figure.update_yaxes(title_text=metric_name(data.metric), col=1)
    if standalone:
        add_title(figure, threshold_text_of(data, best=best), height)
    return figure


def moving_range(data: ThresholdData) -> tuple[float, float]:
    """Return the thresholds between which a curve moves, with the fixed ones among them.

    Left and right of it every mean stays within 0.002 of its value at the end.
    """
    moving = np.zeros(len(data.thresholds), bool)
    for curve in data.curves:
        for mean in curve.mean.values():
            if np.isfinite(mean).any():
                ends = (np.abs(mean - mean[0]) > _STILL) & (np.abs(mean - mean[-1]) > _STILL)
                moving |= ends
    chosen = [*FIXED, float(data.objective["threshold"])]
    chosen += [curve.tuned for curve in data.curves if curve.tuned is not None]
    known = [t for t in chosen if data.thresholds.min() <= t <= data.thresholds.max()]
    shown = [*data.thresholds[moving], *known]
    if not moving.any():
        return float(data.thresholds.min()), float(data.thresholds.max())
    return float(min(shown)), float(max(shown))


def _draw_split(
    figure: go.Figure,
    data: ThresholdData,
    split: str,
    place: dict[str, int],
    theme: Theme,
    *,
    legend: bool,
) -> None:
    x = special.logit(np.clip(data.thresholds, 1e-12, 1 - 1e-12))
    written = [threshold_text(t) for t in data.thresholds]
    metric = metric_name(data.metric)
    for index, curve in enumerate(data.curves):
        colour, dash = series_style(index, theme)
        label = html.escape(data.names[index])
        group = {"legendgroup": str(index), "name": label}
        xs, ys = every_seed(x, curve.values[split])
        figure.add_trace(
            go.Scatter(
                x=xs, y=ys, mode="lines", line={"color": faded(colour, 0.3), "width": 1},
                hoverinfo="skip", showlegend=False, **group,
            ),
            **place,
        )  # fmt: skip
        spread = curve.values[split]
        sd = spread.std(axis=0, ddof=1) if len(spread) > 1 else np.full(len(x), np.nan)
        figure.add_trace(
            go.Scatter(
                x=x,
                y=[float(v) if math.isfinite(v) else None for v in curve.mean[split]],
                mode="lines",
                line={"color": colour, "width": 2.2, "dash": dash},
                customdata=list(zip(written, [score_text(v, 4) for v in sd], strict=True)),
                hovertemplate=(
                    f"<b>{label}</b>, {split}<br>t = %{{customdata[0]}}: {metric} %{{y:.4f}} "
                    f"± %{{customdata[1]}}<br>n = {len(curve.seeds)} seeds<extra></extra>"
                ),
                showlegend=legend,
                **group,
            ),
            **place,
        )
        if curve.tuned is not None:
            at = int(np.argmin(np.abs(data.thresholds - curve.tuned)))
            figure.add_trace(
                go.Scatter(
                    x=[x[at]],
                    y=[curve.mean[split][at]],
                    mode="markers",
                    marker={
                        "symbol": "diamond",
                        "size": 11,
                        "color": colour,
                        "line": {"width": 1.5, "color": theme.surface},
                    },
                    hovertemplate=(
                        f"<b>{label}</b>, tuned on validation<br>"
                        f"t = {threshold_text(curve.tuned)}: {metric} %{{y:.4f}} on {split}"
                        "<extra></extra>"
                    ),
                    showlegend=False,
                    **group,
                ),
                **place,
            )
    _lines(figure, data, split, place, theme)


def _lines(
    figure: go.Figure, data: ThresholdData, split: str, place: dict[str, int], theme: Theme
) -> None:
    words = []
    for name, (label, dash) in _LEVELS.items():
        level = data.levels.get(name, {}).get(split, math.nan)
        if math.isfinite(level):
            line = {"color": theme.ink, "width": 1.1, "dash": dash}
            figure.add_hline(y=level, line=line, **place)
            words.append(f"{'╌' if dash == 'dash' else '┈'} {label} {score_text(level)}")
    if not any(curve.values[split].size for curve in data.curves):
        figure.add_trace(
            go.Scatter(x=[None], y=[None], hoverinfo="skip", showlegend=False), **place
        )
        words.append("no finished seed yet")
    for fixed in {*FIXED, float(data.objective["threshold"])}:
        if data.thresholds.min() <= fixed <= data.thresholds.max():
            line = {"color": theme.muted, "width": 1, "dash": "dot"}
            figure.add_vline(x=float(special.logit(fixed)), line=line, **place)
    text = f"<b>{split}</b><br><span style='font-size:11px'>{' · '.join(words)}</span>"
    figure.add_annotation(
        text=text, x=0, y=1, xref="x domain", yref="y domain", xanchor="left", yanchor="bottom",
        yshift=4, showarrow=False, align="left", font={"size": 12.5, "color": theme.ink}, **place,
    )  # fmt: skip
