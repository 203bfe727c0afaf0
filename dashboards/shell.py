"""What surrounds every page: header, navigation, the sweep's state, and what follows the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html

from dashboards.facts import counts_text
from dashboards.pages import parts
from dashboards.pages.buttons import menu_button
from dashboards.pages.sweeps import progress, state_badge
from dashboards.pages.taking import sweep_menu as sweep_export
from dashboards.theme import DARK, LIGHT, css_variables
from dashboards.view import View

POLL_S = 2.0

# Mantine wants ten shades from light to dark; the accents of the two schemes are among them.
_ACCENT = [
    "#e9f6f6",
    "#d3ebec",
    "#a6d8da",
    "#5cc2c9",
    "#3fa9b1",
    "#2c919a",
    "#1f6f78",
    "#185b63",
    "#12474d",
    "#0b3337",
]

_DARK = [
    "#c9ced3",
    "#b2b9bf",
    "#8d969e",
    "#5d666f",
    "#3d454d",
    "#30373d",
    "#22272c",
    "#1b1f23",
    "#16191d",
    "#101214",
]

INDEX = f"""<!DOCTYPE html>
<html lang="en">
<head>
{{%metas%}}
<meta name="color-scheme" content="light dark">
<title>{{%title%}}</title>
{{%favicon%}}
<script src="SCHEME_SCRIPT"></script>
{{%css%}}
<style>
:root, [data-mantine-color-scheme="light"] {{{css_variables(LIGHT)}}}
[data-mantine-color-scheme="dark"] {{{css_variables(DARK)}}}
</style>
</head>
<body>
{{%app_entry%}}
<noscript>These pages are drawn by JavaScript, which this browser does not run. The same figures
are in the static report: sigmoidf1 report.</noscript>
<footer>{{%config%}}{{%scripts%}}{{%renderer%}}</footer>
</body>
</html>
"""


def index_string(scheme_script: str) -> str:
    """Return the page that carries the app.

    Args:
        scheme_script: address of the script that sets the colour scheme before anything is
            drawn, so that a dark page never flashes white.
    """
    return INDEX.replace("SCHEME_SCRIPT", scheme_script)


def shell(pages: Sequence[tuple[str, str]], user: str | None = None) -> dmc.MantineProvider:
    """Return the frame of every page.

    Args:
        pages: path and name of each page, in the order of the navigation.
        user: who is logged in; None where nobody has to be.
    """
    links = [
        dmc.Anchor(
            name, id={"nav": path}, href=path, refresh=False, className="nav-link", unstyled=True
        )
        for path, name in pages
    ]
    header = html.Header(
        [
            html.A("Skip to the page", href="#page", className="skip"),
            html.Div(
                [
                    dmc.Anchor(
                        [html.Span(className="logo", **parts.aria(hidden="true")), "sigmoidF1"],
                        href="/",
                        refresh=False,
                        className="brand",
                        unstyled=True,
                    ),
                    html.Div(id="sweep-menu", className="sweep-menu"),
                    html.Div(id="strip", className="strip", role="status"),
                    html.Div(
                        [
                            sweep_export(),
                            dmc.CopyButton(
                                id="copy-link",
                                value="",
                                children="Copy link",
                                copiedChildren="Link copied",
                                size="compact-sm",
                                buttonProps={"variant": "default", "fw": 500},
                            ),
                            dmc.ColorSchemeToggle(
                                id="scheme-toggle",
                                lightIcon=html.Span("☀", **parts.aria(hidden="true")),
                                darkIcon=html.Span("☾", **parts.aria(hidden="true")),
                                size="md",
                                variant="subtle",
                                color="gray",
                                **parts.aria(label="Switch between light and dark"),
                            ),
                            *([] if user is None else [_log_out(user)]),
                        ],
                        className="tools",
                    ),
                ],
                className="bar",
            ),
            html.Nav(links, id="pages", **parts.aria(label="Pages")),
        ],
        className="top",
    )
    return dmc.MantineProvider(
        [
            dcc.Location(id="url", refresh=False),
            dcc.Interval(id="tick", interval=int(POLL_S * 1000)),
            *(dcc.Store(id=name) for name in ("current", "catalog", "token", "strip-of")),
            dcc.Store(id="page-state", data=""),
            dcc.Store(id="viewport"),
            dcc.Store(id="scheme"),
            dcc.Store(id="document"),
            dcc.Store(id="view"),
            # What a page keeps in the address by a second callback: of two that write to one
            # store at about the same time, the browser acts on the later alone.
            dcc.Store(id="view-beside"),
            dcc.Store(id="shown"),
            dcc.Store(id="go"),
            header,
            html.Div(id="store-notice", className="store-notice", role="status"),
            html.Main(html.P("Reading the store …", className="lead"), id="page", tabIndex="-1"),
        ],
        id="mantine",
        theme={
            "primaryColor": "accent",
            "primaryShade": {"light": 6, "dark": 4},
            "colors": {"accent": _ACCENT, "dark": _DARK},
            "fontFamily": "var(--font)",
            "fontFamilyMonospace": "var(--mono)",
            "defaultRadius": "sm",
            "cursorType": "pointer",
        },
        defaultColorScheme="auto",
    )


def _log_out(user: str) -> html.Form:
    """Who is logged in, and the way out: a form, so that a mere link cannot log anyone out."""
    button = html.Button("Log out", type="submit", title=f"Logged in as {user}")
    return html.Form(
        [html.Span(user, className="user"), button],
        action="/logout",
        method="post",
        className="log-out",
    )


def sweep_menu(names: Sequence[str], current: str | None, path: str) -> Any:
    """Return the choice of the sweep: links, so that each has an address of its own."""
    if not names:
        return None
    known = current in names
    items = [
        dmc.MenuItem(
            name,
            href=(path if path != "/" else "/map") + View(sweep=name).query(),
            refresh=False,
            className="is-current" if name == current else "",
        )
        for name in names
    ]
    return dmc.Menu(
        [
            menu_button(
                [
                    html.Span(current if known else "choose a sweep", className="name"),
                    html.Span("\u00a0▾", **parts.aria(hidden="true")),
                ],
                f"Sweep {current}; choose another" if known else "Choose a sweep",
            ),
            dmc.MenuDropdown(items, className="sweep-list"),
        ],
        position="bottom-end",
        shadow="md",
        withinPortal=False,
    )


def state_strip(row: Any) -> list[Any]:
    """Return the state of one sweep, for the header."""
    return [
        state_badge(row),
        html.Div(progress(row), className="strip-bar"),
        html.Span(counts_text(row), className="counts"),
    ]
