"""The axes of a map: values in order, evenly spaced or at their true places, binned when many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from dashboards.figures.settings import IntArray
from dashboards.naming import setting_text

Spacing = Literal["even", "true", "log"]
SPACINGS: tuple[Spacing, ...] = ("even", "true", "log")

# Beyond so many values an axis of a scattered design is cut into so many bins.
MOST_VALUES = 320
BINS = 40
_FILLED = 0.1
_LONG_LABEL = 6
_DECADES = 100.0


class Axis(NamedTuple):
    """One axis of a map: a hyperparameter and its values in ascending order.

    ``parameter`` is None for the empty axis of a loss with fewer than two varying settings. A
    binned axis has the middles of its bins as values, and their ``bounds``, one more than bins.
    """

    parameter: str | None
    values: tuple[Any, ...]
    spacing: Spacing = "even"
    bounds: tuple[float, ...] | None = None

    @property
    def labels(self) -> list[str]:
        """The values as written on the axis: long ones in three digits, if these tell them apart.

        The text for the pointer has them whole.
        """
        whole = [setting_text(value) for value in self.values]
        if max(map(len, whole), default=0) <= _LONG_LABEL:
            return whole
        # All or none: 0.1 beside 0.1001 would read as the smaller of the two.
        short = [self.short_label(position) for position in range(len(whole))]
        return short if len(set(short)) == len(set(whole)) else whole

    def label(self, position: int) -> str:
        """Return what one position stands for: a value, or ``0.1 to 0.2`` for a bin."""
        if self.bounds is None:
            return setting_text(self.values[position])
        low, high = self.bounds[position], self.bounds[position + 1]
        return f"{_short(low)} to {_short(high)}"

    def short_label(self, position: int) -> str:
        """Return a value in three digits, where it stands for its neighbours too."""
        value = self.values[position]
        return _short(value) if isinstance(value, float) else setting_text(value)

    @property
    def edges(self) -> np.ndarray:
        """(n + 1,) the borders of the positions, in the coordinates of the drawing.

        Evenly spaced positions are 0, 1, 2, …; true ones are the values, or their decimal
        logarithms, with borders half-way between neighbours.
        """
        n = len(self.values)
        if self.spacing == "even":
            return np.arange(n + 1) - 0.5
        if self.bounds is not None:
            bounds = np.array(self.bounds)
            return np.log10(bounds) if self.spacing == "log" else bounds
        centres = self.centres
        if n == 1:
            return np.array([centres[0] - 0.5, centres[0] + 0.5])
        middles = (centres[1:] + centres[:-1]) / 2
        return np.concatenate(
            [[2 * centres[0] - middles[0]], middles, [2 * centres[-1] - middles[-1]]]
        )

    @property
    def centres(self) -> np.ndarray:
        """(n,) where each position is drawn."""
        if self.spacing == "even":
            return np.arange(len(self.values), dtype=float)
        values = np.array(self.values, dtype=float)
        return np.log10(values) if self.spacing == "log" else values


def spacings(values: Sequence[Any]) -> list[Spacing]:
    """Return the spacings that an axis of these values can have: words are spaced evenly."""
    if not all(isinstance(value, float) for value in values) or len(values) < 2:
        return ["even"]
    return ["even", "true", "log"] if values[0] > 0 else ["even", "true"]


def make_axis(
    parameter: str | None,
    values: Sequence[Any],
    codes: IntArray,
    *,
    spacing: Spacing = "even",
    binned: bool = False,
) -> tuple[Axis, IntArray]:
    """Return the axis of a setting and the position of every cell on it.

    Args:
        parameter: the setting; None for an axis of one position.
        values: its distinct values, in order.
        codes: (K,) the place of each cell's value among them.
        spacing: as asked for; what the values cannot have is spaced evenly.
        binned: cut the axis into ``BINS`` bins of equal width, on the logarithm where the values
            are positive and span two decades.
    """
    if parameter is None:
        return Axis(None, ("",)), np.zeros(len(codes), dtype=np.int64)
    used, places = np.unique(codes, return_inverse=True)
    seen = tuple(values[code] for code in used)
    allowed = spacings(seen)
    if binned and len(seen) > BINS and "true" in allowed:
        numbers = np.array(seen, dtype=float)
        by_log = numbers[0] > 0 and numbers[-1] / numbers[0] >= _DECADES
        scale = np.log10(numbers) if by_log else numbers
        cuts = np.linspace(scale[0], scale[-1], BINS + 1)
        bins = np.clip(np.searchsorted(cuts, scale, side="right") - 1, 0, BINS - 1)
        middles = (cuts[1:] + cuts[:-1]) / 2
        if by_log:
            cuts, middles = 10**cuts, 10**middles
        kept: Spacing = "log" if by_log else "true"
        return (
            Axis(parameter, tuple(middles.tolist()), kept, tuple(cuts.tolist())),
            bins[places].astype(np.int64),
        )
    return Axis(parameter, seen, spacing if spacing in allowed else "even"), places.astype(np.int64)


def needs_bins(n_cells: int, n_x: int, n_y: int) -> bool:
    """Say whether cells lie so scattered that a position each would leave the map empty."""
    positions = n_x * n_y
    if max(n_x, n_y) <= BINS:
        return False
    return max(n_x, n_y) > MOST_VALUES or n_cells < _FILLED * positions


def _short(value: float) -> str:
    return f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e").replace("-", "−")
