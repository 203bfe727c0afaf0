"""The menus that take figures, best cells and the report away; plain links, made by the browser.

A link's address is completed by `assets/take.js` when it is followed: it carries the view and the
colour scheme of that moment, so that the file shows what the screen shows.
"""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import html

from dashboards.pages.buttons import menu_button
from dashboards.takeaway.formats import BEST_ENDINGS, FORMATS

_NAMES = {
    "png": "Picture, PNG",
    "svg": "Picture, SVG",
    "pdf": "Picture, PDF",
    "html": "Interactive page, HTML",
    "csv": "Numbers, CSV",
}
_BEST = {"yaml": "YAML", "json": "JSON", "csv": "CSV", "toml": "TOML", "tex": "LaTeX"}


def figure_menu(panel: str, figure: str) -> Any:
    """Return the menu of one figure.

    Args:
        panel: prefix of the panel's ids.
        figure: its name among `dashboards.takeaway.catalogue.figure_kinds`.
    """
    items = [_item(f"{figure}.{ending}", _NAMES[ending]) for ending in FORMATS]
    return _menu(f"{panel}-take", "Take away", f"Take away the figure {figure}", items)


def sweep_menu() -> Any:
    """Return the menu of the whole sweep: best cells in every format, and the report."""
    items = [
        dmc.MenuLabel("Best cells of each loss"),
        *(_item(f"best.{ending}", _BEST[ending]) for ending in BEST_ENDINGS),
        dmc.MenuDivider(),
        _item("report.html", "Report, one HTML file"),
    ]
    return _menu("sweep-take", "Export", "Export best cells or the report", items)


def _item(name: str, text: str) -> Any:
    return dmc.MenuItem(
        text, href=f"/download/{name}", target="_blank", refresh=True, **{"data-take": name}
    )


def _menu(name: str, text: str, label: str, items: list[Any]) -> Any:
    return html.Div(
        dmc.Menu(
            [menu_button(text, label), dmc.MenuDropdown(items)],
            position="bottom-end",
            shadow="md",
            withinPortal=False,  # so that it lies in the landmark of its button
        ),
        id=name,
        className="take",
    )
