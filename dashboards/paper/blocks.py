"""Documents before they have a format: blocks of rows of words, and how numbers are written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from dashboards.figures.loss_table import LossScore
from dashboards.paper.protocol import Difference
from dashboards.paper.scores import Less

NONE = "–"


class Column(NamedTuple):
    """A column: its title, a second line under it, and whether it holds numbers."""

    title: str
    note: str = ""
    numeric: bool = False


class Row(NamedTuple):
    """A row: its cells in words, and its kind: ``paper``, ``here``, ``difference``, ``level``."""

    cells: tuple[str, ...]
    kind: str = "paper"


class Block(NamedTuple):
    """A table under a heading, with the sentences below it."""

    heading: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


class Document(NamedTuple):
    """A whole table of the paper: a title, its blocks, and what holds for all of them."""

    name: str
    title: str
    blocks: tuple[Block, ...]
    notes: tuple[str, ...]


def differences_sentence(differences: Sequence[Difference]) -> str:
    """Say what a sweep does otherwise than the paper, as its spec and data have it."""
    if not differences:
        return "Protocol: as the paper's."
    parts = [f"{one.what} {one.here} (paper: {one.paper})" for one in differences]
    return f"Otherwise than the paper: {'; '.join(parts)}."


def percent(value: float, digits: int = 2) -> str:
    """Write a score in [0, 1] in percent."""
    return NONE if math.isnan(value) else f"{100 * value:.{digits}f}"


def score_words(score: LossScore | None) -> str:
    """Write a mean with its interval, in percent."""
    if score is None or math.isnan(score.mean):
        return NONE
    if math.isnan(score.low):
        return percent(score.mean)
    return f"{percent(score.mean)} [{percent(score.low)}, {percent(score.high)}]"


def signed(less: Less) -> str:
    """Write a difference with its interval, in percent."""
    if math.isnan(less.value):
        return NONE
    if math.isnan(less.low):
        return _sign(less.value)
    return f"{_sign(less.value)} [{_sign(less.low)}, {_sign(less.high)}]"


def _sign(value: float) -> str:
    return f"{100 * value:+.2f}".replace("-", "−")


def minutes(value: float) -> str:
    """Minutes with two digits that count: ``0.0042``, ``0.61``, ``12``."""
    if math.isnan(value):
        return NONE
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def number(value: float, digits: int) -> str:
    """Write a number with a fixed number of digits."""
    return NONE if math.isnan(value) else f"{value:,.{digits}f}"
