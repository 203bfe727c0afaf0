"""The span of a map's colour scale, robust to outliers and to collapsed cells."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dashboards.figures.heatmap import HeatmapData

_FENCE = 3.0
_OUTLIERS = 0.05
_SMALLEST_SPAN = 0.002
_SMALLEST_SPREAD = 1e-4


class ColourRange(NamedTuple):
    """Lowest and highest value of the scale, and how many positions lie beyond each end."""

    low: float
    high: float
    below: int
    above: int

    def fraction(self, value: float) -> float:
        """Return the place of ``value`` on the scale: 0 at the low end, 1 at the high one."""
        return (value - self.low) / (self.high - self.low)


def colour_range(data: HeatmapData) -> ColourRange:
    """Return the span of the colour scale.

    The span is that of the cells that did not collapse. An end is cut at three interquartile
    ranges beyond the quartiles (Tukey's outer fence) where at most one cell in twenty lies beyond
    it: a few ruined cells must not bleach the map, and many cells are no outliers. A span that
    was asked for (``data.span``) is taken as it is, so that two maps compare.
    """
    shown = data.value[np.isfinite(data.value)]
    if data.span is not None:
        return _counted(*data.span, shown)
    if not shown.size:
        return ColourRange(0.0, 1.0, 0, 0)
    useful = data.value[np.isfinite(data.value) & ~data.collapsed]
    values = useful if useful.size else shown
    first, third = np.quantile(values, [0.25, 0.75])
    reach = _FENCE * (third - first)
    low, high = float(values.min()), float(values.max())
    if np.mean(values < first - reach) <= _OUTLIERS:
        low = float(max(low, first - reach))
    if np.mean(values > third + reach) <= _OUTLIERS:
        high = float(min(high, third + reach))
    smallest = {"sd": _SMALLEST_SPREAD, "n": 1.0}.get(data.aggregate, _SMALLEST_SPAN)
    if high - low < smallest:
        middle = (low + high) / 2
        low, high = middle - smallest / 2, middle + smallest / 2
    return _counted(low, high, shown)


def _counted(low: float, high: float, shown: np.ndarray) -> ColourRange:
    slack = 1e-12
    return ColourRange(
        low, high, int((shown < low - slack).sum()), int((shown > high + slack).sum())
    )
