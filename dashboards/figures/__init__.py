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
from dashboards.figures.cell_classes import cell_classes_data
from dashboards.figures.cell_classes_plot import plot_cell_classes
from dashboards.figures.cell_details import cell_details
from dashboards.figures.cells_table import cells_data
from dashboards.figures.classes import classes_data, plot_classes
from dashboards.figures.co_occurrence_plot import plot_co_occurrence
from dashboards.figures.compare import compare_data
from dashboards.figures.compare_plot import plot_compare
from dashboards.figures.curves import learning_data
from dashboards.figures.curves_plot import plot_learning
from dashboards.figures.curves_threshold import threshold_data
from dashboards.figures.curves_threshold_plot import plot_threshold_curves
from dashboards.figures.dataset_statistics import co_occurrence, dataset_statistics
from dashboards.figures.differences_plot import plot_differences
from dashboards.figures.grid import FigureError
from dashboards.figures.heatmap import heatmap_data
from dashboards.figures.heatmap_outlines import heatmap_outlines
from dashboards.figures.heatmap_plot import plot_heatmap
from dashboards.figures.loss_shape import loss_shape_data
from dashboards.figures.loss_shape_plot import plot_loss_shape
from dashboards.figures.loss_table import loss_table
from dashboards.figures.parallel import parallel_data
from dashboards.figures.parallel_plot import plot_parallel

__all__ = [
    "FigureError",
    "best_table",
    "boxplot_data",
    "cell_classes_data",
    "cell_details",
    "cells_data",
    "classes_data",
    "co_occurrence",
    "compare_data",
    "dataset_statistics",
    "heatmap_data",
    "heatmap_outlines",
    "learning_data",
    "loss_shape_data",
    "loss_table",
    "parallel_data",
    "plot_boxplots",
    "plot_cell_classes",
    "plot_classes",
    "plot_co_occurrence",
    "plot_compare",
    "plot_differences",
    "plot_heatmap",
    "plot_learning",
    "plot_loss_shape",
    "plot_parallel",
    "plot_threshold_curves",
    "threshold_data",
]
