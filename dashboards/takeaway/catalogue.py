"""Every figure that can be taken away, by name."""

from __future__ import annotations

from dashboards.figures.grid import FigureError
from dashboards.source import Source
from dashboards.takeaway.drawing import Drawing, FigureKind
from dashboards.takeaway.figures import FIGURES
from dashboards.view import View
from storage.errors import StoreError
from sweeps.wording import suggestion

# Pages and other words for figures, as someone would ask for them.
_OTHER_WORDS = {
    "heatmap": "map",
    "contour": "map",
    "boxplot": "losses",
    "boxplots": "losses",
    "curves": "thresholds",
    "learning": "objective",
    "cells": "parallel",
    "sensitivity": "shares",
    "importances": "shares",
    "datasets": "classes",
}


def figure_kinds() -> dict[str, FigureKind]:
    """Return every figure by its name."""
    return {kind.name: kind for kind in FIGURES}


def draw(source: Source, name: str, view: View) -> Drawing:
    """Return a figure of a view; the newest sweep where the view names none.

    Args:
        source: where the numbers are read.
        name: a name of `figure_kinds`.
        view: sweep, loss, metric, …, as in the address of the figure's page.

    Raises:
        FigureError: there is no such figure, or the sweep has nothing to show in it.
        ViewError: the view breaks a rule.
        StoreError: the store cannot be read, or holds no such sweep.
    """
    kinds = figure_kinds()
    if name not in kinds:
        raise FigureError(
            f"There is no figure '{name}'. {suggestion(name, kinds, _OTHER_WORDS)} "
            "What each shows: sigmoidf1 figure."
        )
    return kinds[name].make(source, find_sweep(source, view.sweep), view)


def find_sweep(source: Source, wanted: str | None) -> str:
    """Return the wanted sweep, or the newest.

    Raises:
        StoreError: there is none, or the store cannot be read.
    """
    names = [str(name) for name in source.sweeps()["name"]][::-1]
    if wanted is None and not names:
        raise StoreError("The store must hold a sweep, but is empty. Run one: sigmoidf1 sweep run.")
    name = wanted or names[0]
    source.sweep(name)
    return name
