"""How many positives each class has in each split: what a score of a class rests on."""

from __future__ import annotations

import html
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from dashboards.figures.captions import FigureText, add_title
from dashboards.figures.grid import FigureError
from dashboards.naming import count_text
from dashboards.source import Source
from dashboards.theme import get_theme, mixed, style_figure

SPLITS = ("train", "validation", "test")
MOST_ROWS = 60

# Pixels.
_ROW, _TOP, _FOOT, _TITLE, _CHARACTER = 19, 34, 46, 70, 7.2
_MOST_CHARACTERS = 26


class ClassesData(NamedTuple):
    """Positives by class and split, the most frequent class (in all splits) first.

    ``labels`` are those shown; ``n_classes`` and ``without`` (label and splits without a
    positive) speak of all. ``positives[split]`` is (rows,), ``examples[split]`` a count.
    """

    sweep: str
    dataset: str
    labels: tuple[str, ...]
    positives: dict[str, np.ndarray]
    examples: dict[str, int]
    n_classes: int
    without: tuple[tuple[str, tuple[str, ...]], ...]


def classes_data(source: Source, sweep: str) -> ClassesData:
    """Collect the positives of every class in every split, as the sweep recorded them.

    Of more than ``MOST_ROWS`` classes, the most frequent half and the rarest half of that many
    are shown.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.

    Raises:
        FigureError: the sweep recorded no positives, or numbers that do not fit its labels.
        StoreError: the store cannot be read, or has no such sweep.
    """
    info = source.sweep(sweep)
    labels = [str(label) for label in info.features_info.get("labels") or ()]
    recorded = info.features_info.get("positives") or {}
    counts = {split: np.asarray(recorded[split], int) for split in SPLITS if split in recorded}
    if not counts or not labels:
        raise FigureError(
            "Positives of the classes need to be recorded with the features, but this sweep has "
            "none. Run it again to record them."
        )
    wrong = [split for split, values in counts.items() if len(values) != len(labels)]
    if wrong:
        raise FigureError(
            f"Positives must be one number a class, but {wrong[0]} has "
            f"{len(counts[wrong[0]])} for {len(labels)} classes."
        )
    total = np.sum(list(counts.values()), axis=0)
    order = np.argsort(-total, kind="stable")
    without = tuple(
        (labels[row], tuple(split for split in counts if counts[split][row] == 0))
        for row in order
        if any(values[row] == 0 for values in counts.values())
    )
    half = MOST_ROWS // 2
    shown = order if len(order) <= MOST_ROWS else np.concatenate([order[:half], order[-half:]])
    examples = {split: info.features_info.get(f"n_{split}") for split in counts}
    return ClassesData(
        sweep=sweep,
        dataset=info.dataset,
        labels=tuple(labels[row] for row in shown),
        positives={split: values[shown] for split, values in counts.items()},
        examples={split: int(n) for split, n in examples.items() if n},
        n_classes=len(labels),
        without=without,
    )


def classes_text(data: ClassesData) -> FigureText:
    """Return the words of the figure: what is counted, what is left out, which classes lack any."""
    total = np.sum(list(data.positives.values()), axis=0)
    facts = [data.dataset, count_text(data.n_classes, "class").replace("classs", "classes")]
    facts += [f"{n:,} {split} examples" for split, n in data.examples.items()]
    caption = [
        "A bar is the number of examples that carry the label, one shade a split. "
        f"The most frequent class has {total[0]:,} positives, the rarest {total[-1]:,}: macro "
        "averages weigh them alike, weighted averages by these counts."
    ]
    if len(data.labels) < data.n_classes:
        half = len(data.labels) // 2
        caption.append(
            f"Shown are the {half} most frequent and the {half} rarest of {data.n_classes:,}."
        )
    if data.without:
        named = "; ".join(f"{label} ({', '.join(splits)})" for label, splits in data.without[:12])
        more = f"; and {len(data.without) - 12:,} more" if len(data.without) > 12 else ""
        caption.append(f"Without a positive: {named}{more}.")
    return FigureText("Positives of each class", " · ".join(facts), " ".join(caption))


def plot_classes(data: ClassesData, *, scheme: str = "light", standalone: bool = True) -> go.Figure:
    """Draw the counts as stacked bars, one row a class.

    Args:
        data: from `classes_data`.
        scheme: ``"light"`` or ``"dark"``.
        standalone: put the title into the figure.
    """
    theme = get_theme(scheme)
    rows = np.arange(len(data.labels))
    names = [_short(label) for label in data.labels]
    strengths = dict(zip(SPLITS, (1.0, 0.6, 0.3), strict=True))
    figure = go.Figure()
    for split, counts in data.positives.items():
        n = data.examples.get(split)
        shares = [f" ({count / n:.1%} of {n:,})" if n else "" for count in counts]
        figure.add_trace(
            go.Bar(
                x=counts,
                y=rows,
                orientation="h",
                name=split,
                marker={
                    "color": mixed(theme.accent, theme.surface, strengths[split]),
                    "line": {"width": 0},
                },
                customdata=[
                    [html.escape(label), share]
                    for label, share in zip(data.labels, shares, strict=True)
                ],
                hovertemplate=(
                    f"<b>%{{customdata[0]}}</b>, {split}<br>"
                    "%{x:,} positives%{customdata[1]}<extra></extra>"
                ),
            )
        )
    style_figure(figure, theme)
    top = _TOP + _TITLE * standalone
    height = top + _FOOT + _ROW * max(len(rows), 3)
    longest = max(map(len, names), default=1)
    figure.update_layout(
        height=height,
        barmode="stack",
        bargap=0.28,
        margin={"l": int(24 + _CHARACTER * longest), "r": 18, "t": top, "b": _FOOT},
        legend={"x": 0, "y": 1, "xanchor": "left", "yanchor": "bottom", "traceorder": "normal"},
        meta={"kind": "classes", "sweep": data.sweep},
    )
    figure.update_xaxes(
        title_text="examples with the label", rangemode="tozero", fixedrange=True, nticks=7
    )
    figure.update_yaxes(
        tickvals=rows,
        ticktext=[html.escape(name) for name in names],
        range=[len(rows) - 0.5, -0.5],
        showgrid=False,
        tickfont={"size": 12, "color": theme.ink},
        fixedrange=True,
    )
    if standalone:
        add_title(figure, classes_text(data), height)
    return figure


def _short(label: str) -> str:
    return label if len(label) <= _MOST_CHARACTERS else f"{label[: _MOST_CHARACTERS - 1]}…"
