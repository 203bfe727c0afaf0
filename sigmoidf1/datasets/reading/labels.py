"""Labels as people write them: lists, separated texts, 0/1 columns; and targets made of them."""

from __future__ import annotations

import ast
import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from sigmoidf1.datasets.reading.problems import Unusable

SEPARATORS = ("|", ";", ",")
"""What may separate labels in one text, tried in this order where no option names it."""

_NO_COMMA = re.compile(r"""['"]\s+['"]""")
_TRUE = {"1", "1.0", "true"}
_FALSE = {"0", "0.0", "false"}


def clean_name(name: str) -> str:
    """Return a class's name without surrounding space.

    Raises:
        Unusable: if it holds line breaks, other control characters or broken Unicode, which
            tables, reports and databases cannot show.
    """
    cleaned = name.strip()
    for character in cleaned:
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise Unusable(
                f"class names must be free of control characters, but {cleaned!r:.80} is not"
            )
    return cleaned


def is_listing(text: str) -> bool:
    """Whether a text is a list written out, as `["a", "b"]` or `['a', 'b']`."""
    return text.startswith("[") and text.endswith("]")


def parse_labels(value: Any, separator: str | None) -> list[str]:
    """Return the class names that one cell holds.

    Args:
        value: a list of names, or one text: a written-out list, or names with a separator
            between them; None and empty texts mean no label.
        separator: what separates names; None where the whole text is one name.

    Raises:
        Unusable: if the value is none of these.
    """
    if value is None or value == "":
        return []
    if isinstance(value, str):
        text = value.strip()
        if is_listing(text):
            return _names(_parse_listing(text))
        return _names(text.split(separator) if separator else [text])
    if isinstance(value, list | tuple | np.ndarray):
        return _names(list(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return [str(value)]
    raise Unusable(f"labels must be a list of names or a text, but got {value!r:.80}")


def choose_separator(values: Iterable[Any]) -> str | None:
    """Return the first of `SEPARATORS` that occurs in any of the texts; None if none does."""
    found: set[str] = set()
    for value in values:
        if isinstance(value, str) and not is_listing(value.strip()):
            found.update(mark for mark in SEPARATORS if mark in value)
    return next((mark for mark in SEPARATORS if mark in found), None)


def parse_flag(value: Any) -> int | None:
    """Return 0 or 1 from a cell of a column that stands for one class; None if it is neither."""
    if isinstance(value, bool | np.bool_):
        return int(value)
    if isinstance(value, int | float):
        return int(value) if value in (0, 1) else None
    if isinstance(value, str):
        text = value.strip().lower()
        if text in _TRUE:
            return 1
        return 0 if text in _FALSE else None
    return None


def make_targets(
    names: Sequence[Collection[str]], labels: Sequence[str] | None = None
) -> tuple[np.ndarray, list[str]]:
    """Return uint8 targets (N, C) and the C labels, sorted unless given.

    Args:
        names: the class names of N examples.
        labels: all classes, in the order of the columns.
    """
    ordered = sorted({name for row in names for name in row}) if labels is None else list(labels)
    column = {label: place for place, label in enumerate(ordered)}
    targets = np.zeros((len(names), len(ordered)), dtype=np.uint8)
    for row, chosen in enumerate(names):
        targets[row, [column[name] for name in chosen]] = 1
    return targets, ordered


def _names(values: list[Any]) -> list[str]:
    names = []
    for value in values:
        if isinstance(value, bool) or not isinstance(value, str | int | np.integer):
            raise Unusable(f"class names must be texts, but got {value!r:.80}")
        name = clean_name(str(value))
        if name:
            names.append(name)
    return list(dict.fromkeys(names))


def _parse_listing(text: str) -> list[Any]:
    try:
        parsed = json.loads(text)
    except ValueError:
        try:
            # NumPy prints arrays without commas, and Python joins such texts into one.
            if _NO_COMMA.search(text):
                raise ValueError("no commas")
            parsed = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
            raise Unusable(
                f"labels that begin with [ must be a whole list with commas, but got {text[:80]!r}"
            ) from error
    return list(parsed)
