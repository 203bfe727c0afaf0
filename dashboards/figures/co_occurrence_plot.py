"""Draws how often classes occur together, of `dashboards.figures.dataset_statistics`."""

from __future__ import annotations

import html

import numpy as np
import plotly.graph_objects as go

from dashboards.figures.captions import add_title
from dashboards.figures.dataset_statistics import CoOccurrence, co_occurrence_text
from dashboards.theme import colour_scale, get_theme, style_figure

# Pixels.
_CELL, _TOP, _FOOT, _TITLE, _CHARACTER, _MOST_CHARACTERS = 22, 12, 46, 70, 6.6, 22


def plot_co_occurrence(
    data: CoOccurrence, *, dataset: str = "", scheme: str = "light", standalone: bool = True
) -> go.Figure:
    """Draw the shares as a matrix, the most frequent class first; the diagonal is left empty.

    Args:
        data: from `co_occurrence`.
        dataset: its name, for the title.
        scheme: ``"light"`` or ``"dark"``.
        standalone: put the title into the figure.
    """
    theme = get_theme(scheme)
    n = len(data.labels)
    shares = data.given.copy()
    np.fill_diagonal(shares, np.nan)
    names = [html.escape(_short(label)) for label in data.labels]
    longest = max((len(name) for name in names), default=1)
    top = _TOP + _TITLE * standalone
    # The names stand at 60 degrees below the cells, the axis title below them.
    foot = _FOOT + int(0.87 * _CHARACTER * longest)
    height = n * _CELL + top + foot
    hover = [
        [
            f"{html.escape(row)} with {html.escape(column)}: {data.together[i, j]:,} examples, "
            f"{data.given[i, j]:.0%} of {data.together[i, i]:,}"
            if i != j
            else f"{html.escape(row)}: {data.together[i, i]:,} examples"
            for j, column in enumerate(data.labels)
        ]
        for i, row in enumerate(data.labels)
    ]
    known = shares[np.isfinite(shares)]
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            customdata=hover,
            hovertemplate="%{customdata}<extra></extra>",
            hoverongaps=True,
            colorscale=colour_scale(),
            zmin=0.0,
            zmax=float(known.max()) if known.size and known.max() > 0 else 1.0,
            xgap=1,
            ygap=1,
            colorbar={
                "thickness": 10,
                "outlinewidth": 0,
                "tickformat": ".0%",
                "nticks": 5,
                "tickfont": {"size": 11, "color": theme.muted},
                "xpad": 6,
            },
        )
    )
    style_figure(figure, theme)
    figure.update_layout(
        height=height,
        margin={
            "l": int(16 + _CHARACTER * longest),
            "r": 62,
            "t": top,
            "b": foot,
            "autoexpand": False,
        },
        meta={"kind": "co-occurrence", "dataset": dataset},
    )
    ticks = {"tickvals": list(range(n)), "ticktext": names, "showgrid": False, "fixedrange": True}
    figure.update_xaxes(**ticks, tickangle=-60, title={"text": "also has", "standoff": 8})
    figure.update_yaxes(**ticks, range=[n - 0.5, -0.5])
    if standalone:
        add_title(figure, co_occurrence_text(data, dataset), height)
    return figure


def _short(label: str) -> str:
    return label if len(label) <= _MOST_CHARACTERS else f"{label[: _MOST_CHARACTERS - 1]}…"
