"""Options that users write in YAML: their rules, their defaults, and clear refusals."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sigmoidf1.errors import InputError

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "path": "a path",
    "names": "a list of names (or one text, comma-separated)",
}


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option and the rule that its value must keep.

    Args:
        name: the key in the YAML mapping.
        kind: what the value is; `path` also expands `~`; `names` becomes a list of texts.
        description: one line for listings.
        default: value when the key is absent; ignored when `required`.
        required: the key must be given.
        nullable: null (None) is a legal value.
        minimum: smallest legal number, inclusive.
        maximum: largest legal number, inclusive.
        choices: the only legal texts.
    """

    name: str
    kind: Literal["int", "float", "bool", "str", "path", "names"]
    description: str
    default: Any = None
    required: bool = False
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] | None = None

    def check(self, value: Any, *, prefix: str) -> Any:
        """Return the value in its own type, or refuse it.

        Args:
            value: what the user wrote.
            prefix: the mapping's name in messages, such as `data`.

        Raises:
            InputError: if the value breaks the rule.
        """
        if value is None and self.nullable:
            return None
        checked = self._convert(value)
        if checked is None or not self._allows(checked):
            raise InputError(
                f"{prefix}.{self.name} must be {self.rule()}, but got {value!r}. "
                f"It is: {self.description}."
            )
        return checked

    def rule(self) -> str:
        """Return the rule in words, such as `a whole number >= 1 or null`."""
        text = _KINDS[self.kind]
        if self.choices is not None:
            text = "one of " + ", ".join(self.choices)
        if self.minimum is not None and self.maximum is not None:
            text += f" from {self.minimum:g} to {self.maximum:g}"
        elif self.minimum is not None:
            text += f" >= {self.minimum:g}"
        elif self.maximum is not None:
            text += f" <= {self.maximum:g}"
        return text + (" or null" if self.nullable else "")

    def describe(self) -> dict[str, Any]:
        """Return the option as a JSON-safe mapping for listings."""
        return {
            "name": self.name,
            "rule": self.rule(),
            "required": self.required,
            "default": None if self.required else self.default,
            "description": self.description,
        }

    def _convert(self, value: Any) -> Any:
        # YAML's true is an int in Python: never take it for 1.
        if isinstance(value, bool):
            return value if self.kind == "bool" else None
        if self.kind == "int":
            return value if isinstance(value, int) else None
        if self.kind == "float":
            number = isinstance(value, int | float) and math.isfinite(value)
            return float(value) if number else None
        if self.kind == "str":
            return value if isinstance(value, str) and value else None
        if self.kind == "path":
            is_path = isinstance(value, str | Path) and str(value)
            return str(Path(value).expanduser()) if is_path else None
        if self.kind == "names":
            parts = value.split(",") if isinstance(value, str) else value
            if not isinstance(parts, list | tuple) or not parts:
                return None
            names = [part.strip() if isinstance(part, str) else "" for part in parts]
            return names if all(names) else None
        return None

    def _allows(self, value: Any) -> bool:
        if self.choices is not None and value not in self.choices:
            return False
        if self.minimum is not None and value < self.minimum:
            return False
        return self.maximum is None or value <= self.maximum


def check_options(
    given: Mapping[str, Any], options: Sequence[Option], *, prefix: str, owner: str
) -> dict[str, Any]:
    """Return every option's value: the checked one that was given, else its default.

    Args:
        given: what the user wrote, without the key that names the owner.
        options: the known options.
        prefix: the mapping's name in messages, such as `data`.
        owner: whose options they are, in words, such as `dataset 'movie_genres'`.

    Returns:
        A value for every known option, in the order of `options`.

    Raises:
        InputError: for an unknown key (the nearest known one is named), a missing required
            one, or a value that breaks its rule.
    """
    known = {option.name: option for option in options}
    for key in given:
        if key not in known:
            raise InputError(unknown_name(f"option of {owner}", key, known, prefix=prefix))
    values: dict[str, Any] = {}
    for name, option in known.items():
        if name in given:
            values[name] = option.check(given[name], prefix=prefix)
        elif option.required:
            raise InputError(
                f"{owner} needs the option {prefix}.{name} ({option.description}), "
                f"but it is missing. Set {prefix}.{name} to {option.rule()}."
            )
        else:
            values[name] = option.default
    return values


def unknown_name(what: str, got: object, known: Iterable[str], *, prefix: str = "") -> str:
    """Return the one line that refuses an unknown name and suggests the nearest known one.

    Example:
        >>> unknown_name("dataset", "movie_genre", ["features", "movie_genres"])
        "Unknown dataset 'movie_genre'. Did you mean 'movie_genres'? Known: features, movie_genres."
    """
    names = sorted(known)
    near = difflib.get_close_matches(str(got), names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    where = f" in {prefix}" if prefix else ""
    listed = ", ".join(names) if names else "none"
    return f"Unknown {what} {str(got)!r}{where}.{hint} Known: {listed}."
