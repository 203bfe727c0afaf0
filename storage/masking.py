"""Passwords in texts: found and replaced, wherever a URL with one may stand."""

from __future__ import annotations

import re

MASK = "***"

# A password should have no blank and no slash, but one that was not encoded has either. The word
# itself stands in what tells how a URL is written.
_IN_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s:/@?#]*:)(?!PASSWORD@)(?:[^\n/]*|\S*)@")
_AS_OPTION = re.compile(r"(?i)(password=)[^\s&]+")


def mask_text(text: str) -> str:
    """Return a text with the password of every URL in it replaced by ``***``.

    Args:
        text: any, such as a message or a traceback.

    Example:
        >>> mask_text("cannot reach postgresql://ann:secret@db/sweeps")
        'cannot reach postgresql://ann:***@db/sweeps'
    """
    return _AS_OPTION.sub(rf"\1{MASK}", _IN_URL.sub(rf"\1{MASK}@", text))


def has_password(url: str) -> bool:
    """Return whether a URL holds a password."""
    found = _IN_URL.search(url)
    if found is not None and found[0] != f"{found[1]}@":
        return True
    return _AS_OPTION.search(url) is not None
