"""Draws the parallel coordinates of `dashboards.figures.parallel`."""

from __future__ import annotations

import html

import numpy as np
import plotly.graph_objects as go

from dashboards.figures.captions import add_title
from dashboards.figures.parallel import ParallelAxis, ParallelData, line_name, parallel_text
from dashboards.theme import SCALE, Theme, get_theme, style_figure

# Pixels.
_INNER, _HEAD, _FOOT, _LEFT, _RIGHT, _TITLE = 360, 40, 22, 46, 92, 70
_TURNED_STEP, _TURNED_SIDE = 74, 26


def plot_parallel(
    data: ParallelData,
    *,
    scheme: str = "light",
    standalone: bool = True,
    brush: bool = True,
    turned: bool = False,
) -> go.Figure:
    """Draw every cell as a line, coloured by its mean; those that are filtered out are faint.

    Lines of one colour are one trace, so that a thousand of them are drawn as fast as ten.

    Args:
        data: from `parallel_data`.
        scheme: ``"light"`` or ``"dark"``.
        standalone: put the title into the figure.
        brush: a drag draws a box over the axes, which a page turns into filters; not when turned.
        turned: axes lie below each other, for a narrow page.

    Returns:
        A Plotly figure of fixed height and free width.
    """
    theme = get_theme(scheme)
    top = _HEAD + _TITLE * standalone
    inner = _TURNED_STEP * (len(data.axes) - 1) if turned else _INNER
    height = inner + top + _FOOT + (14 if turned else 0)
    figure = go.Figure()
    rows = data.rows
    inside = data.matches[rows]
    if not inside.all():
        figure.add_trace(_bundle(data, rows[~inside], theme.blank, 1.0, 1.0, turned))
    for colour, own in _shades(data, rows[inside]):
        opacity = 0.75 if len(rows) < 400 else 0.5
        figure.add_trace(_bundle(data, own, colour, 1.3, opacity, turned))
    chosen = np.flatnonzero(data.selected)
    if len(chosen):
        figure.add_trace(_bundle(data, chosen, theme.surface, 6.0, 1.0, turned))
        figure.add_trace(_bundle(data, chosen, theme.diverged, 3.0, 1.0, turned))
    figure.add_trace(_hover_points(data, rows[inside], turned))
    style_figure(figure, theme)
    _draw_axes(figure, data.axes, theme, turned)
    side = (_TURNED_SIDE, _TURNED_SIDE) if turned else (_LEFT, _RIGHT)
    figure.update_layout(
        height=height,
        margin={"l": side[0], "r": side[1], "t": top, "b": _FOOT, "autoexpand": False},
        showlegend=False,
        dragmode="select" if brush and not turned else False,
        selectdirection="any",
        newselection={"line": {"color": theme.ink, "width": 1, "dash": "dot"}},
        hovermode="closest",
        uirevision="parallel",
        selectionrevision=str(int(data.matches.sum())),
        meta={"kind": "parallel", "sweep": data.cells.sweep, "metric": data.cells.metric},
    )
    last = len(data.axes) - 1
    along = {"range": [-0.08, last + 0.08], "visible": False, "fixedrange": True}
    across = {"range": [-0.06, 1.06], "visible": False, "fixedrange": True}
    if turned:
        along["range"] = [last + 0.22, -0.05]
        across["range"] = [0, 1]
    figure.update_xaxes(**(across if turned else along))
    figure.update_yaxes(**(along if turned else across))
    if not len(rows):
        figure.add_annotation(
            text="no finished seed yet", x=0.5, y=0.5, xref="paper", yref="paper",
            showarrow=False, font={"size": 13, "color": theme.muted}, bgcolor=theme.surface,
        )  # fmt: skip
    if standalone:
        add_title(figure, parallel_text(data), height)
    return figure


def _bundle(
    data: ParallelData, rows: np.ndarray, colour: str, width: float, opacity: float, turned: bool
) -> go.Scatter:
    places = np.stack([axis.places[rows] for axis in data.axes], axis=1)
    gap = np.full((len(rows), 1), np.nan)
    along = np.tile(np.append(np.arange(len(data.axes), dtype=float), np.nan), len(rows))
    across = np.concatenate([places, gap], axis=1).ravel()
    return go.Scatter(
        x=across if turned else along,
        y=along if turned else across,
        mode="lines",
        line={"color": colour, "width": width},
        opacity=opacity,
        hoverinfo="skip",
    )


