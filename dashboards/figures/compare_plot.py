"""Draws the two maps and the difference of `dashboards.figures.compare`."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards.figures.captions import add_title
from dashboards.figures.compare import READINGS, CompareData, compare_text
from dashboards.figures.grid import thin_labels
from dashboards.figures.heatmap import HeatmapData
from dashboards.naming import axis_name, metric_name, score_text, setting_text, short_encoder
from dashboards.theme import Theme, colour_scale, get_theme, style_figure

# Pixels.
_HEAD, _BELOW, _LEFT, _RIGHT, _TITLE, _BAR = 84, 52, 60, 18, 70, 10
# The ends of the difference: readable with any colour vision, and no colour of the maps' scale.
A_COLOUR, B_COLOUR = "#c8641b", "#3f7fd0"


def plot_compare(
    data: CompareData,
    *,
    scheme: str = "light",
    standalone: bool = True,
    stacked: bool = False,
    width: int = 1100,
) -> go.Figure:
    """Draw both maps on one scale, and their difference where they share settings.

    Args:
        data: from `compare_data`.
        scheme: ``"light"`` or ``"dark"``.
        standalone: put the title into the figure.
        stacked: one map below the other, for a narrow page.
        width: expected width in pixels; axis labels are thinned where they would not fit.

    Returns:
        A Plotly figure of fixed height and free width.
    """
    theme = get_theme(scheme)
    panels = 2 if data.note else 3
    down, across = (panels, 1) if stacked else (1, panels)
    rows = max(data.a.mean.shape[0], data.b.mean.shape[0])
    inner = max(150, min(420, rows * 34))
    top = _HEAD + _TITLE * standalone
    between = _HEAD + _BELOW
    height = down * inner + (down - 1) * between + top + _BELOW
    figure = make_subplots(
        rows=down,
        cols=across,
        horizontal_spacing=0.06 if across > 1 else 0,
        vertical_spacing=between / (height - top - _BELOW) if down > 1 else 0,
    )
    space = (width - _LEFT - _RIGHT) / across - 40
    halves = ((data.a, data.values[0]), (data.b, data.values[1]))
    for index, (half, values) in enumerate(halves):
        place = {"row": index + 1, "col": 1} if stacked else {"row": 1, "col": index + 1}
        figure.add_trace(_map(half, values, data), **place)
        _axes(figure, half.x.parameter, half.y.parameter, half.x.labels, half.y.labels, place,
              space, inner)  # fmt: skip
        figure.add_trace(_strokes(half, theme), **place)
        _head(figure, half.sweep, f"{half.dataset}, {short_encoder(half.encoder)}", place, theme)
        if half.best_position is not None:
            y, x = half.best_position
            figure.add_shape(
                type="rect", x0=x - 0.5, x1=x + 0.5, y0=y - 0.5, y1=y + 0.5,
                line={"color": theme.ink, "width": 2}, **place,
            )  # fmt: skip
    if not data.note:
        place = {"row": 3, "col": 1} if stacked else {"row": 1, "col": 3}
        _draw_difference(figure, data, place, theme, space, inner)
    style_figure(figure, theme)
    figure.update_layout(
        height=height,
        margin={"l": _LEFT, "r": _RIGHT, "t": top, "b": _BELOW, "autoexpand": False},
        coloraxis=_bar(data, figure, theme, inner, down, stacked),
        showlegend=False,
        uirevision="compare",
        meta={"kind": "compare", "a": data.a.sweep, "b": data.b.sweep, "loss": data.a.loss},
    )
    figure.update_xaxes(showgrid=False, fixedrange=True, ticks="outside", ticklen=3)
    figure.update_yaxes(showgrid=False, fixedrange=True, ticks="outside", ticklen=3)
    if standalone:
        add_title(figure, compare_text(data), height)
    return figure


def _map(half: HeatmapData, values: np.ndarray, data: CompareData) -> go.Heatmap:
    metric = metric_name(half.metric)
    hover = [
        [_hover(half, row, column, values[row, column], metric, data)
         for column in range(values.shape[1])]
        for row in range(values.shape[0])
    ]  # fmt: skip
    return go.Heatmap(
        z=values,
        coloraxis="coloraxis",
        customdata=hover,
        hovertemplate="%{customdata}<extra></extra>",
        hoverongaps=True,
        xgap=1 if values.shape[1] < 60 else 0,
        ygap=1 if values.shape[0] < 60 else 0,
    )


def _strokes(half: HeatmapData, theme: Theme) -> go.Scatter:
    """Return a diagonal stroke through each position whose seeds all predict one constant."""
    rows, columns = np.nonzero(half.collapsed)
    return go.Scatter(
        x=columns, y=rows, mode="markers", hoverinfo="skip",
        marker={
            "symbol": "line-ne-open", "size": 9, "opacity": 0.75,
            "line": {"width": 1.4, "color": theme.surface},
        },
    )  # fmt: skip


def _hover(
    half: HeatmapData, row: int, column: int, value: float, metric: str, data: CompareData
) -> str:
    where = ", ".join(
        f"{axis_name(axis.parameter)} {axis.label(place)}"
        for axis, place in ((half.x, column), (half.y, row))
        if axis.parameter is not None
    )
    lines = [f"<b>{html.escape(half.sweep)}</b>, {html.escape(where)}"]
    n, planned = int(half.n[row, column]), int(half.planned[row, column])
    if n:
        mean, sd = half.mean[row, column], half.sd[row, column]
        lines.append(f"{metric} {score_text(mean, 4)} ± {score_text(sd, 4)}, n = {n} of {planned}")
        if data.reading == "regret":
            lines.append(f"{READINGS['regret']}: {score_text(value, 4)}")
    else:
        counts = {
            "diverged": half.diverged, "failed": half.failed, "pruned": half.pruned,
            "running": half.running, "waiting": half.waiting,
        }  # fmt: skip
        states = [f"{int(c[row, column])} {s}" for s, c in counts.items() if c[row, column]]
        lines.append(", ".join(states) or "not planned")
    return "<br>".join(lines)


def _draw_difference(
    figure: go.Figure,
    data: CompareData,
    place: dict[str, int],
    theme: Theme,
    space: float,
    inner: float,
) -> None:
    known = np.abs(data.difference[np.isfinite(data.difference)])
    reach = float(known.max()) if known.size and known.max() > 0 else 0.01
    better_b, better_a = (B_COLOUR, A_COLOUR) if data.a.higher_is_better else (A_COLOUR, B_COLOUR)
    x_labels, y_labels = [setting_text(v) for v in data.x], [setting_text(v) for v in data.y]
    hover = [
        [
            f"<b>{html.escape(data.b.sweep)} less {html.escape(data.a.sweep)}</b><br>"
            f"{html.escape(x)}, {html.escape(y)}: {score_text(data.difference[i, j], 4)}"
            + ("<br>the interval leaves out zero" if data.sure[i, j] else "")
            for j, x in enumerate(x_labels)
        ]
        for i, y in enumerate(y_labels)
    ]
    figure.add_trace(
        go.Heatmap(
            z=data.difference,
            zmin=-reach,
            zmax=reach,
            colorscale=[[0, better_a], [0.5, theme.blank], [1, better_b]],
            customdata=hover,
            hovertemplate="%{customdata}<extra></extra>",
            xgap=1,
            ygap=1,
            showscale=False,
        ),
        **place,
    )
    rows, columns = np.nonzero(data.sure)
    figure.add_trace(
        go.Scatter(
            x=columns, y=rows, mode="markers", hoverinfo="skip",
            marker={"size": 4, "color": theme.ink, "opacity": 0.7},
        ),
        **place,
    )  # fmt: skip
    _axes(figure, data.a.x.parameter, data.a.y.parameter, x_labels, y_labels, place, space, inner)
    words = (
        f"<span style='color:{A_COLOUR}'>■</span> {html.escape(_clipped(data.a.sweep))} better  "
        f"<span style='color:{B_COLOUR}'>■</span> {html.escape(_clipped(data.b.sweep))} better, "
        f"full at {score_text(reach)}"
    )
    _head(figure, "Difference", words, place, theme, escaped=True)


def _clipped(name: str, most: int = 18) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _axes(
    figure: go.Figure,
    x: str | None,
    y: str | None,
    x_labels: list[str],
    y_labels: list[str],
    place: dict[str, int],
    space: float,
    inner: float,
) -> None:
    for labels, parameter, update, room in (
        (x_labels, x, figure.update_xaxes, space),
        (y_labels, y, figure.update_yaxes, inner),
    ):
        longest = max((len(label) for label in labels), default=1)
        limit = max(2, int(room / (8 * longest + 6 if update == figure.update_xaxes else 16)))
        positions, shown, _ = thin_labels(labels, limit)
        update(
            tickvals=positions,
            ticktext=shown,
            tickangle=0,
            title_text="" if parameter is None else axis_name(parameter),
            title_standoff=4,
            range=[-0.5, len(labels) - 0.5],
            **place,
        )


def _head(
    figure: go.Figure,
    title: str,
    facts: str,
    place: dict[str, int],
    theme: Theme,
    *,
    escaped: bool = False,
) -> None:
    small = facts if escaped else html.escape(facts if len(facts) < 60 else f"{facts[:58]}…")
    figure.add_annotation(
        text=f"<b>{html.escape(title)}</b><br><span style='font-size:11px'>{small}</span>",
        x=0, y=1, xref="x domain", yref="y domain", xanchor="left", yanchor="bottom", yshift=4,
        showarrow=False, align="left", font={"size": 12.5, "color": theme.ink}, **place,
    )  # fmt: skip


def _bar(
    data: CompareData, figure: go.Figure, theme: Theme, inner: float, down: int, stacked: bool
) -> dict[str, Any]:
    """Return the colour scale of both maps, its bar over them."""
    first, last = figure.layout.xaxis.domain, figure.layout.xaxis2.domain
    start, end = (first[0], first[1] if stacked else last[1])
    whole = down * inner + (down - 1) * (_HEAD + _BELOW)
    low, high = data.span
    inset = 1e-6 * (high - low)
    ticks = np.linspace(low + inset, high - inset, 5)
    return {
        "cmin": low,
        "cmax": high,
        "colorscale": colour_scale(higher_is_better=data.a.higher_is_better),
        "colorbar": {
            "orientation": "h",
            "thickness": _BAR,
            "len": end - start,
            "x": start,
            "xanchor": "left",
            "y": 1 + 70 / whole,
            "yanchor": "top",
            "xpad": 0,
            "ypad": 0,
            "outlinewidth": 0,
            "ticklen": 3,
            "tickvals": ticks.tolist(),
            "ticktext": [score_text(value if abs(value) >= 5e-4 else 0.0) for value in ticks],
            "tickfont": {"size": 11, "color": theme.muted},
            "ticklabeloverflow": "allow",
        },
    }
