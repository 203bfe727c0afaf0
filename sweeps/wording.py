"""Words for messages: the nearest known name, and values cut to a readable length."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


def nearest(
    name: str, known: Iterable[str], synonyms: Mapping[str, str] | None = None
) -> str | None:
    """Return the known name most like ``name``, or None when none is like it.

    Args:
        name: what was written.
        known: the names that would have been right.
        synonyms: other tools' words for known names, in lower case.

    Example:
        >>> nearest("epoch", ["epochs", "lr"])
        'epochs'
    """
    lowered = {candidate.lower(): candidate for candidate in known}
    word = name.lower().replace("-", "_")
    if synonyms and word in synonyms:
        return synonyms[word]
    matches = difflib.get_close_matches(word, lowered, n=1, cutoff=0.5)
    return lowered[matches[0]] if matches else None


def unknown_key(name: str, known: Iterable[str], synonyms: Mapping[str, str] | None = None) -> str:
    """Say that a key is unknown, which one was probably meant, and which there are.

    Example:
        >>> unknown_key("epoch", ["epochs", "lr"])
        "unknown key 'epoch'. Did you mean 'epochs'? Known: epochs, lr."
    """
    return f"unknown key {name!r}. {suggestion(name, known, synonyms)}"


def suggestion(name: str, known: Iterable[str], synonyms: Mapping[str, str] | None = None) -> str:
    """Say which known name was probably meant, and which there are.

    Example:
        >>> suggestion("xyz", ["beta", "eta"])
        'Known: beta, eta.'
    """
    known = list(known)
    guess = nearest(name, known, synonyms)
    listed = f"Known: {', '.join(known)}."
    return f"Did you mean {guess!r}? {listed}" if guess else listed


def short(value: Any) -> str:
    """Return ``repr(value)``, cut to one readable line.

    Example:
        >>> short([1, 2])
        '[1, 2]'
    """
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
