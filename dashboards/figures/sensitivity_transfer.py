"""What a best cell loses on another dataset: the regret of carrying it over."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from dashboards.figures.captions import FigureText, add_title
from dashboards.figures.grid import FigureError
from dashboards.figures.selection import describe_metric
from dashboards.figures.sensitivity import TITLE, say_instead
from dashboards.naming import metric_name
from dashboards.source import Source
from dashboards.theme import get_theme, mixed, style_figure
from sweeps.sensitivity.comparison import PairedDifference
from sweeps.sensitivity.datasets import Transfer
from sweeps.sensitivity.reading_losses import transfer_stored
from sweeps.sensitivity.words_datasets import differing_settings

_ROW, _TOP, _FOOT, _CHARACTER = 54, 32, 12, 6.8  # pixels
_MOST_CHARACTERS = 26
# The darkest colour is at least this loss: one that is nothing should not look like one.
_NOTABLE = 0.02


class TransferData(NamedTuple):
    """Regrets of the best cells of one loss.

    Attributes:
        loss: the loss.
        metric: name of the metric.
        sweeps: the sweep of each dataset, in the order of ``datasets``.
        datasets: rows (where chosen) and columns (where used).
        settings: the best cell of each dataset, by what differs between them.
        regret: (D, D) what the row's best cell loses on the column's dataset, on test.
        paired: (chosen, used) to the same with its interval over seeds.
        n_common: cells that all datasets have.
        reason: why there is no table.
    """

    loss: str
    metric: str
    sweeps: tuple[str, ...]
    datasets: tuple[str, ...]
    settings: dict[str, str]
    regret: np.ndarray
    paired: dict[tuple[str, str], PairedDifference]
    n_common: int
    reason: str | None


def transfer_sweeps(source: Source, sweep: str) -> list[str]:
    """Return one sweep a dataset of the store: this one, and of each other dataset the latest."""
    table = source.sweeps()
    table = table[table["complete"] > 0]
    own = source.sweep(sweep).dataset
    latest = {str(row.dataset): str(row.name_) for row in
              table.rename(columns={"name": "name_"}).itertuples()}  # fmt: skip
    latest.pop(own, None)
    return [sweep, *latest.values()]


def transfer_data(
    source: Source, sweep: str, *, loss: str | None = None, metric: str | None = None
) -> TransferData:
    """Collect the regret of using each dataset's best cell on every other dataset of the store.

    Chosen on validation, read on test, each sweep at its own threshold, among the settings that
    all datasets have.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.
        loss: name of the loss; the first of the plan by default.
        metric: a metric of the sweep; its objective's by default.

    Raises:
        FigureError: unknown loss or metric.
        StoreError: the store cannot be read, or has no such sweep.

    Source: `sweeps.sensitivity.datasets.transfer_regret`; the paper used VOC's optimum for COCO.
    """
    losses = source.losses(sweep)
    chosen = loss or (losses[0] if losses else "")
    if chosen not in losses:
        raise FigureError(
            f"The sweep must hold the loss, but got '{chosen}'. Known: {', '.join(losses)}."
        )
    name = describe_metric(source.sweep(sweep), metric or source.sweep(sweep).objective["metric"])[
        "name"
    ]
    others = [
        other
        for other in transfer_sweeps(source, sweep)
        if chosen in source.losses(other)
        and name in {entry["name"] for entry in source.sweep(other).metrics}
    ]
    if len(others) < 2:
        reason = f"the store has {chosen} with this metric on one dataset only"
        return TransferData(chosen, name, tuple(others), (), {}, np.zeros((0, 0)), {}, 0, reason)
    tokens = tuple(source.token(other) for other in others)
    found = source.compute(
        sweep,
        ("transfer", chosen, name, tokens),
        partial(transfer_stored, sweeps=others, loss=chosen, metric=name),
        beside=others,
    )
    return transfer_of(chosen, name, others, found)


def transfer_of(loss: str, metric: str, sweeps: Sequence[str], found: Transfer) -> TransferData:
    """Return the figure's data of a regret that was computed elsewhere.

    Args:
        loss: the loss.
        metric: name of the metric.
        sweeps: the sweeps it is of.
        found: from `sweeps.sensitivity.reading_losses.transfer_stored`.
    """
    if found.n_common < 2:
        reason = (
            f"{'no' if not found.n_common else 'only one'} setting of {loss} is in every sweep "
            f"({', '.join(sweeps)})"
        )
        return TransferData(
            loss, metric, tuple(sweeps), (), {}, np.zeros((0, 0)), {}, found.n_common, reason
        )
    return TransferData(
        loss, metric, tuple(sweeps), found.datasets, differing_settings(found), found.regret,
        found.paired, found.n_common, None,
    )  # fmt: skip


def transfer_text(data: TransferData) -> FigureText:
    """Return the words of the table."""
    title = "Carrying the best cell to another dataset"
    facts = [data.loss, metric_name(data.metric), "chosen on validation, read on test"]
    if data.reason is not None:
        text = (
            "With sweeps of two datasets or more that share settings, this shows what the best "
            "cell of one loses on the other."
        )
        return FigureText(title, " · ".join(facts), text)
    facts.append(f"{data.n_common} settings that all have")
    caption = (
        "What the best cell of the row's dataset loses on the column's, against the best cell "
        "there; 0 means that it is the same cell or as good. Negative: by chance of the test "
        "split, the row's choice reads better. 95 % intervals by Student's t, paired by seed. "
        f"Sweeps: {', '.join(data.sweeps)}, each at its own threshold."
    )
    return FigureText(title, " · ".join(facts), caption)


def plot_transfer(
    data: TransferData, *, scheme: str = "light", standalone: bool = True, width: int | None = None
) -> go.Figure:
    """Draw the regrets as a table of colours, the stronger the more is lost.

    Args:
        data: from `transfer_data`.
        scheme: ``"light"`` or ``"dark"``.
        standalone: put the title into the figure.
        width: width of the page in pixels.
    """
    theme = get_theme(scheme)
    figure = go.Figure()
    style_figure(figure, theme)
    top = _TOP + TITLE * standalone
    if data.reason is not None:
        say_instead(figure, data.reason, theme, width=width)
        height = 72 + TITLE * standalone
        top = 10 + TITLE * standalone
        figure.update_layout(height=height, margin={"l": 20, "r": 20, "t": top, "b": 10})
        if standalone:
            add_title(figure, transfer_text(data), height)
        return figure
    n = len(data.datasets)
    height = top + _FOOT + _ROW * n
    narrow = width is not None and width < 500
    limit = 14 if narrow else _MOST_CHARACTERS
    most = max(float(np.nanmax(data.regret)), _NOTABLE)
    figure.add_trace(
        go.Heatmap(
            z=np.clip(data.regret, 0, most),
            colorscale=[[0, mixed(theme.accent, theme.surface, 0.07)], [1, theme.accent]],
            zmin=0,
            zmax=most,
            showscale=False,
            xgap=2,
            ygap=2,
            hovertemplate=[[_hover(data, row, column) for column in range(n)] for row in range(n)],
        )
    )
    for row in range(n):
        for column in range(n):
            strong = float(data.regret[row, column]) > 0.62 * most
            figure.add_annotation(
                x=column, y=row, text=_cell(data, row, column, short=narrow), showarrow=False,
                font={"size": 12.5, "color": theme.surface if strong else theme.ink},
            )  # fmt: skip
    figure.add_annotation(
        x=0, y=1, xref="paper", yref="paper", xanchor="right", yanchor="bottom", xshift=-8,
        yshift=6, text="chosen on ↓&nbsp; used on →", showarrow=False,
        font={"size": 11, "color": theme.muted},
    )  # fmt: skip
    rows = [
        f"{html.escape(_short(name, limit))}<br>"
        f"<span style='font-size:11px'>{html.escape(_short(data.settings[name], limit + 4))}</span>"
        for name in data.datasets
    ]
    figure.update_xaxes(
        side="top", tickvals=list(range(n)), fixedrange=True,
        ticktext=[html.escape(_short(name, limit)) for name in data.datasets], showgrid=False,
        tickfont={"size": 12, "color": theme.ink},
    )  # fmt: skip
    figure.update_yaxes(
        tickvals=list(range(n)), ticktext=rows, range=[n - 0.5, -0.5], showgrid=False,
        fixedrange=True, tickfont={"size": 12, "color": theme.ink},
    )  # fmt: skip
    longest = max(
        max(len(_short(name, limit)), len(_short(data.settings[name], limit + 4)))
        for name in data.datasets
    )
    figure.update_layout(
        height=height,
        margin={"l": max(int(26 + _CHARACTER * longest), 150), "r": 18, "t": top, "b": _FOOT},
        meta={"kind": "transfer", "loss": data.loss},
    )
    if standalone:
        add_title(figure, transfer_text(data), height)
    return figure


def _short(name: str, limit: int) -> str:
    return name if len(name) <= limit else f"{name[: limit - 1]}…"


def _interval(data: TransferData, row: int, column: int) -> str:
    paired = data.paired.get((data.datasets[row], data.datasets[column]))
    if paired is None or paired.low is None or paired.high is None:
        return ""
    return f"[{paired.low:.3f}, {paired.high:.3f}]".replace("-", "−")


def _cell(data: TransferData, row: int, column: int, *, short: bool) -> str:
    if row == column:
        return "–"
    value = f"{data.regret[row, column] + 0.0:.3f}".replace("-", "−")
    interval = _interval(data, row, column)
    return (
        value
        if short or not interval
        else f"{value}<br><span style='font-size:11px'>{interval}</span>"
    )


def _hover(data: TransferData, row: int, column: int) -> str:
    chosen, used = data.datasets[row], data.datasets[column]
    if row == column:
        return f"<b>{html.escape(used)}</b>: its own best cell<extra></extra>"
    interval = _interval(data, row, column)
    lost = data.regret[row, column]
    return (
        f"best of <b>{html.escape(chosen)}</b> on <b>{html.escape(used)}</b><br>"
        f"loses {lost:.4f} {interval}".rstrip()
        + "<extra></extra>"
        if math.isfinite(lost)
        else "no value<extra></extra>"
    )
