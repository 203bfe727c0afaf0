"""Buttons that open something: a menu, or a help text.

Mantine puts role, state and keyboard of what is opened on the box around its target. That box is
made the button itself, so that the keyboard reaches it and screen readers say whether it is open.
"""

from __future__ import annotations

from typing import Any, cast

import dash_mantine_components as dmc


def menu_button(content: Any, label: str) -> dmc.MenuTarget:
    """Return the button of a menu.

    Args:
        content: what it shows.
        label: its name for screen readers, with the words it shows among it.
    """
    return dmc.MenuTarget(content, boxWrapperProps=_box("menu-button", label))


def help_button(label: str) -> dmc.PopoverTarget:
    """Return the round button of a help text, named ``label`` for screen readers."""
    return dmc.PopoverTarget("?", boxWrapperProps=_box("help", label))


def _box(style: str, label: str) -> Any:
    props = {"component": "button", "type": "button", "className": style, "aria-label": label}
    return cast(Any, {**props, "w": None})
