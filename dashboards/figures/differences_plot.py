"""Draws the differences between losses of `dashboards.figures.loss_table`."""

from __future__ import annotations

import html
import math

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards.figures.boxplots import BoxPanel
from dashboards.figures.captions import add_title
from dashboards.figures.loss_table import LossTable, differences_text
from dashboards.naming import metric_name
from dashboards.theme import Theme, get_theme, style_figure
from sweeps.sensitivity.words_losses import difference_in_words

# Pixels.
_ROW, _HEAD, _FOOT, _LEFT, _TITLE = 40, 34, 44, 128, 70


def plot_differences(
    table: LossTable,
    *,
    scheme: str = "light",
    standalone: bool = True,
    columns: int | None = None,
) -> go.Figure:
    """Draw each loss less the reference: every seed, the mean, and its interval.

    Args:
        table: from `loss_table`.
        scheme: ``"light"`` or ``"dark"``.
        standalone: put the title into the figure.
        columns: panels beside each other; all by default.
    """
    theme = get_theme(scheme)
    panels = table.boxes.panels
    losses = [row.loss for row in table.rows if row.loss != table.reference]
    across = min(columns or len(panels), len(panels)) or 1
    down = max(1, math.ceil(len(panels) / across))
    inner = max(1, len(losses)) * _ROW
    top = _HEAD + _TITLE * standalone
    height = down * inner + (down - 1) * (_HEAD + _FOOT) + top + _FOOT
    figure = make_subplots(
        rows=down,
        cols=across,
        shared_yaxes=True,
        horizontal_spacing=0.028 if across > 1 else 0,
        vertical_spacing=(_HEAD + _FOOT) / (height - top - _FOOT) if down > 1 else 0,
    )
    for index, panel in enumerate(panels):
        place = {"row": index // across + 1, "col": index % across + 1}
        _draw_panel(figure, table, panel, losses, place, theme)
    style_figure(figure, theme)
    figure.update_layout(
        height=height,
        margin={"l": _LEFT, "r": 18, "t": top, "b": _FOOT, "autoexpand": False},
        showlegend=False,
        uirevision="differences",
        meta={"kind": "differences", "sweep": table.boxes.sweep},
    )
    figure.update_xaxes(nticks=5, ticklen=4, ticks="outside", fixedrange=True, tickformat="~g")
    figure.update_yaxes(
        tickvals=list(range(len(losses))),
        ticktext=[html.escape(loss) for loss in losses],
        range=[max(len(losses), 1) - 0.5, -0.5],
        showgrid=False,
        tickfont={"size": 12.5, "color": theme.ink},
        fixedrange=True,
    )
    if standalone:
        add_title(figure, differences_text(table), height)
    return figure


def _draw_panel(
    figure: go.Figure,
    table: LossTable,
    panel: BoxPanel,
    losses: list[str],
    place: dict[str, int],
    theme: Theme,
) -> None:
    found = table.differences[panel.metric]
    span = [0.0]
    for position, loss in enumerate(losses):
        difference = found.get(loss)
        if difference is None or difference.difference is None:
            figure.add_annotation(
                text="no common seed", x=0.5, y=position, xref="x domain", showarrow=False,
                font={"size": 11, "color": theme.muted}, **place,
            )  # fmt: skip
            continue
        each = _by_seed(panel, loss, str(table.reference))
        low = difference.difference if difference.low is None else difference.low
        high = difference.difference if difference.high is None else difference.high
        span += [low, high, *each]
        sure = difference.low is not None and (low > 0 or high < 0)
        figure.add_trace(
            go.Scatter(
                x=[low, high], y=[position] * 2, mode="lines",
                line={"color": theme.box, "width": 2}, hoverinfo="skip",
            ),
            **place,
        )  # fmt: skip
        figure.add_trace(
            go.Scatter(
                x=each, y=position + np.linspace(-0.26, 0.26, len(each)) if len(each) > 1
                else [position], mode="markers",
                marker={"size": 4, "color": theme.muted, "opacity": 0.75}, hoverinfo="skip",
            ),
            **place,
        )  # fmt: skip
        words = html.escape(difference_in_words(difference))
        figure.add_trace(
            go.Scatter(
                x=[difference.difference],
                y=[position],
                mode="markers",
                marker={
                    "size": 10,
                    "color": theme.box if sure else theme.surface,
                    "line": {"width": 2, "color": theme.box},
                },
                hovertemplate=(
                    f"<b>{html.escape(loss)}</b> less {html.escape(str(table.reference))}<br>"
                    f"{metric_name(panel.metric)} {words}<br>n = {difference.n} pairs"
                    "<extra></extra>"
                ),
            ),
            **place,
        )
    if len(span) == 1:
        # Without a trace Plotly lays out no axes, and the words would have no place.
        figure.add_trace(go.Scatter(x=[None], y=[None], hoverinfo="skip"), **place)
        span += [-0.01, 0.01]
    pad = max(0.06 * (max(span) - min(span)), 0.002)
    figure.update_xaxes(range=[min(span) - pad, max(span) + pad], **place)
    figure.add_vline(x=0, line={"color": theme.ink, "width": 1}, **place)
    figure.add_annotation(
        text=f"<b>{metric_name(panel.metric)}</b>", x=0, y=1, xref="x domain", yref="y domain",
        xanchor="left", yanchor="bottom", yshift=4, showarrow=False, align="left",
        font={"size": 12.5, "color": theme.ink}, **place,
    )  # fmt: skip


def _by_seed(panel: BoxPanel, loss: str, reference: str) -> list[float]:
    own = panel.seeds[loss].set_index("seed")["value"]
    both = own.to_frame("a").join(
        panel.seeds[reference].set_index("seed")["value"].rename("b"), how="inner"
    )
    return [float(value) for value in (both["a"] - both["b"]).dropna()]
