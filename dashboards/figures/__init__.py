"""Figures from Python: each has a function that returns plain data, and one that draws it.

Example:
    >>> from dashboards.figures import heatmap_data, plot_heatmap
    >>> from dashboards.source import Source
    >>> data = heatmap_data(Source("sqlite:///sweeps.db"), "films", loss="sigmoid_f1")
    ... # doctest: +SKIP
    >>> plot_heatmap(data).write_html("map.html")  # doctest: +SKIP
"""

from dashboards.figures.best_table import best_table
from dashboards.figures.boxplots import boxplot_data
from dashboards.figures.boxplots_plot import plot_boxplots
from dashboards.figures.classes import classes_data, plot_classes
from dashboards.figures.grid import FigureError
from dashboards.figures.heatmap import heatmap_data
from dashboards.figures.heatmap_plot import plot_heatmap

__all__ = [
    "FigureError",
    "best_table",
    "boxplot_data",
    "classes_data",
    "heatmap_data",
    "plot_boxplots",
    "plot_classes",
    "plot_heatmap",
]
