"""Bad input: stop at the first, or leave it out, count it and list it at the end."""

from __future__ import annotations

from typing import Any

from sigmoidf1.errors import InputError

LISTED = 100
"""How many problems a summary lists; all are counted."""


class Unusable(Exception):  # noqa: N818 - a signal between readers, never shown as an error
    """One file, line or value cannot be used; the text says why."""


class Problems:
    """Collects what is wrong with single examples.

    Args:
        on_error: `stop` raises at the first problem, `skip` counts and lists it.
    """

    def __init__(self, on_error: str = "stop") -> None:
        self._stop = on_error == "stop"
        self._count = 0
        self._listed: list[str] = []

    @property
    def count(self) -> int:
        """How many problems were left out so far."""
        return self._count

    def report(self, problem: str, fix: str) -> None:
        """Raise the problem, or note that what it names is left out.

        Args:
            problem: the rule and what was got, with the file; no full stop at its end.
            fix: what to do, as the beginning of a sentence.

        Raises:
            InputError: unless problems are to be skipped.
        """
        line = " ".join(problem.splitlines())
        if self._stop:
            raise InputError(f"{line}. {fix}, or set data.on_error to skip to leave it out.")
        self._count += 1
        if len(self._listed) < LISTED:
            self._listed.append(line)

    def summary(self) -> dict[str, Any]:
        """Return `count` and `problems`, the first `LISTED` of them; JSON-safe."""
        return {"count": self._count, "problems": list(self._listed)}