def _shades(data: ParallelData, rows: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Return the rows by shade of the colour scale, the worst first."""
    value = data.axes[-1].places[rows]
    better = value if data.cells.higher_is_better else 1 - value
    shade = np.clip((better * len(SCALE)).astype(int), 0, len(SCALE) - 1)
    return [(SCALE[k], rows[shade == k]) for k in range(len(SCALE)) if (shade == k).any()]


def _hover_points(data: ParallelData, rows: np.ndarray, turned: bool) -> go.Scatter:
    """Return one invisible point a line at the metric's axis: what the hover reads."""
    along, across = np.full(len(rows), len(data.axes) - 1.0), data.axes[-1].places[rows]
    return go.Scatter(
        x=across if turned else along,
        y=along if turned else across,
        mode="markers",
        marker={"size": 9, "opacity": 0, "color": "rgba(0,0,0,0)"},
        customdata=[
            html.escape(line_name(data, cell))
            for cell in data.cells.frame.iloc[rows].to_dict("records")
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )


def _draw_axes(
    figure: go.Figure, axes: tuple[ParallelAxis, ...], theme: Theme, turned: bool
) -> None:
    for index, axis in enumerate(axes):
        first, last = index == 0, index == len(axes) - 1
        ends = {"x0": index, "x1": index, "y0": 0, "y1": 1}
        if turned:
            ends = {"x0": 0, "x1": 1, "y0": index, "y1": index}
        figure.add_shape(
            type="line", layer="above", line={"color": theme.muted, "width": 1.2}, **ends
        )
        # Box selections go by points: one at each place of the axis.
        places = np.unique(axis.places[np.isfinite(axis.places)])[:200]
        same = np.full(len(places), index)
        hidden = 0 if last else 1
        figure.add_trace(
            go.Scatter(
                x=places if turned else same, y=same if turned else places, mode="markers",
                hoverinfo="skip", marker={"size": 4, "color": theme.muted, "opacity": hidden},
                selected={"marker": {"color": theme.accent}},
                unselected={"marker": {"opacity": hidden}},
            )
        )  # fmt: skip
        title = {"text": f"<b>{html.escape(axis.title)}</b>", "showarrow": False,
                 "font": {"size": 12, "color": theme.ink}}  # fmt: skip
        if turned:
            place = {"x": 0, "y": index, "xanchor": "left", "yanchor": "bottom", "yshift": 3,
                     "bgcolor": _veil(theme), "borderpad": 1}  # fmt: skip
        else:
            place = {
                "x": index, "y": 1, "yshift": 12, "yanchor": "bottom",
                "xanchor": "right" if last else "left" if first else "center",
                "xshift": -16 if first else 40 if last else 0,
            }  # fmt: skip
        figure.add_annotation(**title, **place)
        _draw_ticks(figure, axis, index, theme, turned)


def _draw_ticks(
    figure: go.Figure, axis: ParallelAxis, index: int, theme: Theme, turned: bool
) -> None:
    # Turned, labels stand beside each other: as many as have room, about 46 pixels each.
    step = max(1, -(-len(axis.ticks) * (4 + max(map(len, axis.labels), default=1)) // 52))
    pairs = list(zip(axis.ticks, axis.labels, strict=True))[:: step if turned else 1]
    for place, label in pairs:
        where = {"x": index, "y": place, "xanchor": "left", "xshift": 6}
        if turned:
            anchor = "left" if place < 0.05 else "right" if place > 0.95 else "center"
            where = {"x": place, "y": index, "xanchor": anchor, "yanchor": "top", "yshift": -2}
        figure.add_annotation(
            text=html.escape(label), showarrow=False, font={"size": 11, "color": theme.ink},
            bgcolor=_veil(theme), borderpad=1, **where,
        )  # fmt: skip


def _veil(theme: Theme) -> str:
    red, green, blue = bytes.fromhex(theme.surface[1:])
    return f"rgba({red}, {green}, {blue}, 0.78)"
