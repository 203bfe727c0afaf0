"""Draws the best cells of `dashboards.figures.sensitivity_cells`."""

from __future__ import annotations

import html
import math

import plotly.graph_objects as go

from dashboards.figures.captions import add_title
from dashboards.figures.sensitivity import TITLE, say_instead
from dashboards.figures.sensitivity_cells import BestCellsData, CellLine, best_cells_text
from dashboards.naming import metric_name, score_text
from dashboards.theme import get_theme, style_figure

# Pixels.
_ROW, _TOP, _FOOT, _CHARACTER, _RIGHT = 23, 26, 50, 7.0, 74
_MOST_CHARACTERS = 30


def plot_best_cells(
    data: BestCellsData,
    *,
    scheme: str = "light",
    standalone: bool = True,
    width: int | None = None,
) -> go.Figure:
    """Draw a line a cell: mean, interval, value on test, probability of being best.

    Args:
        data: from `best_cells_data`.
        scheme: ``"light"`` or ``"dark"``.
        standalone: put the title into the figure.
        width: width of the page in pixels.
    """
    theme = get_theme(scheme)
    figure = go.Figure()
    style_figure(figure, theme)
    top = _TOP + TITLE * standalone
    height = top + _FOOT + _ROW * max(len(data.cells), 3)
    if not data.cells:
        say_instead(figure, "no finished cell has a value yet", theme, width=width)
        height = 92 + TITLE * standalone
        figure.update_layout(height=height, margin={"l": 20, "r": 20, "t": top, "b": 10})
        if standalone:
            add_title(figure, best_cells_text(data), height)
        return figure
    narrow = width is not None and width < 500
    limit = 20 if narrow else _MOST_CHARACTERS
    names = [_short(cell.name, limit) for cell in data.cells]
    for tied in (True, False):
        rows = [row for row, cell in enumerate(data.cells) if cell.tied == tied]
        if rows:
            figure.add_trace(
                go.Scatter(
                    x=[data.cells[row].mean for row in rows],
                    y=rows,
                    mode="markers",
                    error_x={
                        "type": "data",
                        "symmetric": False,
                        "array": [_reach(data.cells[row], 1) for row in rows],
                        "arrayminus": [_reach(data.cells[row], -1) for row in rows],
                        "color": theme.accent,
                        "thickness": 1.6,
                        "width": 0,
                    },
                    marker={
                        "size": 9,
                        "color": theme.accent if tied else theme.surface,
                        "line": {"width": 1.8, "color": theme.accent},
                    },
                    hovertemplate=[_hover(data, data.cells[row]) for row in rows],
                    showlegend=False,
                )
            )
    on_test = [(row, cell.test) for row, cell in enumerate(data.cells) if math.isfinite(cell.test)]
    if on_test:
        figure.add_trace(
            go.Scatter(
                x=[value for _, value in on_test], y=[row for row, _ in on_test], mode="markers",
                marker={"size": 7, "symbol": "diamond-open", "color": theme.muted,
                        "line": {"width": 1.3, "color": theme.muted}},
                hovertemplate="test %{x:.4f}<extra></extra>", showlegend=False,
            )
        )  # fmt: skip
    probable = any(math.isfinite(cell.probability) for cell in data.cells)
    if probable:
        note = {"xref": "paper", "x": 1, "xanchor": "left", "xshift": 10, "showarrow": False}
        figure.add_annotation(
            text="P(best)", y=1, yref="paper", yanchor="bottom", yshift=3,
            font={"size": 11.5, "color": theme.muted}, **note,
        )  # fmt: skip
        for row, cell in enumerate(data.cells):
            figure.add_annotation(
                text=_probability(cell.probability), y=row, yref="y",
                font={"size": 12.5, "color": theme.ink}, **note,
            )  # fmt: skip
    figure.update_xaxes(
        title_text=metric_name(data.question.metric), fixedrange=True, nticks=5 if narrow else 7
    )
    figure.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=[html.escape(name) for name in names],
        range=[len(names) - 0.5, -0.5],
        showgrid=False,
        tickfont={"size": 12, "color": theme.ink},
        fixedrange=True,
    )
    figure.update_layout(
        height=height,
        margin={
            "l": int(24 + _CHARACTER * max(map(len, names))), "r": _RIGHT if probable else 18,
            "t": top, "b": _FOOT,
        },
        meta={"kind": "best-cells", "sweep": data.question.sweep, "loss": data.question.loss},
    )  # fmt: skip
    if standalone:
        add_title(figure, best_cells_text(data), height)
    return figure


def _reach(cell: CellLine, side: int) -> float:
    bound = cell.high if side > 0 else cell.low
    return side * (bound - cell.mean) if math.isfinite(bound) else 0.0


def _short(name: str, limit: int) -> str:
    return name if len(name) <= limit else f"{name[: limit - 1]}…"


def _probability(value: float) -> str:
    if not math.isfinite(value):
        return "–"
    if value > 0.995:
        return "> 0.99"
    return "< 0.01" if value < 0.005 else f"{value:.2f}"


def _hover(data: BestCellsData, cell: CellLine) -> str:
    interval = ""
    if math.isfinite(cell.low):
        interval = f" [{cell.low:.4f}, {cell.high:.4f}]"
    lines = [
        f"<b>{html.escape(cell.name)}</b>",
        f"{metric_name(data.question.metric)} {cell.mean:.4f}{interval}, n = {cell.n}",
    ]
    if math.isfinite(cell.test):
        lines.append(f"test {score_text(cell.test, 4)}")
    if data.n_tied is not None:
        lines.append("tied with the best" if cell.tied else "not tied with the best")
    if cell.collapsed:
        lines.append("collapsed")
    return "<br>".join(lines) + "<extra></extra>"
