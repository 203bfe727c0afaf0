"""Reads a spec's YAML text strictly, and applies ``--set`` overrides to it."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import yaml

from sweeps.errors import SpecError

MAX_SPEC_BYTES = 2**20
MAX_SPEC_VALUES = 1_000_000
MAX_SPEC_DEPTH = 32


class _StrictLoader(yaml.SafeLoader):
    """The safe loader with YAML 1.2's numbers, and with repeated keys refused.

    YAML 1.1, PyYAML's own, reads ``1e-3`` as text, ``010`` as 8, ``1:30`` as 90, ``on`` as true
    and ``2024-01-31`` as a date; nobody who writes a spec means these.
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode):
                if key_node.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key {key_node.value!r} is given twice", key_node.start_mark
                    )
                seen.add(key_node.value)
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", r"[-+]?[0-9]+", [*"-+0123456789"]),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        [*"-+.0123456789"],
    ),
    ("merge", r"<<", ["<"]),
):
    _StrictLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), _first
    )


def _construct_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


_StrictLoader.add_constructor("tag:yaml.org,2002:int", _construct_int)


def parse_yaml(text: str) -> Any:
    """Read one YAML document of plain values.

    Args:
        text: YAML. Numbers are YAML 1.2's (``1e-3`` is a number); keys may not repeat.

    Returns:
        None, bool, int, float, str, lists and text-keyed dicts of these.

    Raises:
        SpecError: the text is not one YAML document, repeats a key, or holds something other
            than plain values.

    Example:
        >>> parse_yaml("lr: 1e-3")
        {'lr': 0.001}
    """
    try:
        # _StrictLoader is a SafeLoader: it builds plain values only.
        document = yaml.load(text, Loader=_StrictLoader)  # noqa: S506  # nosec B506
    except (yaml.YAMLError, ValueError) as error:
        raise SpecError(f"must be valid YAML, but {_yaml_reason(error)}.") from error
    except RecursionError as error:
        raise SpecError("must nest less deeply. Flatten it.") from error
    check_plain(document)
    return document


def _yaml_reason(error: Exception) -> str:
    reason = getattr(error, "problem", None) or str(error)
    mark = getattr(error, "problem_mark", None)
    place = "" if mark is None else f" (line {mark.line + 1}, column {mark.column + 1})"
    return " ".join(reason.removeprefix("but ").split()) + place


def check_plain(document: Any) -> None:
    """Check that ``document`` is made of plain, JSON-like values and is of sane size.

    Raises:
        SpecError: a value of another type, a key that is not text, a loop, or too much of it.
    """
    count = 0
    stack: list[tuple[Any, str, int]] = [(document, "", 0)]
    while stack:
        value, place, depth = stack.pop()
        count += 1
        # Anchors let a few lines stand for more values than fit in memory, or for a loop.
        if depth > MAX_SPEC_DEPTH:
            raise SpecError(f"must nest at most {MAX_SPEC_DEPTH} levels deep. Flatten it.")
        if count > MAX_SPEC_VALUES:
            raise SpecError(f"must hold at most {MAX_SPEC_VALUES:,} values. Use ranges.")
        if isinstance(value, dict):
            for key, item in value.items():
                if not isinstance(key, str):
                    raise SpecError(
                        f"keys must be text, but got {key!r} under {place or 'the top'}. Quote it."
                    )
                stack.append((item, f"{place}.{key}" if place else key, depth + 1))
        elif isinstance(value, list | tuple):
            stack.extend((item, place, depth + 1) for item in value)
        elif not (value is None or isinstance(value, bool | int | float | str)):
            kind = type(value).__name__
            raise SpecError(f"{place} must be a plain value, but got a {kind}. Write it as text.")


def read_spec_text(path: Path) -> str:
    """Read a spec file as text.

    Raises:
        SpecError: the file is missing, unreadable, too large, empty, or not UTF-8.
    """
    if path.is_dir():
        raise SpecError("must be a file, but got a folder. Give the YAML file in it.")
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SPEC_BYTES + 1)
    except FileNotFoundError as error:
        raise SpecError("file not found. Check the path.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SpecError(f"must be readable, but got: {reason}. Check the path.") from error
    if len(raw) > MAX_SPEC_BYTES:
        raise SpecError(f"must be at most {MAX_SPEC_BYTES:,} bytes. Is it a spec?")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError(
            f"must be UTF-8 text, but byte {error.start} is not. Is it a spec?"
        ) from error
    if not text.strip():
        raise SpecError("must not be empty. Start from examples/movie-genres.yaml.")
    return text


def parse_override(text: str) -> tuple[str, str]:
    """Split one ``--set`` argument, ``KEY=VALUE``, into its dotted key and its YAML value.

    Raises:
        SpecError: there is no ``=`` or no key.

    Example:
        >>> parse_override("training.epochs=10")
        ('training.epochs', '10')
    """
    key, equals, value = text.partition("=")
    if not equals or not all(part.strip() for part in key.split(".")):
        raise SpecError(
            f"--set must be KEY=VALUE, but got {text!r}. Write for example training.epochs=10."
        )
    return key.strip(), value


def apply_overrides(document: dict[str, Any], overrides: Iterable[tuple[str, str]]) -> None:
    """Set dotted keys of ``document``, in place; a key given twice takes its last value.

    Args:
        document: the spec as read.
        overrides: pairs of a dotted key and YAML text, see :func:`parse_override`.

    Raises:
        SpecError: the text is no YAML, or the key leads through something that is no mapping.
    """
    for key, text in overrides:
        try:
            value = parse_yaml(text)
        except SpecError as error:
            raise SpecError(f"--set {key}={text}: the value {error}") from error
        *parents, last = key.split(".")
        place = document
        for depth, parent in enumerate(parents):
            child = place.get(parent)
            if child is None:
                child = {}
            if not isinstance(child, dict):
                at = ".".join(parents[: depth + 1])
                raise SpecError(
                    f"--set {key}={text}: {at} must be a mapping, but got {child!r}. "
                    f"Set {at} itself."
                )
            # A copy: anchors make two keys share one mapping, and only this one is to change.
            place[parent] = dict(child)
            place = place[parent]
        place[last] = value
