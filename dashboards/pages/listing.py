"""The pages of the dashboard, in the order of the navigation: a new page is one line here."""

from __future__ import annotations

from typing import Any, Protocol, cast

from dash import Dash

from dashboards.pages import (
    about,
    cell,
    cells,
    compare,
    curves,
    datasets,
    loss_shape,
    losses,
    paper,
    sensitivity,
)
from dashboards.pages import map as map_page
from dashboards.source import Source
from dashboards.view import View


class Page(Protocol):
    """What the module of a page holds; `docs/dashboard.md` has the rules.

    Attributes:
        NAME: word in the navigation.
        PATH: address, one word after a slash.
    """

    NAME: str
    PATH: str

    def layout(self, source: Source, sweep: str, view: View) -> Any:
        """Return the content for ``view``; FigureError or ViewError says why there is none."""

    def register(self, app: Dash, source: Source) -> None:
        """Register the page's callbacks."""


# In the navigation, from left to right.
NAVIGATION = cast(
    "tuple[Page, ...]",
    (map_page, losses, sensitivity, curves, cells, datasets, compare, loss_shape, paper, about),
)
# Reached by links of other pages alone.
LINKED = cast("tuple[Page, ...]", (cell,))
# They begin with a heading; the others, whose titles follow their controls, get an unseen one.
OWN_HEADING = cast("tuple[Page, ...]", (about, cell))


def every_page() -> tuple[Page, ...]:
    """Return every page of a sweep."""
    return NAVIGATION + LINKED
