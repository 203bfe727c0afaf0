"""Draws the shares of variance of `dashboards.figures.sensitivity_shares`."""

from __future__ import annotations

import html
import math

import plotly.graph_objects as go

from dashboards.figures.captions import add_title
from dashboards.figures.sensitivity import TITLE, say_instead
from dashboards.figures.sensitivity_shares import Bar, SharesData, shares_text
from dashboards.theme import Theme, get_theme, mixed, style_figure

# Pixels.
_ROW, _TOP, _FOOT, _CHARACTER = 34, 10, 30, 7.4
_LEGEND = 26
# Rows with several bars are that much taller, and that share of a row stays empty.
_SPREAD, _GAP = 1.35, 0.3


def plot_shares(
    data: SharesData, *, scheme: str = "light", standalone: bool = True, width: int | None = None
) -> go.Figure:
    """Draw one bar a source of variance, with its interval.

    Args:
        data: from `shares_data`.
        scheme: ``"light"`` or ``"dark"``.
        standalone: put the title into the figure.
        width: width of the page in pixels; labels are written smaller on a narrow one.
    """
    theme = get_theme(scheme)
    figure = go.Figure()
    labels = list(dict.fromkeys(bar.label for bar in data.bars))
    groups = list(dict.fromkeys(bar.group for bar in data.bars))
    several = len(groups) > 1
    top = _TOP + TITLE * standalone + _LEGEND * several
    height = int(top + _FOOT + _ROW * max(len(labels), 3) * (_SPREAD if several else 1))
    style_figure(figure, theme)
    narrow = width is not None and width < 500
    if not data.bars:
        say_instead(figure, data.reason or "there is nothing to divide", theme, width=width)
        height = 92 + TITLE * standalone
    for group in groups:
        _draw_group(figure, data, group, labels, theme)
    longest = max((len(label) for label in labels), default=4)
    figure.update_layout(
        height=height,
        barmode="group",
        bargap=_GAP if several else 0.42,
        bargroupgap=0.12,
        margin={
            "l": int(22 + (6.6 if narrow else _CHARACTER) * longest), "r": 20, "t": top, "b": _FOOT,
        },
        showlegend=several,
        legend={"x": 0, "y": 1, "xanchor": "left", "yanchor": "bottom", "traceorder": "normal"},
        meta={"kind": "shares", "sweep": data.question.sweep, "loss": data.question.loss},
    )  # fmt: skip
    if data.bars:
        ends = [max(bar.value, bar.high or 0.0) for bar in data.bars]
        # Room at the right for the number that is written after the interval.
        room = (0.30 if narrow else 0.2) * max(*ends, 0.1)
        low = min([0.0, *(bar.low for bar in data.bars if bar.low is not None)])
        figure.update_xaxes(
            range=[low, max(ends) + room], tickformat=".0%", nticks=5 if narrow else 7,
            fixedrange=True, zeroline=True, zerolinecolor=theme.line,
        )  # fmt: skip
        figure.update_yaxes(
            tickvals=list(range(len(labels))),
            ticktext=[html.escape(label) for label in labels],
            range=[len(labels) - 0.5, -0.5],
            showgrid=False,
            tickfont={"size": 12 if narrow else 13, "color": theme.ink},
            fixedrange=True,
        )
    if standalone:
        add_title(figure, shares_text(data), height)
    return figure


def _draw_group(
    figure: go.Figure, data: SharesData, group: str, labels: list[str], theme: Theme
) -> None:
    groups = list(dict.fromkeys(bar.group for bar in data.bars))
    number = groups.index(group)
    bars = [bar for bar in data.bars if bar.group == group]
    values = [max(bar.value, 0.0) for bar in bars]
    bounds = [_bounds(bar) for bar in bars]
    rows = [labels.index(bar.label) for bar in bars]
    drawn = list(zip(values, bounds, strict=True))
    figure.add_trace(
        go.Bar(
            x=values,
            y=rows,
            orientation="h",
            name=group,
            marker={"color": [_colour(bar, number, theme) for bar in bars], "line": {"width": 0}},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [high - value for value, (_, high) in drawn],
                "arrayminus": [value - low for value, (low, _) in drawn],
                "color": theme.ink,
                "thickness": 2,
                "width": 0,
            },
            hovertemplate=[
                f"<b>{html.escape(bar.label)}</b>, {html.escape(bar.group)}<br>{_value(bar)}"
                f"{_interval(bar)}<extra></extra>"
                for bar in bars
            ],
            offsetgroup=str(number),
        )
    )
    # Bars side by side lie off the middle of their row, and what is written at them as well.
    shift = 0.0 if len(groups) == 1 else _ROW * _SPREAD * (1 - _GAP) / 4 * (1 - 2 * number)
    for bar, row, value, (_, high) in zip(bars, rows, values, bounds, strict=True):
        if bar.shuffled is not None:
            figure.add_annotation(
                x=bar.shuffled, y=row, text="│", showarrow=False, yshift=shift,
                font={"size": 15, "color": theme.ink},
            )  # fmt: skip
        figure.add_annotation(
            x=max(high, value, bar.shuffled or 0.0), y=row, text=_value(bar), xanchor="left",
            xshift=7, yshift=shift, showarrow=False, font={"size": 12.5, "color": theme.ink},
        )  # fmt: skip


def _colour(bar: Bar, number: int, theme: Theme) -> str:
    if bar.name == "residual":
        return mixed(theme.muted, theme.surface, 0.45)
    if bar.name == "seed":
        return mixed(theme.muted, theme.surface, 0.8)
    strength = (1.0, 0.5)[number % 2]
    return mixed(theme.accent, theme.surface, strength * (0.68 if "×" in bar.name else 1.0))


def _bounds(bar: Bar) -> tuple[float, float]:
    value = max(bar.value, 0.0)
    low = value if bar.low is None else bar.low
    high = value if bar.high is None else bar.high
    return low, high


def _value(bar: Bar) -> str:
    if bar.group == "share of the variance":
        return "< 0.1 %" if 0 < bar.value < 0.0005 else f"{bar.value:.1%}".replace("%", " %")
    return f"{bar.value:.2f}".replace("-", "−")


def _interval(bar: Bar) -> str:
    if bar.shuffled is not None:
        return f"<br>{bar.shuffled:.2f} for shuffled values"
    if bar.low is None or bar.high is None or not math.isfinite(bar.low):
        return ""
    if bar.group == "share of the variance":
        return f"<br>95 % interval {bar.low:.1%} to {bar.high:.1%}"
    return f"<br>95 % interval {bar.low:.2f} to {bar.high:.2f}"
