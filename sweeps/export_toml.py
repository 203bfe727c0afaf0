"""Writes plain values as TOML; the standard library only reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def format_toml(document: Mapping[str, Any]) -> str:
    """Write a mapping as TOML 1.0.

    TOML has no null: a key without a value is left out, and a missing number within a list is
    ``nan``. Lists of mappings at the top level are arrays of tables; deeper ones are inline.

    Args:
        document: mappings with text keys, lists, texts, booleans, finite numbers and None.

    Returns:
        Text that ends in a newline.

    Example:
        >>> print(format_toml({"a": 1, "b": {"c": "x", "d": None}}), end="")
        a = 1
        <BLANKLINE>
        [b]
        c = "x"
    """
    lines: list[str] = []
    _table(lines, document, "")
    return "\n".join(lines).strip("\n") + "\n"


def _table(lines: list[str], table: Mapping[str, Any], path: str) -> None:
    later: list[tuple[str, Any]] = []
    for key, value in table.items():
        if isinstance(value, Mapping) or (not path and _tables(value)):
            later.append((key, value))
        elif value is not None:
            lines.append(f"{_key(key)} = {_inline(value)}")
    for key, value in later:
        name = f"{path}.{_key(key)}" if path else _key(key)
        for part in [value] if isinstance(value, Mapping) else value:
            brackets = f"[{name}]" if isinstance(value, Mapping) else f"[[{name}]]"
            lines += ["", brackets]
            _table(lines, part, name)


def _tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in value)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _text(value: str) -> str:
    # JSON's escapes are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _inline(value: Any) -> str:
    if value is None:
        return "nan"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        items = [f"{_key(k)} = {_inline(v)}" for k, v in value.items() if v is not None]
        return f"{{{', '.join(items)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    return repr(value)
