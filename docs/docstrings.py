"""Lets the site read docstrings as they are written: an extension of Griffe.

They are Google's sections around reStructuredText's marks, which the site's Markdown does not know.
"""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

_RULES = (
    (re.compile(r"^Example:$", re.MULTILINE), "Examples:"),
    (re.compile(r"::$", re.MULTILINE), ":"),
    (re.compile(r":(?:func|class|mod|meth|attr|data):`~?([^`]+)`"), r"`\1`"),
    (re.compile(r"[ ]*# doctest: \+\w+$", re.MULTILINE), ""),
)


class Docstrings(Extension):
    """Rewrites every docstring before it is parsed."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Apply the rules to one object's docstring, if it has one."""
        if obj.docstring is not None:
            for pattern, replacement in _RULES:
                obj.docstring.value = pattern.sub(replacement, obj.docstring.value)
