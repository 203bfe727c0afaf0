"""One spelling for equal content, so that equal specs and equal cells have equal hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any


def canonical_json(value: Any) -> str:
    """Write JSON-like content in its one canonical spelling.

    Mappings are sorted by key, numbers that a float holds exactly are written as Python writes
    the float (so 1, 1.0 and 1e0 are all ``1.0``, and -0.0 is ``0.0``), nothing is padded.

    Args:
        value: None, bool, int, float, str, or sequences and text-keyed mappings of these.

    Returns:
        ASCII text.

    Raises:
        ValueError: a number is NaN or infinite.
        TypeError: a value is of another type, or a key is not text.

    Example:
        >>> canonical_json({"eta": 0, "beta": 1.0})
        '{"beta":1.0,"eta":0.0}'
    """
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"keys must be text, but got {key!r}.")
        parts = (f"{json.dumps(key)}:{canonical_json(value[key])}" for key in sorted(value))
        return "{" + ",".join(parts) + "}"
    if value is None or isinstance(value, bool | str):
        return json.dumps(value)
    if isinstance(value, int | float):
        return _canonical_number(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return "[" + ",".join(map(canonical_json, value)) + "]"
    raise TypeError(f"content must be JSON-like, but got {type(value).__name__}.")


def _canonical_number(value: float) -> str:
    if isinstance(value, int):
        # An integer beyond the floats' exact range keeps its digits: two seeds must not merge.
        if abs(value) > 2**53:
            return str(value)
        value = float(value)
    return json.dumps(float(value) + 0.0, allow_nan=False)


def content_hash(value: Any) -> str:
    """Return the sha256 of the canonical JSON of ``value``, as 64 hexadecimal digits.

    Example:
        >>> content_hash({"beta": 1}) == content_hash({"beta": 1.0})
        True
    """
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()
