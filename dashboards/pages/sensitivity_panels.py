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


class Panel(NamedTuple):
    """One figure of the page.

    Attributes:
        collect: source and what is asked to the figure's data.
        plot: the data to the figure; takes ``scheme``, ``standalone`` and ``width``.
        text: the data to the figure's words.
        half: whether two stand side by side on a wide screen.
        analysed: whether it shows a part of the analysis, and not a question of its own.
    """

    collect: Callable[[Source, Asked], Any]
    plot: Callable[..., go.Figure]
    text: Callable[[Any], FigureText]
    half: bool
    analysed: bool = True


def _of_loss(data: Callable[..., Any]) -> Callable[[Source, Asked], Any]:
    return lambda source, asked: data(source, asked.sweep, **asked.settings())


def _interaction(source: Source, asked: Asked) -> Any:
    return interaction_data(source, asked.sweep, **asked.settings(), x=asked.x, by=asked.by)


def _budget(source: Source, asked: Asked) -> Any:
    return budget_data(source, asked.sweep, metric=asked.metric, threshold=asked.threshold)


def _transfer(source: Source, asked: Asked) -> Any:
    return transfer_data(source, asked.sweep, loss=asked.loss, metric=asked.metric)


PANELS = {
    "shares": Panel(_of_loss(shares_data), plot_shares, shares_text, True),
    "cells": Panel(_of_loss(best_cells_data), plot_best_cells, best_cells_text, True),
    "effects": Panel(_of_loss(effects_data), plot_effects, effects_text, False),
    "interaction": Panel(_interaction, plot_interaction, interaction_text, False),
    "seeds": Panel(_of_loss(seeds_data), plot_seeds, seeds_text, True),
    "budget": Panel(_budget, plot_budget, budget_text, True, analysed=False),
    "transfer": Panel(_transfer, plot_transfer, transfer_text, False, analysed=False),
}
