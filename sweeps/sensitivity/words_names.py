"""How the statistics write parameters, values, settings and counts."""

from __future__ import annotations

from collections.abc import Mapping

SYMBOLS = {
    "beta": "β",
    "eta": "η",
    "gamma": "γ",
    "alpha": "α",
    "gamma_neg": "γ−",
    "gamma_pos": "γ+",
}


def symbol(name: str) -> str:
    """Return a parameter's name, or an interaction's, as the paper writes it.

    Example:
        >>> symbol("beta×eta")
        'β×η'
    """
    return "×".join(SYMBOLS.get(part, part) for part in name.split("×"))


def value_in_words(value: object) -> str:
    """Write one setting: 1.0 is ``1``."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:g}" if number else str(value)


def setting_in_words(parameters: Mapping[str, object]) -> str:
    """Write the varying settings of a cell: ``β = 16, η = 0``."""
    return ", ".join(
        f"{symbol(name)} = {value_in_words(value)}" for name, value in parameters.items()
    )


def count(n: int, thing: str) -> str:
    """Write a count with its noun: ``1 cell``, ``2 cells``."""
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"
