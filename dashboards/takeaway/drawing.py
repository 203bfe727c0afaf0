"""A figure of a page as something to take away: its picture, its numbers and its words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures.captions import FigureText
from dashboards.source import Source
from dashboards.view import View


@dataclass(frozen=True)
class Drawing:
    """One figure of one view.

    Attributes:
        plot: scheme (``light`` or ``dark``) to the figure that stands alone, titled.
        table: the figure's numbers, one row a mark.
        text: title, facts and caption: what the figure shows and how it was chosen.
    """

    plot: Callable[[str], go.Figure]
    table: Callable[[], pd.DataFrame]
    text: FigureText


class FigureKind(NamedTuple):
    """A figure that can be asked for by name, at the command line and under ``/download``.

    Attributes:
        name: one word, as in ``sigmoidf1 figure map``.
        summary: what it shows, one line.
        make: what a view of a sweep shows; raises FigureError, ViewError or StoreError where it
            cannot be shown.
    """

    name: str
    summary: str
    make: Callable[[Source, str, View], Drawing]
