"""The figures of the sensitivity page: what each asks, and what draws it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import plotly.graph_objects as go

from dashboards.figures.captions import FigureText
from dashboards.figures.sensitivity_budget import budget_data, budget_text, plot_budget
from dashboards.figures.sensitivity_cells import best_cells_data, best_cells_text
from dashboards.figures.sensitivity_cells_plot import plot_best_cells
from dashboards.figures.sensitivity_effects import (
    effects_data,
    effects_text,
    interaction_data,
    interaction_text,
)
from dashboards.figures.sensitivity_effects_plot import plot_effects, plot_interaction
from dashboards.figures.sensitivity_seeds import plot_seeds, seeds_data, seeds_text
from dashboards.figures.sensitivity_shares import shares_data, shares_text
from dashboards.figures.sensitivity_shares_plot import plot_shares
from dashboards.figures.sensitivity_transfer import plot_transfer, transfer_data, transfer_text
from dashboards.source import Source


class Asked(NamedTuple):
    """What the page's controls ask for; ``x`` and ``by`` are None for the strongest pair."""

    sweep: str
    loss: str
    metric: str
    split: str
    threshold: float
    x: str | None
    by: str | None

    def settings(self) -> dict[str, Any]:
        """Return the arguments that every data function of the page takes."""
        return {
            "loss": self.loss, "metric": self.metric, "split": self.split,
            "threshold": self.threshold,
        }  # fmt: skip


Draw = Callable[..., tuple[go.Figure, FigureText]]
"""(source, asked, scheme, width, standalone) to a figure and its words."""


def _draw_shares(
    source: Source, asked: Asked, scheme: str, width: int, standalone: bool = False
) -> Any:
    data = shares_data(source, asked.sweep, **asked.settings())
    figure = plot_shares(data, scheme=scheme, standalone=standalone, width=width)
    return figure, shares_text(data)


def _draw_cells(
    source: Source, asked: Asked, scheme: str, width: int, standalone: bool = False
) -> Any:
    data = best_cells_data(source, asked.sweep, **asked.settings())
    figure = plot_best_cells(data, scheme=scheme, standalone=standalone, width=width)
    return figure, best_cells_text(data)


def _draw_effects(
    source: Source, asked: Asked, scheme: str, width: int, standalone: bool = False
) -> Any:
    data = effects_data(source, asked.sweep, **asked.settings())
    figure = plot_effects(data, scheme=scheme, standalone=standalone, width=width)
    return figure, effects_text(data)


def _draw_interaction(
    source: Source, asked: Asked, scheme: str, width: int, standalone: bool = False
) -> Any:
    data = interaction_data(source, asked.sweep, **asked.settings(), x=asked.x, by=asked.by)
    figure = plot_interaction(data, scheme=scheme, standalone=standalone, width=width)
    return figure, interaction_text(data)


def _draw_seeds(
    source: Source, asked: Asked, scheme: str, width: int, standalone: bool = False
) -> Any:
    data = seeds_data(source, asked.sweep, **asked.settings())
    figure = plot_seeds(data, scheme=scheme, standalone=standalone, width=width)
    return figure, seeds_text(data)


def _draw_budget(
    source: Source, asked: Asked, scheme: str, width: int, standalone: bool = False
) -> Any:
    data = budget_data(source, asked.sweep, metric=asked.metric, threshold=asked.threshold)
    figure = plot_budget(data, scheme=scheme, standalone=standalone, width=width)
    return figure, budget_text(data)


def _draw_transfer(
    source: Source, asked: Asked, scheme: str, width: int, standalone: bool = False
) -> Any:
    data = transfer_data(source, asked.sweep, loss=asked.loss, metric=asked.metric)
    figure = plot_transfer(data, scheme=scheme, standalone=standalone, width=width)
    return figure, transfer_text(data)


# Panel to what draws it, and whether two stand side by side on a wide screen.
PANELS: dict[str, tuple[Draw, bool]] = {
    "shares": (_draw_shares, True),
    "cells": (_draw_cells, True),
    "effects": (_draw_effects, False),
    "interaction": (_draw_interaction, False),
    "seeds": (_draw_seeds, True),
    "budget": (_draw_budget, True),
    "transfer": (_draw_transfer, False),
}
