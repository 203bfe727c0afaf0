"""The span of a map's colour scale, robust to outliers and to collapsed cells."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dashboards.figures.heatmap import HeatmapData

_FENCE = 3.0
_OUTLIERS = 0.05
_SMALLEST_SPAN = 0.002


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
    it: a few ruined cells must not bleach the map, and many cells are no outliers.
    """
    means = data.mean[np.isfinite(data.mean)]
    if not means.size:
        return ColourRange(0.0, 1.0, 0, 0)
    useful = data.mean[np.isfinite(data.mean) & ~data.collapsed]
    values = useful if useful.size else means
    first, third = np.quantile(values, [0.25, 0.75])
    reach = _FENCE * (third - first)
    low, high = float(values.min()), float(values.max())
    if np.mean(values < first - reach) <= _OUTLIERS:
        low = float(max(low, first - reach))
    if np.mean(values > third + reach) <= _OUTLIERS:
        high = float(min(high, third + reach))
    if high - low < _SMALLEST_SPAN:
        middle = (low + high) / 2
        low, high = middle - _SMALLEST_SPAN / 2, middle + _SMALLEST_SPAN / 2
    slack = 1e-12
    return ColourRange(
        low, high, int((means < low - slack).sum()), int((means > high + slack).sum())
    )
